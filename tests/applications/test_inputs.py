"""What the applications read, what they refuse, and their commands."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dmenet_tf import maps
from dmenet_tf.applications import inputs

ROOT = pathlib.Path(__file__).parents[1]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize('kind', ['npy', 'png16', 'tiff'])
def test_maps_of_predict_are_read_back(tmp_path, kind):
    sigma = RNG.uniform(0, 7, (5, 7)).astype(np.float32)
    path = tmp_path / f'a{maps.FORMATS[kind]}'
    maps.write(sigma, kind, path)
    np.testing.assert_allclose(inputs.read_sigma(path), sigma, atol=5.1e-4)


def test_a_map_of_another_size_is_scaled_with_its_unit():
    sigma = np.full((10, 15), 2, np.float32)
    scaled = inputs.check_sigma(sigma, (20, 30))
    assert scaled.shape == (20, 30)
    np.testing.assert_allclose(scaled, 4, rtol=1e-5)
    assert inputs.check_sigma(sigma[..., None]).shape == (10, 15)


@pytest.mark.parametrize('sigma, message', [
    (np.full((4, 4), np.nan), '16 pixels are not, the first of them nan'),
    (np.full((4, 4), -1.0), 'not negative'),
    (np.full((4, 4), np.inf), 'finite'),
    (np.ones((4, 9)), 'another aspect'),
    (np.ones((4, 4, 3)), 'a sigma map is'),
    (np.array([['a']]), 'a sigma map is')])
def test_bad_maps_are_refused(sigma, message):
    with pytest.raises(ValueError, match=message):
        inputs.check_sigma(sigma, (4, 4))


def test_images_of_any_depth_become_rgb():
    grey = np.array([[0, 65535]], np.uint16)
    np.testing.assert_array_equal(inputs.check_image(grey),
                                  [[[0] * 3, [1] * 3]])
    for bad in (np.ones((2, 2, 4)), np.full((2, 2, 3), 200.0),
                np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match='needs'):
            inputs.check_image(bad)


def run(name, *arguments):
    return subprocess.run(
        [sys.executable, '-m', f'dmenet_tf.applications.{name}',
         *map(str, arguments)], capture_output=True, text=True, cwd=ROOT,
        check=False)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two photographs, one of them 16-bit grey, and a map of each."""
    folder = tmp_path_factory.mktemp('photographs')
    (folder / 'maps').mkdir()
    Image.fromarray(RNG.integers(0, 256, (30, 40, 3), np.uint8)).save(
        folder / 'a.png')
    Image.fromarray(RNG.integers(0, 65536, (30, 40), np.uint16)).save(
        folder / 'b.png')
    sigma = np.tile(np.linspace(0, 3, 40, dtype=np.float32), (30, 1))
    for name in 'ab':
        maps.write(sigma, 'npy', folder / f'maps/{name}.npy')
    return folder


@pytest.mark.parametrize('name, flags, expected', [
    ('deblur', ['--layers=3'],
     ['a_deblurred.png', 'a_deblurred_before_after.png']),
    ('magnify', ['--focus_on=3,4'],
     ['a_magnified.png', 'a_magnified_before_after.png']),
    ('depth', ['--focus=near', '--format=npy,png16,color,ply'],
     ['a_depth.npy', 'a_depth.ply', 'a_depth.png', 'a_depth16.png'])])
def test_commands_work_on_folders(folder, tmp_path, name, flags, expected):
    done = run(name, folder, f'--sigma={folder}/maps',
               f'--output_dir={tmp_path}', *flags)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.glob('a_*')) == expected
    assert len(list(tmp_path.glob('b_*'))) == len(expected)
    assert len(done.stdout.splitlines()) == 2


def test_bad_photographs_cost_one_line_each(folder, tmp_path):
    (tmp_path / 'bad.png').write_bytes(b'no picture')
    done = run('magnify', tmp_path / 'bad.png', folder / 'a.png',
               folder / 'c.png', f'--sigma={folder}/maps/a.npy',
               '--focus_on=50,4', f'--output_dir={tmp_path}/out')
    errors = [line for line in done.stderr.splitlines()
              if line.startswith('error')]
    assert done.returncode == 1 and len(errors) == 3
    assert 'bad.png' in errors[0] and 'outside the picture' in errors[1]
    assert 'no such file' in errors[2]
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('arguments, message', [
    ([], 'Name at least one photograph'),
    (['.', '--focus_on=3'], '--focus_on needs X,Y')])
def test_bad_calls_say_what_they_need(tmp_path, arguments, message):
    done = run('magnify', *arguments)
    assert done.returncode == 1 and message in done.stdout + done.stderr


def test_a_folder_without_pictures_is_an_error(tmp_path):
    done = run('magnify', tmp_path, f'--sigma={tmp_path}')
    assert done.returncode == 1 and 'without pictures' in done.stderr
    assert 'Traceback' not in done.stderr
