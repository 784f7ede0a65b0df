"""What of a photograph is in focus."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from dmenet_tf import focus, maps

RNG = np.random.default_rng(0)
# Half of it has detail; the other half is nearly even, as a sky is.
HALVES = np.full((200, 300, 3), 180, np.uint8)
HALVES[:, :150] = RNG.integers(0, 256, (200, 150, 1))
# What a network says of it: the sky is blurred.
SKY = np.full((200, 300), 0.3, np.float32)
SKY[:, 160:] = 3


@pytest.mark.parametrize('shape, below', [
    ((600, 1000, 3), 1.2), ((4000, 3000), 4.8), ((100, 100), 0.8)])
def test_the_threshold_of_an_enlarged_photograph_is_the_same(shape, below):
    assert focus.threshold(shape) == pytest.approx(below)


@pytest.mark.parametrize('low, high, codes', [
    (1, 1, [255, 255, 0, 0]), (1, 3, [255, 255, 128, 0])])
def test_masks_are_hard_or_soft(low, high, codes):
    mask = focus.mask(np.float32([[0, 1, 2, 3]]), low, high)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, [codes])


def enlarged(plane, times):
    return plane.repeat(times, 0).repeat(times, 1)


@pytest.mark.parametrize('times', [1, 12])
def test_where_nothing_can_be_seen_nothing_is_blurred(times):
    """Of a photograph of 3600 px as of one of 300."""
    sky, halves = enlarged(SKY, times) * times, enlarged(HALVES, times)
    assert focus.everywhere(sky, halves)
    # What is seen is blurred, more than the threshold, or hardly.
    limit = focus.threshold(sky.shape)
    for most, expected in ((4 * limit, False), (1.01 * limit, True)):
        seen = sky.copy()
        seen[:, :150 * times] = most
        assert focus.everywhere(seen, halves) is expected
    # All is seen of a photograph that has detail everywhere.
    assert not focus.everywhere(sky, np.hstack(2 * [halves[:, :150 * times]]))


def test_photographs_of_any_size_and_without_any_detail_are_judged():
    for height, width in ((1, 1), (1, 1500), (1300, 1)):
        photograph = RNG.integers(0, 256, (height, width, 3), np.uint8)
        sigma = np.zeros((height, width), np.float32)
        assert focus.everywhere(sigma, photograph) == (height * width > 1)
        assert not focus.everywhere(sigma + 9, photograph)
    even = np.full((40, 50, 3), 100.0)
    assert not focus.everywhere(np.full((40, 50), 2, np.float32), even)


def test_the_default_mask_is_white_everywhere_or_by_the_threshold(tmp_path):
    blurred = ndimage.gaussian_filter(HALVES, (3, 3, 0))
    for name, sigma, photograph, limits, white in (
            ('sharp', SKY, HALVES, None, np.full_like(SKY, True, bool)),
            # Without the photograph, and by limits, nothing else is asked.
            ('map', SKY, None, None, SKY < 1),
            ('limits', SKY, HALVES, (0.8, 0.8), SKY < 1),
            ('blurred', 0 * SKY + 3, blurred, None, np.zeros_like(SKY, bool))):
        path = tmp_path / f'{name}.png'
        maps.write(sigma, 'mask', path, photograph, mask_limits=limits)
        np.testing.assert_array_equal(
            np.asarray(Image.open(path)) == 255, white, err_msg=name)
