"""Deep and hand-crafted features: what is known of simple patches."""

import importlib.util

import numpy as np
import pytest
from scipy import ndimage

if importlib.util.find_spec('pymatting') is None:
    pytest.skip('needs pymatting', allow_module_level=True)

from dmenet_tf.baselines import park  # noqa: E402


def test_patches_have_mean_zero_and_deviation_one():
    grey = np.zeros((30, 30))
    grey[:, 15:] = 0.4
    patch = park.unit_patches(grey, np.array([[15, 14]]), 15)[0]
    # Columns 7 to 21: 8 of the left and 7 of the right.
    assert patch.mean() == pytest.approx(0, abs=1e-5)
    assert patch.std() == pytest.approx(1, rel=1e-3)
    assert (patch[:, :8] < 0).all() and (patch[:, 8:] > 0).all()


def test_features_of_a_wave_are_one_band_one_singular_value():
    side = 27
    wave = np.sqrt(2) * np.cos(np.pi * (np.arange(side) + 0.5) * 10 / side)
    patch = np.repeat(wave[None], side, axis=0)[None].astype(np.float32)
    found = np.exp(park.hand_crafted(patch)[0])
    bands, histogram, singular = found.reshape(3, park.BINS)
    # Row frequency 0 and column frequency 10: band 10 * 13 // 53 = 2, in
    # which one coefficient of 27 px is `side`, of as many as i + j in 9..12.
    assert bands.argmax() == 2
    assert bands[2] == pytest.approx(side / (10 + 11 + 12 + 13), rel=0.01)
    assert singular[0] == pytest.approx(1, rel=0.01)
    assert (singular[1:] < 1e-3).all()
    assert histogram.sum() == pytest.approx(1 + park.BINS * 0.01, rel=1e-5)


def test_strong_edges_get_the_larger_patches():
    grey = np.full((40, 90), 0.2)
    grey[:, 30:] = 0.9
    grey[:, 60:] = 0.8
    (strong, large), (weak, small) = park.edges_and_sides(
        ndimage.gaussian_filter(grey, 0.7))
    assert (large, small) == (27, 15)
    assert set(strong[:, 1]) <= {29, 30} and len(strong)
    assert set(weak[:, 1]) <= {59, 60} and len(weak)


@pytest.mark.long
def test_levels_of_blurred_edges_rise_within_the_papers_range():
    grey = np.full((60, 60), 0.2)
    grey[:, 30:] = 0.8
    found = []
    for sigma in (0.6, 1.2, 1.9):
        soft = ndimage.gaussian_filter(grey, sigma)
        chances = park.level_probabilities(
            park.unit_patches(soft, np.array([[30, 30], [20, 29]]), 27))
        np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-4)
        found.append((chances @ park.LEVELS).mean())
    assert found[0] < found[1] < found[2] and min(found) >= 0.5
