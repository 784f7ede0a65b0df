"""Scores of photographs by truth made by hand."""

import pathlib

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from dmenet_tf.rank import scores

SAMPLE = (pathlib.Path(__file__).parents[2]
          / 'data/samples/photographs/chelsea.jpg')


def flat(shape, value=5.0):
    return np.full(shape, value, np.float32)


def test_the_sharpest_square_is_found_where_it_is():
    sigma = flat((60, 80))
    sigma[20:30, 50:60] = 0.5
    found = scores.of_map(sigma, (600, 800))
    # An eighth of 80 px, in a photograph ten times as large.
    assert (found.left, found.top, found.side) == (500, 200, 100)
    assert (found.width_px, found.height_px) == (800, 600)
    assert found.in_focus_share == pytest.approx(100 / 4800, abs=1e-4)


@pytest.mark.parametrize('corner', [(0, 0), (0, 70), (50, 0), (50, 70)])
def test_squares_at_the_border_are_whole(corner):
    sigma = flat((60, 80))
    top, left = corner
    sigma[top:top + 10, left:left + 10] = 1.0
    found = scores.of_map(sigma, (60, 80))
    assert (found.top, found.left, found.side) == (*corner, 10)


def test_the_square_of_a_reduced_photograph_lies_in_it():
    """Of 4000 px a height of 1000 / 6000 is 666.67, and the map has 667."""
    sigma = flat((667, 1000))
    sigma[-125:, -125:] = 0.5
    found = scores.of_map(sigma, (4000, 6000))
    assert found.side == 750
    assert (found.left + 750, found.top + 750) == (6000, 4000)


def test_a_narrow_picture_has_a_square_too():
    found = scores.of_map(flat((3, 200), 1.0), (3, 200))
    assert (found.side, found.in_focus_share) == (3, 0.0)


def test_sigma_is_told_in_px_of_one_size():
    assert scores.at_side(1.3, 1000) == pytest.approx(1.3)
    # What is blurred by b px at 500 is by 2 b at 1,000, and the floor stays.
    half = np.hypot(scores.FLOOR, 2.0)
    assert scores.at_side(half, 500) == pytest.approx(
        np.hypot(scores.FLOOR, 4.0))
    assert scores.at_side(scores.FLOOR, 250) == pytest.approx(scores.FLOOR)
    # Below it there is nothing to enlarge: small photographs win nothing.
    assert scores.at_side(0.1, 250) == 0.1


@pytest.mark.parametrize('kind', [np.uint8, np.float32])
def test_large_photographs_are_reduced_by_means(kind):
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (500, 1000, 3))
    image = np.kron(blocks, np.ones((2, 2, 1), int)).astype(kind)
    reduced = scores.reduced(image)
    assert reduced.dtype == np.uint8
    np.testing.assert_array_equal(reduced, blocks)


def test_small_photographs_stay():
    image = np.random.default_rng(0).integers(0, 256, (9, 1000, 3), np.uint8)
    np.testing.assert_array_equal(scores.reduced(image), image)


@pytest.mark.long
def test_blur_is_seen_at_any_size():
    """One blurred photograph, kept in all and in half of its pixels."""
    with Image.open(SAMPLE) as picture:
        sharp = np.asarray(picture.convert('RGB'))
    blurred = np.rint(ndimage.gaussian_filter(
        sharp.astype(float), (3, 3, 0))).astype(np.uint8)
    half = Image.fromarray(blurred).resize(
        [n // 2 for n in blurred.shape[1::-1]], Image.Resampling.BOX)
    whole, fewer = (scores.score(np.asarray(p)).sharpest_px
                    for p in (blurred, half))
    assert fewer == pytest.approx(whole, rel=0.25)
    # 3 px of a longer side of 451.
    assert whole == pytest.approx(3 * 1000 / sharp.shape[1], rel=0.25)
    assert scores.score(sharp).sharpest_px < 2
