"""Each file form of a sigma map and of a mask: its unit, or a refusal."""

import imageio.v3 as iio
import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image

from dmenet_tf import sigma_files

SIGMA = np.array([[0.0, 0.5, 2.737], [7.0, 6.9994, 1.2345]], np.float32)
CODES = np.array([[0, 255], [255, 0]], np.uint8)
BLURRED = [[False, True], [True, False]]


@pytest.mark.parametrize('write, name, tolerance', [
    (sigma_files.write_npy, 'a.npy', 0),
    (sigma_files.write_tiff, 'a_sigma.tiff', 0),
    (sigma_files.write_png, 'a_sigma16.png', 5.1e-4)])
def test_what_is_written_is_read(tmp_path, write, name, tolerance):
    write(tmp_path / name, SIGMA)
    read = sigma_files.read_sigma(tmp_path / name)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, SIGMA, atol=tolerance, rtol=0)


def test_codes_are_thousandths_of_a_px():
    codes = sigma_files.codes_from_sigma([0.0, 2.7374, 70.0, np.nan])
    assert codes.tolist() == [0, 2737, 65534, 65535]
    np.testing.assert_allclose(sigma_files.sigma_from_codes(codes),
                               [0, 2.737, 65.534, np.nan], rtol=1e-6)


@pytest.mark.parametrize('codes', [
    [[0, 255], [1, 0]], [[[0] * 3, [9] * 3], [[1] * 3, [0] * 3]]])
def test_what_is_not_0_counts(tmp_path, codes):
    path = tmp_path / 'a.png'
    iio.imwrite(path, np.array(codes, np.uint8))
    valid = sigma_files.read_valid(path, (2, 2))
    assert valid.tolist() == [[False, True], [True, False]]
    sigma_files.write_valid(path, valid)
    assert iio.imread(path).tolist() == [[0, 255], [255, 0]]
    assert sigma_files.read_valid(path, (2, 2)).tolist() == valid.tolist()
    with pytest.raises(ValueError, match=r'a.png: it is 2 x 2 px, its sigma '
                                         r'map 3 x 2 px\.'):
        sigma_files.read_valid(path, (2, 3))


def test_sixteen_bits_without_a_unit_are_thousandths(tmp_path):
    iio.imwrite(tmp_path / 'a.png', np.full((2, 2), 1500, np.uint16))
    assert sigma_files.read_sigma(tmp_path / 'a.png').tolist() == [
        [1.5, 1.5], [1.5, 1.5]]


def test_the_unit_that_a_png_records_counts(tmp_path):
    from PIL.PngImagePlugin import PngInfo
    info = PngInfo()
    info.add_text('sigma', 'sigma in px = code / 500')
    Image.fromarray(np.full((2, 2), 1500, np.uint16)).save(
        tmp_path / 'a.png', pnginfo=info)
    assert sigma_files.read_sigma(tmp_path / 'a.png')[0, 0] == 3.0


@pytest.mark.parametrize('array, reason', [
    (np.full((2, 2), 9, np.uint8), 'uint8 codes have no unit'),
    (np.arange(12, dtype=np.uint8).reshape(2, 2, 3), 'coloured'),
    (np.full((2, 2), -1.0, np.float32), 'not negative'),
    (np.full((2, 2), np.nan, np.float32), 'finite'),
    (np.full((2, 2), 3, np.int32), 'int32 codes have no unit')])
def test_what_has_no_unit_is_refused_by_name(tmp_path, array, reason):
    name = 'a.png' if array.dtype == np.uint8 else 'a.tiff'
    iio.imwrite(tmp_path / name, array)
    with pytest.raises(ValueError, match=reason) as caught:
        sigma_files.read_sigma(tmp_path / name)
    line = str(caught.value)
    assert line.startswith(str(tmp_path / name)) and '\n' not in line


@pytest.mark.parametrize('name', ['a.tiff', 'a.png', 'a.npy'])
def test_a_damaged_map_is_one_line(tmp_path, name):
    write = {'a.tiff': sigma_files.write_tiff, 'a.png': sigma_files.write_png,
             'a.npy': sigma_files.write_npy}[name]
    noise = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    write(tmp_path / name, noise)
    content = bytearray((tmp_path / name).read_bytes())
    del content[len(content) // 2:]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match='not a readable map') as caught:
        sigma_files.read_sigma(tmp_path / name)
    line = str(caught.value)
    assert line.startswith(str(tmp_path / name)) and '\n' not in line


def test_a_missing_map_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='a.npy: no such file'):
        sigma_files.read_sigma(tmp_path / 'a.npy')


@pytest.mark.parametrize('convention, sigma', [('sigma7', 5.0),
                                               ('legacy15', 2.0)])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_the_authors_labels(tmp_path, convention, sigma, dtype):
    iio.imwrite(tmp_path / 'a.png', np.full((2, 2), 50, dtype))
    read = sigma_files.read_authors_label(tmp_path / 'a.png', convention)
    np.testing.assert_allclose(read, sigma)


MASKS = {
    '0 and 255': CODES, '0 and 1': CODES // 255,
    '16 bits': CODES.astype(np.uint16) * 257, 'bool': CODES > 0,
    'RGB of equal channels': np.dstack([CODES] * 3),
    'RGBA of constant alpha': np.dstack([CODES] * 3 + [CODES * 0 + 255]),
    'grey and constant alpha': np.dstack([CODES, CODES * 0 + 9])}


@pytest.mark.parametrize('array', MASKS.values(), ids=MASKS)
def test_masks_of_two_codes(tmp_path, array):
    path = tmp_path / 'a.png'
    if array.dtype == bool:
        Image.fromarray(array).save(path)
    else:
        iio.imwrite(path, array)
    assert sigma_files.read_mask(path).tolist() == BLURRED


def test_a_mask_with_a_palette(tmp_path):
    picture = Image.fromarray(CODES // 255, 'P')
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(tmp_path / 'a.png')
    assert sigma_files.read_mask(tmp_path / 'a.png').tolist() == BLURRED


def test_a_mask_of_one_code_is_sharp_or_blurred_everywhere(tmp_path):
    for code, blurred in ((0, False), (255, True)):
        iio.imwrite(tmp_path / 'a.png', np.full((2, 2), code, np.uint8))
        assert (sigma_files.read_mask(tmp_path / 'a.png') == blurred).all()


NO_MASKS = {
    'three levels': (np.array([[0, 128, 255]], np.uint8), '3 levels'),
    'two levels above 0': (np.array([[1, 2]], np.uint8), 'levels'),
    'green': (np.dstack([CODES * 0, CODES, CODES * 0]), 'coloured'),
    'alpha that varies': (np.dstack([CODES] * 3 + [CODES]), 'transparency')}


@pytest.mark.parametrize('array, reason', NO_MASKS.values(), ids=NO_MASKS)
def test_what_is_no_mask_is_refused_by_name(tmp_path, array, reason):
    iio.imwrite(tmp_path / 'a.png', array)
    with pytest.raises(ValueError, match=f'a.png: .*{reason}'):
        sigma_files.read_mask(tmp_path / 'a.png')


def test_arrays_of_other_tools(tmp_path):
    np.savez(tmp_path / 'a.npz', depth=SIGMA)
    scipy.io.savemat(tmp_path / 'a.mat', {'other': SIGMA, 'blurMap': SIGMA + 1})
    np.testing.assert_array_equal(
        sigma_files.read_array(tmp_path / 'a.npz'), SIGMA)
    np.testing.assert_array_equal(
        sigma_files.read_array(tmp_path / 'a.mat'), SIGMA + 1)
    np.savez(tmp_path / 'a.npz', a=SIGMA, b=SIGMA)
    with pytest.raises(ValueError, match='holds 2 arrays, not one'):
        sigma_files.read_array(tmp_path / 'a.npz')


def test_pickles_are_not_opened(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match='a.npy: not a readable map'):
        sigma_files.read_array(tmp_path / 'a.npy')


def test_numbers_are_not_converted(tmp_path):
    deep = np.arange(12, dtype=np.uint16).reshape(2, 2, 3) * 5000
    iio.imwrite(tmp_path / 'a.tiff', deep)
    np.testing.assert_array_equal(
        sigma_files.read_array(tmp_path / 'a.tiff'), deep)
    tifffile.imwrite(tmp_path / 'b.tiff', SIGMA)
    np.testing.assert_array_equal(
        sigma_files.read_grey(tmp_path / 'b.tiff'), SIGMA)
