"""Spectrum contrast: a step's closed form."""

import importlib.util

import numpy as np
import pytest
from scipy import ndimage

if importlib.util.find_spec('pymatting') is None:
    pytest.skip('needs pymatting', allow_module_level=True)

from dmenet_tf.baselines import tang  # noqa: E402


@pytest.mark.parametrize('sigma', [1.5, 2.5])
@pytest.mark.parametrize('height', [0.3, 0.6])
def test_a_step_alone_gives_its_sigma_whatever_its_height(sigma, height):
    grey = np.full((40, 60), 0.2)
    grey[:, 30:] += height
    grey = ndimage.gaussian_filter(grey, sigma)
    found = tang.sigma_of_steps(grey)
    # The edge lies between two columns, half a px from each: x^2 is larger.
    assert np.nanmedian(found) == pytest.approx(sigma, rel=0.05)
    assert np.isnan(found[:, :20]).all()


def test_the_contrast_is_the_hand_sum():
    """Slopes 1 at the edge, 1/e beside it: C = 1 - 5/13 for a row of 5."""
    row = np.zeros((21, 30))
    row[:, 15:] = 0.5
    grey = ndimage.gaussian_filter(row, 1.5)
    edge = np.unravel_index(np.nanargmin(tang.sigma_of_steps(grey)),
                            grey.shape)
    slopes = np.log(np.hypot(np.gradient(grey, axis=1)[10], 0.5 / 255))
    column = edge[1]
    # Columns of a disc of radius 2 hold 1, 3, 5, 3, 1 pixels.
    contrast = slopes[column] - slopes[column - 2:column + 3] @ [
        1 / 13, 3 / 13, 5 / 13, 3 / 13, 1 / 13]
    mean_square = (2 * 1 * 4 + 2 * 3 * 1) / 13
    assert tang.sigma_of_steps(grey)[10, column] == pytest.approx(
        np.sqrt(mean_square / (2 * contrast) - 1 / 3))
