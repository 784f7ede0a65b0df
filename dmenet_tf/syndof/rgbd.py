"""Readers of images and depth, whatever the format, unit and sentinel.

A depth map is read in two steps. `read_codes` returns what the file stores;
`read_depth` gives it a unit: distance from the camera in metres, nan where it
is unknown and infinity where it is beyond measure (sky). `fill_unknown` then
makes it finite and positive everywhere, as the samplers need it.

| file                        | stores             | unit unless told       |
|-----------------------------|--------------------|------------------------|
| .dpt (Sintel)               | float depth        | m; > 1e6 is sky        |
| .pfm (Middlebury)           | float disparity    | px; inf is unknown     |
| .png, 16-bit grey           | depth              | mm; 0, 65535           |
| .png, 16-bit RGB (SYNTHIA,  | depth, three times | cm; 0 unknown, 65535   |
|   the authors' Middlebury)  |                    |   is sky               |
| .png, 8-bit                 | anything           | none: it must be told  |
| .npy, .npz, .tif, .exr      | depth              | float m, integer mm    |

A disparity d becomes metres by the calib.txt beside it, z = baseline f /
(d + doffs); without one, depth is 1 / d with its nearest point put at 1 m.
"""

import dataclasses
import pathlib
import re

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt

from dmenet_tf import images

UNITS = ('auto', 'm', 'cm', 'mm', 'px', 'relative')
_METRES = {'m': 1.0, 'cm': 0.01, 'mm': 0.001}
SKY_M = 1e6  # Sintel stores 1e11 where a ray meets nothing.
# Without doffs a disparity of nearly 0 would put its pixel anywhere; the
# depth of a relative map ends at this many times its nearest point.
MAX_RELATIVE_DEPTH = 100.0
DEPTH_SUFFIXES = ('.dpt', '.pfm', '.png', '.npy', '.npz', '.exr', '.tif',
                  '.tiff')
IMAGE_SUFFIXES = (*images.SUFFIXES, '.ppm')


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What turns disparity into depth: z = baseline f / (d + doffs)."""

    baseline_mm: float
    focal_px: float
    doffs_px: float


def read_image(path: str | pathlib.Path) -> npt.NDArray[np.float32]:
    """images.read_image with values as renderers take them: in [0, 1]."""
    return images.read_image(path).astype(np.float32) / 255


def read_depth(path: str | pathlib.Path, unit: str = 'auto',
               scale: float | None = None) -> npt.NDArray[np.float32]:
    """Reads a depth map in metres, [h, w], float32.

    Args:
        path: A file of one of DEPTH_SUFFIXES.
        unit: One of UNITS. 'px' is disparity, larger = nearer; 'relative' is
            depth in no unit, larger = farther, its nearest point is put at
            1 m; 'auto' is what the head of this module says of the format.
        scale: What one code is worth, in `unit` ('auto' is then m).

    Returns:
        Depth: > 0, nan where unknown, inf where beyond measure.

    Raises:
        ValueError: Not depth, truncated, or of unknown unit.
    """
    path = pathlib.Path(path)
    codes, native = read_codes(path)
    if unit == 'auto':
        unit = native if scale is None else 'm'
    if unit not in UNITS[1:]:
        raise ValueError(
            f'{path}: an 8-bit file does not say what it measures. Pass '
            '--depth_unit: px if bright is near (disparity), relative, m, cm '
            'or mm if bright is far.')
    values = codes.astype(np.float64)
    values[~(values > 0)] = np.nan
    beyond = np.isinf(values)
    if codes.dtype == np.uint16:
        beyond |= codes == 65535
    values[beyond] = np.nan if unit == 'px' else np.inf
    if scale is not None:
        values *= scale
    if unit in _METRES:
        values *= _METRES[unit]
        values[values > SKY_M] = np.inf
    elif unit == 'px':
        values = _depth_from_disparity(values, read_calibration(path.parent))
    else:
        values /= _smallest(values)
    return values.astype(np.float32)


def read_codes(path: str | pathlib.Path) -> tuple[np.ndarray, str]:
    """Reads what a depth file stores.

    Returns:
        codes [h, w], of the file's type, and the unit of its format ('' if
        the format has none).

    Raises:
        ValueError: Not a depth map, or truncated.
    """
    path = pathlib.Path(path)
    readers = {'.dpt': _read_dpt, '.pfm': _read_pfm, '.npy': _read_npy,
               '.npz': _read_npz, '.exr': _read_exr}
    reader = readers.get(path.suffix.lower(), _read_picture)
    try:
        codes = reader(path)
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, EOFError, KeyError) as error:
        raise ValueError(f'{path} is not a readable depth map: '
                         f'{images.one_line(error)}.') from error
    if codes.dtype.kind not in 'uif' or codes.size == 0:
        raise ValueError(f'{path}: depth must be numbers. Received: '
                         f'{codes.dtype}, shape {codes.shape}.')
    wide = codes.ndim == 3 and codes.dtype == np.uint16
    return _one_channel(path, codes), _native_unit(path, codes.dtype, wide)


def read_calibration(folder: str | pathlib.Path) -> Calibration | None:
    """Middlebury's calib.txt in a folder, or None if it has none.

    Raises:
        ValueError: The file lacks baseline or cam0.
    """
    path = pathlib.Path(folder) / 'calib.txt'
    if not path.exists():
        return None
    text = path.read_text()
    found = dict(re.findall(r'^(\w+)=\[?([-+.\deE]+)', text, re.MULTILINE))
    if 'baseline' not in found or 'cam0' not in found:
        raise ValueError(f'{path} must give cam0=[f 0 cx; ...] and baseline=.')
    return Calibration(float(found['baseline']), float(found['cam0']),
                       float(found.get('doffs', 0.0)))


def fill_unknown(depth_m: np.ndarray) -> npt.NDArray[np.float32]:
    """Makes a depth map finite.

    An unknown pixel takes the farther of its nearest known neighbours in its
    row: holes of a stereo match lie behind what hides them. Rows without any
    known pixel are filled by columns in the same way. What is beyond measure
    takes the farthest known depth: sky is behind everything, and at its own
    distance it would leave [x_near, x_far] no room for the scene.

    Args:
        depth_m: [h, w], nan where unknown, inf beyond measure.

    Returns:
        [h, w], float32, finite.

    Raises:
        ValueError: No pixel is known.
    """
    finite = np.isfinite(depth_m)
    if not finite.any():
        raise ValueError('no pixel has a known depth')
    depth = np.where(np.isposinf(depth_m), depth_m[finite].max(), depth_m)
    if not np.isnan(depth).any():
        return depth.astype(np.float32)
    depth = _fill_rows(depth)
    return _fill_rows(depth.T).T.astype(np.float32)


def _fill_rows(depth):
    known = ~np.isnan(depth)
    columns = np.arange(depth.shape[1])
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.where(known, columns, depth.shape[1])[:, ::-1]
    after = np.minimum.accumulate(after, axis=1)[:, ::-1]
    padded = np.pad(depth, ((0, 0), (0, 1)), constant_values=np.nan)
    left = np.take_along_axis(padded, before, axis=1)  # -1: the padding
    right = np.take_along_axis(padded, after, axis=1)
    return np.fmax(left, right)


def _depth_from_disparity(disparity, calibration):
    if calibration is not None:
        metres = calibration.baseline_mm * calibration.focal_px / 1000.0
        return metres / (disparity + calibration.doffs_px)
    nearest = 1.0 / _smallest(1.0 / disparity)
    return np.minimum(nearest / disparity, MAX_RELATIVE_DEPTH)


def _smallest(values):
    finite = values[np.isfinite(values)]
    return finite.min() if finite.size else np.nan


def _native_unit(path, dtype, wide):
    suffix = path.suffix.lower()
    if suffix == '.pfm':
        return 'px'
    if dtype.kind == 'f':
        return 'm'
    if dtype.itemsize == 1:
        return ''
    return 'cm' if wide and suffix == '.png' else 'mm'


def _one_channel(path, codes):
    """Drops channels that repeat the first."""
    if codes.ndim == 3:
        codes = codes[..., :3] if codes.shape[-1] > 2 else codes[..., :1]
        if not np.all(codes == codes[..., :1]):
            raise ValueError(f'{path} is not depth: its channels differ, as '
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
        raise ValueError(f'{path} is not a .dpt file: it must begin with PIEH.')
    width, height = np.frombuffer(content[4:12], '<i4').tolist()
    return _floats(path, content[12:], height, width, '<f4')


def _read_pfm(path):
    """PFM: 'Pf' or 'PF', 'width height', scale (< 0: little endian), rows
    from bottom to top."""
    content = path.read_bytes()
    header = re.match(rb'(P[fF])\s+(\d+)\s+(\d+)\s+([-+.\deE]+)\s', content)
    if not header:
        raise ValueError(f'{path} is not a .pfm file: it must begin with Pf, '
                         'width, height and scale.')
    kind, width, height, scale = header.groups()
    channels = 3 if kind == b'PF' else 1
    dtype = '<f4' if float(scale) < 0 else '>f4'
    values = _floats(path, content[header.end():], int(height),
                     int(width) * channels, dtype)
    return values.reshape(int(height), int(width), channels)[::-1]


def _floats(path, content, height, width, dtype):
    needed = 4 * height * width
    if width <= 0 or height <= 0 or len(content) < needed:
        raise ValueError(f'{path} is truncated: {height} x {width} values need '
                         f'{needed} bytes. Received: {len(content)}.')
    values = np.frombuffer(content, dtype, height * width)
    return values.reshape(height, width).astype(np.float32)


def _read_npy(path):
    return _load_arrays(path)


def _read_npz(path):
    """The array named depth, or the only one."""
    with _load_arrays(path) as arrays:
        names = [n for n in ('depth', 'disparity') if n in arrays.files]
        names = names or arrays.files
        if len(names) != 1:
            raise ValueError(f'{path} must hold one array, or one named depth. '
                             f'Received: {arrays.files}.')
        return arrays[names[0]]


def _load_arrays(path):
    try:
        return np.load(path, allow_pickle=False)
    except ValueError as error:  # NumPy does not name the file.
        raise ValueError(f'{path} is not a readable array: '
                         f'{images.one_line(error)}.') from error


def _read_exr(path):
    """The channel named Z or depth, or else the first."""
    try:
        import OpenEXR
    except ImportError as error:
        raise ValueError(f'{path}: reading .exr needs the OpenEXR package: '
                         'pip install OpenEXR.') from error
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = {name: c.pixels for name, c in file.channels().items()}
    for name in ('Z', 'depth', 'Depth', 'Y', 'V', 'R'):
        if name in channels:
            return channels[name]
    return channels[sorted(channels)[0]]


def _read_picture(path):
    if path.suffix.lower() == '.png' and images.is_deep_png(path):
        return images.read_deep_png(path)
    return iio.imread(path)
