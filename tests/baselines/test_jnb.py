"""JNB: how many atoms a patch needs, where it is known."""

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf.baselines import jnb

RNG = np.random.default_rng(0)


def test_a_sum_of_three_atoms_needs_three():
    dictionary = np.eye(64)
    patches = np.zeros((3, 64))
    patches[0, 5] = 1
    patches[1, [3, 9, 60]] = [0.8, -0.4, np.sqrt(0.2)]
    # 0.1^2 is less than the 2 % that may be left.
    patches[2, [1, 2, 7]] = [0.8, np.sqrt(1 - 0.64 - 0.1**2), 0.1]
    assert jnb.atoms_used(patches, dictionary).tolist() == [1, 3, 2]


def test_atoms_that_are_not_at_right_angles_are_weighted_together():
    dictionary = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    patch = dictionary[0] + dictionary[1]
    patch /= np.linalg.norm(patch)
    # Each alone leaves 1 - 0.8 of the energy; the two together nothing.
    assert jnb.atoms_used(patch[None], dictionary).tolist() == [2]


def test_what_no_atoms_make_needs_the_most():
    patch = np.zeros((1, 64))
    patch[0, 63] = 1
    assert jnb.atoms_used(patch, np.eye(64)[:20]).tolist() == [jnb.MOST]


def test_patches_lose_mean_and_contrast():
    patches = RNG.random((4, 64))
    units, contrast = jnb.normalised(patches)
    np.testing.assert_allclose(contrast, patches.std(axis=1))
    same, _ = jnb.normalised(7 * patches + 3)
    np.testing.assert_allclose(units, same)
    np.testing.assert_allclose(np.square(units).sum(axis=1), 1)


def test_flat_patches_have_no_number():
    grey = np.full((24, 24), 0.5)
    grey[:, 12:] += ndimage.gaussian_filter(RNG.random((24, 12)), 0.5)
    counts = jnb.mean_counts(grey, np.eye(64))
    assert counts.shape == (6, 6)
    assert np.isnan(counts[:, 0]).all() and np.isfinite(counts[:, -1]).all()


def test_the_bundled_dictionary_codes_blur_by_fewer_atoms():
    texture = RNG.random((48, 48))
    dictionary = jnb.fitted.load('jnb')['dictionary']
    assert dictionary.shape == (64, 64)
    np.testing.assert_allclose(np.linalg.norm(dictionary, axis=1), 1,
                               rtol=1e-5)
    means = [np.nanmean(jnb.mean_counts(
        0.2 + 0.5 * ndimage.gaussian_filter(texture, sigma) / np.ptp(
            ndimage.gaussian_filter(texture, sigma)), dictionary))
        for sigma in (1.0, 1.5, 2.5)]
    assert means[0] > means[1] + 1 and means[1] > means[2] + 1


@pytest.mark.long
def test_it_ends_where_blur_is_more_than_just_noticeable():
    texture = ndimage.gaussian_filter(RNG.random((48, 48)), 5)
    grey = 20 + 200 * (texture - texture.min()) / np.ptp(texture)
    image = np.repeat(np.uint8(grey)[..., None], 3, -1)
    sigma = jnb.estimate(image)
    assert np.median(sigma) >= 2 and sigma.max() <= jnb.MAX_SIGMA
