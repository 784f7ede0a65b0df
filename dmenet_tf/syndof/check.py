"""Reads a scene and says what is wrong with it.

A wrong unit or a hole taken for a depth does not stop the synthesis: it makes
a dataset in which everything is equally blurred. So what cannot be is refused,
one line naming the file, and what is unlikely is a warning.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from dmenet_tf.syndof import pairs, rgbd

NEAREST_M = 0.01  # nothing is nearer to a lens,
FARTHEST_NEAR_M = 100.0  # and a scene that begins here has no depth of field
FLAT = 1.01  # x_far / x_near below this: warned of
MANY_UNKNOWN = 0.5
FEW_DEPTHS = 256  # no more distinct values than an 8-bit file can hold


@dataclasses.dataclass(frozen=True)
class Report:
    """What is known of a pair once it has been read.

    `problem` is one line, empty if the pair can be used; the rest is only
    there if it can. Distances are in metres, `unknown` and `sky` are
    fractions of the pixels.
    """

    name: str
    problem: str = ''
    warnings: tuple = ()
    width: int = 0
    height: int = 0
    near: float = 0.0
    far: float = 0.0
    unknown: float = 0.0
    sky: float = 0.0


def read_pair(pair: pairs.Pair
              ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Reads a pair that can be used.

    Args:
        pair: pairs.Pair.

    Returns:
        image [h, w, 3], float32 in [0, 1]; depth_m [h, w], float32, > 0,
        finite, unknown pixels filled.

    Raises:
        FileNotFoundError: A file of the pair is gone.
        ValueError: One line that names the file and what is wrong with it.
    """
    image, depth_m = _read(pair)
    return image, rgbd.fill_unknown(depth_m)


def inspect(pair: pairs.Pair) -> Report:
    """Returns the Report on a pair; never raises on what the files hold."""
    try:
        _, raw = _read(pair)
    except (ValueError, OSError) as error:
        return Report(pair.name, problem=str(error))
    known = raw[np.isfinite(raw)]
    near, far = float(known.min()), float(known.max())
    unknown = float(np.isnan(raw).mean())
    return Report(
        pair.name, '', _warnings(pair, known, near, far, unknown),
        raw.shape[1], raw.shape[0], near, far, unknown,
        float(np.isposinf(raw).mean()))


def line(report: Report) -> str:
    """A report as --check prints it."""
    if report.problem:
        return f'ERROR  {report.name}: {report.problem}'
    status = 'WARN ' if report.warnings else 'ok   '
    text = (f'{status}  {report.name}: {report.width} x {report.height}, '
            f'{report.near:.3g} to {report.far:.3g} m, '
            f'{report.unknown:.1%} unknown, {report.sky:.1%} sky')
    return '; '.join([text, *report.warnings])


def _read(pair):
    """Image and depth as the files have them, after all that can be refused."""
    image = rgbd.read_image(pair.image)
    depth_m = rgbd.read_depth(pair.depth, pair.depth_unit, pair.depth_scale)
    if image.shape[:2] != depth_m.shape:
        raise ValueError(
            f'{pair.depth} is {_size(depth_m)} but {pair.image} is '
            f'{_size(image)}: they must show the same pixels.')
    known = depth_m[np.isfinite(depth_m)]
    if known.size == 0:
        raise ValueError(f'{pair.depth}: no pixel has a known depth.')
    near, far = float(known.min()), float(known.max())
    if near == far:
        raise ValueError(f'{pair.depth}: the depth is constant, {near:g} m; '
                         'nothing can be out of focus.')
    if not NEAREST_M <= near <= FARTHEST_NEAR_M:
        raise ValueError(
            f'{pair.depth}: the nearest point is at {near:.3g} m; expected '
            f'{NEAREST_M:g} to {FARTHEST_NEAR_M:g}. Is the unit right? '
            f'{_unit(pair)}; pass --depth_unit or --depth_scale.')
    return image, depth_m


def _warnings(pair, known, near, far, unknown):
    found = []
    if far / near < FLAT:
        found.append(f'all depths lie within {far / near - 1:.2%}')
    if unknown > MANY_UNKNOWN:
        found.append(f'{unknown:.0%} of the depths are unknown')
    distinct = len(np.unique(known))
    if distinct <= FEW_DEPTHS:
        found.append(f'only {distinct} distinct depths, as 8 bits give: '
                     'blur will come in bands')
    return tuple(found)


def _unit(pair):
    scale = '' if pair.depth_scale is None else f' x {pair.depth_scale:g}'
    return f'It was read as {pair.depth_unit}{scale}'


def _size(array):
    return f'{array.shape[1]} x {array.shape[0]}'
