"""Deconvolution: the prior's shrinkage and its table."""

import numpy as np
import pytest

from dmenet_tf.applications import deconvolution


@pytest.mark.parametrize('alpha', [1 / 2, 2 / 3, 0.8, 1.0])
def test_shrinkage_is_the_minimiser_found_by_search(alpha):
    v = np.linspace(0, 4, 81) + 1e-4
    x = np.linspace(0, 4.1, 8201)
    cost = x**alpha + (x - v[:, None]) ** 2
    np.testing.assert_allclose(deconvolution.shrink(v, alpha),
                               x[cost.argmin(1)], atol=6e-4)


@pytest.mark.parametrize('alpha', [1 / 2, 2 / 3])
def test_closed_forms_are_what_newton_finds(alpha):
    v = np.linspace(deconvolution.threshold(alpha) + 1e-3, 30, 500)
    np.testing.assert_allclose(deconvolution.shrink(v, alpha),
                               deconvolution._newton(v, alpha), atol=1e-9)


def test_table_lookup_is_the_shrinkage_of_every_gradient():
    x = np.zeros((1, 400), np.float32)
    x[0, 1::2] = np.linspace(-2, 2, 200)
    alpha, start, values = deconvolution.shrinkage_table(2 / 3)
    out, scale = np.empty_like(x), 0.07
    deconvolution._shrink_gradients(x, out, scale, start, values)
    gradients = np.append(np.diff(x[0].astype(np.float64)), 0)
    w = np.sign(gradients) * scale * deconvolution.shrink(
        np.abs(gradients) / scale, alpha)
    expected = np.append(0, w[:-1]) - w
    np.testing.assert_allclose(out[0], expected, atol=1e-5)
