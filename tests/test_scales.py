"""Reducing, enlarging, the switch between scales, and what is run."""

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf import optics, scales

RNG = np.random.default_rng(0)


def test_halving_by_hand():
    """Means of four; the odd last row counts twice."""
    image = np.zeros((3, 4, 3), np.uint8)
    image[..., 0] = [[0, 255, 8, 0], [0, 255, 0, 0], [20, 40, 6, 8]]
    half = scales.halved(image)
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half[..., 0], [[127.5, 2], [30, 7]])
    np.testing.assert_array_equal(half[..., 1:], 0)


@pytest.mark.parametrize('sigma', [3.0, 5.0])
def test_halving_adds_the_extent_of_a_pixel_and_no_more(sigma):
    """An edge keeps sigma; its pixels' extent is 1/12 px^2 of either scale.

    Differences of an edge's pixels spread by the extent of a pixel twice, its
    own mean and the difference: 1/6 px^2. A step between pixels shows none of
    it at full size; halved, it must show all but a quarter of that.
    """
    step = np.repeat([0.0, 240.0], 100)
    edge = ndimage.gaussian_filter1d(step, sigma, truncate=8)
    half = scales.halved(np.tile(edge[None, :, None], (2, 1, 3)))[0, :, 0]
    spread = np.diff(half) / 240
    x = np.arange(spread.size)
    variance = spread @ (x - spread @ x)**2
    assert variance + 1 / 6 / 4 == pytest.approx(sigma**2 / 4 + 1 / 6,
                                                 abs=2e-3)


def test_doubling_enlarges_the_map_and_multiplies_it():
    sigma = np.tile(np.arange(5, dtype=np.float32)[:, None], (1, 4))
    double = scales.doubled(sigma, (9, 7))
    assert double.shape == (9, 7) and double.dtype == np.float32
    # Pixel i of the half lies between 2 i and 2 i + 1.
    np.testing.assert_allclose(double[:, 3],
                               [0, .5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5])


@pytest.mark.parametrize('size, sizes', [
    ((1000, 1500), []), ((1, 1), []), ((1001, 1600), [(501, 800)]),
    ((3000, 4000), [(1500, 2000), (750, 1000)])])
def test_the_coarsest_scale_is_the_first_that_is_small_enough(size, sizes):
    image = np.zeros((*size, 3), np.uint8)
    first, *others = scales.pyramid(image)
    assert first is image
    assert [other.shape[:2] for other in others] == sizes


def test_the_switch_by_hand():
    a, b = scales.SWITCH
    assert 0 < a < b < optics.MAX_SIGMA
    sigma = np.array([0, a, .75 * a + .25 * b, (a + b) / 2, b, 30],
                     np.float32)
    weight = scales.finer_weight(sigma)
    assert weight.dtype == np.float32
    np.testing.assert_allclose(weight, [1, 1, 27 / 32, .5, 0, 0], atol=1e-6)


def covered(boxes, shape):
    count = np.zeros(shape, int)
    for top, bottom, left, right in boxes:
        count[top:bottom, left:right] += 1
    return count


@pytest.mark.parametrize('share', [0, .002, .05, 1])
@pytest.mark.parametrize('most', [1, 200, 10_000])
def test_boxes_cover_what_is_needed_once(share, most):
    needed = RNG.random((40, 61)) < share
    boxes = scales.boxes(needed, most, 3)
    count = covered(boxes, needed.shape)
    assert count.max() <= 1 and (count[needed] == 1).all()
    for top, bottom, left, right in boxes:
        seen = ((min(bottom + 3, 40) - max(top - 3, 0))
                * (min(right + 3, 61) - max(left - 3, 0)))
        assert seen <= most or (bottom - top, right - left) == (1, 1)


def test_boxes_are_split_where_that_is_cheaper():
    needed = np.zeros((60, 80), bool)
    needed[2:6, 3:9] = needed[50:58, 70:79] = True
    assert scales.boxes(needed, 10_000, 2) == [(2, 6, 3, 9), (50, 58, 70, 79)]
    # Around them so much is seen that one box costs less.
    assert scales.boxes(needed, 10_000, 300) == [(2, 58, 3, 79)]
    assert scales.boxes(np.ones((60, 80), bool), 10_000, 12) == [(0, 60, 0, 80)]
