"""Small sound files of every format that is read, and ways to damage them."""

import io
import json
import pathlib
import re
import struct
import zipfile
import zlib

import h5py
import numpy as np
import scipy.io
import tifffile
from PIL import Image

GREY = np.linspace(0, 1, 16 * 24).reshape(16, 24)
CODES = np.round(GREY * 40_000).astype(np.uint16)
RGB = np.round(np.dstack([GREY, GREY**2, 1 - GREY]) * 255).astype(np.uint8)
DEPTH = (1 + 5 * GREY).astype(np.float32)
# What sizes, offsets and counts are changed to.
ODD = (0, 1, 2, 3, 7, 8, 255, 256, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFF,
       0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


def _pictures(folder):
    picture = Image.fromarray(RGB)
    for suffix in ('png', 'jpg', 'gif', 'bmp', 'webp', 'ppm', 'tga', 'jp2',
                   'avif', 'tif', 'sgi', 'pcx', 'ico', 'dds'):
        try:
            picture.save(folder / f'picture.{suffix}')
        except (KeyError, OSError, ValueError):  # This Pillow cannot.
            (folder / f'picture.{suffix}').unlink(missing_ok=True)
    Image.fromarray(CODES).save(folder / 'codes.png')
    Image.fromarray(CODES).save(folder / 'codes.pgm')
    picture.convert('P').save(folder / 'palette.png')
    Image.fromarray(GREY > 0.5).save(folder / 'mask.png')
    import imagecodecs
    (folder / 'deep.png').write_bytes(
        imagecodecs.png_encode(RGB.astype(np.uint16) * 257))


def _tiffs(folder):
    for name, array, options in (
            ('plain', DEPTH, {}), ('codes', CODES, {'compression': 'lzw'}),
            ('zlib', DEPTH, {'compression': 'zlib', 'predictor': True}),
            ('tiles', CODES, {'tile': (16, 16)}),
            ('big', DEPTH, {'bigtiff': True}),
            ('deep', RGB.astype(np.uint16), {'photometric': 'rgb'}),
            ('pages', np.stack([CODES, CODES]), {'photometric':
                                                 'minisblack'})):
        tifffile.imwrite(folder / f'{name}.tiff', array, **options)


def _arrays(folder):
    np.save(folder / 'map.npy', DEPTH)
    np.save(folder / 'codes.npy', CODES)
    np.savez(folder / 'stored.npz', DEPTH)
    np.savez_compressed(folder / 'packed.npz', depth=DEPTH, other=CODES)
    np.savez_compressed(
        folder / 'weights.npz', **{'B/conv1_1/kernel': np.ones((3, 3, 3, 4))},
        metadata=json.dumps({'format_version': 1, 'convention': 'sigma7',
                             'architecture': {'width': 4}}))
    scipy.io.savemat(folder / 'plain.mat', {'blurMap': DEPTH})
    scipy.io.savemat(folder / 'packed.mat', {'blurMap': DEPTH},
                     do_compression=True)
    scipy.io.savemat(folder / 'struct.mat', {'data': {
        'rgb': RGB, 'depth': DEPTH, 'mask_invalid': DEPTH > 2}})
    scipy.io.savemat(folder / 'four.mat', {'blurMap': DEPTH}, format='4')
    with h5py.File(folder / 'plain.hdf5', 'w') as file:
        file['depth'] = DEPTH
    with h5py.File(folder / 'packed.h5', 'w') as file:
        file.create_dataset('dataset', data=DEPTH, chunks=(8, 8),
                            compression='gzip')


def _vgg(folder):
    """As Keras 2 and Keras 3 write it, and the pickle of the authors."""
    kernel, bias = np.ones((3, 3, 3, 4), np.float32), np.zeros(4, np.float32)
    with h5py.File(folder / 'vgg.h5', 'w') as file:
        group = file.create_group('block1_conv1')
        group.attrs['weight_names'] = ['kernel', 'bias']
        group.create_dataset('kernel', data=kernel, compression='gzip')
        group['bias'] = bias
    with h5py.File(folder / 'three.h5', 'w') as file:
        group = file.create_group('layers/conv2d/vars')
        group.attrs['name'] = 'block1_conv1'
        group['0'], group['1'] = kernel, bias
    np.save(folder / 'vgg.npy', {'conv1_1': [kernel, bias]},
            allow_pickle=True)


def _depths(folder):
    (folder / 'sintel.dpt').write_bytes(
        b'PIEH' + struct.pack('<2i', 24, 16) + DEPTH.tobytes())
    (folder / 'disparity.pfm').write_bytes(
        b'Pf\n24 16\n-1.0\n' + DEPTH.tobytes())
    (folder / 'calib.txt').write_text('cam0=[900 0 9; 0 900 9; 0 0 1]\n'
                                      'doffs=3\nbaseline=100\n')
    try:
        import OpenEXR
    except ImportError:
        return
    for name, kind in (('zip', OpenEXR.ZIP_COMPRESSION),
                       ('none', OpenEXR.NO_COMPRESSION)):
        OpenEXR.File({'compression': kind}, {'Z': DEPTH}).write(
            str(folder / f'{name}.exr'))


def sound(folder: pathlib.Path) -> dict[str, bytes]:
    """Writes one file of every kind; name -> content."""
    for write in (_pictures, _tiffs, _arrays, _vgg, _depths):
        write(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def damaged(name: str, content: bytes, rng: np.random.Generator) -> bytes:
    """Changes a file as its format lets it: sound around what is odd."""
    ways = [_bytes, _cut, _number, _digits, _moved]
    inside = {'png': _png, 'npz': _members, 'tif': _tags, 'tiff': _tags,
              'mat': _packed}.get(name.rpartition('.')[2])
    if inside and rng.random() < 0.5:
        return inside(content, ways, rng)
    return _damaged(content, ways, rng)


def _damaged(content, ways, rng):
    for _ in range(rng.integers(1, 4)):
        content = ways[rng.integers(len(ways))](content, rng)
    return content


def _place(content, rng):
    """Half of all changes are in the header."""
    last = min(len(content), 200) if rng.random() < 0.5 else len(content)
    return int(rng.integers(max(last, 1)))


def _bytes(content, rng):
    changed = bytearray(content)
    for _ in range(rng.integers(1, 9) if changed else 0):
        changed[_place(content, rng)] = rng.integers(256)
    return bytes(changed)


def _cut(content, rng):
    return content[:_place(content, rng)]


def _number(content, rng):
    place, odd = _place(content, rng), int(rng.choice(ODD))
    size = int(rng.choice([2, 4, 8]))
    number = (odd % 256**size).to_bytes(
        size, 'little' if rng.random() < 0.5 else 'big')
    return content[:place] + number + content[place + size:]


def _digits(content, rng):
    """Numbers in texts: of .pfm, .ppm, and the headers of .npy."""
    found = list(re.finditer(rb'\d+', content[:400]))
    if not found:
        return _bytes(content, rng)
    one = found[rng.integers(len(found))]
    number = rng.choice([b'0', b'-1', b'99999', b'4294967296', b'9' * 30,
                         b'1e9', b'nan', b'(' * 300])
    return content[:one.start()] + bytes(number) + content[one.end():]


def _moved(content, rng):
    """A piece is put where another was, or in between."""
    start, place = _place(content, rng), _place(content, rng)
    piece = content[start:start + int(rng.integers(1, 64))]
    rest = content[place + (len(piece) if rng.random() < 0.5 else 0):]
    return content[:place] + piece + rest


def _png(content, ways, rng):
    """A chunk, with the sum that fits it; of pixels, what is compressed."""
    chunks, place = [], 8
    while place + 8 <= len(content):
        size, = struct.unpack('>I', content[place:place + 4])
        chunks.append([content[place + 4:place + 8],
                       content[place + 8:place + 8 + size]])
        place += 12 + size
    one = chunks[rng.integers(len(chunks))]
    if one[0] == b'IDAT' and rng.random() < 0.5:
        one[1] = zlib.compress(_damaged(zlib.decompress(one[1]), ways, rng))
    else:
        one[1] = _damaged(one[1], ways, rng)
    return content[:8] + b''.join(
        struct.pack('>I', len(body)) + name + body
        + struct.pack('>I', zlib.crc32(name + body)) for name, body in chunks)


def _members(content, ways, rng):
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(
            stream, 'w', zipfile.ZIP_DEFLATED) as new:
        chosen = rng.integers(len(old.namelist()))
        for i, name in enumerate(old.namelist()):
            member = old.read(name)
            new.writestr(name, _damaged(member, ways, rng) if i == chosen
                         else member)
    return stream.getvalue()


def _tags(content, ways, rng):
    """Type, count or value of one entry of the first directory."""
    start = int.from_bytes(content[4:8], 'little')
    if content[2] != 42:
        return _damaged(content, ways, rng)
    count = int.from_bytes(content[start:start + 2], 'little')
    place = start + 2 + 12 * int(rng.integers(max(count, 1)))
    place += int(rng.choice([0, 2, 4, 8, 8, 8]))
    odd = int(rng.choice(ODD)) if rng.random() < 0.5 else int(
        rng.integers(20))
    return content[:place] + odd.to_bytes(4, 'little') + content[place + 4:]


def _packed(content, ways, rng):
    """What a compressed part of a .mat holds."""
    kind, size = struct.unpack('<2I', content[128:136])
    if kind != 15:
        return _damaged(content, ways, rng)
    body = _damaged(zlib.decompress(content[136:136 + size]), ways, rng)
    body = zlib.compress(body)
    return content[:128] + struct.pack('<2I', 15, len(body)) + body
