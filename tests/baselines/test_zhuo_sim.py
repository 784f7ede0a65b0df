"""Zhuo & Sim: a step, the joint bilateral filter."""

import importlib.util

import numpy as np
import pytest

# Importing it would compile it, for minutes where that is not done yet.
if importlib.util.find_spec('pymatting') is None:
    pytest.skip('needs pymatting', allow_module_level=True)

from dmenet_tf.baselines import zhuo_sim  # noqa: E402

RNG = np.random.default_rng(0)


@pytest.mark.slow
def test_the_blur_of_a_step_is_found(step):
    sigma = zhuo_sim.estimate(step)
    assert 1.7 < np.median(sigma[:, 36:44]) < 2.6


def test_the_joint_bilateral_filter_is_its_sum_over_pixels():
    grey = RNG.random((12, 12))
    sparse = np.where(RNG.random((12, 12)) < 0.3, RNG.random((12, 12)), np.nan)
    found = zhuo_sim.joint_bilateral(sparse, grey, reach=2.0, tolerance=0.5)
    i, j = np.argwhere(np.isfinite(sparse))[len(grey) // 2]
    rows, columns = np.indices(grey.shape)
    weight = np.isfinite(sparse) * np.exp(
        -((rows - i)**2 + (columns - j)**2) / 8
        - np.square((grey - grey[i, j]) / (0.5 * np.ptp(grey))) / 2)
    # The blur mirrors at borders and levels are interpolated: a few percent.
    assert found[i, j] == pytest.approx(
        np.nansum(weight * sparse) / weight.sum(), rel=0.15)
    assert np.isnan(found[np.isnan(sparse)]).all()
