"""Every format, unit and sentinel, from files written here."""

import struct

import imageio.v3 as iio
import numpy as np
import pytest

from dmenet_tf.syndof import rgbd

DEPTH = np.array([[1.0, 2.0, 3.0], [4.0, 5.5, 6.25]], np.float32)


def write_dpt(path, depth):
    path.write_bytes(b'PIEH' + struct.pack('<ii', *depth.shape[::-1])
                     + depth.astype('<f4').tobytes())


def write_pfm(path, values, order='<'):
    scale = -1.0 if order == '<' else 1.0
    head = f'Pf\n{values.shape[1]} {values.shape[0]}\n{scale}\n'
    path.write_bytes(head.encode() + values[::-1].astype(order + 'f4')
                     .tobytes())


def write_rgb16(path, codes):
    imagecodecs = pytest.importorskip('imagecodecs')
    path.write_bytes(imagecodecs.png_encode(codes.astype(np.uint16)))


def test_dpt(tmp_path):
    depth = DEPTH.copy()
    depth[0, 0] = 1e11
    write_dpt(tmp_path / 'a.dpt', depth)
    read = rgbd.read_depth(tmp_path / 'a.dpt')
    assert np.isposinf(read[0, 0])
    np.testing.assert_array_equal(read[1], DEPTH[1])


@pytest.mark.parametrize('order', ['<', '>'])
def test_pfm_with_calibration(tmp_path, order):
    """z = baseline f / (d + doffs), rows from the bottom."""
    disparity = np.array([[10.0, np.inf], [30.0, 40.0]])
    write_pfm(tmp_path / 'disp0.pfm', disparity, order)
    (tmp_path / 'calib.txt').write_text(
        'cam0=[1000 0 3; 0 1000 2; 0 0 1]\ndoffs=10\nbaseline=200\n')
    read = rgbd.read_depth(tmp_path / 'disp0.pfm')
    assert read[0, 0] == 10.0 and read[1].tolist() == [5.0, 4.0]
    assert np.isnan(read[0, 1])


def test_disparity_without_calibration_is_relative(tmp_path):
    write_pfm(tmp_path / 'd.pfm', np.array([[40.0, 20.0, 0.01, 0.0]]))
    read = rgbd.read_depth(tmp_path / 'd.pfm')
    assert read[0, :3].tolist() == [1.0, 2.0, rgbd.MAX_RELATIVE_DEPTH]
    assert np.isnan(read[0, 3])


def test_16_bit_grey_png_is_millimetres(tmp_path):
    iio.imwrite(tmp_path / 'a.png',
                np.array([[0, 1500, 65535]], np.uint16))
    read = rgbd.read_depth(tmp_path / 'a.png')
    assert np.isnan(read[0, 0]) and read[0, 1] == 1.5
    assert np.isposinf(read[0, 2])
    assert rgbd.read_depth(tmp_path / 'a.png', 'cm')[0, 1] == 15.0
    scaled = rgbd.read_depth(tmp_path / 'a.png', scale=0.0002)
    assert scaled[0, 1] == pytest.approx(0.3)


def test_16_bit_rgb_png_keeps_its_low_bytes(tmp_path):
    """Centimetres, three times; Pillow alone would give 1 for 0x01ff."""
    codes = np.array([[0x01ff, 0x0200, 0xffff]])
    write_rgb16(tmp_path / 'a.png', np.repeat(codes[..., None], 3, -1))
    read = rgbd.read_depth(tmp_path / 'a.png')
    np.testing.assert_allclose(read[0, :2], [5.11, 5.12], rtol=1e-6)
    assert np.isposinf(read[0, 2])


def test_8_bit_png_must_say_its_unit(tmp_path):
    iio.imwrite(tmp_path / 'a.png', np.array([[0, 50, 100]], np.uint8))
    with pytest.raises(ValueError, match="one of auto, m.*Received: 'meters'"):
        rgbd.resolve_unit('depth.png', '', 'meters')
    with pytest.raises(ValueError, match='--depth_unit'):
        rgbd.read_depth(tmp_path / 'a.png')
    near = rgbd.read_depth(tmp_path / 'a.png', 'px')
    far = rgbd.read_depth(tmp_path / 'a.png', 'relative')
    assert np.isnan(near[0, 0]) and near[0, 1:].tolist() == [2.0, 1.0]
    assert far[0, 1:].tolist() == [1.0, 2.0]


@pytest.mark.parametrize('name', [
    'a.npy', 'a.npz', 'a.tif', pytest.param('a.exr', marks=pytest.mark.extra)])
def test_float_files_are_metres(tmp_path, name):
    path = tmp_path / name
    if name == 'a.npy':
        np.save(path, DEPTH)
    elif name == 'a.npz':
        np.savez(path, depth=DEPTH, other=np.zeros(3))
    elif name == 'a.tif':
        iio.imwrite(path, DEPTH)
    else:
        exr = pytest.importorskip('OpenEXR')
        exr.File({}, {'Z': DEPTH, 'A': DEPTH * 0}).write(str(path))
    np.testing.assert_array_equal(rgbd.read_depth(path), DEPTH)


def test_integer_arrays_are_millimetres(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[1000, 2500]], np.int32))
    assert rgbd.read_depth(tmp_path / 'a.npy').tolist() == [[1.0, 2.5]]


@pytest.mark.parametrize('name, content, text', [
    ('a.dpt', b'PIEH' + struct.pack('<ii', 3, 2) + b'\0' * 20, 'truncated'),
    ('a.dpt', b'JUNK', 'begin with PIEH'),
    ('a.pfm', b'Pf\n3 2\n-1.0\n' + b'\0' * 20, 'truncated'),
    ('a.pfm', b'P5 junk', 'begin with Pf'),
    ('a.png', b'\x89PNG\r\n\x1a\nshort', 'not a readable depth map'),
    ('a.npy', b'no array', 'a.npy'),
    ('a.npz', b'no zip', 'a.npz'),
    ('a.tif', b'no picture', 'a.tif'),
])
def test_broken_files_are_named_in_one_line(tmp_path, name, content, text):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=text) as caught:
        rgbd.read_depth(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_colour_picture_is_not_depth(tmp_path):
    codes = np.arange(18).reshape(2, 3, 3)
    iio.imwrite(tmp_path / 'a.png', codes.astype(np.uint8))
    with pytest.raises(ValueError, match='a.png: not depth: its channels'):
        rgbd.read_depth(tmp_path / 'a.png', 'cm')
    write_rgb16(tmp_path / 'b.png', codes * 256)
    with pytest.raises(ValueError, match='b.png: not depth: its channels'):
        rgbd.read_depth(tmp_path / 'b.png')


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.dpt'):
        rgbd.read_depth(tmp_path / 'gone.dpt')


def test_fill_takes_the_farther_neighbour_in_the_row():
    unknown = np.nan
    depth = np.array([[unknown, 1.0, unknown, unknown, 3.0, unknown],
                      [unknown] * 6,
                      [2.0, 2.0, 2.0, 2.0, 2.0, 5.0]], np.float32)
    assert rgbd.fill_unknown(depth).tolist() == [
        [1.0, 1.0, 3.0, 3.0, 3.0, 3.0],
        [2.0, 2.0, 3.0, 3.0, 3.0, 5.0],
        [2.0, 2.0, 2.0, 2.0, 2.0, 5.0]]


def test_fill_puts_sky_behind_everything():
    depth = np.array([[np.inf, 1.0], [np.nan, 7.0]], np.float32)
    assert rgbd.fill_unknown(depth).tolist() == [[7.0, 1.0], [7.0, 7.0]]


def test_fill_needs_a_known_pixel():
    with pytest.raises(ValueError, match='no pixel'):
        rgbd.fill_unknown(np.full((2, 2), np.nan))


def test_images_keep_16_bits(tmp_path):
    codes = np.array([[[0, 257, 65535], [1, 2, 3]]])
    write_rgb16(tmp_path / 'a.png', codes)
    np.testing.assert_allclose(rgbd.read_image(tmp_path / 'a.png'),
                               codes / 65535, rtol=1e-6)
    iio.imwrite(tmp_path / 'b.png', np.array([[0, 51]], np.uint8))
    read = rgbd.read_image(tmp_path / 'b.png')
    np.testing.assert_allclose(read[0, :, 0], [0.0, 0.2])
    assert read.shape == (1, 2, 3) and read.dtype == np.float32


@pytest.mark.parametrize('codes, options', [
    ([65504.0, 8.0], {}),                       # AirSim's half floats
    ([65504.0, 800.0], {'unit': 'cm'}),
    ([65504.0, 80.0], {'scale': 0.1}),
    ([10000.0, 8.0], {}),                       # TartanAir, UnrealCV
    ([1e11, 8.0], {}),                          # Sintel
    ([np.inf, 8.0], {}),
    ([65535.0, 8000.0], {'scale': 0.001}),      # what was uint16
    ([65535.0, 40000.0], {'scale': 0.0002}),
    ([65.535, 8.0], {}),
    ([655.35, 8.0], {}),
    ([65535 / 256, 8.0], {}),
    ([65535 / 5000, 8.0], {})])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_what_stands_for_sky_is_sky(tmp_path, codes, options, dtype):
    np.save(tmp_path / 'a.npy', np.array([codes], dtype))
    read = rgbd.read_depth(tmp_path / 'a.npy', **options)
    assert np.isposinf(read[0, 0])
    assert read[0, 1] == pytest.approx(8.0)
    # It does not extend [x_near, x_far].
    assert rgbd.fill_unknown(read).max() == pytest.approx(8.0)


@pytest.mark.parametrize('dtype', [np.int32, np.uint32, np.int64])
def test_saturated_codes_are_sky_in_any_integers(tmp_path, dtype):
    np.save(tmp_path / 'a.npy', np.array([[65535, 8000]], dtype))
    assert rgbd.read_depth(tmp_path / 'a.npy').tolist() == [[np.inf, 8.0]]
    # Where codes go on, 65535 is a depth as any other.
    np.save(tmp_path / 'a.npy', np.array([[65535, 80000]], dtype))
    assert rgbd.read_depth(tmp_path / 'a.npy').tolist() == [
        [pytest.approx(65.535), 80.0]]


def test_half_floats_are_metres_with_sky(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[65504, 8], [2.5, 0]], np.float16))
    read = rgbd.read_depth(tmp_path / 'a.npy')
    assert np.isposinf(read[0, 0]) and np.isnan(read[1, 1])
    assert read[0, 1] == 8.0 and read[1, 0] == 2.5


@pytest.mark.parametrize('text', ['cam0=[1e 0 3]\nbaseline=200\n',
                                  'cam0=[1000 0 3]\nbaseline=-\n',
                                  'baseline=200\n', '\xff'])
def test_a_damaged_calibration_is_named(tmp_path, text):
    write_pfm(tmp_path / 'disp0.pfm', np.array([[40.0, 20.0]]))
    (tmp_path / 'calib.txt').write_text(text, encoding='latin-1')
    with pytest.raises(ValueError, match=f'^{tmp_path}/calib.txt: '):
        rgbd.read_depth(tmp_path / 'disp0.pfm')
