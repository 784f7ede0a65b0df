"""Karaali & Jung: a step, contours, scales."""

import numpy as np

from dmenet_tf.baselines import karaali_jung


def test_the_blur_of_a_step_is_found(step):
    sigma = karaali_jung.estimate(step)
    assert 1.5 < np.median(sigma[:, 36:44]) < 2.6


def test_contours_are_smoothed_and_do_not_mix():
    sparse = np.full((7, 9), np.nan)
    sparse[1], sparse[5] = [1, 3] * 4 + [1], 8.0
    smooth = karaali_jung.smooth_along_contours(sparse)
    assert np.ptp(smooth[1]) < 1 and np.allclose(smooth[5], 8.0)
    assert np.isnan(smooth[3]).all()


def test_only_edges_that_last_over_scales_are_kept():
    grey = np.full((40, 60), 0.2)
    grey[:, 30:] = 0.8
    index = karaali_jung.consistent_scale(grey)
    assert index[20].max() == len(karaali_jung.SCALES) - 1
    assert not index[:, :20].any()
