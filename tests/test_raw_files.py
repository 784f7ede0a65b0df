"""Raw files: previews and sensor data, by DNGs that are written here."""

import io
import pathlib

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from dmenet_tf import images, raw_files

H, W = 48, 64
ROWS, COLUMNS = np.mgrid[:H, :W]
# Linear light.
SCENE = np.stack([COLUMNS / W, ROWS / H, 1 - COLUMNS / W], -1) * 0.8 + 0.1
# The preview is another picture than the scene.
PREVIEW = np.round(255 * SCENE[:, ::-1]).astype(np.uint8)
_SRGB = np.float64([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722],
                    [0.0193, 0.1192, 0.9505]])  # Its primaries in XYZ.
VERSION, MODEL, MATRIX, NEUTRAL, LIGHT = 50706, 50708, 50721, 50728, 50778
PATTERN_SIZE, PATTERN, BLACK, WHITE = 33421, 33422, 50714, 50717


def fractions(values):
    return [n for v in values for n in (round(v * 10_000), 10_000)]


CAMERA = [(VERSION, 'B', 4, (1, 4, 0, 0), True),
          (MODEL, 's', 0, 'A camera', True),
          (MATRIX, '2i', 9, fractions(np.linalg.inv(_SRGB).ravel()), True),
          (NEUTRAL, '2I', 3, fractions([1, 1, 1]), True),
          (LIGHT, 'H', 1, 21, True)]
SENSOR = [(PATTERN_SIZE, 'H', 2, (2, 2), True),
          (PATTERN, 'B', 4, (0, 1, 1, 2), True),
          (BLACK, 'H', 1, 0, True), (WHITE, 'I', 1, 4095, True)]


def mosaic():
    """Of RGGB, 12 bits."""
    colour = np.array([[0, 1], [1, 2]])[ROWS % 2, COLUMNS % 2]
    return np.round(4095 * np.take_along_axis(
        SCENE, colour[..., None], -1)[..., 0]).astype(np.uint16)


def write_dng(path, preview=None, orientation=1):
    turned = [(ExifTags.Base.Orientation, 'H', 1, orientation, True)]
    with tifffile.TiffWriter(path) as file:
        if preview is None:
            file.write(mosaic(), photometric='cfa', metadata=None,
                       extratags=CAMERA + SENSOR + turned)
            return path
        file.write(preview, photometric='rgb', metadata=None, subfiletype=1,
                   subifds=1, extratags=CAMERA + turned)
        file.write(mosaic(), photometric='cfa', metadata=None,
                   extratags=SENSOR)
    return path


def srgb(linear):
    return 255 * np.where(linear < 0.0031308, 12.92 * linear,
                          1.055 * linear**(1 / 2.4) - 0.055)


def assert_developed(found):
    """But for the border, where colours are made up of fewer neighbours."""
    assert found.dtype == np.float32
    inside = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(found[inside], srgb(SCENE)[inside], atol=6)


@pytest.fixture
def rawpy():
    return pytest.importorskip('rawpy')


@pytest.mark.extra
def test_the_preview_is_read_unless_told_otherwise(tmp_path, rawpy):
    path = write_dng(tmp_path / 'a.dng', PREVIEW)
    np.testing.assert_array_equal(images.read_image(path), PREVIEW)
    assert_developed(images.read_image(path, develop=True))
    own, profile = images.read_in_own_colors(path)
    np.testing.assert_array_equal(own, PREVIEW)
    assert profile is None


@pytest.mark.extra
def test_what_has_no_preview_or_a_thumbnail_alone_is_developed(tmp_path,
                                                               rawpy):
    assert_developed(images.read_image(write_dng(tmp_path / 'a.DNG')))
    assert_developed(images.read_image(
        write_dng(tmp_path / 'b.dng', PREVIEW[::2, ::2])))


@pytest.mark.extra
def test_both_are_upright(tmp_path, rawpy):
    path = write_dng(tmp_path / 'a.dng', PREVIEW, orientation=6)
    np.testing.assert_array_equal(images.read_image(path),
                                  np.rot90(PREVIEW, -1))
    assert_developed(np.rot90(images.read_image(path, develop=True)))


@pytest.mark.extra
def test_of_a_jpeg_preview_its_own_orientation_counts(rawpy):
    class Raw:
        class sizes:
            width, height, flip = W, H, 6

        def __init__(self, **options):
            file = io.BytesIO()
            Image.fromarray(PREVIEW).save(file, 'jpeg', **options)
            self.thumb = rawpy.Thumbnail(rawpy.ThumbFormat.JPEG,
                                         file.getvalue())

        def extract_thumb(self):
            return self.thumb

    upright = Image.Exif()
    upright[ExifTags.Base.Orientation] = 1
    for options, expected in (({}, 6), ({'exif': upright}, 1)):
        preview = raw_files._preview(Raw(**options))
        assert preview.getexif()[ExifTags.Base.Orientation] == expected


@pytest.mark.extra
@pytest.mark.parametrize('content', [b'', b'II*\0no raw file'])
def test_a_damaged_one_is_one_line(tmp_path, rawpy, content):
    path = tmp_path / 'a.nef'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='a.nef: damaged picture: ') as caught:
        images.read_image(path)
    assert "b'" not in str(caught.value) and '\n' not in str(caught.value)


def test_without_the_extra_a_raw_file_says_which(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_files, 'installed', lambda: False)
    (tmp_path / 'a.CR2').touch()
    with pytest.raises(ValueError, match=r"a.CR2: a raw.*'dmenet_tf\[raw\]'"):
        images.read_image(tmp_path / 'a.CR2')
    with pytest.raises(FileNotFoundError, match='b.arw: no such file'):
        images.read_image(tmp_path / 'b.arw')


def test_a_raw_file_beside_its_picture_is_the_same_photograph():
    paths = [pathlib.Path(name) for name in (
        'a.arw', 'a.jpg', 'b.ARW', 'c/a.png', 'c/b.nef')]
    assert [str(path) for path in raw_files.without_doubles(paths)] == [
        'a.jpg', 'b.ARW', 'c/a.png', 'c/b.nef']
