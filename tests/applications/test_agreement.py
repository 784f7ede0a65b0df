"""What the picture says of its blur, and where it says nothing."""

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf.applications import agreement


def scene(side=192, blur=0.0, noise=0.01):
    """A picture of natural spectrum, power 1 / f^2, and noise."""
    rng = np.random.default_rng(3)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    f[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal((side, side))) / f
    picture = np.fft.ifft2(spectrum).real
    picture = 0.5 + 0.15 * picture / picture.std()
    picture = ndimage.gaussian_filter(picture, blur, mode='wrap')
    noisy = picture[..., None] + noise * rng.standard_normal((side, side, 3))
    return noisy.astype(np.float32)


def agreed(claimed, blur, noise=0.01):
    image = scene(blur=blur, noise=noise)
    sigma = np.full(image.shape[:2], claimed, np.float32)
    found = agreement.agreed_sigma(sigma, image, noise)
    assert found.dtype == np.float32 and np.all(found <= sigma)
    return found


def test_a_map_that_agrees_with_the_picture_stays():
    for blur in (2.0, 3.0):
        assert np.median(agreed(blur, blur)) > 0.8 * blur


def test_a_map_that_says_too_much_is_lowered():
    assert np.median(agreed(3.0, 0.0)) < 0.8
    assert np.median(agreed(4.0, 1.5)) == pytest.approx(1.5, abs=0.5)


def test_wide_blur_is_judged_on_the_reduced_picture():
    assert np.median(agreed(12.0, 12.0)) > 9
    assert np.median(agreed(12.0, 3.0)) < 5


def test_noise_alone_says_nothing():
    rng = np.random.default_rng(0)
    image = 0.5 + 0.02 * rng.standard_normal((96, 96, 3), np.float32)
    sigma = np.full((96, 96), 2.0, np.float32)
    kept = agreement.agreed_sigma(sigma, image, 0.03)
    np.testing.assert_array_equal(kept, sigma)


@pytest.mark.parametrize('size', [(1, 1), (3, 50), (37, 53)])
def test_any_size(size):
    found = agreement.agreed_sigma(np.full(size, 5, np.float32),
                                   np.zeros((*size, 3), np.float32), 0.01)
    np.testing.assert_array_equal(found, np.full(size, 5))
