"""Deconvolution: the prior's shrinkage, the solver, layers that fail."""

import threading

import numpy as np
import pytest
from scipy import fft, ndimage

from dmenet_tf.applications import deconvolution
from dmenet_tf.syndof import render


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


def reference(image, sigma, steps, noise):
    """The same, plainly: whole mirrored frames, complex FFTs, no table."""
    planes = np.moveaxis(
        image.astype(np.float64) @ deconvolution._OPPONENT.T, -1, 0)
    place = np.interp(sigma, steps, np.arange(len(steps)))
    out = np.maximum(1 - place, 0) * planes
    for layer in range(1, len(steps)):
        weight = np.maximum(1 - abs(place - layer), 0)
        for c in range(3):
            fidelity = [0.12, 0.06, 0.06][c] / noise**2
            out[c] += weight * reference_layer(planes[c], sigma, steps[layer],
                                               fidelity)
    return np.moveaxis(out, 0, -1) @ deconvolution._OPPONENT


def mirrored(x):
    x = np.concatenate([x, x[::-1]])
    return np.concatenate([x, x[:, ::-1]], axis=1)


def reference_layer(y, sigma, step, fidelity):
    height, width = y.shape
    shape = 2 * height, 2 * width
    impulse = np.zeros(shape)
    impulse[0, 0] = 1
    taps = render.gaussian_kernel(step).astype(np.float64)
    blur = fft.fft2(ndimage.convolve1d(ndimage.convolve1d(
        impulse, taps, 0, mode='wrap'), taps, 1, mode='wrap'))
    down = fft.fft2(np.roll(impulse, -1, 0) - impulse)
    right = fft.fft2(np.roll(impulse, -1, 1) - impulse)
    squares = abs(down)**2 + abs(right)**2

    def wide(x):
        return fft.ifft2(fft.fft2(mirrored(x)) / (1 + step**2 * squares)
                         ).real[:height, :width]

    alike = np.exp(-0.5 * ((np.log(sigma + 0.3) - np.log(step + 0.3))
                           / 0.3)**2)
    mean = (alike * y).mean() / alike.mean()
    filled = (wide(alike * y) + 1e-3 * mean) / (wide(alike) + 1e-3)
    y = mirrored(alike * y + (1 - alike) * filled)
    x = y
    for beta in deconvolution.BETAS:
        scale = (2 / beta) ** (1 / 1.2)
        top = fidelity / beta * blur.conj() * fft.fft2(y)
        for axis, spectrum in ((0, down), (1, right)):
            v = np.roll(x, -1, axis) - x
            w = np.sign(v) * scale * deconvolution.shrink(abs(v) / scale, 0.8)
            top += spectrum.conj() * fft.fft2(w)
        x = fft.ifft2(top / (fidelity / beta * abs(blur)**2 + squares)).real
    return x[:height, :width]


@pytest.fixture
def blurred():
    """Image, sigma and the sigma of the layers."""
    rng = np.random.default_rng(0)
    sharp = np.kron(rng.random((6, 8, 3)), np.ones((8, 8, 1)))
    image = ndimage.gaussian_filter(sharp, (1.5, 1.5, 0))
    image = np.clip(image + 0.01 * rng.standard_normal(image.shape), 0, 1)
    sigma = np.tile(np.linspace(0, 3, 64, dtype=np.float32), (48, 1))
    sigma[10:30, 20:40] = 1.2
    steps = np.linspace(0.3, 3, 7, dtype=np.float32)
    return image.astype(np.float32), sigma, steps


def test_equals_a_plain_reference(blurred):
    image, sigma, steps = blurred
    fast = deconvolution.deconvolve_layers(
        image, sigma, steps, 1 / 0.01**2, deconvolution.shrinkage_table(0.8))
    slow = reference(image, sigma, steps.astype(np.float64), 0.01)
    assert np.abs(fast - image).mean() > 0.01  # It does something.
    np.testing.assert_allclose(fast, slow, atol=1e-3)


def test_layers_that_fail_end_it_and_leave_none_waiting(blurred, monkeypatch):
    """As many as there are threads: each took a set of buffers with it."""
    def fail(*_):
        raise MemoryError('no room')

    monkeypatch.setattr(deconvolution, '_blurred_alike', fail)
    seen = []

    def call():
        try:
            deconvolution.deconvolve_layers(
                *blurred, 1e4, deconvolution.shrinkage_table(0.8))
        except MemoryError as error:
            seen.append(str(error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive() and seen == ['no room']
