"""Folders to batches: labels stay true, and sampling has no memory."""

import json
import pathlib

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from dmenet_tf.train import folders, store, batches

CROP = 32
SAMPLES = pathlib.Path(__file__).parents[1] / 'data/samples'
SHARD = datasets.Shard(batch=2, per_replica=2, local=2, offset=0)


def coded_picture(height, width):
    """An RGB picture whose red is what its sigma is made of."""
    y, x = np.mgrid[:height, :width]
    red = (2 * y + x) % 200
    return np.stack([red, y % 256, x % 256], axis=-1).astype(np.uint8)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Synthetic pictures with sigma = red / 50 px, masks = red > 100."""
    root = tmp_path_factory.mktemp('sets')
    for name in ('syn/image', 'syn/sigma', 'bin/image', 'bin/gt', 'real'):
        (root / name).mkdir(parents=True)
    for i in range(5):
        picture = coded_picture(40 + i, 48)
        red = picture[..., 0]
        for name in ('syn/image', 'bin/image', 'real'):
            iio.imwrite(root / name / f'{i}.png', picture)
        iio.imwrite(root / f'syn/sigma/{i}.png', red.astype(np.uint16) * 20)
        iio.imwrite(root / f'bin/gt/{i}.png',
                    np.where(red > 100, 255, 0).astype(np.uint8))
    return root


def sets(root):
    return {'synthetic': datasets.synthetic_set([root / 'syn']),
            'binary': datasets.binary_set([root / 'bin']),
            'real': datasets.real_set([root / 'real'])}


def stores(root, cache='none', **options):
    return {name: datasets.Store(pictures, CROP, cache, **options)
            for name, pictures in sets(root).items()}


def take(data, count):
    return [tf.nest.map_structure(np.array, batch)
            for batch in data.take(count)]


def assert_equal(a, b):
    tf.nest.map_structure(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope='module')
def batches(folders):
    return take(datasets.make_batches(stores(folders), CROP, SHARD, seed=3), 6)


def test_labels_follow_their_pixels(batches):
    for batch in batches:
        red = np.rint(batch['synthetic']['image'][..., :1] * 255)
        np.testing.assert_allclose(batch['synthetic']['defocus'],
                                   red / 50 / 7, atol=1e-6)


def test_masks_follow_their_pixels_through_any_angle(batches):
    agree = np.mean([
        (batch['binary']['image'][..., :1] * 255 > 100)
        == batch['binary']['blurred'] for batch in batches])
    # Bilinear against nearest: they part at the jumps of the pattern only.
    assert agree > 0.85
    values = np.unique([batch['binary']['blurred'] for batch in batches])
    assert values.tolist() == [0.0, 1.0]


def test_official_preset_turns_by_quarters_only(folders):
    data = datasets.make_batches(stores(folders), CROP, SHARD, 3, rotate=False)
    for batch in take(data, 3):
        red = np.rint(batch['binary']['image'][..., :1] * 255)
        np.testing.assert_array_equal(batch['binary']['blurred'], red > 100)


def test_sigma_is_scaled_with_its_picture(folders):
    data = datasets.make_batches(stores(folders), CROP, SHARD, 3,
                                 optical=datasets.Optical(zoom=2.0))
    scales = []
    for batch in take(data, 6):
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


@pytest.mark.parametrize('zoom', [1.25, 1.5, 2.0])
def test_what_enlarging_blurs_is_in_the_label(tmp_path, zoom):
    """Beside a photograph of that size with the label's Gaussian."""
    photograph = Image.open(SAMPLES / 'photographs/chelsea.jpg').crop(
        (60, 60, 380, 300))
    size, enlarged = (80, 60), (round(80 * zoom), round(60 * zoom))
    for folder, array in (('image', photograph.resize(size)),
                          ('sigma', Image.fromarray(
                              np.zeros((60, 80), np.uint16)))):
        (tmp_path / folder).mkdir()
        array.save(tmp_path / folder / '0.png')
    store = datasets.Store(datasets.synthetic_set([tmp_path]), CROP)
    side = round(60 * zoom)
    pixels, label = store.window(0, side, (0.9, 0.0, 0.0), 0, zoom)
    image = pixels.view(np.uint8).reshape(side, side, 3).astype(float)
    sharp = np.asarray(photograph.resize(enlarged), float)[:, :side]
    errors = {sigma: np.square(ndimage.gaussian_filter(
        sharp, (sigma, sigma, 0)) - image).mean()
        for sigma in np.arange(0.2, 2.0, 0.02)}
    sigma = label[0, 0] / 1000
    assert np.ptp(label) == 0
    assert sigma == pytest.approx(min(errors, key=errors.get), rel=0.25)


def test_blur_adds_its_variance_to_sigma(folders):
    sharp, blurred = (take(datasets.make_batches(
        stores(folders), CROP, SHARD, 3, optical=datasets.Optical(blur=blur)),
        6) for blur in (0, 4))
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
    for name in ('real', 'binary'):
        assert_equal([x[name] for x in sharp], [x[name] for x in blurred])


def test_a_share_of_the_pictures_is_blurred(folders):
    sharp, some, all_ = (
        take(datasets.make_batches(stores(folders), CROP, SHARD, 3,
                                   optical=optical), 10)
        for optical in (None, datasets.Optical(blur=4, blur_share=0.2),
                        datasets.Optical(blur=4, blur_share=1.0)))
    some, all_ = (np.mean([
        np.any((x['synthetic']['image'] != y['synthetic']['image'])
               | (x['synthetic']['defocus'] != y['synthetic']['defocus']),
               axis=(1, 2, 3))
        for x, y in zip(sharp, blurred, strict=True)])
        for blurred in (some, all_))
    assert 0 < some < 0.5 and all_ > 0.9


def test_sigma_of_the_whole_pictures_is_drawn_by_a_power():
    draws = np.random.default_rng(0).random(4000)
    for power in (1.0, 2.0):
        optical = datasets.Optical(blur=6.0, blur_share=0.5, blur_power=power)
        sigmas = np.array([optical.sigma(draw) for draw in draws])
        assert np.mean(sigmas > 0) == pytest.approx(0.5, abs=0.03)
        # u < 1 / 2 in half of those that are blurred.
        assert np.median(sigmas[sigmas > 0]) == pytest.approx(
            6.0 * 0.5**power, rel=0.1)
        assert sigmas.max() < 6.0


def test_some_pictures_lose_their_colours(folders):
    data = datasets.make_batches(stores(folders), CROP, SHARD, 3,
                                 photometric=datasets.Photometric(grey=0.5))
    images = np.concatenate([part['image'] for batch in take(data, 8)
                             for part in batch.values()])
    grey = np.ptp(images, axis=-1).max(axis=(1, 2)) < 1e-6
    assert 0.2 < grey.mean() < 0.8


def test_batches_are_in_range_and_of_the_right_type(batches):
    for part in batches[0].values():
        for array in part.values():
            assert array.dtype == np.float32
            assert array.shape[:3] == (2, CROP, CROP)
            assert array.min() >= 0.0 and array.max() <= 1.0


def test_sampling_continues_at_any_step(folders, batches):
    later = datasets.make_batches(stores(folders), CROP, SHARD, seed=3,
                                  first_step=4)
    assert_equal(take(later, 2), batches[4:])


def test_batches_end_where_told(folders, batches):
    data = datasets.make_batches(stores(folders), CROP, SHARD, seed=3,
                                 first_step=4, last_step=6)
    assert_equal(list(data.as_numpy_iterator()), batches[4:])


def test_other_seeds_give_other_pictures(folders, batches):
    other = take(datasets.make_batches(stores(folders), CROP, SHARD, 4), 1)[0]
    assert np.any(other['real']['image'] != batches[0]['real']['image'])


def test_two_workers_share_the_batches_of_one(folders, batches):
    halves = [take(datasets.make_batches(
        stores(folders), CROP,
        datasets.Shard(batch=2, per_replica=1, local=1, offset=offset),
        seed=3), 3) for offset in (0, 1)]
    for step in range(3):
        together = tf.nest.map_structure(
            lambda *parts: np.concatenate(parts), *(h[step] for h in halves))
        assert_equal(together, batches[step])


@pytest.mark.parametrize('cache', ['ram', 'folder'])
def test_caches_change_nothing(folders, batches, cache, tmp_path):
    where = str(tmp_path) if cache == 'folder' else cache
    for _ in range(2):  # Cold, then warm.
        data = datasets.make_batches(stores(folders, where), CROP, SHARD, 3)
        assert_equal(take(data, 2), batches[:2])


def test_every_picture_comes_once_an_epoch():
    for epoch in range(3):
        indices = epoch * 7 + tf.range(7, dtype=tf.int64)
        seen = datasets.permuted(indices, 7, tf.constant(5, tf.int64))
        assert sorted(seen.numpy()) == list(range(7))
    one = datasets.permuted(tf.constant([9], tf.int64), 1,
                            tf.constant(5, tf.int64))
    assert one.numpy().tolist() == [0]


@pytest.mark.parametrize('size, crop, expected', [
    ((600, 800), 240, (600, 800)), ((1200, 1600), 240, (600, 800)),
    ((120, 160), 240, (240, 320)), ((200, 2000), 240, (240, 2400))])
def test_pictures_are_fitted(size, crop, expected):
    assert datasets.fitted_size(*size, crop) == expected


@pytest.mark.parametrize('size, factor', [((20, 24), 1.6), ((1000, 1600), 0.5)])
def test_sigma_scales_with_the_picture(tmp_path, size, factor):
    for kind in ('image', 'sigma'):
        (tmp_path / kind).mkdir()
    iio.imwrite(tmp_path / 'image/a.png', np.zeros((*size, 3), np.uint8))
    iio.imwrite(tmp_path / 'sigma/a.png', np.full(size, 2000, np.uint16))
    image, label = datasets.prepare(datasets.synthetic_set([tmp_path]), 0,
                                    CROP)
    assert image.shape[:2] == label.shape
    assert image.shape[0] == pytest.approx(size[0] * factor, abs=1)
    np.testing.assert_allclose(label, 2000 * factor, rtol=0.02)


def test_mask_polarity(tmp_path):
    iio.imwrite(tmp_path / 'a.png', np.array([[0, 255]], np.uint8))
    path = tmp_path / 'a.png'
    assert datasets.read_mask(path).tolist() == [[0.0, 1.0]]
    assert datasets.read_mask(path, polarity=0).tolist() == [[1.0, 0.0]]


def authors_tree(root):
    for kind in ('image', 'blur_map'):
        (root / kind).mkdir()
    iio.imwrite(root / 'image/a.png', np.zeros((32, 32, 3), np.uint8))
    iio.imwrite(root / 'blur_map/a.png', np.full((32, 32), 50, np.uint16))
    return root


@pytest.mark.parametrize('convention, sigma', [('sigma7', 5.0),
                                               ('legacy15', 2.0)])
def test_the_authors_labels(tmp_path, convention, sigma):
    found = datasets.synthetic_set([authors_tree(tmp_path)], convention)
    np.testing.assert_allclose(found.read_label(found.labels[0]), sigma)


def test_the_authors_labels_need_a_convention(tmp_path):
    with pytest.raises(ValueError, match='--convention=legacy15'):
        datasets.synthetic_set([authors_tree(tmp_path)])


def test_scenes_are_held_out_whole(folders):
    manifest = folders / 'syn/manifest.jsonl'
    manifest.write_text('\n'.join(
        json.dumps({'name': str(i), 'scene': 'xy'[i % 2]}) for i in range(5)))
    try:
        rest, held = datasets.synthetic_set([folders / 'syn']).split(0.5)
    finally:
        manifest.unlink()
    assert set(rest.groups).isdisjoint(held.groups)
    assert len(rest) + len(held) == 5
    assert len(rest.groups) == len(rest.labels) == len(rest)


def test_a_missing_label_is_named(tmp_path):
    for kind in ('image', 'sigma'):
        (tmp_path / kind).mkdir()
    for name in ('a', 'b'):
        iio.imwrite(tmp_path / f'image/{name}.png',
                    np.zeros((8, 8, 3), np.uint8))
    iio.imwrite(tmp_path / 'sigma/a.png', np.zeros((8, 8), np.uint16))
    with pytest.raises(FileNotFoundError, match='1 of 2 images .* first is b'):
        datasets.synthetic_set([tmp_path])


def test_an_empty_set_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no pictures'):
        datasets.real_set([tmp_path])
    with pytest.raises(FileNotFoundError, match='no such folder'):
        datasets.binary_set([tmp_path])


@pytest.mark.parametrize('width, fits', [(33, True), (36, False)])
def test_masks_of_another_size(tmp_path, width, fits):
    for kind in ('image', 'gt'):
        (tmp_path / kind).mkdir()
    iio.imwrite(tmp_path / 'image/a.png', np.zeros((32, 32, 3), np.uint8))
    iio.imwrite(tmp_path / 'gt/a.png', np.zeros((32, width), np.uint8))
    pictures = datasets.binary_set([tmp_path])
    if fits:  # CUHK's masks miss by a pixel.
        assert datasets.prepare(pictures, 0, CROP)[1].shape == (32, 32)
    else:
        with pytest.raises(ValueError, match='36 x 32 px, its image 32 x 32'):
            datasets.prepare(pictures, 0, CROP)


def test_a_corrupt_picture_is_named_or_skipped(tmp_path):
    for name in 'abc':
        iio.imwrite(tmp_path / f'{name}.png', coded_picture(40, 40))
    (tmp_path / 'b.png').write_bytes((tmp_path / 'b.png').read_bytes()[:60])
    pictures = datasets.real_set([tmp_path])
    store = datasets.Store(pictures, CROP)
    with pytest.raises(ValueError, match='b.png'):
        store.readable(1)
    assert 'b.png' in str(store.error)
    skipping = datasets.Store(pictures, CROP, skip_corrupt=True)
    np.testing.assert_array_equal(skipping.readable(1)[0], store.picture(2)[0])


def test_photometric_changes_leave_labels_alone(folders, batches):
    changes = datasets.Photometric(exposure=1.0, gamma=0.5, noise=5.0,
                                   jpeg_quality=60)
    changed = take(datasets.make_batches(stores(folders), CROP, SHARD, 3,
                                         photometric=changes), 1)[0]
    for name, label in (('synthetic', 'defocus'), ('binary', 'blurred')):
        np.testing.assert_array_equal(changed[name][label],
                                      batches[0][name][label])
        difference = abs(changed[name]['image'] - batches[0][name]['image'])
        assert 0.01 < difference.mean() < 0.5


def test_noise_reaches_the_batches_with_its_power_and_grain(folders, batches):
    def noise(**strength):
        strength = datasets.Photometric(noise=40.0, **strength)
        changed = take(datasets.make_batches(
            stores(folders), CROP, SHARD, 3, photometric=strength), 1)[0]
        return np.asarray(changed['synthetic']['image']
                          - batches[0]['synthetic']['image'])
    even, rare = noise(), noise(noise_power=4.0)
    # The same noise, less of it: u**4 in place of u.
    assert 0 < rare.std() < 0.8 * even.std()
    assert np.corrcoef(even.ravel(), rare.ravel())[0, 1] > 0.3

    def neighbours(noise):
        return np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert abs(neighbours(even)) < 0.1 < neighbours(noise(grain=1.0))
