"""What depth files store, whatever the format; no unit is applied here.

| file                        | stores             | unit of the format     |
|-----------------------------|--------------------|------------------------|
| .dpt (Sintel)               | float depth        | m                      |
| .pfm (Middlebury)           | float disparity    | px; m if its largest   |
|                             |                    | is AirSim's sky, 65504 |
| .png, .pgm, 16-bit grey     | depth              | mm                     |
| .png, 16-bit RGB (SYNTHIA,  | depth, three times | cm                     |
|   the authors' Middlebury)  |                    |                        |
| .png, 8-bit                 | anything           | none                   |
| .npy, .npz, .tif, .exr,     | depth              | float m, integer mm    |
|   .hdf5, .mat               |                    |                        |
"""

import pathlib
import re

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import tifffile

from dmenet_tf import budgets, deep_images, exr_files, images
from dmenet_tf.syndof import containers

SUFFIXES = ('.dpt', '.pfm', '.png', '.pgm', '.npy', '.npz', '.exr', '.tif',
            '.tiff', '.hdf5', '.h5')
HALF_MAX = 65504.0  # the largest half float: AirSim's sky
_EXR_DEPTH = ('z', 'depth')


def read_codes(path: str | pathlib.Path, index: int | None = None,
               first_channel: bool = False) -> tuple[np.ndarray, str]:
    """Reads what a depth file stores.

    Args:
        path: A file of one of SUFFIXES, or .mat.
        index: Which map of a file that holds several; None: it holds one.
        first_channel: Whether the first of several channels is depth whatever
            the others hold.

    Returns:
        codes [h, w], of the file's type, and the unit of its format ('' if
        the format has none).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Not a depth map, or damaged. One line, `PATH: reason`.
    """
    path = pathlib.Path(path)
    codes = _decoded(path, index)
    if codes.dtype.kind not in 'uif' or codes.size == 0:
        raise ValueError(f'{path}: depth must be numbers. Received: '
                         f'{codes.dtype}, shape {codes.shape}.')
    wide = codes.ndim == 3 and codes.dtype == np.uint16
    codes = _one_channel(path, codes, first_channel)
    return codes, _native_unit(path, codes, wide)


def read_mask(path: str | pathlib.Path) -> npt.NDArray[np.bool_]:
    """Which depths of another file count, [h, w]: where a mask is not 0.

    Raises:
        FileNotFoundError, ValueError: As read_codes.
    """
    path = pathlib.Path(path)
    return _one_channel(path, _decoded(path, None), False) != 0


def _decoded(path, index):
    try:
        path.open('rb').close()  # Some decoders do not say what is missing.
        if path.suffix.lower() in containers.SUFFIXES:
            return containers.read_depth(path, index)
        return _READERS.get(path.suffix.lower(), _read_picture)(path)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file.') from None
    except PermissionError:
        raise PermissionError(f'{path}: not readable (permission).') from None
    except containers.NoDepth as error:
        raise ValueError(f'{path}: {images.one_line(error)}.') from None
    except Exception as error:  # Whatever a decoder throws at a damaged file.
        raise ValueError(f'{path}: not a readable depth map: '
                         f'{images.one_line(error)}.') from error


def _native_unit(path, codes, wide):
    suffix = path.suffix.lower()
    if suffix == '.pfm':
        # No disparity is that large: AirSim writes depth into .pfm files.
        return 'm' if (codes == HALF_MAX).any() else 'px'
    if codes.dtype.kind == 'f':
        return 'm'
    if codes.dtype.itemsize == 1:
        return ''
    return 'cm' if wide and suffix == '.png' else 'mm'


def _one_channel(path, codes, first_channel):
    """[h, w] of [h, w], [1, h, w] or channels that repeat the first."""
    if codes.ndim == 3 and codes.shape[0] == 1 and codes.shape[-1] > 4:
        codes = codes[0]
    if codes.ndim == 3:
        codes = codes[..., :3] if codes.shape[-1] > 2 else codes[..., :1]
        first = codes[..., :1]
        same = (codes == first) | ((codes != codes) & (first != first))
        if not (same.all() or first_channel):
            raise ValueError(f'{path}: not depth: its channels differ, as '
                             "a colour picture's do.")
        codes = codes[..., 0]
    if codes.ndim != 2:
        raise ValueError(f'{path}: depth must be [h, w]. Received: '
                         f'{codes.shape}.')
    return codes


def _read_dpt(path):
    """Sintel: 'PIEH', width, height (int32), then float32, little endian."""
    content = path.read_bytes()
    if content[:4] != b'PIEH' or len(content) < 12:
        raise containers.NoDepth('not a .dpt file: it must begin with PIEH')
    width, height = np.frombuffer(content[4:12], '<i4').tolist()
    return _floats(content[12:], height, width, '<f4')


def _read_pfm(path):
    """PFM: 'Pf' or 'PF', 'width height', scale (< 0: little endian), rows
    from bottom to top."""
    content = path.read_bytes()
    header = re.match(rb'(P[fF])\s+(\d+)\s+(\d+)\s+([-+.\deE]+)\s', content)
    if not header:
        raise containers.NoDepth('not a .pfm file: it must begin with Pf, '
                                 'width, height and scale')
    kind, width, height, scale = header.groups()
    channels = 3 if kind == b'PF' else 1
    dtype = '<f4' if float(scale) < 0 else '>f4'
    values = _floats(content[header.end():], int(height),
                     int(width) * channels, dtype)
    return values.reshape(int(height), int(width), channels)[::-1]


def _floats(content, height, width, dtype):
    needed = 4 * height * width
    if width <= 0 or height <= 0 or len(content) < needed:
        raise containers.NoDepth(
            f'truncated: {height} x {width} values need {needed} bytes. '
            f'Received: {len(content)}')
    values = np.frombuffer(content, dtype, height * width)
    return values.reshape(height, width).astype(np.float32)


def _read_npz(path):
    """The array named depth, or the only one."""
    with budgets.open_npz(path) as arrays:
        names = [n for n in ('depth', 'disparity') if n in arrays.files]
        names = names or arrays.files
        if len(names) != 1:
            raise containers.NoDepth(
                'it must hold one array, or one named depth. Received: '
                f'{arrays.files}')
        return arrays[names[0]]


def _read_exr(path):
    """The channel that is depth, or the only one, of all parts."""
    try:
        flat = exr_files.read_parts(path)
    except ImportError as error:
        raise containers.NoDepth(str(error)) from None
    if not flat:
        raise containers.NoDepth('a deep EXR, with any number of depths at a '
                                 'pixel; flatten it first')
    return _exr_depth(flat)


def _exr_depth(parts):
    """The pixels of the channel of depth among {name: pixels} of parts."""
    found = [(name, pixels) for part in parts
             for name, pixels in part.items() if _is_exr_depth(name, part)]
    if len(found) > 1:
        found = [entry for entry in found
                 if 'depth' in entry[0].lower() or entry[0] == 'Z'] or found
    everything = [entry for part in parts for entry in part.items()]
    if not found and len(everything) == 1:
        found = everything
    if len(found) != 1:
        names = ', '.join(name for name, _ in found or everything)
        raise containers.NoDepth(
            f'{"more than one" if found else "not"} depth, which is a channel '
            f'named Z or depth, or one alone. Received: {names}')
    return found[0][1]


def _is_exr_depth(name, part):
    """Z or depth, of any layer; but not the Z of a vector X, Y, Z."""
    layer, _, channel = name.rpartition('.')
    beside = {other.rpartition('.')[2].upper() for other in part
              if other.rpartition('.')[0] == layer}
    return channel.lower() in _EXR_DEPTH and not {'X', 'Y'} <= beside


def _read_picture(path):
    deep_images.check_png(path)
    if path.suffix.lower() == '.png' and deep_images.is_deep_png(path):
        return deep_images.read_deep_png(path)
    return _read_tiff(path) if deep_images.is_tiff(path) else iio.imread(path)


def _read_tiff(path):
    """The first page, channels last."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        codes = deep_images.pixels(page, path)
    return np.moveaxis(codes, 0, -1) if page.axes == 'SYX' else codes


_READERS = {'.dpt': _read_dpt, '.pfm': _read_pfm, '.npy': budgets.read_npy,
            '.npz': _read_npz, '.exr': _read_exr}
