"""Every kind of picture that users have, good and bad."""

import struct

import numpy as np
import pytest
from PIL import ExifTags, Image

from dmenet_tf import arrays, images

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


def nearly_black(tmp_path, bits):
    """A picture whose brightest pixel is 1 of 255, and what it shows."""
    codes = np.linspace(0, {8: 1, 16: 257}[bits], 35).reshape(5, 7)
    codes = np.round(codes).astype({8: np.uint8, 16: np.uint16}[bits])
    path = saved(tmp_path, Image.fromarray(codes), 'a.png')
    return path, np.round(codes / {8: 1, 16: 257}[bits])


@pytest.mark.parametrize('bits', [8, 16])
def test_what_is_nearly_black_is_not_taken_for_a_picture_in_0_to_1(tmp_path,
                                                                   bits):
    path, shown = nearly_black(tmp_path, bits)
    read = images.read_image(path)
    np.testing.assert_array_equal(read[..., 1], shown)
    np.testing.assert_array_equal(arrays.check_image(read), read)
    read = images.read_image(path, (0, 2**bits - 1))
    np.testing.assert_array_equal(arrays.check_image(read)[..., 0], shown)


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


# How a viewer turns what is stored, by EXIF's tag 0x0112.
UPRIGHT = {1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1],
           5: RGB.swapaxes(0, 1), 6: np.rot90(RGB, -1),
           7: RGB.swapaxes(0, 1)[::-1, ::-1], 8: np.rot90(RGB, 1)}


@pytest.mark.parametrize('orientation, upright', UPRIGHT.items())
def test_exif_orientation_is_applied(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(RGB), 'a.png', exif=exif)
    np.testing.assert_array_equal(images.read_image(path), upright)


def deep_png(path, codes, orientation=1, profile=None):
    """A PNG of 16 bits in three channels, which Pillow cannot write."""
    import imagecodecs
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(codes)))
    if orientation == 1 and profile is None:
        return path
    # Its chunks, from a picture that Pillow writes with the same ones.
    exif = Image.Exif()
    exif[0x0112] = orientation
    side = path.with_name('chunks.png')
    Image.new('RGB', (1, 1)).save(side, exif=exif, icc_profile=profile)
    chunks = [chunk for kind, chunk in png_chunks(side.read_bytes())
              if kind in (b'iCCP', b'eXIf')]
    content = path.read_bytes()
    path.write_bytes(content[:33] + b''.join(chunks) + content[33:])
    return path


def png_chunks(content):
    place = 8
    while place < len(content):
        length = int.from_bytes(content[place:place + 4], 'big') + 12
        yield content[place + 4:place + 8], content[place:place + length]
        place += length


DEEP = RNG.integers(0, 65536, (5, 7, 3), np.uint16)


def test_sixteen_bit_colours_keep_their_steps(tmp_path):
    read = images.read_image(deep_png(tmp_path / 'a.png', DEEP))
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, DEEP / 257.0, rtol=1e-6)


def test_grey_and_alpha_of_sixteen_bits(tmp_path):
    read = images.read_image(deep_png(tmp_path / 'a.png', DEEP[..., :2]))
    np.testing.assert_allclose(read, DEEP[..., [0, 0, 0]] / 257.0, rtol=1e-6)


@pytest.mark.parametrize('orientation, upright', [
    (number, turned) for number, turned in UPRIGHT.items() if number > 1])
def test_sixteen_bit_colours_are_turned(tmp_path, orientation, upright):
    codes = RGB.astype(np.uint16) * 257
    path = deep_png(tmp_path / 'a.png', codes, orientation)
    np.testing.assert_array_equal(images.read_image(path), upright)


def test_a_profile_of_sixteen_bit_colours_is_converted(tmp_path):
    red = np.zeros((4, 4, 3), np.uint16)
    red[..., 0] = 200 * 257
    path = deep_png(tmp_path / 'a.png', red, profile=swapped_profile())
    r, g, b = images.read_image(path)[0, 0]
    assert g > 190 and r < 10 and b < 10


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new('RGB', (6, 5), color) for color in ('red', 'blue')]
    path = saved(tmp_path, frames[0], 'a.gif', save_all=True,
                 append_images=frames[1:])
    np.testing.assert_array_equal(images.read_image(path)[2, 3], [255, 0, 0])


def test_progressive_jpeg(tmp_path):
    plain = saved(tmp_path, Image.fromarray(RGB), 'a.jpg', quality=90)
    progressive = saved(tmp_path, Image.fromarray(RGB), 'b.jpg', quality=90,
                        progressive=True)
    np.testing.assert_array_equal(images.read_image(plain),
                                  images.read_image(progressive))


def swapped_profile():
    """A profile with swapped primaries: its red is the green of sRGB."""
    from PIL import ImageCms
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    return srgb.replace(b'rXYZ', b'@XYZ').replace(b'gXYZ', b'rXYZ').replace(
        b'@XYZ', b'gXYZ')


def test_an_icc_profile_is_converted_to_srgb(tmp_path):
    path = saved(tmp_path, Image.new('RGB', (4, 4), (200, 0, 0)), 'a.png',
                 icc_profile=swapped_profile())
    r, g, b = images.read_image(path)[0, 0].astype(int)
    assert g > 190 and r < 10 and b < 10


@pytest.mark.extra
def test_heic(tmp_path):
    pytest.importorskip('pillow_heif')
    smooth = np.linspace(0, 255, 64 * 64, dtype=np.uint8).reshape(64, 64)
    path = saved(tmp_path, Image.fromarray(np.dstack([smooth] * 3)), 'a.heic')
    error = images.read_image(path).astype(int)[..., 0] - smooth
    assert np.abs(error).max() < 16


def test_heic_without_its_extra_says_which(tmp_path, monkeypatch):
    path = tmp_path / 'a.HEIC'
    path.write_bytes(b'\0\0\0\x18ftyphei?')
    monkeypatch.setattr(images, 'pillow_heif', None)
    with pytest.raises(ValueError, match=r"a.HEIC: .*'dmenet_tf\[heic\]'"):
        images.read_image(path)


def test_avif(tmp_path):
    if 'AVIF' not in Image.OPEN:
        pytest.skip('This Pillow has no AVIF.')
    smooth = np.linspace(0, 255, 64 * 64, dtype=np.uint8).reshape(64, 64)
    path = saved(tmp_path, Image.fromarray(np.dstack([smooth] * 3)), 'a.avif')
    error = images.read_image(path).astype(int)[..., 0] - smooth
    assert np.abs(error).max() < 16


def test_avif_without_a_pillow_that_has_it_says_so(tmp_path, monkeypatch):
    path = tmp_path / 'a.avif'
    path.write_bytes(b'\0\0\0\x18ftypavif')
    monkeypatch.delitem(Image.OPEN, 'AVIF', raising=False)
    monkeypatch.setattr(Image, 'ID',
                        [kind for kind in Image.ID if kind != 'AVIF'])
    with pytest.raises(ValueError, match='a.avif: AVIF needs Pillow 11.3'):
        images.read_image(path)


def test_a_decompression_bomb_is_refused_and_can_be_allowed(tmp_path,
                                                            monkeypatch):
    path = saved(tmp_path, Image.new('1', (20_000, 20_000)), 'a.png')
    with pytest.raises(ValueError, match=r'a.png: .*400000000 pixels') as bomb:
        images.read_image(path)
    assert '\n' not in str(bomb.value)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', None)  # --allow_huge
    with Image.open(path) as picture:
        assert picture.size == (20_000, 20_000)


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


@pytest.mark.parametrize('compression', [None, 'tiff_lzw'])
@pytest.mark.parametrize('orientation, upright', UPRIGHT.items())
def test_tiff_is_turned_once(tmp_path, orientation, upright, compression):
    path = tmp_path / 'a.tif'
    Image.fromarray(RGB).save(path, compression=compression,
                              tiffinfo={0x0112: orientation})
    np.testing.assert_array_equal(images.read_image(path), upright)


def test_a_png_of_which_a_part_is_lost_is_refused(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(RNG.integers(0, 256, (90, 90, 3), np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 99] = bytes(99)
    path.write_bytes(content)
    with pytest.raises(ValueError, match='a.png: damaged picture'):
        images.read_image(path)


def test_a_drawing_is_no_photograph(tmp_path):
    path = tmp_path / 'a.eps'
    Image.new('RGB', (4, 4)).save(path)
    with pytest.raises(ValueError, match='a.eps: a drawing .EPS., no photo'):
        images.read_image(path)


def test_an_unreadable_file_says_so(tmp_path, monkeypatch):
    path = write_bad(tmp_path, 'secret')

    def denied(*_):  # chmod does not stop root.
        raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr(Image, 'open', denied)
    with pytest.raises(PermissionError, match='bad file.png: not readable'):
        images.read_image(path)


def test_in_its_own_colours_a_picture_keeps_its_profile(tmp_path):
    path = saved(tmp_path, Image.fromarray(RGB), 'a.png',
                 icc_profile=swapped_profile())
    image, profile = images.read_in_own_colors(path)
    np.testing.assert_array_equal(image, RGB)
    assert profile == swapped_profile()
    grey = saved(tmp_path, Image.fromarray(RGB[..., 0]), 'b.png',
                 icc_profile=swapped_profile())
    image, profile = images.read_in_own_colors(grey)
    np.testing.assert_array_equal(image, images.read_image(grey))
    assert profile is None  # It is not one of grey; RGB is written.
    with pytest.raises(FileNotFoundError, match='c.png: no such file'):
        images.read_in_own_colors(tmp_path / 'c.png')


def test_sixteen_bit_colours_of_their_own_keep_their_profile(tmp_path):
    codes = RNG.integers(0, 65536, (5, 7, 3), np.uint16)
    deep_png(tmp_path / 'a.png', codes, profile=swapped_profile())
    image, profile = images.read_in_own_colors(tmp_path / 'a.png')
    np.testing.assert_allclose(image, codes / 257, atol=1e-4)
    assert profile == swapped_profile()


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif'])
def test_exif_is_kept_without_what_is_of_the_file(tmp_path, suffix):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = 'A', 6
    for part, said in ((ExifTags.IFD.Exif, {ExifTags.Base.FNumber: 2.8}),
                       (ExifTags.IFD.GPSInfo, {1: 'N'})):
        exif.get_ifd(part).update(said)
        exif[part] = exif.get_ifd(part)
    path = saved(tmp_path, Image.fromarray(RGB), f'a.{suffix}', exif=exif)
    kept = images.read_exif(path)
    assert set(kept) == {ExifTags.Base.Make, ExifTags.IFD.Exif,
                         ExifTags.IFD.GPSInfo}
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FNumber] == 2.8
    assert kept.get_ifd(ExifTags.IFD.GPSInfo) == {1: 'N'}


def test_no_exif_or_an_odd_one_is_an_empty_one(tmp_path):
    path = saved(tmp_path, Image.fromarray(RGB), 'a.jpg')
    assert not images.read_exif(path)
    odd = saved(tmp_path, Image.fromarray(RGB), 'b.jpg',
                exif=b'Exif\0\0II*\0\xff\xff\xff\xff')
    assert not images.read_exif(odd)
    (tmp_path / 'c.jpg').write_text('no picture')
    assert not images.read_exif(tmp_path / 'c.jpg')


def test_exif_that_cannot_be_written_is_empty(tmp_path):
    """GPSVersionID is bytes; some write it as text, which Pillow reads."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = 'N'
    exif[ExifTags.IFD.GPSInfo] = exif.get_ifd(ExifTags.IFD.GPSInfo)
    content = exif.tobytes()
    entry = struct.pack('>HHI', 1, 2, 2)  # Tag 1, text, two bytes.
    assert content.count(entry) == 1
    path = saved(tmp_path, Image.fromarray(RGB), 'a.jpg', exif=content.replace(
        entry, struct.pack('>HHI', 0, 2, 2)))
    with Image.open(path) as picture:
        assert picture.getexif().get_ifd(ExifTags.IFD.GPSInfo) == {0: 'N'}
    assert not images.read_exif(path)


def test_a_range_changes_no_picture_of_8_bits(tmp_path):
    for name in ('a.png', 'a.tif'):
        path = saved(tmp_path, Image.fromarray(RGB), name)
        np.testing.assert_array_equal(images.read_image(path, (0, 4095)), RGB)


def test_too_little_memory_is_no_damage(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.fromarray(RGB), 'a.png')

    def exhausted(*_):
        raise MemoryError
    monkeypatch.setattr(images, '_read', exhausted)
    with pytest.raises(ValueError, match='takes more memory than there is'):
        images.read_image(path)


def test_folders_hold_visible_pictures_only(tmp_path):
    for name in ('b.png', 'a.jpg', '._a.jpg', '.tmp-x.png', 'notes.txt',
                 'deep/c.png', '.cache/d.png', 'deep/.e.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'')

    def names(**options):
        return [path.relative_to(tmp_path).as_posix()
                for path in images.find_images(tmp_path, **options)]
    assert names() == ['a.jpg', 'b.png']
    assert names(recursive=True) == ['a.jpg', 'b.png', 'deep/c.png']
    assert images.find_images(tmp_path / 'b.png') == [tmp_path / 'b.png']


def test_a_hidden_folder_that_is_named_is_searched(tmp_path):
    (tmp_path / '.kept').mkdir()
    (tmp_path / '.kept/a.png').write_bytes(b'')
    assert images.find_images(tmp_path / '.kept') == [tmp_path / '.kept/a.png']


def test_pictures_of_one_name_are_both_named(tmp_path):
    for name in ('a.jpg', '._a.png', 'b.png'):
        (tmp_path / name).write_bytes(b'')
    assert images.images_by_stem(tmp_path) == {
        'a': tmp_path / 'a.jpg', 'b': tmp_path / 'b.png'}
    (tmp_path / 'a.png').write_bytes(b'')
    with pytest.raises(ValueError, match='a.jpg and a.png have the same'):
        images.images_by_stem(tmp_path)


def test_folders_without_pictures_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='has no pictures'):
        images.images_by_stem(tmp_path)
    with pytest.raises(FileNotFoundError, match='no such folder'):
        images.images_by_stem(tmp_path / 'a')


def test_linked_folders_are_followed_once(tmp_path):
    (tmp_path / 'all/deep').mkdir(parents=True)
    (tmp_path / 'all/deep/a.jfif').write_bytes(b'')
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'elsewhere/b.avif').write_bytes(b'')
    (tmp_path / 'all/linked').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'all/deep/back').symlink_to(tmp_path / 'all')
    found = images.find_images(tmp_path / 'all', recursive=True)
    assert [path.name for path in found] == ['a.jfif', 'b.avif']


@pytest.mark.parametrize('suffix', [
    '.jfif', '.jpe', '.avif', '.jp2', '.mpo', '.ppm', '.pgm', '.tga', '.hif'])
def test_every_kind_that_is_read_is_found(suffix):
    assert suffix in images.SUFFIXES


@pytest.mark.parametrize('suffix', ['.h5', '.mpg', '.pfm', '.txt', '.npy',
                                    '.eps'])
def test_what_is_no_picture_is_not_looked_for(suffix):
    assert suffix not in images.SUFFIXES
