"""Sparse values to maps: blocks, nothing known."""

import importlib.util

import numpy as np
import pytest

if importlib.util.find_spec('pymatting') is None:
    pytest.skip('needs pymatting', allow_module_level=True)

from dmenet_tf.baselines import propagation  # noqa: E402


def test_blocks_are_means_of_what_is_known():
    values = np.array([[1, np.nan, 5], [3, 8, np.nan], [np.nan] * 3])
    np.testing.assert_array_equal(propagation.reduce(values, 2),
                                  [[4, 5], [np.nan, np.nan]])
    np.testing.assert_array_equal(propagation.reduce(values, 1), values)


def test_where_nothing_is_known_all_is_the_same():
    image = np.zeros((6, 8, 3), np.uint8)
    sigma = propagation.fill(np.full((6, 8), np.nan), image, 3.5)
    assert sigma.dtype == np.float32 and (sigma == 3.5).all()


@pytest.mark.slow
def test_a_large_picture_keeps_its_outlines_within_10_px():
    image = np.zeros((40, 700, 3), np.uint8)
    image[:, 350:] = 200
    known = np.full((40, 700), np.nan)
    known[::5, 3:340:11], known[::5, 360:690:11] = 1.0, 3.0
    sigma = propagation.fill(known, image, 5.0)
    np.testing.assert_allclose(sigma[:, :340], 1.0, atol=0.1)
    np.testing.assert_allclose(sigma[:, 360:], 3.0, atol=0.1)
