"""Folders to batches: labels stay true, and sampling has no memory."""

import shutil

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from dmenet_tf import sigma_files
from dmenet_tf.train import batches, folders, store
from dmenet_tf.train.changes import Augment

CROP = 32
SHARD = batches.Shard(batch=2, per_replica=2, local=2, offset=0)


def make(root, cache='none', shard=SHARD, seed=3, **options):
    datasets = {'synthetic': folders.synthetic_dataset([root / 'syn']),
                'binary': folders.binary_dataset([root / 'bin']),
                'real': folders.real_dataset([root / 'real'])}
    stores = {name: store.Store(dataset, CROP, cache)
              for name, dataset in datasets.items()}
    return batches.make_batches(stores, CROP, shard, seed, **options)


def take(data, count):
    return [tf.nest.map_structure(np.array, batch)
            for batch in data.take(count)]


def assert_equal(a, b):
    tf.nest.map_structure(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope='module')
def plain(coded_folders):
    """Six batches without changes."""
    return take(make(coded_folders), 6)


def test_labels_follow_their_pixels(plain):
    for batch in plain:
        red = np.rint(batch['synthetic']['image'][..., :1] * 255)
        np.testing.assert_allclose(batch['synthetic']['defocus'],
                                   red / 50 / 7, atol=1e-6)


def test_what_counts_follows_its_pixels(tmp_path, coded_folders, plain):
    folder = tmp_path / 'syn'
    shutil.copytree(coded_folders / 'syn', folder)
    shutil.copytree(coded_folders / 'bin', tmp_path / 'bin')
    shutil.copytree(coded_folders / 'real', tmp_path / 'real')
    for path in (folder / 'image').iterdir():
        sigma_files.write_valid(folder / 'valid' / path.name,
                                iio.imread(path)[..., 0] % 3 > 0)
    for batch, whole in zip(take(make(tmp_path), 6), plain, strict=True):
        red = np.rint(batch['synthetic']['image'][..., :1] * 255)
        valid = batch['synthetic'].pop('valid')
        np.testing.assert_array_equal(valid, red % 3 > 0)
        whole = tf.nest.map_structure(np.copy, whole)
        whole['synthetic']['defocus'] *= valid
        assert_equal(batch, whole)


def test_masks_follow_their_pixels_through_any_angle(plain):
    agree = np.mean([
        (batch['binary']['image'][..., :1] * 255 > 100)
        == batch['binary']['blurred'] for batch in plain])
    # Bilinear against nearest: they part at the jumps of the pattern only.
    assert 0.85 < agree < 1.0
    values = np.unique([batch['binary']['blurred'] for batch in plain])
    assert values.tolist() == [0.0, 1.0]


def test_masks_of_0_and_1_train_as_half_blurred(tmp_path):
    mask = np.zeros((32, 32), np.uint8)
    mask[:16] = 1
    for kind, array in (('image', np.dstack([mask] * 3)), ('gt', mask)):
        (tmp_path / kind).mkdir()
        iio.imwrite(tmp_path / kind / 'a.png', array)
    found = store.Store(folders.binary_dataset([tmp_path]), CROP)
    data = batches.make_batches({'binary': found}, CROP, SHARD, 3,
                                any_angle=False)
    for batch in take(data, 2):
        blurred = batch['binary']['blurred']
        np.testing.assert_array_equal(blurred.mean(axis=(1, 2, 3)), 0.5)


def test_without_any_angle_rotations_are_by_quarters(coded_folders):
    for batch in take(make(coded_folders, any_angle=False), 3):
        red = np.rint(batch['binary']['image'][..., :1] * 255)
        np.testing.assert_array_equal(batch['binary']['blurred'], red > 100)


def test_sigma_is_scaled_with_its_picture(coded_folders):
    scales = []
    for batch in take(make(coded_folders, changes=Augment(zoom=2.0)), 6):
        red = np.rint(batch['synthetic']['image'][..., 0] * 255)
        # Away from the jumps of the pattern and from clipped sigmas.
        red[(red < 40) | (red > 160)] = np.nan
        sigma = batch['synthetic']['defocus'][..., 0] * 7
        shrunk, enlarged = (sigma / np.hypot(red / 50, added)
                            for added in (0.0, 0.44))
        for ratio in np.where(np.nanmedian(enlarged, axis=(1, 2),
                                           keepdims=True) > 1,
                              enlarged, shrunk):
            scales.append(np.nanmedian(ratio))
            assert np.nanmean(np.abs(ratio / scales[-1] - 1)) < 0.1
    assert 0.49 < min(scales) < 0.8 and 1.25 < max(scales) < 2.01


def test_blur_adds_its_variance_to_sigma(coded_folders):
    sharp, blurred = (take(make(coded_folders, changes=Augment(blur=blur)), 6)
                      for blur in (0, 4))
    added = []
    for before, after in zip(sharp, blurred, strict=True):
        for k in range(2):
            (a, label_a), (b, label_b) = (
                (x['synthetic']['image'][k], x['synthetic']['defocus'][k] * 7)
                for x in (before, after))
            free = label_b < 6.99
            sigma = np.sqrt(np.median(
                (label_b**2 - label_a**2)[free]).clip(0))
            np.testing.assert_allclose(
                b, ndimage.gaussian_filter(a, (sigma, sigma, 0)),
                atol=2.5 / 255)
            np.testing.assert_allclose(
                label_b[free], np.hypot(label_a, sigma)[free], atol=2e-3)
            added.append(sigma)
    assert np.mean(np.array(added) < 0.01) == pytest.approx(0.5, abs=0.35)
    assert 2 < max(added) < 4


def test_photographs_without_sigma_change_photometrically_alone(coded_folders,
                                                                plain):
    changed = take(make(coded_folders, changes=Augment(zoom=2.0, blur=4.0)), 6)
    for name in ('real', 'binary'):
        assert_equal([x[name] for x in plain], [x[name] for x in changed])
    changed = take(make(coded_folders, changes=Augment(grey=1.0)), 1)[0]
    for part in changed.values():
        assert np.ptp(part['image'], axis=-1).max() < 1e-6


def test_a_share_of_the_pictures_is_blurred(coded_folders):
    sharp, some, all_ = (
        take(make(coded_folders, changes=changes), 10)
        for changes in (Augment(), Augment(blur=4, blur_share=0.2),
                        Augment(blur=4, blur_share=1.0)))
    some, all_ = (np.mean([
        np.any((x['synthetic']['image'] != y['synthetic']['image'])
               | (x['synthetic']['defocus'] != y['synthetic']['defocus']),
               axis=(1, 2, 3))
        for x, y in zip(sharp, blurred, strict=True)])
        for blurred in (some, all_))
    assert 0 < some < 0.5 and all_ > 0.9


def test_some_pictures_lose_their_colours(coded_folders):
    data = make(coded_folders, changes=Augment(grey=0.5))
    images = np.concatenate([part['image'] for batch in take(data, 8)
                             for part in batch.values()])
    grey = np.ptp(images, axis=-1).max(axis=(1, 2)) < 1e-6
    assert 0.2 < grey.mean() < 0.8


def test_batches_are_in_range_and_of_the_right_type(plain):
    for part in plain[0].values():
        for array in part.values():
            assert array.dtype == np.float32
            assert array.shape[:3] == (2, CROP, CROP)
            assert array.min() >= 0.0 and array.max() <= 1.0


def test_sampling_continues_at_any_step(coded_folders, plain):
    assert_equal(take(make(coded_folders, first_step=4), 2), plain[4:])


def test_batches_end_where_told(coded_folders, plain):
    data = make(coded_folders, first_step=4, last_step=6)
    assert_equal(list(data.as_numpy_iterator()), plain[4:])


def test_other_seeds_give_other_pictures(coded_folders, plain):
    other = take(make(coded_folders, seed=4), 1)[0]
    assert np.any(other['real']['image'] != plain[0]['real']['image'])


def test_two_workers_share_the_batches_of_one(coded_folders, plain):
    halves = [take(make(coded_folders, shard=batches.Shard(
        batch=2, per_replica=1, local=1, offset=offset)), 3)
        for offset in (0, 1)]
    for step in range(3):
        together = tf.nest.map_structure(
            lambda *parts: np.concatenate(parts), *(h[step] for h in halves))
        assert_equal(together, plain[step])


@pytest.mark.parametrize('cache', ['ram', 'folder'])
def test_caches_change_nothing(coded_folders, plain, cache, tmp_path):
    where = str(tmp_path) if cache == 'folder' else cache
    for _ in range(2):  # Cold, then warm.
        assert_equal(take(make(coded_folders, where), 2), plain[:2])


def test_every_picture_comes_once_an_epoch():
    for epoch in range(3):
        indices = epoch * 7 + tf.range(7, dtype=tf.int64)
        seen = batches.permuted(indices, 7, tf.constant(5, tf.int64))
        assert sorted(seen.numpy()) == list(range(7))
    one = batches.permuted(tf.constant([9], tf.int64), 1,
                           tf.constant(5, tf.int64))
    assert one.numpy().tolist() == [0]


def test_photometric_changes_leave_labels_alone(coded_folders, plain):
    changes = Augment(exposure=1.0, gamma=0.5, noise=5.0, jpeg_quality=60)
    changed = take(make(coded_folders, changes=changes), 1)[0]
    for name, label in (('synthetic', 'defocus'), ('binary', 'blurred')):
        np.testing.assert_array_equal(changed[name][label],
                                      plain[0][name][label])
        difference = abs(changed[name]['image'] - plain[0][name]['image'])
        assert 0.01 < difference.mean() < 0.5


def test_noise_reaches_the_batches_with_its_power_and_grain(coded_folders,
                                                            plain):
    def noise(**changes):
        changes = Augment(noise=40.0, **changes)
        changed = take(make(coded_folders, changes=changes), 1)[0]
        return np.asarray(changed['synthetic']['image']
                          - plain[0]['synthetic']['image'])
    even, rare = noise(), noise(noise_power=4.0)
    # The same noise, less of it: u**4 in place of u.
    assert 0 < rare.std() < 0.8 * even.std()
    assert np.corrcoef(even.ravel(), rare.ravel())[0, 1] > 0.3

    def neighbours(noise):
        return np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert abs(neighbours(even)) < 0.1 < neighbours(noise(grain=1.0))
