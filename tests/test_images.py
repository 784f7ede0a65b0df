"""Every kind of picture that users have, good and bad."""

import numpy as np
import pytest
from PIL import Image

from dmenet_tf import images

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), np.uint8)


def saved(tmp_path, picture, name, **options):
    path = tmp_path / name
    picture.save(path, **options)
    return path


def test_rgb_png_is_read_as_it_is(tmp_path):
    path = saved(tmp_path, Image.fromarray(RGB), 'a.png')
    np.testing.assert_array_equal(images.read_image(path), RGB)


def test_grey_becomes_three_equal_channels(tmp_path):
    path = saved(tmp_path, Image.fromarray(RGB[..., 0]), 'a.png')
    np.testing.assert_array_equal(images.read_image(path),
                                  np.repeat(RGB[..., :1], 3, -1))


@pytest.mark.parametrize('alpha', [0, 128])
def test_alpha_is_dropped(tmp_path, alpha):
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], alpha, np.uint8)])
    path = saved(tmp_path, Image.fromarray(rgba), 'a.png')
    np.testing.assert_array_equal(images.read_image(path), RGB)


def test_grey_with_alpha(tmp_path):
    grey = Image.fromarray(RGB[..., 0]).convert('LA')
    path = saved(tmp_path, grey, 'a.png')
    np.testing.assert_array_equal(images.read_image(path)[..., 1], RGB[..., 0])


def test_sixteen_bits_keep_their_steps(tmp_path):
    grey = np.array([[0, 257, 300, 65535]], np.uint16)
    path = saved(tmp_path, Image.fromarray(grey), 'a.png')
    np.testing.assert_allclose(images.read_image(path)[0, :, 0],
                               [0, 1, 300 / 257, 255], rtol=1e-6)


def test_palette_with_transparency(tmp_path):
    picture = Image.fromarray(RGB).quantize(16)
    expected = np.asarray(picture.convert('RGB'))
    path = saved(tmp_path, picture, 'a.png', transparency=3)
    np.testing.assert_array_equal(images.read_image(path), expected)


def test_black_and_white(tmp_path):
    path = saved(tmp_path, Image.fromarray(RGB[..., 0] > 99), 'a.png')
    assert set(np.unique(images.read_image(path))) == {0, 255}


def test_cmyk_jpeg_shows_its_colours(tmp_path):
    red = Image.new('CMYK', (8, 8), (0, 255, 255, 0))
    path = saved(tmp_path, red, 'a.jpg', quality=95)
    r, g, b = images.read_image(path)[4, 4]
    assert r > 240 and g < 15 and b < 15


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned by a quarter clockwise.
    path = saved(tmp_path, Image.fromarray(RGB), 'a.png', exif=exif)
    np.testing.assert_array_equal(images.read_image(path), np.rot90(RGB, -1))


@pytest.mark.parametrize('size', [(1, 1), (5, 3000)])
def test_odd_sizes(tmp_path, size):
    path = saved(tmp_path, Image.new('RGB', size[::-1]), 'a.png')
    assert images.read_image(path).shape == (*size, 3)


def write_bad(tmp_path, kind):
    path = tmp_path / 'bad file.png'
    if kind == 'empty':
        path.write_bytes(b'')
    elif kind == 'text':
        path.write_text('This is no picture.\n' * 50)
    elif kind.startswith('truncated'):
        suffix = kind.split()[1]
        noise = RNG.integers(0, 256, (200, 200, 3), np.uint8)
        whole = tmp_path / f'whole.{suffix}'
        Image.fromarray(noise).save(whole)
        path = path.with_suffix(f'.{suffix}')
        path.write_bytes(whole.read_bytes()[:9000])
        whole.unlink()
    elif kind == 'folder':
        path.mkdir()
    elif kind == 'secret':
        path.write_bytes(b'x')
    return path


BAD = {'empty': 'empty', 'text': 'not a picture', 'missing': 'no such file',
       'truncated png': 'damaged', 'truncated jpg': 'damaged',
       'folder': 'is a folder'}


@pytest.mark.parametrize('kind, reason', BAD.items())
def test_bad_files_give_one_line_with_name_and_reason(tmp_path, kind, reason):
    path = write_bad(tmp_path, kind)
    with pytest.raises((ValueError, OSError), match=reason) as caught:
        images.read_image(path)
    line = str(caught.value)
    assert line.startswith(str(path)) and '\n' not in line


def test_an_unreadable_file_says_so(tmp_path, monkeypatch):
    path = write_bad(tmp_path, 'secret')

    def denied(*_):  # chmod does not stop root.
        raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr(Image, 'open', denied)
    with pytest.raises(PermissionError, match='bad file.png: not readable'):
        images.read_image(path)


def test_colours_run_from_dark_to_bright_and_stay():
    colors = images.color_sigma(np.array([[0.0, 1.0, 2.0, 9.0]]), 2.0)
    brightness = colors.astype(int).sum(-1)[0]
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]


@pytest.mark.parametrize('size', [(1, 1), (5, 300), (240, 30)])
def test_color_bar_leaves_the_picture_alone(size):
    picture = RNG.integers(0, 256, (*size, 3), np.uint8)
    barred = images.with_color_bar(picture, 7.0)
    np.testing.assert_array_equal(barred[:size[0], :size[1]], picture)
    assert barred.shape[1] > size[1] + 50
    assert len(np.unique(barred[:, size[1]:].reshape(-1, 3), axis=0)) > 100
