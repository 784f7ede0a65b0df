"""Pictures at the size of use: what their labels then say, and the cache."""

import pathlib

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from dmenet_tf import images, sigma_files
from dmenet_tf.train import augment, folders, store
from dmenet_tf.train.changes import Augment

CROP = 32
CHELSEA = (pathlib.Path(__file__).parents[2]
           / 'data/samples/photographs/chelsea.jpg')


def synthetic(folder, image, sigma):
    """A dataset of one picture, [h, w, 3] and px [h, w]."""
    for kind in ('image', 'sigma'):
        (folder / kind).mkdir()
    iio.imwrite(folder / 'image/a.png', image)
    sigma_files.write_png(folder / 'sigma/a.png', sigma)
    return folders.synthetic_dataset([folder])


def masked(folder, mask):
    """A dataset of one black picture with a mask of its size."""
    for kind in ('image', 'gt'):
        (folder / kind).mkdir()
    iio.imwrite(folder / 'image/a.png', np.zeros((*mask.shape[:2], 3),
                                                 np.uint8))
    iio.imwrite(folder / 'gt/a.png', mask)
    return folders.binary_dataset([folder])


@pytest.mark.parametrize('size, crop, expected', [
    ((600, 800), 240, (600, 800)), ((1200, 1600), 240, (600, 800)),
    ((120, 160), 240, (240, 320)), ((200, 2000), 240, (240, 2400))])
def test_pictures_are_fitted(size, crop, expected):
    assert store.fitted_size(*size, crop) == expected


@pytest.mark.parametrize('size, factor', [((20, 24), 1.6),
                                          ((1000, 1600), 0.5)])
def test_sigma_scales_with_the_picture(tmp_path, size, factor):
    dataset = synthetic(tmp_path, np.zeros((*size, 3), np.uint8),
                        np.full(size, 2.0))
    image, label = store.prepare(dataset, 0, CROP)
    assert image.shape[:2] == label.shape
    assert image.shape[0] == pytest.approx(size[0] * factor, abs=1)
    # Enlarging a picture blurs it by 0.44 of its px.
    sigma = 2.0 if factor < 1 else np.hypot(2.0, 0.44)
    np.testing.assert_allclose(label, 1000 * sigma * factor, rtol=0.01)


@pytest.mark.parametrize('entrance', ['prepare', 'zoom'])
@pytest.mark.parametrize('scale', [1.25, 1.5, 2.0])
def test_what_enlarging_blurs_is_in_the_label(tmp_path, scale, entrance):
    """Beside a photograph of that size with the label's Gaussian."""
    photograph = Image.open(CHELSEA).crop((60, 60, 380, 300))
    dataset = synthetic(tmp_path, np.asarray(photograph.resize((80, 60))),
                        np.zeros((60, 80)))
    side = round(60 * scale)
    if entrance == 'prepare':
        image, label = store.prepare(dataset, 0, side)
    else:
        image, label = store.prepare(dataset, 0, CROP)
        draws = augment.Draws(*np.zeros(len(augment.Draws._fields)))._replace(
            flip=0.9, zoom=1.0)
        image, label = augment.random_crop(image, label, side, draws,
                                           Augment(zoom=scale))
    image, label = image[:, :side], label[:, :side]
    sharp = np.asarray(photograph.resize((round(80 * scale), side)), float)
    sharp = sharp[:, :side]
    errors = {sigma: np.square(ndimage.gaussian_filter(
        sharp, (sigma, sigma, 0)) - image).mean()
        for sigma in np.arange(0.0, 2.0, 0.02)}
    sigma = label[0, 0] / 1000
    assert np.ptp(label) == 0
    assert sigma == pytest.approx(min(errors, key=errors.get), rel=0.25)


def test_sigma_is_kept_in_the_codes_of_sigma_files(tmp_path):
    sigma = np.linspace(0, 7, 32 * 32).reshape(32, 32)
    dataset = synthetic(tmp_path, np.zeros((32, 32, 3), np.uint8), sigma)
    label = store.prepare(dataset, 0, CROP)[1]
    np.testing.assert_array_equal(label, sigma_files.codes_from_sigma(sigma))


def test_pictures_of_16_bits_are_rounded(tmp_path, monkeypatch):
    dataset = synthetic(tmp_path, np.zeros((32, 32, 3), np.uint8),
                        np.zeros((32, 32)))
    # As a rotated photograph comes: its columns lie together.
    read = np.full((3, 32, 40), 127.6, np.float32).T
    monkeypatch.setattr(images, 'read_image', lambda path: read)
    dataset = folders.Dataset('real', dataset.images)
    image, label = store.prepare(dataset, 0, CROP)
    assert image.dtype == np.uint8 and np.all(image == 128)
    crop, _ = augment.random_crop(image, label, CROP,
                                  augment.random_draws(0, 0), Augment())
    assert np.all(crop == 128)


def half(high, dtype=np.uint8):
    mask = np.zeros((32, 32), dtype)
    mask[:, :16] = high
    return mask


@pytest.mark.parametrize('mask', [
    half(1), half(255), half(65535, np.uint16),
    np.dstack([half(255)] * 3 + [np.full((32, 32), 128, np.uint8)])],
    ids=['0 and 1', '0 and 255', '16 bits', 'RGBA'])
def test_masks_are_half_blurred_where_half_is(tmp_path, mask):
    image, label = store.prepare(masked(tmp_path, mask), 0, CROP)
    np.testing.assert_array_equal(label, half(1))
    assert image.shape == (32, 32, 3)


def test_masks_that_are_none_are_refused_by_name(tmp_path):
    three, coloured, clear = half(255), np.dstack([half(255)] * 3), half(255)
    three[0, 0] = 128
    coloured[0, 0, 1] = 7
    clear = np.dstack([half(255)] * 3 + [half(255)])
    for name, mask, reason in (('three', three, 'it has 3 levels'),
                               ('coloured', coloured, 'coloured'),
                               ('clear', clear, 'transparency varies')):
        (tmp_path / name).mkdir()
        dataset = masked(tmp_path / name, mask)
        with pytest.raises(ValueError, match=f'{name}/gt/a.png: .*{reason}'):
            store.prepare(dataset, 0, CROP)


@pytest.mark.parametrize('width, fits', [(33, True), (36, False)])
def test_masks_of_another_size(tmp_path, width, fits):
    dataset = masked(tmp_path, np.zeros((32, width), np.uint8))
    iio.imwrite(dataset.images[0], np.zeros((32, 32, 3), np.uint8))
    if fits:  # CUHK's masks miss by a pixel.
        assert store.prepare(dataset, 0, CROP)[1].shape == (32, 32)
    else:
        with pytest.raises(ValueError, match='36 x 32 px, its image 32 x 32'):
            store.prepare(dataset, 0, CROP)


def test_a_corrupt_picture_is_named_or_skipped(tmp_path, coded_picture):
    for i, name in enumerate('abc'):
        iio.imwrite(tmp_path / f'{name}.png', coded_picture(40, 40 + i))
    (tmp_path / 'b.png').write_bytes((tmp_path / 'b.png').read_bytes()[:60])
    dataset = folders.real_dataset([tmp_path])
    strict = store.Store(dataset, CROP)
    with pytest.raises(ValueError, match='b.png'):
        strict.readable(1)
    assert 'b.png' in str(strict.error)
    skipping = store.Store(dataset, CROP, skip_corrupt=True)
    np.testing.assert_array_equal(skipping.readable(1)[0],
                                  strict.picture(2)[0])
    for name in 'ac':
        (tmp_path / f'{name}.png').write_bytes(b'')
    with pytest.raises(ValueError, match='No picture of the real dataset'):
        skipping.readable(0)


def test_a_cache_on_disk_is_used_until_something_changes(
        tmp_path, coded_folders, monkeypatch):
    dataset = folders.synthetic_dataset([coded_folders / 'syn'])

    def cached(crop=CROP):
        return store.Store(dataset, crop, str(tmp_path)).picture(0)
    right = store.prepare(dataset, 0, CROP)
    for _ in range(2):  # Cold, then warm.
        for ours, expected in zip(cached(), right, strict=True):
            np.testing.assert_array_equal(ours, expected)
    stale, = tmp_path.glob('*/000000.image.npy')
    np.save(stale, np.zeros((32, 32, 3), np.uint8))
    assert not cached()[0].any()
    assert cached(crop=16)[0].any()
    # What an earlier version made of the same files.
    monkeypatch.setattr(store, '_VERSION', store._VERSION + 1)
    np.testing.assert_array_equal(cached()[0], right[0])


def with_hole(folder, size):
    """A dataset of one picture: white where its sigma, 2 px, is left out."""
    hole = np.zeros(size, bool)
    hole[size[0] // 4:size[0] // 2, size[1] // 4:size[1] // 2] = True
    synthetic(folder, np.dstack([np.uint8(255 * hole)] * 3),
              np.full(size, 2.0))
    sigma_files.write_valid(folder / 'valid/a.png', ~hole)
    return folders.synthetic_dataset([folder]), hole


@pytest.mark.parametrize('cache', ['none', 'ram', 'disk'])
def test_what_is_left_out_has_its_own_code(tmp_path, cache):
    dataset, hole = with_hole(tmp_path, (40, 48))
    cache = str(tmp_path / 'cache') if cache == 'disk' else cache
    kept = store.Store(dataset, CROP, cache)
    for _ in range(2):
        _, label = kept.picture(0)
        np.testing.assert_array_equal(label == sigma_files.LEFT_OUT, hole)
        assert np.unique(label).tolist() == [2000, sigma_files.LEFT_OUT]
    sigma_files.write_valid(dataset.valid[0], np.ones((40, 48), bool))
    _, label = store.Store(dataset, CROP, cache).picture(0)
    assert np.unique(label).tolist() == [2000]


@pytest.mark.parametrize('size', [(20, 24), (1000, 1600)])
def test_what_is_mixed_with_what_is_left_out_is_left_out(tmp_path, size):
    dataset, hole = with_hole(tmp_path, size)
    image, label = store.prepare(dataset, 0, CROP)
    left_out = label == sigma_files.LEFT_OUT
    assert np.all(left_out[image[..., 0] > 0])
    # Bicubic: two px of the coarser picture on either side of its edges.
    assert hole.mean() < left_out.mean() < (
        hole.mean() * (1 + 4 / (min(size[0], label.shape[0]) / 4))**2)
    assert np.ptp(label[~left_out]) == 0


def test_a_mask_of_another_size_than_its_label_is_named(tmp_path):
    dataset, _ = with_hole(tmp_path, (40, 48))
    sigma_files.write_valid(dataset.valid[0], np.ones((40, 47), bool))
    with pytest.raises(ValueError, match='valid/a.png: it is 47 x 40 px, its '
                                         'sigma map 48 x 40 px'):
        store.prepare(dataset, 0, CROP)
