"""Discriminative features: moments, slopes and odds by hand."""

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf.baselines import shi

RNG = np.random.default_rng(0)


def test_odds_of_gaussians_are_their_quotient():
    mean = np.array([[0.0, 1.0], [2.0, 1.0]])
    variance = np.array([[1.0, 1.0], [1.0, 4.0]])
    # At the mean of sharp: -(2^2) / 2 of the first, -log(4) / 2 of the second.
    found = shi.log_odds(np.array([[0.0, 1.0]]), mean, variance)
    assert found[0] == pytest.approx(-2 - np.log(2))


def test_the_moments_of_two_gaussians_give_the_wider_one():
    second, fourth = (1 + 9) / 2, 3 * (1 + 81) / 2
    assert shi.wider_variance(second, fourth) == pytest.approx(9)
    # Flatter than a Gaussian: both are the same.
    assert shi.wider_variance(2.0, 8.0) == 2


def test_gradients_of_one_gaussian_have_kurtosis_three():
    grey = RNG.normal(size=(300, 300))
    kurtosis, span = shi.gradient_features(grey, np.mean)
    assert np.exp(kurtosis) == pytest.approx(3, rel=0.05)
    # (x - y) / 2 of unit Gaussians has variance 1/2; rounding widens it.
    assert 0.5 <= np.exp(span) < 0.65


@pytest.mark.parametrize('power', [0.0, 2.0])
def test_the_slope_of_a_spectrum_is_its_exponent(power):
    frequency = np.hypot(np.fft.fftfreq(256)[:, None],
                         np.fft.fftfreq(256)[None])
    frequency[0, 0] = 1
    white = np.fft.fft2(RNG.normal(size=(256, 256)))
    grey = np.fft.ifft2(white / frequency**(power / 2)).real
    found = shi.spectrum_slope(grey / grey.std(), 31)
    assert np.mean(found) == pytest.approx(-power, abs=0.25)


def test_features_are_of_every_sixth_pixel_and_see_blur():
    grey = RNG.random((30, 40))
    filters = np.zeros((1, shi.FILTER, shi.FILTER))
    filters[0, 3, 3:5] = -1, 1
    sharp = shi.features(grey, 11, filters)
    soft = shi.features(ndimage.gaussian_filter(grey, 2), 11, filters)
    assert sharp.shape == (5, 7, 4)
    # Span, slope and the share of the difference filter fall.
    assert (soft[..., 1:] < sharp[..., 1:]).all()
