"""Pictures in [0, 1], and depth maps in metres, whatever unit they are in.

A depth map is read in two steps. `depth_files.read_codes` returns what the
file stores; `to_metres` gives it a unit: distance along the axis, nan where it
is unknown and infinity where it is beyond measure (sky). `fill_unknown` then
makes it finite and positive everywhere, as the samplers need it.

What is sky, besides infinity and what a layout says:

* the largest code of a file if it is 65504 (half floats: AirSim) or 65535
  (saturated uint16, of whatever type and scale it has become);
* in uint16, 65535 in any case; in float metres, what 65535 becomes from mm
  (65.535), cm and other usual codes, if it is the largest;
* SKY_M and farther: TartanAir and UnrealCV store 10000, Sintel 1e11.

A disparity d becomes metres by the calib.txt beside it, z = baseline f /
(d + doffs); without one, depth is 1 / d with its nearest point put at 1 m.
"""

import dataclasses
import pathlib
import re

import numpy as np
import numpy.typing as npt

from dmenet_tf import images
from dmenet_tf.syndof import containers, depth_files, layouts

UNITS = ('auto', 'm', 'cm', 'mm', 'px', 'relative')
_METRES = {'m': 1.0, 'cm': 0.01, 'mm': 0.001}
SKY_M = 1e4  # No lens tells 10 km from infinity.
_SATURATED = 65535
# What 65535 has become in files that others made of uint16: cm, KITTI's 1/256
# m, mm, Matterport's 1/4000 m, TUM's 1/5000 m.
_SATURATED_M = tuple(_SATURATED / n for n in (100, 256, 1000, 4000, 5000))
# Without doffs a disparity of nearly 0 would put its pixel anywhere; the
# depth of a relative map ends at this many times its nearest point.
MAX_RELATIVE_DEPTH = 100.0
DEPTH_SUFFIXES = depth_files.SUFFIXES
IMAGE_SUFFIXES = (*images.SUFFIXES, '.ppm')


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What turns disparity into depth: z = baseline f / (d + doffs)."""

    baseline_mm: float
    focal_px: float
    doffs_px: float


def read_image(path: str | pathlib.Path, index: int | None = None
               ) -> npt.NDArray[np.float32]:
    """A picture, [h, w, 3], with values as renderers take them: in [0, 1].

    Args:
        path: What images.read_image or containers.read_image reads.
        index: Which of the pictures of a file that holds several.
    """
    if pathlib.Path(path).suffix.lower() in containers.SUFFIXES:
        picture = containers.read_image(path, index)
    else:
        picture = images.read_image(path)
    return picture.astype(np.float32) / 255


def read_depth(path: str | pathlib.Path, unit: str = 'auto',
               scale: float | None = None) -> npt.NDArray[np.float32]:
    """Reads a depth map in metres, [h, w], float32.

    Args:
        path: A file of one of DEPTH_SUFFIXES.
        unit: One of UNITS. 'px' is disparity, larger = nearer; 'relative' is
            depth in no unit, larger = farther, its nearest point is put at
            1 m; 'auto' is what depth_files says of the format.
        scale: What one code is worth, in `unit` ('auto' is then m).

    Returns:
        Depth: > 0, nan where unknown, inf where beyond measure.

    Raises:
        ValueError: Not depth, damaged, or of unknown unit; `PATH: reason`.
    """
    codes, native = depth_files.read_codes(path)
    return to_metres(path, codes, resolve_unit(path, native, unit, scale),
                     scale)


def resolve_unit(path: str | pathlib.Path, native: str, unit: str = 'auto',
                 scale: float | None = None) -> str:
    """The unit of a file's codes, which is not 'auto'.

    Args:
        path: Of the file.
        native: The unit of its format, from depth_files.read_codes.
        unit, scale: As read_depth takes them.

    Raises:
        ValueError: Neither the format nor the user says it.
    """
    if unit == 'auto':
        unit = native if scale is None else 'm'
    if unit and unit not in UNITS[1:]:
        raise ValueError(f'{path}: depth_unit must be one of '
                         f'{", ".join(UNITS)}. Received: {unit!r}.')
    if not unit:
        raise ValueError(
            f'{path}: an 8-bit file does not say what it measures. Pass '
            '--depth_unit: px if bright is near (disparity), relative, m, cm '
            'or mm if bright is far.')
    return unit


def to_metres(path: str | pathlib.Path, codes: np.ndarray, unit: str,
              scale: float | None = None,
              layout: layouts.Layout = layouts.PLAIN,
              sky_depth: float | None = None) -> npt.NDArray[np.float32]:
    """Turns codes into metres.

    Args:
        path: Of their file; disparity finds its calib.txt beside it.
        codes: [h, w], as stored.
        unit: One of UNITS but 'auto'.
        scale: What one code is worth, in `unit`; None: 1.
        layout: layouts.Layout; says which codes are unknown or sky.
        sky_depth: Depth from which on all is sky, m; None: SKY_M.

    Returns:
        Depth as read_depth returns it.

    Raises:
        ValueError: Its calib.txt is damaged, or memory does not suffice.
    """
    try:
        # Of a damaged file any number may come; what it becomes is checked.
        with np.errstate(all='ignore'):
            return _to_metres(path, codes, unit, scale, layout, sky_depth)
    except MemoryError as error:
        raise ValueError(f'{path}: too large: {images.one_line(error)}.'
                         ) from error


def _to_metres(path, codes, unit, scale, layout, sky_depth):
    values = codes.astype(np.float64)
    unknown = ~(values > 0) | np.isin(codes, layout.unknown)
    sky = np.isinf(values) | _is_sentinel(codes, unit, scale)
    sky |= np.isin(codes, layout.sky)
    values[sky] = np.nan if unit == 'px' else np.inf
    values[unknown] = np.nan
    values *= _METRES.get(unit, 1.0) * (1.0 if scale is None else scale)
    if unit == 'px':
        values = _depth_from_disparity(
            values, read_calibration(pathlib.Path(path).parent))
    elif unit == 'relative':
        values /= _smallest(values)
    if layout.focal_widths is not None:
        values *= _axis_share(values.shape, layout.focal_widths)
    depth_m = values.astype(np.float32)
    limit = np.float32(SKY_M if sky_depth is None else sky_depth)
    depth_m[depth_m >= limit] = np.inf
    return depth_m


def _is_sentinel(codes, unit, scale):
    """Where codes are the number that stands for sky in any dataset."""
    finite = codes[np.isfinite(codes)]
    if finite.size == 0:
        return np.zeros(codes.shape, bool)
    largest = float(finite.max())
    if codes.dtype == np.uint16 or largest == _SATURATED:
        return codes == _SATURATED
    scaled = unit == 'm' and scale is None and np.any(
        np.isclose(largest, _SATURATED_M, rtol=1e-6, atol=0))
    if codes.dtype.kind == 'f' and (largest == depth_files.HALF_MAX or scaled):
        return codes == largest
    return np.zeros(codes.shape, bool)


def _axis_share(shape, focal_widths):
    """Depth along the axis of a point at distance 1 of the camera's centre.

    f / sqrt(f^2 + u^2 + v^2), u and v from the middle of the picture, px.
    """
    height, width = shape
    focal = focal_widths * width
    u = np.arange(width) + 0.5 - width / 2
    v = np.arange(height)[:, None] + 0.5 - height / 2
    return focal / np.sqrt(focal**2 + u**2 + v**2)


def read_calibration(folder: str | pathlib.Path) -> Calibration | None:
    """Middlebury's calib.txt in a folder, or None if it has none.

    Raises:
        ValueError: The file lacks baseline or cam0, or is damaged.
    """
    path = pathlib.Path(folder) / 'calib.txt'
    if not path.exists():
        return None
    text = path.read_text(errors='replace')
    found = dict(re.findall(r'^(\w+)=\[?([-+.\deE]+)', text, re.MULTILINE))
    if 'baseline' not in found or 'cam0' not in found:
        raise ValueError(
            f'{path}: it must give cam0=[f 0 cx; ...] and baseline=.')
    try:
        return Calibration(float(found['baseline']), float(found['cam0']),
                           float(found.get('doffs', 0.0)))
    except ValueError as error:
        raise ValueError(f'{path}: {images.one_line(error)}.') from None


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
