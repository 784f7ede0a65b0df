"""estimate() and the predict CLI: from files to maps."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import dmenet_tf
from dmenet_tf import (
    estimation,
    images,
    inference,
    networks,
    optics,
    predict,
    weights,
)

RNG = np.random.default_rng(0)


@pytest.fixture(scope='module')
def model_file(tmp_path_factory):
    keras.utils.set_random_seed(2)
    path = tmp_path_factory.mktemp('model') / 'toy.npz'
    b = networks.build_blur_estimator(4, 1, side_heads=False)
    weights.save(path, networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    return path


@pytest.fixture(scope='module')
def model(model_file):
    return dmenet_tf.load_model(model_file)


def noise(*shape):
    return RNG.integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.parametrize('size', [(1, 1), (5, 3000), (16, 32), (37, 53)])
def test_any_size_gives_a_map_of_that_size(model, size):
    sigma = dmenet_tf.estimate(noise(*size), model)
    assert sigma.shape == size and sigma.dtype == np.float32
    assert 0 <= sigma.min() <= sigma.max() <= optics.MAX_SIGMA


def test_uint8_and_float_images_give_the_same_map(model):
    image = noise(20, 30)
    np.testing.assert_array_equal(
        estimation.estimate(image, model),
        estimation.estimate(image.astype(np.float64), model))


def test_padding_is_symmetric(model):
    """The map of an image is the corner of the map of its mirrored self."""
    image = noise(20, 27)
    mirrored = np.pad(image, ((0, 12), (0, 5), (0, 0)), 'symmetric')
    np.testing.assert_allclose(
        estimation.estimate(image, model),
        estimation.estimate(mirrored, model)[:20, :27], atol=1e-5)


@pytest.mark.parametrize('convention, sigma', [('sigma7', 3.5),
                                               ('legacy15', 3.25)])
def test_the_convention_of_the_weights_sets_the_unit(convention, sigma):
    b = networks.build_blur_estimator(4, 0, side_heads=False)
    for variable in b.get_layer('uf_c3').weights:
        variable.assign(np.zeros(variable.shape))  # sigmoid(0) = 0.5
    model = inference.build_estimator(b, convention)
    np.testing.assert_allclose(estimation.estimate(noise(9, 9), model), sigma)


@pytest.mark.parametrize('image, reason', [
    (np.zeros((4, 4, 4)), r'\(4, 4, 4\)'), (np.zeros((0, 4, 3)), r'\(0, 4'),
    (np.full((4, 4, 3), np.nan), 'nan'), (np.full((4, 4, 3), 300.), '300'),
    (np.zeros((4, 4, 3), complex), 'complex')])
def test_what_is_no_image_is_refused(model, image, reason):
    with pytest.raises(ValueError, match=reason):
        estimation.estimate(image, model)


def run(*arguments):
    return subprocess.run([sys.executable, '-m', 'dmenet_tf.predict',
                           *map(str, arguments)], capture_output=True,
                          text=True, check=False)


def test_bad_files_cost_a_line_and_the_others_are_mapped(tmp_path, model,
                                                         model_file):
    photo = tmp_path / 'in put' / 'größe 1.jpg'
    photo.parent.mkdir()
    Image.fromarray(noise(40, 50)).save(photo)
    (photo.parent / 'text.png').write_text('no picture')
    (tmp_path / 'hollow').mkdir()
    out = tmp_path / 'out'
    done = run(photo.parent, tmp_path / 'missing.png', tmp_path / 'hollow',
               f'--model={model_file}', f'--output_dir={out}')
    assert done.returncode == 1
    assert sorted(file.name for file in out.iterdir()) == [
        'größe 1.npy', 'größe 1_sigma.png']
    np.testing.assert_allclose(
        np.load(out / 'größe 1.npy'),
        estimation.estimate(images.read_image(photo), model), atol=1e-5)
    for line in ('text.png: not a picture', 'missing.png: no such file',
                 'hollow: a folder without pictures'):
        assert done.stderr.count(line) == 1
    assert '1 photograph mapped' in done.stdout
    assert '3 failed' in done.stdout
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('arguments, reason', [
    (['--model=none.npz', 'a.png'], 'none.npz: no such weights file'),
    ([], 'Name at least one photograph')])
def test_bad_calls_are_one_line_and_status_1(arguments, reason):
    done = run(*arguments)
    assert done.returncode == 1 and reason in done.stderr + done.stdout
    assert 'Traceback' not in done.stderr


def test_maps_never_overwrite_each_other():
    a, b, c = map(pathlib.Path, ('x/a.jpg', 'y/a.png', 'x/b.jpg'))
    stems, refused = predict.output_stems([a, b, c, a])
    assert stems == {a: 'a', c: 'b'}
    assert list(refused) == [b] and 'overwrite those of x/a.jpg' in refused[b]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(np, 'save', lambda *_: (_ for _ in ()).throw(
        OSError(28, 'No space left on device')))
    with pytest.raises(OSError, match='No space'):
        predict.write_maps(np.ones((4, 4)), tmp_path, 'a')
    assert not list(tmp_path.iterdir())
