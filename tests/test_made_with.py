"""What a result was made with can be read from its file, and harms no one."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from dmenet_tf import files, made_with, maps, sigma_files
from dmenet_tf.applications import depth, inputs

SAID = made_with.text({'strength': 3.0, 'model': 'größe', 'range': None})
SIGMA = np.linspace(0, 5, 108, dtype=np.float32).reshape(9, 12)
PHOTO = np.arange(9 * 12 * 3, dtype=np.uint8).reshape(9, 12, 3)


def test_the_same_settings_give_the_same_line():
    assert made_with.text({'range': None, 'model': 'größe',
                           'strength': 3.0}) == SAID
    assert SAID.isascii() and '\n' not in SAID
    assert made_with.text({'strength': 2.0}) != made_with.text({
        'strength': 3.0})


@pytest.mark.parametrize('kind', [
    pytest.param(kind, marks=pytest.mark.extra) if kind == 'exr' else kind
    for kind in maps.FORMATS])
def test_every_map_says_it_and_is_the_same_map(tmp_path, kind):
    if kind == 'exr':
        pytest.importorskip('OpenEXR')
    plain, path = (tmp_path / f'{name}{maps.FORMATS[kind]}' for name in 'ab')
    maps.write(SIGMA, kind, plain, PHOTO)
    maps.write(SIGMA, kind, path, PHOTO, said=SAID)
    assert made_with.read(plain) is None
    assert made_with.read(path) == SAID
    one, two = map(sigma_files.read_array, (plain, path))
    np.testing.assert_array_equal(one, two)
    assert one.dtype == two.dtype


@pytest.mark.parametrize('kind', depth.FORMATS)
def test_every_depth_map_says_it(tmp_path, kind):
    path = tmp_path / f'a{depth.FORMATS[kind]}'
    depth.write(SIGMA / 5, kind, path, False, PHOTO)
    assert made_with.read(path) is None
    depth.write(SIGMA / 5, kind, path, False, PHOTO, said=SAID)
    assert made_with.read(path) == SAID


@pytest.mark.parametrize('kind', inputs.KINDS)
def test_pictures_of_applications_say_it(tmp_path, kind):
    path = tmp_path / f'a{kind}'
    inputs.write_picture(PHOTO, path, inputs.Kept())
    assert made_with.read(path) is None
    inputs.write_picture(PHOTO, path, inputs.Kept(), SAID)
    assert made_with.read(path) == SAID
    shown = np.asarray(Image.open(path)).astype(int)
    assert np.abs(shown - PHOTO).mean() <= (4 if kind == '.jpg' else 0)


def test_other_files_do_not_say_it(tmp_path):
    (tmp_path / 'a.png').write_text('no picture')
    (tmp_path / 'a.npy').touch()
    Image.fromarray(PHOTO).save(tmp_path / 'b.png',
                                pnginfo=made_with.png_info('GIMP 2.10'))
    tifffile.imwrite(tmp_path / 'b.tiff', SIGMA)
    with open(tmp_path / 'b.npy', 'wb') as file:
        np.save(file, SIGMA)
        np.save(file, SIGMA)
    (tmp_path / 'a.jpg').touch()
    for path in tmp_path.iterdir():
        assert made_with.read(path) is None, path


def test_readers_that_map_an_array_into_memory_see_the_first(tmp_path):
    files.save_npy(tmp_path / 'a.npy', SIGMA, SAID)
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npy', mmap_mode='r'),
                                  SIGMA)
