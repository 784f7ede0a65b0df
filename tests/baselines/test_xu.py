"""Rank of patches: matrices whose rank is known."""

import importlib.util

import numpy as np
import pytest
from scipy import linalg, ndimage

if importlib.util.find_spec('pymatting') is None:
    pytest.skip('needs pymatting', allow_module_level=True)

from dmenet_tf.baselines import xu  # noqa: E402

RNG = np.random.default_rng(0)


@pytest.mark.parametrize('rank', [1, 4, 9])
def test_the_rank_of_equal_singular_values_is_their_number(rank):
    left, right = (linalg.qr(RNG.normal(size=(15, 15)))[0][:, :rank]
                   for _ in range(2))
    # What follows is 0, far below: little of a part.
    found = xu.numerical_rank((left @ right.T)[None])
    assert rank <= found[0] < rank + 0.2


def test_a_part_of_the_next_is_where_logarithms_cross_the_threshold():
    values = np.diag([1, xu.THRESHOLD * 2, xu.THRESHOLD / 4])
    # From 2 down to 1/4 of the threshold: 1 is a third of the way.
    assert xu.numerical_rank(values[None])[0] == pytest.approx(2 + 1 / 3)


def test_a_patch_of_the_gradient_of_a_turned_step_has_the_rank_of_its_profile(
        ):
    """A diagonal step is a Toeplitz matrix of Gaussians of sqrt(2) sigma."""
    rows, columns = np.indices((61, 61))
    distance = (rows - columns) / np.sqrt(2)
    found = []
    for sigma in (1.0, 2.0, 4.0):
        profile = np.exp(-distance**2 / (2 * sigma**2))
        by_hand = linalg.toeplitz(
            np.exp(-np.arange(15)**2 / (4 * sigma**2)))
        patch = xu.turned_patches(profile, np.array([[30, 30]]), 0.0)
        np.testing.assert_allclose(patch[0], by_hand, atol=1e-5)
        singular = linalg.svdvals(by_hand)
        rank = xu.numerical_rank(patch)[0]
        assert int(rank) == np.sum(singular > xu.THRESHOLD * singular[0])
        # Turned by 45 degrees it varies along one side only: rank 1.
        turned = xu.turned_patches(profile, np.array([[30, 30]]), np.pi / 4)
        assert xu.numerical_rank(turned)[0] < 2
        found.append(rank)
    assert found == sorted(found, reverse=True)


def test_only_edges_have_a_rank():
    grey = np.full((40, 60), 0.2)
    grey[:, 30:] = 0.8
    rank = xu.rank_at_edges(ndimage.gaussian_filter(grey, 1.0))
    assert np.isfinite(rank[20]).sum() in (1, 2)
    assert np.isnan(rank[:, :20]).all()
