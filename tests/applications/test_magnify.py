"""Magnified blur: how much is added, where, and what stays."""

import numpy as np
import pytest

from dmenet_tf.applications import magnify
from dmenet_tf.syndof import render

RNG = np.random.default_rng(0)
IMAGE = RNG.random((40, 60, 3)).astype(np.float32)


def magnified(image, sigma, *settings, **more):
    """magnify() of a photograph in [0, 1]."""
    return magnify.magnify(255 * image, sigma, *settings,
                           **more) / np.float32(255)


def test_exact_adds_variances_and_paper_adds_the_whole():
    sigma = np.array([[0.0, 1.0, 2.0]], np.float32)
    np.testing.assert_allclose(magnify.added_sigma(sigma, 3, 'exact'),
                               [[0, 8**0.5, 32**0.5]], rtol=1e-6)
    np.testing.assert_allclose(magnify.added_sigma(sigma, 3, 'paper'),
                               [[0, 3, 6]], rtol=1e-6)
    np.testing.assert_allclose(
        magnify.added_sigma(sigma, 3, 'paper', focus=2.0), [[6, 3, 0]])
    np.testing.assert_allclose(
        magnify.added_sigma(sigma, 3, 'paper', max_sigma=4), [[0, 3, 4]])


def test_exact_is_the_scene_at_three_sigma_where_paper_is_not():
    layer = np.zeros(IMAGE.shape[:2], np.int32)
    sigma = np.full(IMAGE.shape[:2], 1.5, np.float32)
    seen, truth = (render.blend_layers(IMAGE, layer, np.float32([s]))
                   for s in (1.5, 4.5))
    inner = np.s_[8:-8, 8:-8]
    exact, paper = (np.abs(magnified(seen, sigma, 3, kernel)
                           - truth)[inner].max()
                    for kernel in ('exact', 'paper'))
    assert exact < 0.003 and exact < paper / 2


def test_sharp_pixels_away_from_blurred_ones_stay():
    sigma = np.zeros(IMAGE.shape[:2], np.float32)
    sigma[:, 40:] = 3
    result = magnified(IMAGE, sigma, 3)
    np.testing.assert_allclose(result[:, :40], IMAGE[:, :40], atol=1e-6)
    assert np.abs(result[:, 45:] - IMAGE[:, 45:]).max() > 0.1


def test_one_strength_with_the_exact_kernel_changes_nothing():
    sigma = RNG.uniform(0, 3, IMAGE.shape[:2])
    np.testing.assert_allclose(magnified(IMAGE, sigma, 1), IMAGE, atol=1e-6)


def test_the_sharpest_region_stays_though_its_map_is_not_0():
    """Estimated maps end at some tenths of a pixel."""
    sigma = RNG.uniform(0.4, 0.58, IMAGE.shape[:2]).astype(np.float32)
    sigma[:, 40:] = 3
    result = magnified(IMAGE, sigma, 3)
    # What is blurred spreads over it by 3 sqrt(8) 3 px.
    np.testing.assert_allclose(result[:, :40], IMAGE[:, :40], atol=1e-6)
    blurred = magnified(IMAGE, np.where(sigma == 3, sigma, 0), 3)
    np.testing.assert_allclose(result, blurred, atol=1e-6)
    assert np.abs(result[:, 45:] - IMAGE[:, 45:]).max() > 0.1


def test_focus_moves_to_the_chosen_pixel():
    sigma = np.full(IMAGE.shape[:2], 0.0, np.float32)
    sigma[:, 30:] = 3
    result = magnified(IMAGE, sigma, 3, focus_on=(50, 20))
    np.testing.assert_allclose(result[:, 50:], IMAGE[:, 50:], atol=1e-6)
    assert np.abs(result[:, :20] - IMAGE[:, :20]).max() > 0.1


def test_layers_are_ordered_by_blur_and_bounded():
    sigma = RNG.uniform(0, 7, (50, 50)).astype(np.float32)
    layer, values = magnify.layers_by_blur(sigma, 20)
    assert len(values) <= 20 and np.all(np.diff(values) < 0)
    np.testing.assert_allclose(values[layer], sigma, atol=7 / 19)
    # Those that a quick look has missed count too.
    sigma = np.zeros((50, 50), np.float32)
    sigma[1::8] = RNG.uniform(0, 7, sigma[1::8].shape)
    assert len(magnify.layers_by_blur(sigma, 20)[1]) <= 20
    few = np.float32([[1, 2], [2, 0]])
    layer, values = magnify.layers_by_blur(few)
    np.testing.assert_array_equal(values[layer], few)


@pytest.mark.parametrize('settings, message', [
    ({'focus_on': (60, 0)}, 'outside the picture of 60 x 40 px'),
    ({'focus_on': (0, -1)}, 'outside the picture'),
    ({'strength': 0.5}, 'at least 1 for the exact kernel'),
    ({'strength': float('nan')}, 'at least 1'),
    ({'kernel': 'disc'}, 'kernel must be one of'),
    ({'max_sigma': 0}, 'max_sigma must be above 0')])
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        magnified(IMAGE, np.ones(IMAGE.shape[:2]), **settings)
