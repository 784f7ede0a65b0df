"""Pictures of more than 8 bits, whose codes Pillow would cut: TIFF and PNG.

Scaled by what the file says is white: BitsPerSample, or MaxSampleValue where
it is there. Integers with a sign, of 32 bits, and floats say nothing: they
need a range from outside.
"""

import logging as std_logging
import math
import pathlib
import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tifffile
from absl import logging

from dmenet_tf import budgets

# What they say of damaged files goes where logging was set up, not to stderr.
for _name in ('tifffile', 'imagecodecs'):
    std_logging.getLogger(_name).addHandler(std_logging.NullHandler())
Path = str | pathlib.Path
_PNG = b'\x89PNG\r\n\x1a\n'
_TIFF = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
# The TIFF of raw files begins with a thumbnail.
RAW = ('a raw file of a camera, whose name should say so, or develop it first '
       'and map the result')
_MAX_SAMPLE_VALUE, _ORIENTATION, _DNG_VERSION, _PROFILE = (
    281, 274, 50706, 34675)
_NOT_PILLOWS = (tifffile.COMPRESSION.WEBP, tifffile.COMPRESSION.ZSTD)
# Codes of 16 bits that all lie below this have probably 12 bits or fewer.
_TWELVE_BITS = 4096


class NoPicture(ValueError):
    """A sound file that is no photograph, or does not say enough."""


class Picture(NamedTuple):
    """What a file holds.

    Attributes:
        codes: [h, w] or [h, w, 3], as stored.
        white: The largest code; None: the type has no range of its own.
        orientation: EXIF's, 1 to 8.
        profile: ICC profile, or None.
        inverted: Whether the lowest code is white, not the largest.
    """
    codes: np.ndarray
    white: float | None
    orientation: int = 1
    profile: bytes | None = None
    inverted: bool = False


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does."""
    with open(path, 'rb') as file:
        return file.read(4) in _TIFF


def check_png(path: Path) -> None:
    """Raises ValueError for a PNG whose pixels its bytes cannot hold."""
    with open(path, 'rb') as file:
        head = file.read(26)
    if head[:8] == _PNG and len(head) == 26:
        width, height, bits, kind = struct.unpack('>IIBB', head[16:])
        channels = {2: 3, 4: 2, 6: 4}.get(kind, 1)
        budgets.check(width * height * channels * bits // 8,
                      budgets.length(path))


def is_deep_png(path: Path) -> bool:
    """Whether a file is a PNG of 16 bits in several channels.

    Pillow, and imageio through it, keep the high bytes of those alone.
    """
    with open(path, 'rb') as file:
        head = file.read(26)
    # Byte 24 of the header is the depth, byte 25 the colour type (2: RGB, 4:
    # grey and alpha, 6: RGBA).
    return (head[:8] == _PNG and len(head) == 26
            and head[24] == 16 and head[25] in (2, 4, 6))


def read_deep_png(path: Path) -> npt.NDArray[np.uint16]:
    """Reads the codes of a PNG of which is_deep_png is true, [h, w, c]."""
    import imagecodecs
    check_png(path)
    return imagecodecs.png_decode(pathlib.Path(path).read_bytes())


def size(path: Path) -> tuple[int, int]:
    """(width, height) of the first picture of a TIFF, px, by its header."""
    with tifffile.TiffFile(path) as file:
        return file.pages[0].imagewidth, file.pages[0].imagelength


def pages(path: Path) -> list[int]:
    """The pages of a TIFF, less those that show the first one reduced.

    Raises:
        Exception: Its pages lead in a circle, or it is damaged otherwise.
    """
    seen, found = set(), []
    with tifffile.TiffFile(path) as file:
        for number, page in enumerate(file.pages):
            if page.offset in seen:
                raise ValueError('its pages lead in a circle')
            seen.add(page.offset)
            if not (number and page.is_reduced):
                found.append(number)
    return found


def pixels(page: tifffile.TiffPage, path: Path) -> np.ndarray:
    """What a page of a TIFF holds, as stored.

    Raises:
        Exception: The file cannot hold as much, or whatever tifffile says of
            a damaged one.
    """
    _check(page, path)
    return page.asarray()


def _check(page, path):
    tile = math.prod(page.chunks) * page.dtype.itemsize
    budgets.check(max(page.nbytes, tile), budgets.length(path))


def read_tiff(path: Path, warn: bool = True,
              number: int = 0) -> Picture | None:
    """Reads one picture of a TIFF, unless Pillow reads it as well.

    Args:
        path: Of a file of which is_tiff is true.
        warn: Whether to warn of codes that look as if they had few bits.
        number: Of the picture; 0 is the first.

    Returns:
        Picture; None for plain 8 bits or fewer.

    Raises:
        NoPicture: A raw file, or channels that are not those of a picture.
        Exception: The file cannot hold as much, or whatever tifffile says of
            a damaged one.
    """
    with tifffile.TiffFile(path) as file:
        page = file.pages[number]
        if page.subfiletype & 1 or _DNG_VERSION in page.tags:
            raise NoPicture(RAW)
        if _is_plain(page):
            _check(page, path)
            return None
        codes, white = pixels(page, path), _white(page)
        codes = _of_colours(page, _channels_last(page, codes), white)
        if warn:
            _warn_of_few_bits(path, page, codes)
        return Picture(codes, white, _tag(page, _ORIENTATION, 1),
                       _tag(page, _PROFILE),
                       page.photometric == tifffile.PHOTOMETRIC.MINISWHITE)


def _tag(page, code, default=None):
    return page.tags[code].value if code in page.tags else default


def _is_plain(page):
    """Unsigned integers of at most 8 bits in a form that Pillow knows."""
    premultiplied = tifffile.EXTRASAMPLE.ASSOCALPHA in page.extrasamples
    return (page.bitspersample <= 8 and page.sampleformat == 1
            and page.compression not in _NOT_PILLOWS
            and not (premultiplied and page.samplesperpixel == 2))


def _white(page):
    if page.dtype.kind != 'u' or page.bitspersample > 16:
        return None
    said = _tag(page, _MAX_SAMPLE_VALUE)
    said = max(said) if isinstance(said, tuple) else said
    return float(said or 2**page.bitspersample - 1)


def _channels_last(page, codes):
    if page.axes == 'SYX':
        return np.moveaxis(codes, 0, -1)
    if page.axes not in ('YX', 'YXS'):
        raise NoPicture(f'not one picture but an array of axes {page.axes}')
    return codes


def _of_colours(page, codes, white):
    """[h, w] grey or [h, w, 3] RGB of all channels."""
    kinds = tifffile.PHOTOMETRIC
    if page.photometric == kinds.CFA:
        raise NoPicture(RAW)
    if codes.ndim == 3:
        codes = _without_alpha(page, codes, white)
    if page.photometric == kinds.PALETTE:
        return np.moveaxis(page.colormap, 0, -1)[codes]
    if page.photometric == kinds.SEPARATED and white is not None:
        ink = codes.astype(np.float32) / white
        return white * (1 - ink[..., :3]) * (1 - ink[..., 3:4])
    if codes.ndim == 3 and codes.shape[-1] != 3 or page.photometric not in (
            kinds.MINISBLACK, kinds.MINISWHITE, kinds.RGB, kinds.LINEAR_RAW):
        kind = getattr(page.photometric, 'name', page.photometric)
        raise NoPicture(f'{codes[0, 0].size} channels of the kind {kind} are '
                        'no RGB picture')
    return codes


def _without_alpha(page, codes, white):
    """Drops extra channels; colours multiplied by alpha are divided by it."""
    extra = len(page.extrasamples)
    if extra > 1:
        raise NoPicture(f'{codes.shape[-1]} channels are no RGB picture')
    colours = codes[..., :codes.shape[-1] - extra] if extra else codes
    if extra and page.extrasamples[0] == tifffile.EXTRASAMPLE.ASSOCALPHA and (
            white is not None):
        alpha = codes[..., -extra:-extra + 1 or None].astype(np.float32)
        colours = np.minimum(colours * white / np.maximum(alpha, 1), white)
        colours = np.rint(colours).astype(codes.dtype)
    return colours[..., 0] if colours.shape[-1] == 1 else colours


def _warn_of_few_bits(path, page, codes):
    if page.bitspersample == 16 and codes.max() < _TWELVE_BITS and (
            _MAX_SAMPLE_VALUE not in page.tags and codes.max() > 255):
        logging.warning(
            '%s: its 16-bit codes end at %d, as 12 bits do, and the file does '
            'not say so; if it looks dark, pass --range=0,4095.', path,
            codes.max())
