"""One photograph's sharpness in figures that do not depend on its size.

A photograph is reduced to a longer side of SIDE px by means over areas, as a
sensor of larger pixels would have recorded it; a smaller one stays as it is.
Its map is made at that size, and sigma is told in px of a longer side of SIDE.
What sharp pixels show, FLOOR, is taken out and put in again in quadrature:

    s = sqrt(FLOOR^2 + k^2 (sigma^2 - FLOOR^2)),   k = SIDE / longer

with k = 1 for whatever was reduced, and where sigma is below FLOOR. So one view
gets about one score, however many pixels it is kept in.
"""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from dmenet_tf import arrays, focus

if TYPE_CHECKING:  # TensorFlow takes seconds to import.
    from dmenet_tf.estimation import Model, Runner

SIDE = 1000  # px
# sigma that the bundled network sees where nothing is blurred, px of what it
# is shown.
FLOOR = 0.4
# The sharpest region is a square with this share of the longer side.
REGION = 1 / 8


@dataclasses.dataclass(frozen=True)
class Score:
    """How sharp a photograph is.

    Attributes:
        width_px, height_px: Of the photograph.
        sharpest_px: Mean sigma of the sharpest square, px of a longer side of
            SIDE.
        in_focus_share: Share of the pixels that focus.threshold calls in
            focus.
        left, top, side: The sharpest square, px of the photograph.
    """

    width_px: int
    height_px: int
    sharpest_px: float
    in_focus_share: float
    left: int
    top: int
    side: int


def score(image: npt.ArrayLike, model: 'Model' = None,
          runner: 'Runner | None' = None) -> Score:
    """Scores a photograph.

    Args:
        image, model, runner: Of one photograph, see estimation.estimate.

    Raises:
        ValueError, FileNotFoundError, RuntimeError: See estimation.estimate.
    """
    checked = arrays.check_image(image)
    return of_reduced(reduced(checked), checked.shape[:2], model, runner)


def of_reduced(image: npt.NDArray[np.uint8], shape: tuple[int, ...],
               model: 'Model' = None, runner: 'Runner | None' = None) -> Score:
    """Scores a photograph that reduced() has been through.

    Args:
        image: Of reduced().
        shape: (height, width) of the photograph, px.
        model, runner: See estimation.estimate.
    """
    from dmenet_tf import estimation  # TensorFlow takes seconds to import.
    return of_map(estimation.estimate(image, model, scales=1, runner=runner),
                  shape)


def reduced(image: np.ndarray) -> npt.NDArray[np.uint8]:
    """The photograph with a longer side of SIDE px at most, by area means.

    Args:
        image: [h, w, 3] in [0, 255].
    """
    codes = np.rint(image).astype(np.uint8)
    ratio = SIDE / max(codes.shape[:2])
    if ratio >= 1:
        return codes
    size = [max(1, round(n * ratio)) for n in codes.shape[1::-1]]
    return np.asarray(
        Image.fromarray(codes).resize(size, Image.Resampling.BOX))


def of_map(sigma: np.ndarray, shape: tuple[int, ...]) -> Score:
    """The score of a photograph by its map.

    Args:
        sigma: [h, w] px, of the photograph as reduced() gives it.
        shape: (height, width) of the photograph, px.
    """
    longer = max(sigma.shape)
    side = min(max(round(REGION * longer), 1), *sigma.shape)
    means = ndimage.uniform_filter(sigma.astype(np.float64), side)
    # Of the squares that are whole; a mean stands at its square's middle.
    rows, columns = (n - side + 1 for n in sigma.shape)
    means = means[side // 2:, side // 2:][:rows, :columns]
    top, left = np.unravel_index(means.argmin(), means.shape)
    grown = max(shape) / longer
    # Both sides were rounded when the photograph was reduced.
    side = min(round(side * grown), *shape)
    left, top = (min(round(at * grown), n - side)
                 for at, n in ((left, shape[1]), (top, shape[0])))
    return Score(
        width_px=shape[1], height_px=shape[0],
        sharpest_px=round(at_side(float(means.min()), longer), 4),
        in_focus_share=round(
            float((sigma <= focus.threshold(sigma.shape)).mean()), 4),
        left=left, top=top, side=side)


def at_side(sigma: float, longer: int) -> float:
    """sigma in px of a longer side of SIDE, see the module.

    Args:
        sigma: px of a photograph with a longer side of `longer` px.
        longer: At most SIDE.
    """
    if sigma <= FLOOR:
        return sigma
    enlarged = max(SIDE / longer, 1.0)
    return float(np.sqrt(FLOOR**2 + enlarged**2 * (sigma**2 - FLOOR**2)))
