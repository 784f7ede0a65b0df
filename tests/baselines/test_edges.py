"""Edges: the re-blur ratio."""

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf.baselines import edges


@pytest.mark.parametrize('sigma', [1.0, 2.0, 4.0])
def test_the_reblur_ratio_gives_the_sigma_of_a_step(sigma):
    row = [0.2] * 40 + [0.5] + [0.8] * 40
    step = ndimage.gaussian_filter(np.repeat([row], 9, 0), (0, sigma))
    found = edges.sigma_at_edges(step, np.ones(step.shape, bool), 1.0)
    # A difference over 2 px and a step of 1 px blur by 1/3 + 1/6 px^2.
    assert found[4, 40] == pytest.approx(np.sqrt(sigma**2 + 0.5), rel=0.03)


def test_the_ratio_is_inverted_as_in_the_paper():
    # sigma = 2, s = 1: R = sqrt(5 / 4).
    assert edges.sigma_from_ratio(np.sqrt(1.25), 1.0) == pytest.approx(2.0)
    assert np.isnan(edges.sigma_from_ratio(1.0, 1.0))


def test_edges_are_thinned_out_evenly():
    mask = np.zeros((4, 6), bool)
    mask[1], mask[3] = True, True  # 12 of them, all but every sixth dropped.
    assert edges.some_places(mask, 2).tolist() == [[1, 0], [3, 0]]
    assert edges.some_places(mask, 12).tolist() == np.argwhere(mask).tolist()
    assert edges.some_places(mask & False, 2).shape == (0, 2)
