"""All-in-focus photographs: noise, layers, what stays, what is gained."""

import pathlib

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf.applications import deblur
from dmenet_tf.syndof import capture, check, pairs, render

SAMPLES = pathlib.Path(__file__).parents[2] / 'data/samples/rgbd'


def deblurred(image, sigma, **settings):
    """deblur() of a photograph in [0, 1]."""
    return deblur.deblur(255 * image, sigma, **settings) / np.float32(255)


def psnr(image, truth):
    return -10 * np.log10(np.mean((image - truth) ** 2))


def texture(height, width, seed=0):
    """Flat patches with edges, which the prior is for."""
    rng = np.random.default_rng(seed)
    image = rng.random((-(-height // 8), -(-width // 8), 3))
    return np.kron(image, np.ones((8, 8, 1)))[:height, :width].astype(
        np.float32)


def add_noise(image, deviation=0.01):
    noise = np.random.default_rng(5).standard_normal(image.shape)
    return np.clip(image + deviation * noise, 0, 1).astype(np.float32)


def test_noise_is_measured_through_texture_and_blur():
    image = ndimage.gaussian_filter(texture(120, 160), (1.5, 1.5, 0))
    sigma = np.full((120, 160), 1.5, np.float32)
    for noise in (0.005, 0.02):
        found = deblur.estimate_noise(add_noise(0.1 + 0.8 * image, noise),
                                      sigma)
        assert found == pytest.approx(noise, rel=0.08)


def test_layers_are_one_factor_apart_over_what_is_blurred():
    sigma = np.r_[np.zeros(50), np.linspace(0.5, 4, 950)].astype(np.float32)
    sigma = sigma.reshape(25, 40)
    steps = deblur.layer_sigmas(sigma)
    assert steps[0] == np.float32(deblur.SHARP_SIGMA)
    np.testing.assert_allclose(steps[[1, -1]], [0.5, 4])
    np.testing.assert_allclose(steps[2:] / steps[1:-1], 8 ** (1 / 10),
                               rtol=1e-6)
    assert 8 ** (1 / 10) < deblur.FACTOR < 8 ** (1 / 9)
    assert len(deblur.layer_sigmas(sigma, 5)) == 6
    np.testing.assert_allclose(deblur.layer_sigmas(np.full((2, 2), 3.0)),
                               [deblur.SHARP_SIGMA, 3])


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (3, 2), (37, 53)])
def test_any_size_and_an_even_image_stays_as_it_is(size):
    image = np.full((*size, 3), 0.4, np.float32)
    sigma = np.linspace(0, 5, size[0] * size[1]).reshape(size)
    result = deblurred(image, sigma)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, image, atol=1e-4)


def test_runs_give_the_same_bits():
    image = add_noise(texture(40, 60))
    sigma = np.tile(np.linspace(0, 3, 60), (40, 1))
    np.testing.assert_array_equal(deblurred(image, sigma),
                                  deblurred(image, sigma))


def test_sharp_pixels_stay_as_they_are():
    sharp = texture(40, 60)
    image = add_noise(sharp)
    sigma = np.zeros((40, 60), np.float32)
    np.testing.assert_allclose(deblurred(image, sigma), image, atol=1e-6)
    sigma[:, 30:] = 2
    sharp[:, 30:] = ndimage.gaussian_filter(sharp, (2, 2, 0))[:, 30:]
    image = add_noise(sharp)
    result = deblurred(image, sigma)
    np.testing.assert_allclose(result[:, :30], image[:, :30], atol=1e-6)
    assert np.abs(result[:, 32:] - image[:, 32:]).max() > 0.05


def test_a_map_that_says_too_much_does_not_ring():
    """A sharp step, and one that is blurred by less than the map says."""
    step = np.zeros((64, 96, 3), np.float32) + 0.2
    step[:, 48:] = 0.8
    for blur in (0, 1.2):
        image = add_noise(ndimage.gaussian_filter(step, (0, blur, 0)), 0.004)
        result = deblurred(image, np.full((64, 96), 3, np.float32))
        middle = result[8:-8].mean((0, 2))
        assert middle.min() > 0.16 and middle.max() < 0.84, blur


def test_what_the_map_says_of_the_sharpest_stays_as_it_is():
    """Estimated maps end at some tenths of a pixel."""
    image = add_noise(ndimage.gaussian_filter(texture(64, 64), (1, 1, 0)))
    sigma = np.random.default_rng(0).uniform(0.4, 0.6, (64, 64))
    np.testing.assert_allclose(deblurred(image, sigma), image, atol=1e-6)


def test_a_rendered_scene_comes_nearer_to_its_truth():
    pair = pairs.find_pairs(SAMPLES)[0][0]
    truth, depth_m = (array[100:260, 200:460] for array in
                      check.read_pair(pair))
    shot = capture.sample('paper', depth_m, capture.capture_rng(2, 0))
    image = add_noise(render.blend_layers(truth, shot.layer, shot.sigma))
    sigma = shot.sigma[shot.layer]
    assert sigma.mean() > 0.5
    result = deblurred(image, sigma)
    assert psnr(result, truth) > psnr(image, truth) + 0.4


def test_strength_and_noise_trade_detail_for_smoothness():
    truth = texture(64, 64)
    image = add_noise(ndimage.gaussian_filter(truth, (2, 2, 0)), 0.02)
    sigma = np.full((64, 64), 2, np.float32)

    def roughness(**settings):
        result = deblurred(image, sigma, **settings)
        return np.abs(np.diff(result, axis=1)).mean()

    assert (roughness(strength=0.1) < roughness() < roughness(strength=10))
    assert roughness(noise=0.05) < roughness(noise=0.005)


@pytest.mark.parametrize('settings, message', [
    ({'noise': -0.1}, 'noise is a standard deviation'),
    ({'noise': float('nan')}, 'noise is a standard deviation'),
    ({'strength': 0}, 'strength must be above 0'),
    ({'alpha': 1.5}, r'alpha must be in \(0, 1\]'),
    ({'layers': 0}, 'layers must be at least 1')])
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        deblurred(texture(8, 8), np.ones((8, 8)), **settings)
