"""Joining frames whose sigma is known."""

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf.stack import merging

RNG = np.random.default_rng(0)
SHARP = RNG.uniform(0, 255, (70, 90, 3)).astype(np.float32)


def psnr(picture, truth):
    return 10 * np.log10(255**2 / np.mean((picture - truth)**2))


def blurred(sigma):
    return ndimage.gaussian_filter(SHARP, (sigma, sigma, 0), mode='nearest')


@pytest.fixture(scope='module')
def halves():
    """Two frames: the left, and the right half in focus; and their maps."""
    left = np.arange(90) < 45
    soft = blurred(3)
    frames = [np.where(left[:, None], SHARP, soft),
              np.where(left[:, None], soft, SHARP)]
    sigmas = [np.tile(np.where(side, 0.4, 3.0), (70, 1)).astype(np.float32)
              for side in (left, ~left)]
    return frames, sigmas


def test_weights_are_of_the_least_sigma_and_sum_to_one(halves):
    weight = merging.weights(halves[1])
    np.testing.assert_allclose(weight.sum(0), 1, atol=1e-6)
    assert weight[0, :, :35].min() > 0.99
    assert weight[1, :, 55:].min() > 0.99
    index = merging.index(weight)
    assert index.dtype == np.uint16
    assert (index[:, :44] == 0).all() and (index[:, 46:] == 1).all()


def test_frames_equally_sharp_are_averaged():
    weight = merging.weights([np.ones((20, 30))] * 4)
    np.testing.assert_allclose(weight, 0.25)


def test_each_half_is_taken_where_it_is_sharp(halves):
    frames, sigmas = halves
    merged = merging.merge(frames, merging.weights(sigmas))
    assert psnr(merged, SHARP) > max(psnr(f, SHARP) for f in frames) + 10
    # Away from the seam it is the sharp frame itself.
    np.testing.assert_allclose(merged[:, :20], SHARP[:, :20], atol=0.5)
    np.testing.assert_allclose(merged[:, -20:], SHARP[:, -20:], atol=0.5)


@pytest.mark.parametrize('shape', [(70, 90), (33, 47), (16, 200), (5, 9)])
def test_one_frame_comes_back_as_it_is(shape):
    frame = RNG.uniform(0, 255, (*shape, 3)).astype(np.float32)
    merged = merging.merge([frame] * 2, np.full((2, *shape), 0.5, np.float32))
    np.testing.assert_allclose(merged, frame, atol=1e-3)


def test_noise_is_no_detail():
    """What the largest Laplacian takes for sharp: the noisier frame."""
    noisy = blurred(3) + RNG.normal(0, 60, SHARP.shape)
    sharp = blurred(1)
    weight = merging.weights([np.full((70, 90), 1.3), np.full((70, 90), 1.0)])
    merged = merging.merge([noisy, sharp], weight)
    assert psnr(merged, sharp) > 30


def test_broad_shades_do_not_show_a_seam(halves):
    """Frames of different exposure join without a step."""
    _, sigmas = halves
    weight = merging.weights(sigmas)
    merged = merging.merge([np.full_like(SHARP, 100), np.full_like(SHARP, 150)],
                           weight)
    assert np.abs(np.diff(merged, axis=1)).max() < 10
    assert merged[:, 0].mean() < 115 and merged[:, -1].mean() > 135
