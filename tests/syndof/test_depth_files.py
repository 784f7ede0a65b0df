"""Which numbers of a file are depth, and what is said of the others."""

import pathlib
import struct

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from dmenet_tf.syndof import containers, depth_files

NAN = np.nan
DEPTH = np.array([[1.0, 2.0, NAN, 4.0, 5.0], [NAN, 3.0, 3.0, 2.0, 6.0]],
                 np.float32)


def write_pfm(path, values):
    """Pf of [h, w] or PF of [h, w, 3], little endian."""
    kind = 'PF' if values.ndim == 3 else 'Pf'
    head = f'{kind}\n{values.shape[1]} {values.shape[0]}\n-1.0\n'
    path.write_bytes(head.encode() + values[::-1].astype('<f4').tobytes())


@pytest.mark.parametrize('name, shape', [
    ('a.npy', 'hw'), ('a.npy', 'hw1'), ('a.npy', '1hw'), ('a.npy', 'hw3'),
    ('a.pfm', 'hw'), ('a.pfm', 'hw3')])
def test_unknown_pixels_do_not_make_channels_differ(tmp_path, name, shape):
    values = {'hw': DEPTH, 'hw1': DEPTH[..., None], '1hw': DEPTH[None],
              'hw3': np.repeat(DEPTH[..., None], 3, -1)}[shape]
    if name == 'a.npy':
        np.save(tmp_path / name, values)
    else:
        write_pfm(tmp_path / name, values)
    codes, _ = depth_files.read_codes(tmp_path / name)
    np.testing.assert_array_equal(codes, DEPTH)


def test_nan_in_one_channel_is_a_difference(tmp_path):
    values = np.repeat(np.nan_to_num(DEPTH)[..., None], 3, -1)
    values[0, 0, 1] = NAN
    np.save(tmp_path / 'a.npy', values)
    with pytest.raises(ValueError, match='a.npy: not depth: its channels'):
        depth_files.read_codes(tmp_path / 'a.npy')


def test_the_first_channel_alone_where_a_layout_says_so(tmp_path):
    values = np.stack([DEPTH, DEPTH + 1, DEPTH * 0], -1)
    np.save(tmp_path / 'a.npy', values)
    codes, _ = depth_files.read_codes(tmp_path / 'a.npy', first_channel=True)
    np.testing.assert_array_equal(codes, DEPTH)


@pytest.mark.parametrize('error', [
    TypeError('odd tag'), struct.error('unpack'), AttributeError('no tag'),
    RuntimeError('bad data'), NotImplementedError('DDS'),
    MemoryError('1 EiB'), ZeroDivisionError(), IndexError('out of range'),
    AssertionError(), KeyError('page')], ids=lambda e: type(e).__name__)
def test_whatever_a_decoder_throws_is_one_line(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error
    path = tmp_path / 'a.png'
    path.write_bytes(b'x')
    monkeypatch.setattr(iio, 'imread', fail)
    with pytest.raises(ValueError, match='not a readable depth map') as caught:
        depth_files.read_codes(path)
    text = str(caught.value)
    assert text.startswith(f'{path}: ') and '\n' not in text
    assert str(error).strip("'") in text or type(error).__name__ in text


@pytest.mark.parametrize('suffix', [*depth_files.SUFFIXES, '.mat'])
@pytest.mark.parametrize('content', [b'', b'text', b'\x89HDF\r\n\x1a\n' * 4,
                                     b'PK\x03\x04' + bytes(40)],
                         ids=['empty', 'text', 'hdf5', 'zip'])
def test_other_files_are_refused_in_one_line(tmp_path, suffix, content):
    path = tmp_path / f'a{suffix}'
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        depth_files.read_codes(path)
    assert str(caught.value).startswith(f'{path}: ')
    assert '\n' not in str(caught.value)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f'a{suffix}: no such file'):
        depth_files.read_codes(path)


def test_texts_and_complex_numbers_are_not_depth(tmp_path):
    for values in (np.array([['a']]), np.ones((2, 2), np.complex64)):
        np.save(tmp_path / 'a.npy', values)
        with pytest.raises(ValueError, match='a.npy: depth must be numbers'):
            depth_files.read_codes(tmp_path / 'a.npy')


def test_pgm_of_16_bits_is_millimetres(tmp_path):
    codes = np.array([[1000, 2000], [3000, 0]], '>u2')
    (tmp_path / 'a.pgm').write_bytes(b'P5\n2 2\n65535\n' + codes.tobytes())
    read, unit = depth_files.read_codes(tmp_path / 'a.pgm')
    assert (read.tolist(), unit) == (codes.tolist(), 'mm')


@pytest.mark.parametrize('planar', ['contig', 'separate'])
def test_tiff_of_three_equal_channels_in_either_order(tmp_path, planar):
    values = np.repeat(DEPTH[..., None], 3, -1)
    values = np.moveaxis(values, -1, 0) if planar == 'separate' else values
    tifffile.imwrite(tmp_path / 'a.tif', values, photometric='rgb',
                     planarconfig=planar)
    codes, unit = depth_files.read_codes(tmp_path / 'a.tif')
    np.testing.assert_array_equal(codes, DEPTH)
    assert unit == 'm'


def test_masks_are_true_where_depth_counts(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[0.0, 1.0], [2.0, 0.0]])[..., None])
    assert depth_files.read_mask(tmp_path / 'a.npy').tolist() == [
        [False, True], [True, False]]


@pytest.fixture
def write_exr(tmp_path):
    """Writes parts, {channel: offset of DEPTH} each; returns the path."""
    exr = pytest.importorskip('OpenEXR')

    def write(*parts, deep=False):
        path = str(tmp_path / 'a.exr')
        kind = exr.deepscanline if deep else exr.scanlineimage
        exr.File([exr.Part(
            {'type': kind, 'compression': exr.ZIPS_COMPRESSION},
            {name: _samples(offset, deep) for name, offset in part.items()},
            f'part{place}') for place, part in enumerate(parts)]).write(path)
        return path
    return write


def _samples(offset, deep):
    values = np.nan_to_num(DEPTH) + np.float32(offset)
    if not deep:
        return values
    samples = np.empty(values.shape, object)
    for place, value in np.ndenumerate(values):
        samples[place] = np.array([value], np.float32)
    return samples


@pytest.mark.parametrize('parts', [
    [{'Z': 0}],
    [{'depth': 0, 'R': 1, 'G': 2, 'B': 3}],
    [{'R': 1, 'G': 2, 'B': 3}, {'ViewLayer.Depth.Z': 0}],
    [{'Z': 0, 'ViewLayer.Normal.X': 1, 'ViewLayer.Normal.Y': 2,
      'ViewLayer.Normal.Z': 3}],
    [{'View.Depth.Z': 0, 'View.Mist.Z': 1}],
    [{'Y': 0}],
    [{'any': 0}]])
@pytest.mark.extra
def test_the_depth_of_an_exr_is_found(write_exr, parts):
    codes, unit = depth_files.read_codes(write_exr(*parts))
    np.testing.assert_array_equal(codes, np.nan_to_num(DEPTH))
    assert unit == 'm'


@pytest.mark.parametrize('parts, reason', [
    ([{'R': 0, 'G': 1, 'B': 2}], 'not depth, .* Received: B, G, R'),
    ([{'R': 0, 'G': 0, 'B': 0, 'A': 0}], 'not depth, .* A, B, G, R'),
    ([{'N.X': 0, 'N.Y': 1, 'N.Z': 2}], 'not depth, .* N.X, N.Y, N.Z'),
    ([{'a.Depth.Z': 0}, {'b.Depth.Z': 1}], 'more than one depth, .*a.Depth')])
@pytest.mark.extra
def test_an_exr_without_one_depth_is_refused(write_exr, parts, reason):
    path = write_exr(*parts)
    with pytest.raises(ValueError, match=f'^{path}: {reason}'):
        depth_files.read_codes(path)


@pytest.mark.parametrize('share', [0.3, 0.6, 0.95])
@pytest.mark.extra
def test_a_truncated_exr_is_refused(write_exr, capsys, share):
    path = pathlib.Path(write_exr({'R': 0, 'G': 1}, {'Z': 0}))
    content = path.read_bytes()
    path.write_bytes(content[:round(share * len(content))])
    with pytest.raises(ValueError, match=f'^{path}: not a readable depth map'):
        depth_files.read_codes(path)
    assert capsys.readouterr().out == ''


@pytest.mark.extra
def test_a_deep_exr_is_refused(write_exr):
    with pytest.raises(ValueError, match='a.exr: a deep EXR.*flatten it'):
        depth_files.read_codes(write_exr({'Z': 0}, deep=True))


def test_arrays_of_hdf5_by_name(tmp_path):
    h5py = pytest.importorskip('h5py')
    path = tmp_path / 'a.h5'
    with h5py.File(path, 'w') as file:
        file['depth'], file['other'] = DEPTH, DEPTH + 1
    np.testing.assert_array_equal(depth_files.read_codes(path)[0], DEPTH)
    with h5py.File(path, 'w') as file:
        file['one'], file['other'] = DEPTH, DEPTH
    with pytest.raises(ValueError, match=r"a.h5: it must .*\['one', 'other'\]"):
        depth_files.read_codes(path)
    with pytest.raises(ValueError, match='a.h5: no picture can be read'):
        containers.read_image(path, 0)
