"""Reads a scene and says what is wrong with it.

A wrong unit or a hole taken for a depth does not stop the synthesis: it makes
a dataset in which everything is equally blurred. So what cannot be is refused,
one line naming the file, and what is unlikely is a warning.
"""

import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from dmenet_tf import images
from dmenet_tf.syndof import depth_files, layouts, pairs, rgbd

NEAREST_M = 0.01  # nothing is nearer to a lens,
FARTHEST_NEAR_M = 100.0  # and a scene that begins here has no depth of field
FLAT = 1.01  # x_far / x_near below this: warned of
MANY_UNKNOWN = 0.5
FEW_DEPTHS = 256  # no more distinct values than an 8-bit file can hold
GAP = 5.0  # a depth so many times the next nearer one: warned of
_SAME_SHAPE = 0.02  # relative, of aspect ratios


@dataclasses.dataclass(frozen=True)
class Report:
    """What is known of a pair once it has been read.

    `problem` is one line, empty if the pair can be used; the rest is only
    there if it can. Distances are in metres, `unknown` and `sky` are
    fractions of the pixels, `read_as` and `notes` are what was done to make
    them.
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
    read_as: str = ''
    notes: tuple = ()


class Scene(NamedTuple):
    """A pair as its files have it.

    Attributes:
        image: [h, w, 3], float32 in [0, 1].
        depth_m: [h, w], float32, > 0, nan where unknown, inf where sky.
        read_as: Unit of the depth map.
        notes: What was done to the image.
    """

    image: npt.NDArray[np.float32]
    depth_m: npt.NDArray[np.float32]
    read_as: str
    notes: tuple


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
    scene = read_scene(pair)
    return scene.image, rgbd.fill_unknown(scene.depth_m)


def inspect(pair: pairs.Pair) -> Report:
    """Returns the Report on a pair; never raises on what the files hold."""
    try:
        scene = read_scene(pair)
    except (ValueError, OSError) as error:
        return Report(pair.name, problem=images.one_line(error) + '.')
    raw = scene.depth_m
    known = np.unique(raw[np.isfinite(raw)])
    unknown = float(np.isnan(raw).mean())
    return Report(
        pair.name, '', _warnings(pair, raw, known, unknown), raw.shape[1],
        raw.shape[0], float(known[0]), float(known[-1]), unknown,
        float(np.isposinf(raw).mean()), scene.read_as, scene.notes)


def line(report: Report) -> str:
    """A report as --check prints it."""
    if report.problem:
        return f'ERROR  {report.name}: {report.problem}'
    status = 'WARN ' if report.warnings else 'ok   '
    text = (f'{status}  {report.name}: {report.width} x {report.height}, '
            f'{report.near:.3g} to {report.far:.3g} m, '
            f'{report.unknown:.1%} unknown, {report.sky:.1%} sky, '
            f'read as {report.read_as}')
    return '; '.join([text, *report.notes, *report.warnings])


def read_scene(pair: pairs.Pair) -> Scene:
    """Reads a pair as its files have it.

    Raises:
        FileNotFoundError, ValueError: As read_pair.
    """
    layout = layouts.LAYOUTS.get(pair.layout, layouts.PLAIN)
    image = rgbd.read_image(pair.image, pair.index)
    codes, native = depth_files.read_codes(pair.depth, pair.index,
                                           layout.first_channel)
    unit = rgbd.resolve_unit(pair.depth, native, pair.depth_unit,
                             pair.depth_scale)
    depth_m = rgbd.to_metres(pair.depth, codes, unit, pair.depth_scale,
                             layout, pair.sky_depth)
    if pair.mask:
        depth_m[~_mask(pair, depth_m)] = np.nan
    image, notes = _fitted(pair, image, depth_m, layout.resize)
    read_as = _unit_text(unit, pair.depth_scale)
    if layout.title:
        read_as = f'{layout.title}, {read_as}'
    _refuse_unlikely(pair, depth_m, read_as)
    return Scene(image, depth_m, read_as, notes)


def _mask(pair, depth_m):
    mask = depth_files.read_mask(pair.mask)
    if mask.shape != depth_m.shape:
        raise ValueError(f'{pair.mask}: it is {_size(mask)} but {pair.depth} '
                         f'is {_size(depth_m)}.')
    return mask


def _fitted(pair, image, depth_m, resize):
    """The image at the size of the depth map, and notes on that."""
    if image.shape[:2] == depth_m.shape:
        return image, ()
    height, width = depth_m.shape
    shapes = [n[1] / n[0] for n in (image.shape, depth_m.shape)]
    if not resize or image.shape[0] < height or image.shape[1] < width or (
            abs(shapes[0] / shapes[1] - 1) > _SAME_SHAPE):
        raise ValueError(
            f'{pair.depth}: it is {_size(depth_m)} but {pair.image} is '
            f'{_size(image)}: they must show the same pixels.')
    small = [np.asarray(Image.fromarray(channel).resize(
        (width, height), Image.Resampling.BOX))
             for channel in np.moveaxis(image, -1, 0)]
    return np.stack(small, -1), (f'image made smaller, from {_size(image)}',)


def _refuse_unlikely(pair, depth_m, read_as):
    known = depth_m[np.isfinite(depth_m)]
    hint = (f'Is the unit right? It was read as {read_as}; pass --depth_unit '
            'or --depth_scale.')
    if np.isposinf(depth_m).any() and known.size == 0:
        raise ValueError(f'{pair.depth}: no pixel is nearer than the sky. '
                         f'{hint}')
    if known.size == 0:
        raise ValueError(f'{pair.depth}: no pixel has a known depth.')
    near, far = float(known.min()), float(known.max())
    if near == far:
        raise ValueError(f'{pair.depth}: the depth is constant, {near:g} m; '
                         'nothing can be out of focus.')
    if not NEAREST_M <= near <= FARTHEST_NEAR_M:
        raise ValueError(
            f'{pair.depth}: the nearest point is at {near:.3g} m; expected '
            f'{NEAREST_M:g} to {FARTHEST_NEAR_M:g}. {hint}')


def _warnings(pair, raw, known, unknown):
    """Lines on what is unlikely; `known` are the distinct depths, sorted."""
    found = [layouts.LAYOUTS[pair.layout].warning if pair.layout else
             _guess(pair)]
    near, far = float(known[0]), float(known[-1])
    if far / near < FLAT:
        found.append(f'all depths lie within {far / near - 1:.2%}')
    if unknown > MANY_UNKNOWN:
        found.append(f'{unknown:.0%} of the depths are unknown')
    if len(known) <= FEW_DEPTHS:
        found.append(f'only {len(known)} distinct depths, as 8 bits give: '
                     'blur will come in bands')
    found.append(_gap(raw, known))
    return tuple(text for text in found if text)


def _guess(pair):
    """A line if the unit of a .pfm file is a guess: it may hold depth."""
    path = pathlib.Path(pair.depth)
    if (path.suffix.lower() != '.pfm' or pair.depth_unit != 'auto'
            or pair.depth_scale is not None
            or rgbd.read_calibration(path.parent)):
        return ''
    return ('a .pfm without calib.txt is taken for disparity unless its sky '
            'is 65504; if it holds depth, pass --depth_unit=m')


def _gap(raw, known):
    """A line if nothing lies between the scene and something far behind."""
    ratios = known[1:] / known[:-1]
    place = int(ratios.argmax())
    if ratios[place] < GAP:
        return ''
    last, first = float(known[place]), float(known[place + 1])
    share = np.mean((raw >= first) & np.isfinite(raw))
    between = (last * first) ** 0.5
    return (f'nothing lies between {last:.3g} and {first:.6g} m, and '
            f'{share:.1%} of the pixels beyond; if that is sky, pass '
            f'--sky_depth={between:.2g}')


def _unit_text(unit, scale):
    name = {'px': 'disparity', 'relative': 'depth in no unit'}.get(unit, unit)
    return name if scale is None else f'{scale:.4g} {unit} a code'


def _size(array):
    return f'{array.shape[1]} x {array.shape[0]}'
