"""Small files that ask for gigabytes: refused before they get any."""

import io
import json
import resource
import struct
import subprocess
import sys
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image

from dmenet_tf import (
    budgets,
    foreign_weights,
    images,
    sigma_files,
    variables,
    weights,
)
from dmenet_tf.syndof import apertures, depth_files, rgbd

HUGE = 40_000  # px; a map of it is 6.4 GB.
REASON = 'declares'


def npy_header(shape, dtype='<f4'):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {'descr': dtype, 'fortran_order': False, 'shape': shape})
    return stream.getvalue()


def npz_of_a_header(path):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a.npy', npy_header((HUGE, HUGE)) + bytes(64))


def zip_bomb(path):
    """Its member is, the archive says, as long as its header says: 1.2 GB."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a.npy', npy_header((300, 1000, 1000)) + bytes(9999))
        archive.filelist[0].file_size = 1_200_000_128


def tiff(path):
    tifffile.imwrite(path, np.zeros((16, 16), np.float32))
    content = bytearray(path.read_bytes())
    for tag in (256, 257):  # ImageWidth, ImageLength
        place = content.index(struct.pack('<HHI', tag, 4, 1))
        content[place:place + 12] = struct.pack('<HHII', tag, 4, 1, HUGE)
    path.write_bytes(content)


def circle(path):
    """A TIFF whose first page says that it is the next one as well."""
    tifffile.imwrite(path, np.zeros((16, 16), np.float32), metadata=None)
    content = bytearray(path.read_bytes())
    start, = struct.unpack('<I', content[4:8])
    entries, = struct.unpack('<H', content[start:start + 2])
    end = start + 2 + 12 * entries
    content[end:end + 4] = content[4:8]
    path.write_bytes(content)


def deep_png(path, sides=(HUGE, HUGE)):
    header = struct.pack('>IIBBBBB', *sides, 16, 2, 0, 0, 0)
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
                     + chunk(b'IDAT', zlib.compress(bytes(9)))
                     + chunk(b'IEND', b''))


def chunk(name, body):
    return (struct.pack('>I', len(body)) + name + body
            + struct.pack('>I', zlib.crc32(name + body)))


def hdf5(path):
    """Declared and never written: HDF5 fills it with zeros."""
    with h5py.File(path, 'w') as file:
        file.create_dataset('depth', (HUGE, HUGE), 'f4', chunks=(64, 64))


def hdf5_of_vgg(path):
    with h5py.File(path, 'w') as file:
        group = file.create_group('block1_conv1')
        group.attrs['weight_names'] = ['kernel', 'bias']
        for name in ('kernel', 'bias'):
            group.create_dataset(name, (HUGE, HUGE), 'f4', chunks=(64, 64))


def mat(path):
    """Of a compressed part, only the first bytes: 4 GB follow."""
    scipy.io.savemat(path, {'a': np.ones((4, 4))})
    body = zlib.compress(struct.pack('<2I', 14, 0xFFFFFFF0) + bytes(200))
    path.write_bytes(path.read_bytes()[:128] + struct.pack(
        '<2I', 15, len(body)) + body)


MAPS = {'a.npz': npz_of_a_header, 'b.npz': zip_bomb, 'a.tiff': tiff,
        'a.png': deep_png, 'a.mat': mat,
        'a.npy': lambda path: path.write_bytes(
            npy_header((HUGE, HUGE)) + bytes(64))}


@pytest.mark.parametrize('name', MAPS)
def test_maps_are_refused_by_their_headers(tmp_path, name):
    MAPS[name](tmp_path / name)
    with pytest.raises(ValueError, match=REASON) as refused:
        sigma_files.read_array(tmp_path / name)
    assert str(refused.value).startswith(f'{tmp_path / name}: ')
    assert '\n' not in str(refused.value)


@pytest.mark.parametrize('name', {**MAPS, 'a.hdf5': hdf5})
def test_depth_is_refused_by_its_header(tmp_path, name):
    {**MAPS, 'a.hdf5': hdf5}[name](tmp_path / name)
    with pytest.raises(ValueError) as refused:
        depth_files.read_codes(tmp_path / name)
    assert REASON in str(refused.value)
    assert str(refused.value).startswith(f'{tmp_path / name}: ')


@pytest.mark.extra
def test_exr_is_refused_by_its_header(tmp_path):
    exr = pytest.importorskip('OpenEXR')
    path = tmp_path / 'a.exr'
    exr.File({}, {'Z': np.zeros((4, 4), np.float32)}).write(str(path))
    path.write_bytes(path.read_bytes().replace(
        struct.pack('<4i', 0, 0, 3, 3), struct.pack('<4i', 0, 0, HUGE, HUGE)))
    with pytest.raises(ValueError, match=REASON):
        rgbd.read_depth(path)


@pytest.mark.parametrize('name', ['a.tiff', 'a.png'])
def test_photographs_are_refused_by_their_headers(tmp_path, name):
    MAPS[name](tmp_path / name)
    with pytest.raises(ValueError) as refused:
        images.read_image(tmp_path / name)
    assert str(refused.value).startswith(f'{tmp_path / name}: ')


def test_a_png_within_pillows_limit_is_refused_too(tmp_path):
    deep_png(tmp_path / 'a.png', (9000, 9000))
    with pytest.raises(ValueError, match=REASON):
        images.read_image(tmp_path / 'a.png')


def test_a_tiff_of_8_bits_is_refused_before_pillow_reads_it(tmp_path):
    path = tmp_path / 'a.tiff'
    tifffile.imwrite(path, np.zeros((8, 8, 3), np.uint8), compression='zlib')
    with tifffile.TiffFile(path, mode='r+b') as file:
        for name in ('ImageWidth', 'ImageLength', 'RowsPerStrip'):
            file.pages[0].tags[name].overwrite(12_000)
    with pytest.raises(ValueError, match=REASON):
        images.read_image(path)


VGG = {'a.h5': hdf5_of_vgg, 'a.npz': npz_of_a_header}


@pytest.mark.parametrize('name', VGG)
def test_vgg_is_refused_by_its_header(tmp_path, name):
    VGG[name](tmp_path / name)
    with pytest.raises(ValueError) as refused:
        foreign_weights.read_vgg(str(tmp_path / name), 'VGG19')
    assert REASON in str(refused.value)
    assert str(refused.value).startswith(f'{tmp_path / name}: ')


@pytest.mark.parametrize('name', ['a.npz', 'b.npz'])
def test_weights_and_apertures_are_refused_by_their_headers(tmp_path, name):
    MAPS[name](tmp_path / name)
    for read in (variables.read_npz, apertures.read_stack):
        with pytest.raises(ValueError, match=REASON) as refused:
            read(tmp_path / name)
        assert str(refused.value).startswith(f'{tmp_path / name}: ')


def test_what_is_no_zip_is_a_line_of_weights(tmp_path):
    path = tmp_path / 'a.npz'
    for content in (b'', b'PK\3\4' + bytes(90), npy_header((9, 9))):
        path.write_bytes(content)
        with pytest.raises(ValueError) as refused:
            variables.read_npz(path)
        assert str(refused.value).startswith(f'{path}: not a readable .npz')


@pytest.mark.parametrize('key, value', [
    ('width', 40_000), ('decoder_width', 40_000), ('refine_blocks', 10**6)])
def test_networks_are_as_wide_as_their_arrays(tmp_path, toy_b, key, value):
    """Else a number in a text decides how much memory is taken."""
    from dmenet_tf import networks
    path = tmp_path / 'a.npz'
    weights.save(path, networks.Networks(toy_b, None, None),
                 {'convention': 'sigma7'})
    arrays = dict(np.load(path))
    metadata = json.loads(str(arrays['metadata']))
    metadata['architecture'][key] = value
    arrays['metadata'] = json.dumps(metadata)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=key) as refused:
        weights.load_model(path)
    assert str(refused.value).startswith(f'{path}: ')


def test_numbers_of_a_cray_are_refused(tmp_path):
    path = tmp_path / 'a.mat'
    scipy.io.savemat(path, {'a': np.ones((4, 4))}, format='4')
    content = path.read_bytes()
    kind = struct.unpack('<i', content[:4])[0] + 4000
    path.write_bytes(struct.pack('<i', kind) + content[4:])
    with pytest.raises(ValueError, match='byte ordering') as refused:
        sigma_files.read_array(path)
    assert str(refused.value).startswith(f'{path}: ')


@pytest.mark.parametrize('packed', [False, True])
def test_odd_types_in_a_mat_end_no_process(tmp_path, packed):
    """SciPy would end it by reading memory that is not its own."""
    path = tmp_path / 'a.mat'
    scipy.io.savemat(path, {'a': np.ones((9, 9))})
    content = path.read_bytes()
    place = content.index(struct.pack('<2I', 9, 9 * 9 * 8))  # The numbers.
    body = content[128:place] + struct.pack('<I', 8000) + content[place + 4:]
    if packed:
        body = zlib.compress(body)
        body = struct.pack('<2I', 15, len(body)) + body
    path.write_bytes(content[:128] + body)
    for read in (sigma_files.read_array, rgbd.read_depth):
        with pytest.raises(ValueError, match='a.mat: .*data of type 8000'):
            read(path)


@pytest.mark.parametrize('options', [
    {}, {'do_compression': True}, {'format': '4'}])
def test_sound_mats_are_read(tmp_path, options):
    values = np.arange(99.).reshape(9, 11)
    scipy.io.savemat(tmp_path / 'a.mat', {'a': values}, **options)
    np.testing.assert_array_equal(
        sigma_files.read_array(tmp_path / 'a.mat'), values)


def test_pages_in_a_circle_are_gone_through_once(tmp_path):
    """tifffile goes on to the four millionth."""
    circle(tmp_path / 'a.tiff')
    assert images.pages(tmp_path / 'a.tiff') == [0]
    with pytest.raises(ValueError, match='a.tiff: .*several pictures'):
        sigma_files.read_sigma(tmp_path / 'a.tiff')


@pytest.mark.parametrize('needed, length, taken', [
    (2**26, 10, True), (2**26 + 1, 10, False),  # What is small is taken.
    (1400 * 10**5, 10**5, True), (1400 * 10**5 + 1, 10**5, False),
    (2**30, 10**9, True), (2**30 + 1, 10**9, False),
    (2**31, 2**31, True)])  # As long as what it declares.
def test_the_rule(needed, length, taken):
    if taken:
        budgets.check(needed, length)
    else:
        with pytest.raises(ValueError, match=f'{REASON} {needed} bytes'):
            budgets.check(needed, length)


def test_without_pillows_limit_there_is_none(monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', None)
    budgets.check(2**40, 10)


def test_constant_maps_are_no_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(budgets, '_ALWAYS', 0)
    sigma = np.full((512, 512), 2, np.float32)
    np.savez_compressed(tmp_path / 'a.npz', sigma)
    sigma_files.write_tiff(tmp_path / 'a.tiff', sigma)
    for name in ('a.npz', 'a.tiff'):
        np.testing.assert_array_equal(
            sigma_files.read_array(tmp_path / name), sigma)


LIMITED = '''
import sys
from dmenet_tf import sigma_files
for path in sys.argv[1:]:
    try:
        sigma_files.read_sigma(path)
    except ValueError as error:
        print(error)
'''


@pytest.mark.long
def test_nothing_is_allocated(tmp_path):
    """Each costs a line where a process may take 1 GiB."""
    for name, make in MAPS.items():
        make(tmp_path / name)
    done = subprocess.run(
        [sys.executable, '-c', LIMITED, *(str(tmp_path / n) for n in MAPS)],
        capture_output=True, text=True, check=True, preexec_fn=lambda:
        resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30)))
    assert done.stdout.count(REASON) == len(MAPS) and not done.stderr
