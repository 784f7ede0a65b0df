"""Whether a fixed camera has gone out of focus: a region against a reference.

The region is cut out with MARGIN px around it and estimated at its full size,
as estimation.estimate does, so that what lies elsewhere costs nothing. Its
sharpness is the median of sigma in px of the photograph: blur that grows to
`worse_than` times the reference is reported.
"""

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from dmenet_tf import arrays, files

if TYPE_CHECKING:  # TensorFlow takes seconds to import.
    from dmenet_tf.estimation import Model, Runner

MARGIN = 64  # px
Region = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Reference:
    """How sharp the region was when all was well.

    Attributes:
        photograph: Its name.
        width_px, height_px: Of the photograph.
        region: (left, top, width, height), px.
        sigma_px: Median of sigma in the region.
        model: Digest of the weights.
    """

    photograph: str
    width_px: int
    height_px: int
    region: Region
    sigma_px: float
    model: str


def measure(image: np.ndarray, region: Region | None,
            model: 'Model' = None, runner: 'Runner | None' = None
            ) -> tuple[float, Region]:
    """Median sigma of a region, px.

    Args:
        image: [h, w, 3], see estimation.estimate.
        region: (left, top, width, height), px; None: the whole photograph.
        model, runner: See estimation.estimate.

    Returns:
        px, and the region.

    Raises:
        ValueError: The region is empty or leaves the photograph.
    """
    from dmenet_tf import estimation
    image = arrays.check_image(image)
    height, width = image.shape[:2]
    left, top, across, down = region or (0, 0, width, height)
    if (min(left, top) < 0 or min(across, down) < 1
            or left + across > width or top + down > height):
        raise ValueError(
            f'--region={left},{top},{across},{down} (left, top, width, '
            f'height, px) is empty or leaves the photograph of {width} x '
            f'{height} px.')
    above, before = min(top, MARGIN), min(left, MARGIN)
    cut = image[top - above:top + down + MARGIN,
                left - before:left + across + MARGIN]
    sigma = estimation.estimate(cut, model, runner=runner)
    inside = sigma[above:above + down, before:before + across]
    return float(np.median(inside)), (left, top, across, down)


def write(path: str | pathlib.Path, reference: Reference) -> None:
    """Writes a reference, whole or not at all."""
    with files.atomic_path(path) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(reference),
                                        indent=2) + '\n', encoding='utf-8')


def read(path: str | pathlib.Path) -> Reference:
    """Reads what write() wrote.

    Raises:
        ValueError, FileNotFoundError: One line that names the file.
    """
    path = pathlib.Path(path)
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
        region = tuple(int(n) for n in found.pop('region'))
        reference = Reference(region=region, **found)
        if len(region) != 4 or not reference.sigma_px >= 0:
            raise ValueError('impossible values')
        return reference
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file; --save_reference '
                                'makes one.') from None
    except (ValueError, TypeError, KeyError, AttributeError,
            RecursionError) as error:
        raise ValueError(f'{path}: not a reference that --save_reference '
                         f'wrote ({" ".join(str(error).split())}).') from None


def compare(name: str, image: np.ndarray, reference: Reference,
            model: 'Model' = None,
            runner: 'Runner | None' = None) -> dict[str, object]:
    """One photograph against the reference.

    Returns:
        {'photograph', 'sigma_px', 'reference_px', 'times'}, times being how
        many times as blurred it is.

    Raises:
        ValueError: It has another size than the reference's photograph.
    """
    size = image.shape[1], image.shape[0]
    if size != (reference.width_px, reference.height_px):
        raise ValueError(
            f'{name}: has {size[0]} x {size[1]} px, the photograph of the '
            f'reference {reference.width_px} x {reference.height_px}.')
    sigma, _ = measure(image, reference.region, model, runner)
    return {'photograph': name, 'sigma_px': round(sigma, 4),
            'reference_px': round(reference.sigma_px, 4),
            'times': round(sigma / max(reference.sigma_px, 1e-3), 3)}
