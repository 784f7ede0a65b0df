"""Pictures of more than 8 bits, and TIFF as microscopes and cameras write it.

Most show the same: r rising from 0 to 1 over all pixels, row by row.
"""

import logging
import struct
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from dmenet_tf import images

HEIGHT, WIDTH = 6, 10
R = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
RGB = np.stack([R, R**2, 1 - R], axis=-1)
RGB16 = np.round(RGB * 65535).astype(np.uint16)
GREY16 = RGB16[..., 0]


def read(tmp_path, codes, value_range=None, **options):
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, codes, **options)
    return images.read_image(path, value_range)


def assert_shows(read, values, tolerance=1e-3):
    """values [h, w] or [h, w, 3] in [0, 1]."""
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=-1)
    assert read.dtype in (np.uint8, np.float32)
    np.testing.assert_allclose(read, values * 255, atol=255 * tolerance)


def test_colours_in_one_plane_or_in_three(tmp_path):
    assert_shows(read(tmp_path, RGB16, photometric='rgb'), RGB)
    planes = np.moveaxis(RGB16, -1, 0)
    assert_shows(read(tmp_path, planes, photometric='rgb',
                      planarconfig='separate'), RGB)


def test_twelve_bits_end_at_4095(tmp_path):
    pairs = np.round(R * 4095).astype(int).reshape(-1, 2)
    packed = np.stack([pairs[:, 0] >> 4,
                       (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8,
                       pairs[:, 1] & 255], axis=-1).astype(np.uint8).tobytes()
    entries = [(256, WIDTH), (257, HEIGHT), (258, 12), (259, 1), (262, 1),
               (273, 122), (277, 1), (278, HEIGHT), (279, len(packed))]
    path = tmp_path / 'a.tif'
    path.write_bytes(b'II*\0' + struct.pack('<IH', 8, len(entries)) + b''.join(
        struct.pack('<HHII', tag, 4, 1, value) for tag, value in entries)
        + bytes(4) + packed)
    assert_shows(images.read_image(path), R)


def test_what_the_file_says_is_white_counts(tmp_path):
    codes = np.round(R * 4095).astype(np.uint16)
    said = read(tmp_path, codes, photometric='minisblack',
                extratags=[(281, 'H', 1, 4095, True)])
    assert_shows(said, R)


def test_few_bits_that_nobody_declares_are_warned_of(tmp_path, caplog):
    codes = np.round(R * 4095).astype(np.uint16)
    with caplog.at_level(logging.WARNING, 'absl'):
        dark = read(tmp_path, codes, photometric='minisblack')
    assert_shows(dark, R * 4095 / 65535)
    assert 'a.tif: its 16-bit codes end at 4095' in caplog.text
    assert_shows(read(tmp_path, codes, (0, 4095), photometric='minisblack'), R)


def test_a_range_that_is_given_is_not_asked_for(tmp_path, caplog):
    codes = np.round(R * 4095).astype(np.uint16)
    with caplog.at_level(logging.WARNING, 'absl'):
        read(tmp_path, codes, (0, 4095), photometric='minisblack')
    assert not caplog.text


def test_white_may_be_zero(tmp_path):
    assert_shows(read(tmp_path, 65535 - GREY16, photometric='miniswhite'), R)


@pytest.mark.parametrize('dtype', [np.uint16, np.float32])
def test_white_may_be_the_lower_end_of_a_range(tmp_path, dtype):
    codes = np.round((1 - R) * 4095).astype(dtype)
    assert_shows(read(tmp_path, codes, (0, 4095), photometric='miniswhite'), R)


def test_a_float_of_which_zero_is_white_needs_a_range(tmp_path):
    with pytest.raises(ValueError, match='float32 codes have no defined'):
        read(tmp_path, R.astype(np.float32), photometric='miniswhite')


def test_compressions_that_pillow_lacks(tmp_path, capfd):
    codes = np.full((16, 16, 3), 90, np.uint8)
    shown = read(tmp_path, codes, photometric='rgb', compression='webp',
                 compressionargs={'lossless': True})
    assert (shown == 90).all()
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('orientation, upright', [
    (2, GREY16[:, ::-1]), (3, GREY16[::-1, ::-1]), (4, GREY16[::-1]),
    (5, GREY16.T), (6, np.rot90(GREY16, -1)), (7, GREY16.T[::-1, ::-1]),
    (8, np.rot90(GREY16, 1))])
def test_raw_grey_is_turned(tmp_path, orientation, upright):
    turned = read(tmp_path, GREY16, photometric='minisblack',
                  extratags=[(274, 'H', 1, orientation, True)])
    assert_shows(turned, upright / 65535)


@pytest.mark.parametrize('dtype', [np.uint32, np.int16, np.int32, np.float32,
                                   np.float64])
def test_types_without_a_range_need_one(tmp_path, dtype):
    codes = (R * 1000 - (0 if dtype == np.uint32 else 100)).astype(dtype)
    with pytest.raises(ValueError, match=f'a.tif: {np.dtype(dtype)} codes have'
                       r' no defined range; pass --range=LOW,HIGH'):
        read(tmp_path, codes, photometric='minisblack')
    low = codes.min()
    assert_shows(read(tmp_path, codes, (float(low), float(codes.max())),
                      photometric='minisblack'),
                 (codes - float(low)) / float(codes.max() - float(low)))


def test_colours_as_floats_with_a_range(tmp_path):
    assert_shows(read(tmp_path, RGB.astype(np.float32), (0, 1),
                      photometric='rgb'), RGB)


def test_nan_is_no_photograph(tmp_path):
    with pytest.raises(ValueError, match='a.tif: some of its pixels are not'):
        read(tmp_path, np.where(R > 0.5, np.nan, R).astype(np.float32), (0, 1),
             photometric='minisblack')


def test_colours_that_alpha_multiplied_are_divided(tmp_path):
    alpha = np.full(R.shape, 128, np.uint8)
    grey = np.stack([np.round(R * 128).astype(np.uint8), alpha], axis=-1)
    assert_shows(read(tmp_path, grey, photometric='minisblack',
                      extrasamples=['assocalpha']), R, tolerance=0.006)


def test_multiplied_colours_take_their_profile(tmp_path):
    """As the same colours do that no alpha multiplied."""
    half = np.full((HEIGHT, WIDTH, 1), 32768, np.uint16)
    multiplied = np.round(RGB * 32768).astype(np.uint16)
    options = {'photometric': 'rgb', 'iccprofile': with_red_and_green_swapped()}
    shown = read(tmp_path, RGB16, **options)
    assert np.abs(shown[..., 1] - 255 * RGB[..., 0]).max() < 4
    np.testing.assert_allclose(
        read(tmp_path, np.concatenate([multiplied, half], axis=-1),
             extrasamples=['assocalpha'], **options), shown, atol=0.5)


def with_red_and_green_swapped():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    return srgb.replace(b'rXYZ', b'@XYZ').replace(
        b'gXYZ', b'rXYZ').replace(b'@XYZ', b'gXYZ')


def test_other_alpha_is_dropped(tmp_path):
    rgba = np.concatenate([RGB16, RGB16[..., :1] // 2], axis=-1)
    assert_shows(read(tmp_path, rgba, photometric='rgb',
                      extrasamples=['unassalpha']), RGB)


def test_ink_of_sixteen_bits(tmp_path):
    ink = np.concatenate([1 - RGB, np.zeros_like(RGB[..., :1])], axis=-1)
    assert_shows(read(tmp_path, np.round(ink * 65535).astype(np.uint16),
                      photometric='separated'), RGB)


def test_thumbnails_of_raw_files_are_not_mapped(tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', RGB16[:2, :2], photometric='rgb',
                     subfiletype=1)
    with pytest.raises(ValueError, match='a.tif: a raw file of a camera'):
        images.read_image(tmp_path / 'a.tif')


def test_stacks_are_no_picture(tmp_path):
    with pytest.raises(ValueError, match='a.tif: 5 channels'):
        read(tmp_path, np.zeros((4, 4, 5), np.uint16),
             photometric='minisblack', planarconfig='contig')


def test_a_damaged_strip_is_one_line(tmp_path):
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, np.random.default_rng(0).integers(
        0, 65536, (64, 64), np.uint16), compression='zlib',
        photometric='minisblack')
    content = bytearray(path.read_bytes())
    content[500:900] = bytes(400)
    path.write_bytes(content)
    with pytest.raises(ValueError, match='a.tif: damaged picture') as caught:
        images.read_image(path)
    assert '\n' not in str(caught.value)


def odd_exif(kind):
    """An EXIF block: orientation 6, and one tag that is of an odd type."""
    tag, odd = {'text': (0x011A, 2), 'number': (0x010F, 3)}[kind]
    entries = [(tag, odd, 1, 9), (0x0112, 3, 1, 6)]
    return (b'Exif\0\0II*\0' + struct.pack('<IH', 8, len(entries)) + b''.join(
        struct.pack('<HHII', *entry) for entry in sorted(entries)) + bytes(4))


@pytest.mark.parametrize('kind', ['text', 'number'])
@pytest.mark.parametrize('suffix', ['jpg', 'webp', 'png'])
def test_odd_exif_does_not_hide_the_orientation(tmp_path, kind, suffix):
    path = tmp_path / f'a.{suffix}'
    Image.new('RGB', (8, 6)).save(path, exif=odd_exif(kind))
    assert images.read_image(path).shape == (8, 6, 3)


def test_a_malformed_exif_text_does_not_hide_the_picture(tmp_path):
    from PIL.PngImagePlugin import PngInfo
    info = PngInfo()
    info.add_text('Raw profile type exif', 'no hexadecimal numbers\n')
    Image.new('RGB', (8, 6), (9, 9, 9)).save(tmp_path / 'a.png', pnginfo=info)
    assert (images.read_image(tmp_path / 'a.png') == 9).all()


def test_hdr_is_warned_of(tmp_path, caplog):
    path = tmp_path / 'a.avif'
    Image.new('RGB', (32, 32)).save(path)
    content = path.read_bytes()
    place = content.find(b'colrnclx')
    if place < 0:
        pytest.fail('AVIF without its colour box')
    path.write_bytes(content[:place + 10] + (16).to_bytes(2, 'big')
                     + content[place + 12:])
    with caplog.at_level(logging.WARNING, 'absl'):
        images.read_image(path)
    assert 'a.avif: HDR (PQ)' in caplog.text


def test_what_libpng_says_is_not_printed(tmp_path):
    """The way of compression is none there is; the sum fits."""
    content = imagecodecs.png_encode(np.full((8, 8, 3), 999, np.uint16))
    head = b'IHDR' + content[16:26] + b'\7' + content[27:29]
    path = tmp_path / 'a.png'
    path.write_bytes(content[:12] + head + zlib.crc32(head).to_bytes(4, 'big')
                     + content[33:])
    done = subprocess.run(
        [sys.executable, '-c', 'import sys\nfrom dmenet_tf import images\n'
         'images.read_image(sys.argv[1])', path], capture_output=True,
        text=True, check=False)
    assert 'damaged picture' in done.stderr
    assert 'PNG warning' not in done.stderr
