"""Samples how a scene is photographed: focal distance, aperture, layers.

Two samplers. `paper` follows Section 3.3 of the paper. `official` follows the
generator that the authors released later: real lenses, the largest blur always
at its bound, focus drawn to the near end.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from dmenet_tf import optics

SAMPLERS = ('paper', 'official')
MAX_LAYERS = 350  # [Lee 2019, Section 3.3]

# The official camera.
FOCAL_LENGTHS_MM = (50.0, 70.0, 85.0)
FOCAL_LENGTH_ODDS = (0.1, 0.4, 0.4)  # normalised where they are used
SENSOR_WIDTH_MM = 36.0
MIN_LAYERS = 200
SHARP_COC = 1.0  # px: a pixel wide, so sigma = (c - 1) / 4
COC_STEPS = 10  # a px
# The width of the half-Gaussian is not published; with 1/3 its tail ends
# about where the depths do.
FOCUS_SPREAD = 1.0 / 3.0
_TRIES = 50


@dataclasses.dataclass(frozen=True)
class Capture:
    """One photograph of a scene, ready to be rendered.

    Attributes:
        layer: [h, w], int32, 0 = farthest.
        sigma: [n], float32, px, the blur of each layer.
        front: First layer that is not behind the focal plane.
        settings: What was drawn, for the manifest; distances in metres.
    """

    layer: npt.NDArray[np.int32]
    sigma: npt.NDArray[np.float32]
    front: int
    settings: dict[str, Any]


def capture_rng(seed: int, index: int) -> np.random.Generator:
    """The random numbers that the camera of image `index` is drawn from."""
    return np.random.default_rng([seed, index, 1])


def sample(sampler: str, depth_m: np.ndarray, rng: np.random.Generator,
           max_coc: float = optics.MAX_COC) -> Capture:
    """Draws a camera and cuts the scene into layers.

    Args:
        sampler: One of SAMPLERS.
        depth_m: [h, w], > 0, finite, not constant.
        rng: np.random.Generator.
        max_coc: c_max, px; sigma stays within max_coc / 4.

    Returns:
        Capture.

    Raises:
        ValueError: Unknown sampler, or depth is not as above.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f'sampler must be one of {SAMPLERS}. Received: '
                         f'{sampler!r}.')
    near, far = float(depth_m.min()), float(depth_m.max())
    if not 0 < near < far < np.inf:
        raise ValueError('depth must be positive, finite and not constant. '
                         f'Received: {near:g} to {far:g} m.')
    draw = _sample_paper if sampler == 'paper' else _sample_official
    return draw(depth_m, rng, max_coc)


def depth_layers(depth_m: np.ndarray, limit: int = MAX_LAYERS
                 ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Cuts a depth map into at most `limit` layers, far to near.

    Where there are no more distinct depths than that, each is a layer. Else
    the layers stand at equal steps of 1 / depth from x_far to x_near, and a
    pixel belongs to the nearest: the coc, alpha |1 - S1 / x|, is linear in
    1 / x, so all steps between neighbours blur alike (at most 0.17 px of coc
    between 28 px on both sides). Layers without pixels are left out.

    Args:
        depth_m: [h, w], > 0.
        limit: The most layers.

    Returns:
        layer [h, w], int32, 0 = farthest; depth of each layer [n], float64.
    """
    inverse = 1.0 / depth_m.astype(np.float64)
    # Inverse depths ascend from far to near.
    values, layer = np.unique(inverse, return_inverse=True)
    if len(values) > limit:
        low, step = values[0], (values[-1] - values[0]) / (limit - 1)
        code = np.rint((inverse - low) / step).astype(np.int32)
        codes, layer = np.unique(code, return_inverse=True)
        values = low + codes * step
    return layer.reshape(depth_m.shape).astype(np.int32), 1.0 / values


def _sample_paper(depth_m, rng, max_coc):
    """S1 uniform in [x_near, x_far], alpha uniform in [0, alpha_up]."""
    near, far = float(depth_m.min()), float(depth_m.max())
    focus = rng.uniform(near, far)
    alpha_up = optics.alpha_upper_bound(near, far, focus, max_coc)
    alpha = rng.uniform(0.0, alpha_up)
    layer, depths = depth_layers(depth_m)
    coc = optics.circle_of_confusion(depths, focus, alpha)
    coc = np.minimum(coc, max_coc)  # rounding at the very end
    return Capture(
        layer, optics.sigma_from_coc(coc).astype(np.float32),
        int(np.sum(depths > focus)),
        {'S1': focus, 'alpha': alpha, 'alpha_up': alpha_up, 'near': near,
         'far': far, 'max_coc': float(coc.max()), 'layers': len(depths)})


def _sample_official(depth_m, rng, max_coc):
    """A real lens, redrawn until there are 200 to 350 layers.

    Where no draw gives so many or so few, the one that comes nearest is taken:
    a depth map of few distinct depths has few layers.

    Depths are shifted to begin at five focal lengths. alpha puts the largest
    coc at its bound. Cocs are rounded to 0.1 px, and the pixels of one side
    of the focal plane that share a coc are one layer. A coc counts from one
    px on, sigma = (c - 1) / 4, so c itself goes up to max_coc + 1.
    """
    best, best_miss = None, np.inf
    values, inverse = np.unique(depth_m.astype(np.float64),
                                return_inverse=True)
    for _ in range(_TRIES):
        draw = draw_camera(values, rng, max_coc + SHARP_COC, depth_m.shape[1])
        count = len(np.unique(draw['side_coc']))
        miss = max(MIN_LAYERS - count, count - MAX_LAYERS, 0)
        if miss < best_miss:
            best, best_miss = draw, miss
        if miss == 0:
            break
    return _official_capture(best, inverse.reshape(depth_m.shape))


def draw_camera(values: np.ndarray, rng: np.random.Generator, max_coc: float,
                width: int) -> dict[str, Any]:
    """One draw of the official camera, whatever layers it gives.

    S1 is the depth at the place |g| in the sorted depths, g Gaussian of mean 0
    and deviation FOCUS_SPREAD, redrawn while it is 1 or more.

    Args:
        values: [m], the distinct depths of the scene, m, ascending.
        rng: np.random.Generator.
        max_coc: The largest coc, px.
        width: Of the image, px.

    Returns:
        Dict of settings, and under side_coc [m] the coc of each depth in
        tenths of a px, int, > 0 behind the focal plane.
    """
    odds = np.array(FOCAL_LENGTH_ODDS)
    focal_mm = float(rng.choice(FOCAL_LENGTHS_MM, p=odds / odds.sum()))
    depths = values - values[0] + 5 * focal_mm / 1000.0
    place = 1.0
    while place >= 1.0:
        place = abs(rng.normal(0.0, FOCUS_SPREAD))
    focus = depths[int(place * len(depths))]
    alpha = optics.alpha_upper_bound(depths[0], depths[-1], focus, max_coc)
    signed = np.sign(depths - focus) * optics.circle_of_confusion(
        depths, focus, alpha)
    return {'side_coc': np.rint(signed * COC_STEPS).astype(np.int32),
            'S1': float(focus), 'alpha': float(alpha),
            'alpha_up': float(alpha), 'near': float(depths[0]),
            'far': float(depths[-1]), 'focal_length_mm': focal_mm,
            'f_number': _f_number(focal_mm, focus * 1000.0, alpha, width)}


def _f_number(focal_mm, focus_mm, alpha, width):
    """The f-number at which this lens has this alpha; alpha is as 1 / N."""
    return float(optics.aperture_constant(
        focal_mm, 1.0, focus_mm, SENSOR_WIDTH_MM, width) / alpha)


def _official_capture(draw, inverse):
    settings = dict(draw)
    side_coc = settings.pop('side_coc')
    if len(np.unique(side_coc)) > MAX_LAYERS:
        # Coarser steps, towards zero: no coc may grow.
        span = int(side_coc.max()) - int(side_coc.min())
        step = -(-span // (MAX_LAYERS - 1))
        side_coc = np.sign(side_coc) * (np.abs(side_coc) // step * step)
    # Far to near.
    codes, layer_of_value = np.unique(-side_coc, return_inverse=True)
    coc = np.abs(codes) / COC_STEPS
    sigma = np.maximum(optics.sigma_from_coc(coc - SHARP_COC), 0.0)
    settings['max_coc'] = float(optics.coc_from_sigma(sigma.max()))
    settings['layers'] = len(codes)
    return Capture(layer_of_value[inverse].astype(np.int32),
                   sigma.astype(np.float32), int(np.sum(codes < 0)), settings)
