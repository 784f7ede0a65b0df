"""How much memory the header of a file may ask for, checked before it gets it.

A header is a few bytes that anybody can write; what it declares must be in
the file, or compressed in it. One rule for all readers, in check().
"""

import contextlib
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

# Bytes that the arrays of one file may take. 6 of them are a pixel of RGB in
# 16 bits: Pillow's limit of 179 megapixels is as much.
BUDGET = 2**30
# No file is too small for this: some codecs hold a flat picture in nothing.
_ALWAYS = 2**26
# Deflate makes nothing more than 1032 times smaller, LZW 1366 times.
_RATIO = 1400
# Of the data in a .mat: numbers, a matrix, texts.
_MATRIX, _COMPRESSED = 14, 15
_TYPES = (*range(1, 8), 9, 12, 13, _MATRIX, 16, 17, 18)


def check(needed: int, length: int) -> None:
    """Refuses what a file cannot hold, or what is beyond the budget.

    Args:
        needed: Bytes that the header declares, decoded.
        length: Of the file, bytes. As much as that is taken always.

    Raises:
        ValueError: It is refused. Nothing is where Pillow's limit of pixels
            was taken off (predict --allow_huge).
    """
    if Image.MAX_IMAGE_PIXELS is None:
        return
    held = max(_ALWAYS, _RATIO * length)
    if needed > max(length, min(held, BUDGET)):
        raise ValueError(
            f'its header declares {needed} bytes; '
            + (f'a file of {length} bytes cannot hold them' if needed > held
               else f'{BUDGET} are the most that one file may take'))


def length(path: str | os.PathLike) -> int:
    """Of a file, bytes."""
    return os.stat(path).st_size


def read_npy(path: str | os.PathLike) -> np.ndarray:
    """np.load of an .npy, if it is as long as its header says.

    Raises:
        Exception: Whatever NumPy says of a damaged file.
    """
    with open(path, 'rb') as file:
        _check_header(file, length(path))
    return np.load(path, allow_pickle=False)


@contextlib.contextmanager
def open_npz(path: str | os.PathLike) -> Iterator[np.lib.npyio.NpzFile]:
    """np.load of an .npz, if its members may take what they declare.

    Yields:
        NpzFile that unpickles nothing.

    Raises:
        Exception: Whatever NumPy and zipfile say of a damaged file.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError('not a zip archive, as .npz is')
    with np.load(path, allow_pickle=False) as archive:
        members = archive.zip.infolist()
        check(sum(member.file_size for member in members), length(path))
        for member in members:
            with archive.zip.open(member) as file:
                _check_header(file, member.file_size)
        yield archive


def _check_header(file, held):
    """Raises ValueError if an .npy declares more bytes than there are."""
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f'.npy of version {version}')
    shape, _, dtype = read[version](file)
    needed = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and needed > held:
        raise ValueError(f'truncated: its header declares {needed} bytes, of '
                         f'which at most {held} are there')


def read_mat(path: str | os.PathLike) -> dict[str, Any]:
    """scipy.io.loadmat of a file whose parts are what they declare.

    Raises:
        Exception: Whatever SciPy says of a damaged file.
    """
    import scipy.io
    with open(path, 'rb') as file:
        order = {b'IM': '<', b'MI': '>'}.get(file.read(128)[126:])
        if order:  # Else version 4, which compresses nothing, or no .mat.
            _check_parts_of_mat(file, order, length(path))
    with warnings.catch_warnings():
        # Numbers of a VAX or a Cray, which it would give in disorder.
        warnings.filterwarnings('error', 'We do not support byte ordering')
        return scipy.io.loadmat(path)


def _check_parts_of_mat(file, order, held):
    """Compressed ones too: those begin, unpacked, with type and length."""
    total = 0
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(f'{order}2I', tag)
        body = tag + file.read(min(size, held))
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj()
            body = unpacked.decompress(body[8:], 8)
            needed = struct.unpack(f'{order}2I', body)[1]
            total += needed
            check(total, held)
            body += unpacked.decompress(unpacked.unconsumed_tail, needed or 1)
        _check_types(memoryview(body), order)


def _check_types(body, order):
    """Raises ValueError for a type of data that no .mat has.

    By such a number SciPy 1.17 looks into memory that is not its own.
    """
    place = 0
    while place + 8 <= len(body):
        kind, size = struct.unpack_from(f'{order}2I', body, place)
        small = kind >> 16  # Bytes of data that stand in the tag itself.
        if small:
            kind, size = kind & 0xFFFF, 0
        if kind not in _TYPES:
            raise ValueError(f'damaged .mat: data of type {kind}')
        if kind == _MATRIX:
            _check_types(body[place + 8:place + 8 + size], order)
        place += 8 + size + -size % 8
