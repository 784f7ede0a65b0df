"""All-in-focus photographs: noise, layers, what stays, what is gained."""

import pathlib

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf.applications import deblur, deconvolution
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


def test_layers_hold_equally_many_pixels_and_begin_where_blur_does():
    sigma = np.r_[np.zeros(50), np.linspace(0.5, 1, 900),
                  np.linspace(1, 7, 100)].reshape(30, 35).astype(np.float32)
    steps = deblur.layer_sigmas(sigma, 10)
    assert len(steps) == 11 and steps[0] == np.float32(deblur.SHARP_SIGMA)
    counts, _ = np.histogram(sigma[sigma > 0.3], steps[1:])
    np.testing.assert_allclose(counts, 1000 / 9, atol=2)


def test_pixels_in_the_blur_of_a_sharper_surface_take_its_sigma():
    sigma = np.full((9, 20), 4, np.float32)
    sigma[:, :10] = 2
    spread = deconvolution.spread_sharper(sigma)
    np.testing.assert_array_equal(spread[4], [2] * 12 + [4] * 8)
    np.testing.assert_array_equal(
        deconvolution.spread_sharper(np.full((9, 20), 4, np.float32)), 4)


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
    image = add_noise(texture(40, 60))
    sigma = np.zeros((40, 60), np.float32)
    np.testing.assert_allclose(deblurred(image, sigma), image, atol=1e-6)
    sigma[:, 30:] = 2
    result = deblurred(image, sigma)
    np.testing.assert_allclose(result[:, :30], image[:, :30], atol=1e-6)
    assert np.abs(result[:, 32:] - image[:, 32:]).max() > 0.05


def test_a_rendered_scene_comes_nearer_to_its_truth():
    pair = pairs.find_pairs(SAMPLES)[0][0]
    truth, depth_m = (array[100:260, 200:460] for array in
                      check.read_pair(pair))
    shot = capture.sample('paper', depth_m, capture.capture_rng(2, 0))
    image = add_noise(render.blend_layers(truth, shot.layer, shot.sigma))
    sigma = shot.sigma[shot.layer]
    assert sigma.mean() > 0.5
    result = deblurred(image, sigma)
    assert psnr(result, truth) > psnr(image, truth) + 1.0


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
