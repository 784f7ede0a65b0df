"""The cameras of photographs that are defocused already, and their blur.

A file says how they were taken: a .json for all photographs, or a .csv with a
row for each, whose `image` (or `name`) is that of pairs.find_pairs. Keys or
columns:

    focus_m        what is in focus, from the lens
    coc_factor_px  circle of confusion of what is infinitely far, px; or else
    focal_mm, f_number, pitch_um   what it follows from; pitch: of a pixel of
                   the picture as it is, so enlarged as it was made smaller
    floor_px       sigma of what is in focus: lens, demosaicing, making
                   smaller [0]
    dy, dx         px by which the depth map has to be moved down and to the
                   right to lie on the photograph [0]
    edge_px, edge_jump   left out is what has, within so many px, depths that
                   differ by more than this part of them [15, 0.1]
    scene          photographs of one scene are held out together [its name]

Any other column of a .csv may stay. sigma = hypot(coc / 4, floor_px), with the
coc of Eq. 1. It is not cut at 7 px, where a network's map ends: training does
that, for pictures that it enlarges as well, and "as blurred as the map can
say" is then the right label.
"""

import csv
import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dmenet_tf import images, optics

_LENS = ('focal_mm', 'f_number', 'pitch_um')
_POSITIVE = ('focus_m', 'coc_factor_px', *_LENS)
_NOT_NEGATIVE = ('floor_px', 'edge_px', 'edge_jump')


@dataclasses.dataclass(frozen=True)
class Camera:
    """How one photograph was taken; see the top of this file."""

    focus_m: float
    coc_factor_px: float
    floor_px: float = 0.0
    dy: float = 0.0
    dx: float = 0.0
    edge_px: float = 15.0
    edge_jump: float = 0.1
    scene: str = ''


def read(path: str | pathlib.Path) -> dict[str, Camera] | Camera:
    """Reads a file of cameras.

    Returns:
        The Camera of a .json; of a .csv, the Camera of each name.

    Raises:
        FileNotFoundError, ValueError: One line that names the file, and the
            line of a .csv.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file.')
    try:
        if path.suffix.lower() == '.csv':
            with path.open(newline='', encoding='utf-8-sig') as file:
                return _of_rows(csv.DictReader(file))
        return camera_of(json.loads(path.read_text(encoding='utf-8')))
    except (ValueError, csv.Error, RecursionError) as error:
        raise ValueError(f'{path}: {images.one_line(error)}.') from None


def _of_rows(rows):
    found = {}
    for row in rows:
        # As pairs.find_pairs names the pairs of a .csv.
        name = row.get('name') or str(
            pathlib.Path(row.get('image') or '').with_suffix(''))
        try:
            found[name] = camera_of(row)
        except ValueError as error:
            raise ValueError(f'line {rows.line_num}: {error}') from None
    return found


def camera_of(values: Mapping[str, Any]) -> Camera:
    """A Camera from what a file says; empty and unknown keys are passed over.

    Raises:
        ValueError: Something is missing, or is no such number.
    """
    if not isinstance(values, Mapping):
        raise ValueError('it must be {"focus_m": ..., ...}')
    numbers = {key: _number(key, values[key])
               for key in (*_POSITIVE, *_NOT_NEGATIVE, 'dy', 'dx')
               if values.get(key) not in (None, '')}
    lens = [numbers.pop(key, None) for key in _LENS]
    if 'focus_m' not in numbers or (
            'coc_factor_px' not in numbers and None in lens):
        raise ValueError('a camera needs focus_m, and coc_factor_px or '
                         f'{", ".join(_LENS)}; it says {dict(values)}')
    if 'coc_factor_px' not in numbers:
        focal_mm, f_number, pitch_um = lens
        numbers['coc_factor_px'] = optics.aperture_constant(
            focal_mm, f_number, numbers['focus_m'] * 1000, pitch_um / 1000, 1)
    return Camera(**numbers, scene=str(values.get('scene') or ''))


def _number(key, value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    least = ' > 0' if key in _POSITIVE else (
        ' >= 0' if key in _NOT_NEGATIVE else '')
    if not math.isfinite(number) or (least and number < 0) or (
            least == ' > 0' and not number):
        raise ValueError(f'{key} must be a number{least}. Received: {value!r}')
    return number


def moved(depth_m: np.ndarray, camera: Camera) -> np.ndarray:
    """A depth map [h, w] on its photograph: moved by dy and dx, to the nearest
    pixel; nan where it does not reach.
    """
    return ndimage.shift(depth_m, (camera.dy, camera.dx), order=0,
                         cval=np.nan)


def label(depth_m: np.ndarray, camera: Camera
          ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """sigma of a photograph, and where it can be relied on.

    Left out is where depth is not known, and what is near an edge of depth:
    there both sides are mixed, and depth maps are coarse.

    Args:
        depth_m: [h, w] > 0, nan where unknown, inf where beyond measure.
        camera: Camera.

    Returns:
        sigma [h, w], px, 0 where depth is unknown; valid [h, w].
    """
    depth_m = moved(depth_m, camera)
    known = ~np.isnan(depth_m)
    coc = optics.circle_of_confusion(depth_m, camera.focus_m,
                                     camera.coc_factor_px)
    sigma = np.hypot(optics.sigma_from_coc(coc), camera.floor_px)
    size = 2 * round(camera.edge_px) + 1
    farthest, nearest = (
        search(np.where(known, depth_m, worst), size, mode='nearest')
        for search, worst in ((ndimage.maximum_filter, 0.0),
                              (ndimage.minimum_filter, np.inf)))
    even = farthest <= nearest * (1.0 + camera.edge_jump)
    return np.where(known, sigma, 0.0).astype(np.float32), known & even
