"""Pictures and batches of experiments/without_tensorflow are the trainer's.

Its step is dmenet_tf.train's own, compiled; what is written anew for NumPy and
OpenCV is compared here.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmenet_tf import sigma_files
from dmenet_tf.train import augment
from dmenet_tf.train.changes import AUGMENT

pytest.importorskip('cv2')
FOLDER = pathlib.Path(__file__).parents[1] / 'experiments/without_tensorflow'


@pytest.fixture(scope='module')
def modules():
    """(train.py, pack_pictures.py), imported."""
    sys.path.insert(0, str(FOLDER))
    try:
        import pack_pictures
        import train
    finally:
        sys.path.remove(str(FOLDER))
    yield train, pack_pictures
    del sys.modules['train'], sys.modules['pack_pictures']


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)


def draws(index):
    return augment.random_draws(1, index)


def ours(train, image, index, changes):
    return train.photometry(image, draws(index), np.random.default_rng(0),
                            changes) / 255.0


def theirs(image, index, changes):
    image = tf.constant(image[None] / np.float32(255))
    return augment.change_photometry(
        image, augment.Draws(*(tf.constant([d]) for d in draws(index))),
        tf.constant([[1, index]]), changes)[0].numpy()


@pytest.mark.parametrize('index', range(6))
def test_colours_change_as_in_training(modules, image, index):
    changes = dataclasses.replace(AUGMENT['photographs'], noise=0.0,
                                  jpeg_quality=100)
    np.testing.assert_allclose(ours(modules[0], image, index, changes),
                               theirs(image, index, changes), atol=0.6 / 255)


def test_compression_loses_about_as_much_as_in_training(modules):
    # The two libraries round colours otherwise, which counts where quality is
    # high.
    smooth = np.uint8(np.add.outer(np.arange(96), np.arange(96))[..., None]
                      + np.uint8([0, 20, 60]))
    changes = dataclasses.replace(AUGMENT['none'], jpeg_quality=1)
    for index in range(8):
        a, b = (np.abs(made - smooth / 255.0).mean() for made in (
            ours(modules[0], smooth, index, changes),
            theirs(smooth, index, changes)))
        assert a == pytest.approx(b, rel=0.5) and a > 0.2 / 255


@pytest.mark.parametrize('smooth, grey, beside, between', [
    (0, 0, 0, 0), (1, 0, 2 / 3, 0), (0, 1, 0, 1), (1, 1, 2 / 3, 1)])
def test_noise_is_correlated_as_it_says(modules, smooth, grey, beside,
                                        between):
    noise = modules[0].correlated(np.random.default_rng(0).standard_normal(
        (400, 400, 3), np.float32), smooth, grey)
    assert noise.std() == pytest.approx(1, abs=0.02)
    assert np.mean(noise[:, 1:] * noise[:, :-1]) == pytest.approx(beside,
                                                                  abs=0.02)
    assert np.mean(noise[..., 0] * noise[..., 1]) == pytest.approx(between,
                                                                   abs=0.02)


@pytest.mark.parametrize('angle', [0.3, 2.0, 4.5])
def test_crops_turn_as_in_training(modules, angle):
    n = augment.window_size(32)
    window = np.uint8(127 + 100 * np.sin(np.add.outer(
        np.arange(n), 2 * np.arange(n)) / 9))[..., None].repeat(3, -1)
    mask = (window[..., 0] > 127).astype(np.uint16)
    image, label = modules[0].rotated(window, mask, angle, 32)
    expected = augment.rotate_and_crop(
        tf.constant(window[None], tf.float32), tf.constant([angle]), 32)[0]
    np.testing.assert_allclose(image, expected, atol=4)
    expected = augment.rotate_and_crop(
        tf.constant(mask[None, ..., None], tf.uint8), tf.constant([angle]),
        32, 'nearest')[0, ..., 0]
    assert np.mean(label == expected) > 0.97


@pytest.fixture
def packed(modules, tmp_path, monkeypatch):
    """(meta of a program, folder of its packed pictures, sigma)."""
    rng = np.random.default_rng(0)
    sigma = np.linspace(0, 7, 48 * 60, dtype=np.float32).reshape(48, 60)
    pictures = {'rooms/image/1.png': rng.integers(0, 256, (48, 60, 3)),
                'cuhk/image/a.b.jpg': rng.integers(0, 256, (48, 60, 3)),
                'cuhk/gt/a.b.png': 255 * (sigma > 3),
                'rooms/valid/1.png': 255 * (sigma > 1)}
    for name, picture in pictures.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.astype(np.uint8)).save(path)
    (tmp_path / 'rooms/sigma').mkdir()
    sigma_files.write_png(tmp_path / 'rooms/sigma/1.png', sigma)
    meta = {'datasets': {'synthetic': ['rooms/1', 'rooms/1'],
                         'binary': ['cuhk/a.b']}, 'crop': 32, 'batch': 2,
            'seed': 3, 'any_angle': True,
            'augment': dataclasses.asdict(AUGMENT['photographs']),
            'inputs': [['binary', 'codes'], ['binary', 'image'],
                       ['synthetic', 'codes'], ['synthetic', 'image']]}
    (tmp_path / 'meta.json').write_text(json.dumps(meta))
    monkeypatch.setattr(sys, 'argv', [
        'pack', str(tmp_path / 'meta.json'), str(tmp_path),
        str(tmp_path / 'packed')])
    modules[1].main()
    return meta, tmp_path / 'packed', sigma


def test_packed_pictures_come_back(modules, packed):
    meta, folder, sigma = packed
    found = modules[0].read_all(meta, str(folder))
    _, codes = found['synthetic', 'rooms/1']
    np.testing.assert_array_equal(codes == sigma_files.LEFT_OUT, sigma <= 1)
    known = sigma > 1
    np.testing.assert_allclose(sigma_files.sigma_from_codes(codes)[known],
                               sigma[known], atol=1 / 64 + 1e-3)
    np.testing.assert_array_equal(found['binary', 'cuhk/a.b'][1], sigma > 3)


def test_batches_are_a_function_of_seed_and_step(modules, packed):
    meta, folder, _ = packed
    pictures = modules[0].read_all(meta, str(folder))
    batches = modules[0].Batches(meta, pictures)
    first, again = batches(5), modules[0].Batches(meta, pictures)(5)
    assert [(a.shape, a.dtype) for a in first] == 2 * [
        ((2, 32, 32, 1), np.uint16), ((2, 32, 32, 3), np.uint8)]
    for a, b, other in zip(first, again, batches(6), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.shape == other.shape and np.any(a != other)


def test_a_picture_that_is_missing_is_named(modules, packed):
    meta, folder, _ = packed
    (folder / 'rooms/1.png').unlink()
    with pytest.raises((OSError, ValueError), match='rooms/1.png'):
        modules[0].read_all(meta, str(folder))
    with pytest.raises(FileNotFoundError, match='no such picture'):
        modules[1].find(folder / 'rooms', 'image', 'nothing')
