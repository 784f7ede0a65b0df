"""Odd files of every kind in one call: each costs a line or is read as it is.

Where one module alone is concerned, its own tests have the case.
"""

import os
import re
import struct
import subprocess
import sys
import zlib

import imagecodecs
import imageio.v3 as iio
import keras
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from dmenet_tf import images, networks, sigma_files, weights
from dmenet_tf.train import folders

R = np.linspace(0, 1, 24 * 32).reshape(24, 32)
RGB = np.stack([R, R**2, 1 - R], axis=-1)
RGB16 = np.round(RGB * 65535).astype(np.uint16)


@pytest.fixture(scope='module')
def model_file(tmp_path_factory, tamed):
    keras.utils.set_random_seed(2)
    path = tmp_path_factory.mktemp('model') / 'toy.npz'
    b = tamed(networks.build_blur_estimator(4, 1, side_heads=False))
    weights.save(path, networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    return path


def run(name, *arguments):
    return subprocess.run([sys.executable, '-m', f'dmenet_tf.{name}',
                           *map(str, arguments)], capture_output=True,
                          text=True, check=False, env=os.environ)


def errors(done):
    """Of each file that failed, its name and why."""
    lines = [line for line in done.stderr.splitlines()
             if line.startswith('error: ')]
    return {re.search(r'([^/:]+): ', line.removeprefix('error: '))[1]:
            line.partition(': ')[2].partition(': ')[2] for line in lines}


def avif_of_zeros(path):
    """A sound header, and nothing in the pictures' data."""
    Image.new('RGB', (32, 24), 'gray').save(path)
    content = path.read_bytes()
    start = content.index(b'mdat') + 4
    path.write_bytes(content[:start] + bytes(len(content) - start))


def tiff_with_a_rational_offset(path):
    """StripOffsets, 273, of type 5, the quotient of two numbers."""
    data = bytes(24 * 32)
    entries = [(256, 3, 32), (257, 3, 24), (258, 3, 8), (259, 3, 1),
               (262, 3, 1), (273, 5, 8), (277, 3, 1), (278, 3, 24),
               (279, 4, len(data))]
    start = 16 + len(data)
    path.write_bytes(
        b'II*\0' + struct.pack('<III', start, 16, 1) + data
        + struct.pack('<H', len(entries)) + b''.join(
            struct.pack('<HHII', tag, kind, 1, value)
            for tag, kind, value in entries) + bytes(4))


def map_with_lost_bytes(path):
    sigma_files.write_tiff(path, np.random.default_rng(0).random(
        (24, 32)).astype(np.float32))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 200] = bytes(200)
    path.write_bytes(content)


def with_swapped_primaries(path, codes):
    """A PNG of 16 bits whose profile is sRGB, with red and green exchanged."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    swapped = srgb.replace(b'rXYZ', b'@XYZ').replace(
        b'gXYZ', b'rXYZ').replace(b'@XYZ', b'gXYZ')
    body = b'iCCPname\0\0' + zlib.compress(swapped)
    chunk = (struct.pack('>I', len(body) - 4) + body
             + struct.pack('>I', zlib.crc32(body)))
    content = imagecodecs.png_encode(codes)
    path.write_bytes(content[:33] + chunk + content[33:])  # After the header.


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Pictures that cannot be read, and sound ones between them."""
    folder = tmp_path_factory.mktemp('photographs')
    iio.imwrite(folder / 'a.png', np.round(RGB * 255).astype(np.uint8))
    avif_of_zeros(folder / 'b.avif')
    tiff_with_a_rational_offset(folder / 'c.tif')
    tifffile.imwrite(folder / 'd.tif', (R * 2**32 * .9).astype(np.uint32))
    map_with_lost_bytes(folder / 'e.tiff')
    iio.imwrite(folder / 'f.png', np.round(R).astype(np.uint8))  # 0 and 1
    (folder / 'g.png').write_bytes(imagecodecs.png_encode(RGB16))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('command, result', [
    ('predict', '.npy'), ('applications.magnify', '_magnified.png')])
def test_a_folder_of_odd_files_is_gone_through(folder, tmp_path, model_file,
                                               command, result):
    done = run(command, folder, f'--model={model_file}',
               f'--output_dir={tmp_path}')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    for name in 'afg':
        assert (tmp_path / f'{name}{result}').exists()
    assert '3 photographs done' in done.stdout
    found = errors(done)
    assert sorted(found) == ['b.avif', 'c.tif', 'd.tif', 'e.tiff']
    for name in ('b.avif', 'c.tif', 'e.tiff'):
        assert found[name].startswith('damaged picture: ')
    assert found['d.tif'].startswith('uint32 codes have no defined range')


@pytest.mark.slow
@pytest.mark.parametrize('command, result', [
    ('predict', '.npy'), ('applications.magnify', '_magnified.png')])
def test_nearly_black_photographs_are_photographs(tmp_path, model_file,
                                                  command, result):
    iio.imwrite(tmp_path / 'a.png', np.round(R).astype(np.uint8))
    iio.imwrite(tmp_path / 'b.png', np.round(R * 257).astype(np.uint16))
    (tmp_path / 'c.png').write_bytes(
        imagecodecs.png_encode(np.round(RGB * 200).astype(np.uint16)))
    done = run(command, *(tmp_path / f'{name}.png' for name in 'abc'),
               f'--model={model_file}', f'--output_dir={tmp_path}/out')
    assert done.returncode == 0, done.stderr
    assert '3 photographs done' in done.stdout
    one, two, _ = [iio.imread(tmp_path / f'out/{name}{result}')
                   if result.endswith('png') else
                   np.load(tmp_path / f'out/{name}{result}') for name in 'abc']
    np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_of_a_damaged_tiff_only_our_line_is_said(tmp_path, model_file):
    Image.effect_noise((32, 24), 90).save(tmp_path / 'a.tif',
                                          compression='tiff_lzw')
    content = bytearray((tmp_path / 'a.tif').read_bytes())
    content[60:200] = b'\xff' * 140
    (tmp_path / 'a.tif').write_bytes(content)
    done = run('predict', tmp_path / 'a.tif', f'--model={model_file}',
               f'--output_dir={tmp_path}/out')
    lines = [line for line in done.stderr.splitlines() if not
             line.startswith(('I0000', 'WARNING: All log messages'))]
    [line] = lines
    assert line.startswith(f'error: {tmp_path}/a.tif: damaged picture: ')


@pytest.mark.slow
def test_a_damaged_map_costs_its_photograph_a_line(folder, tmp_path):
    np.save(tmp_path / 'a.npy', np.ones(R.shape, np.float32))
    map_with_lost_bytes(tmp_path / 'g.tiff')
    done = run('applications.magnify', folder / 'g.png', folder / 'a.png',
               f'--sigma={tmp_path}', f'--output_dir={tmp_path}/out')
    assert done.returncode == 1 and '1 photograph done' in done.stdout
    assert re.search('error: .*g.png: .*g.tiff: not a readable map: ',
                     done.stderr)


@pytest.mark.slow
def test_a_damaged_map_is_a_line_of_the_evaluation(tmp_path):
    for name in ('truth', 'maps'):
        (tmp_path / name).mkdir()
    for name in 'ab':
        np.save(tmp_path / f'truth/{name}.npy', 1 + R)
    np.save(tmp_path / 'maps/a.npy', 1.5 + R)
    map_with_lost_bytes(tmp_path / 'maps/b.tiff')
    done = run('evaluate', '--protocol=sigma', f'--ground_truth={tmp_path}'
               '/truth', f'--predictions={tmp_path}/maps',
               f'--output_dir={tmp_path}/out')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'b.tiff: not a readable map: ' in done.stdout + done.stderr
    assert '1 of 2' in done.stdout


@pytest.mark.slow
def test_applications_keep_the_profile_of_16_bits(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros(R.shape, np.float32))
    path = tmp_path / 'a.png'
    with_swapped_primaries(path, RGB16)
    done = run('applications.magnify', path, f'--sigma={tmp_path}/a.npy',
               f'--output_dir={tmp_path}/out')
    assert done.returncode == 0, done.stderr
    shown = images.read_image(tmp_path / 'out/a_magnified.png')
    assert np.abs(shown - images.read_image(path)).max() < 2
    # What the file calls red is green.
    assert np.abs(shown[..., 1] - 255 * RGB[..., 0]).max() < 4


def test_training_refuses_colours_as_labels_by_name(tmp_path):
    for name in ('image', 'sigma'):
        (tmp_path / name).mkdir()
        iio.imwrite(tmp_path / f'{name}/a.png', np.round(RGB * 255).astype(
            np.uint8))
    dataset = folders.synthetic_dataset([str(tmp_path)], 'sigma7')
    with pytest.raises(ValueError, match='sigma/a.png: a coloured picture'):
        dataset.read_label(dataset.labels[0])


@pytest.mark.parametrize('largest', [1, 255])
def test_training_reads_masks_of_two_codes(tmp_path, largest):
    mask = np.round(R).astype(np.uint8)
    write_masks(tmp_path, mask * largest)
    dataset = folders.binary_dataset([str(tmp_path)])
    np.testing.assert_array_equal(dataset.read_label(dataset.labels[0]), mask)


def test_training_refuses_masks_in_colour_by_name(tmp_path):
    mask = np.round(R).astype(np.uint8) * 255
    write_masks(tmp_path, np.dstack([0 * mask, mask, 0 * mask]))
    dataset = folders.binary_dataset([str(tmp_path)])
    with pytest.raises(ValueError, match='gt/a.png: a coloured picture'):
        dataset.read_label(dataset.labels[0])


def write_masks(folder, mask):
    for name in ('image', 'gt'):
        (folder / name).mkdir()
    iio.imwrite(folder / 'image/a.png', np.round(RGB * 255).astype(np.uint8))
    iio.imwrite(folder / 'gt/a.png', mask)
