"""Thin lens, and every conversion between blur's units. The only such place.

Three quantities describe how blurred a pixel is, all at the resolution of the
image that the network sees:

* `coc`, px: diameter of the circle of confusion, Eq. 1.
* `sigma`, px: standard deviation of the Gaussian that blurred the pixel; the
  paper sets sigma = coc / 4.
* `defocus`, in [0, 1]: the network's own map. What it means is a convention
  of the weights:
    `sigma7`    sigma = 7 defocus (the paper: coc <= 28 px, sigma <= 7 px);
    `legacy15`  sigma = max(0, (15 defocus - 1) / 2) (the authors' released
                checkpoint and SYNDOF.zip, which label a sharp pixel 1/15).

Enlarging an image r times multiplies its sigma and coc by r.

Every function takes NumPy arrays or numbers and returns NumPy, or TensorFlow
tensors and returns tensors; shapes are kept. TensorFlow is not imported here.
"""

from __future__ import annotations

import functools
import importlib.resources
import sys
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tensorflow as tf

# What comes in goes out: numbers and arrays, or tensors.
Array = TypeVar('Array', float, np.ndarray, 'tf.Tensor')

MAX_COC = 28.0  # px [Lee 2019, Section 5.1]
COC_PER_SIGMA = 4.0  # [Lee 2019, Section 3.3]
MAX_SIGMA = MAX_COC / COC_PER_SIGMA  # px
CONVENTIONS = ('sigma7', 'legacy15')


def _backend(*values):
    """TensorFlow if any value is a tensor, else NumPy; they share the names."""
    tf = sys.modules.get('tensorflow')
    if tf is not None and any(tf.is_tensor(value) for value in values):
        return tf
    return np


def circle_of_confusion(depth: Array, focal_distance: Array | float,
                        alpha: Array | float) -> Array:
    """The blur of a thin lens: c(x) = alpha |x - S1| / x.

    [Lee 2019, Eq. 1; Potmesil 1981]

    Args:
        depth: x > 0, in any unit; infinity is allowed (NumPy only).
        focal_distance: S1 > 0, in the unit of depth.
        alpha: f1 D / S1, the coc of a point at infinity, px; see
            aperture_constant.

    Returns:
        coc, px, of the shape of depth.
    """
    # |1 - S1 / x| is Eq. 1 and stays finite for x = infinity.
    return alpha * abs(1.0 - focal_distance / depth)


def aperture_constant(focal_length_mm: float, f_number: Array,
                      focal_distance_mm: Array, sensor_width_mm: float,
                      image_width_px: float) -> Array:
    """alpha of Eq. 1 for a real camera: (f1 / S1) D in px.

    f1 = F S1 / (S1 - F), D = F / N [Lee 2019, Section 3.2].

    Args:
        focal_length_mm: F.
        f_number: N.
        focal_distance_mm: S1, from the lens to what is in focus.
        sensor_width_mm: Width of the sensor (36 for full frame).
        image_width_px: Width of the image in which blur is measured.

    Returns:
        alpha, px.

    Raises:
        ValueError: The camera cannot focus nearer than its focal length.
    """
    if np.any(np.asarray(focal_distance_mm) <= focal_length_mm):
        raise ValueError(
            'A thin lens focuses beyond its focal length only. Received: '
            f'focal_distance_mm={focal_distance_mm}, '
            f'focal_length_mm={focal_length_mm}.')
    aperture_mm = focal_length_mm / f_number
    magnification = focal_length_mm / (focal_distance_mm - focal_length_mm)
    return magnification * aperture_mm * image_width_px / sensor_width_mm


def alpha_upper_bound(near: Array, far: Array, focal_distance: Array,
                      max_coc: float = MAX_COC) -> Array:
    """The alpha at which the most blurred depth has a coc of max_coc.

    alpha_up = c_max min(x_far / |x_far - S1|, x_near / |x_near - S1|)
    [Lee 2019, Eq. 2]

    Args:
        near, far: Depth bounds of the scene, 0 < near <= far.
        focal_distance: S1 in [near, far], same unit.
        max_coc: c_max, px.

    Returns:
        alpha_up, px; infinity where near = far = S1: nothing can be blurred.
    """
    # The largest coc per alpha is at one of the two ends.
    nearest = circle_of_confusion(near, focal_distance, 1.0)
    farthest = circle_of_confusion(far, focal_distance, 1.0)
    backend = _backend(nearest, farthest)
    with np.errstate(divide='ignore'):
        return max_coc / backend.maximum(nearest, farthest)


def sigma_from_coc(coc: Array) -> Array:
    """sigma = c / 4, px [Lee 2019, Section 3.3]."""
    return coc / COC_PER_SIGMA


def coc_from_sigma(sigma: Array) -> Array:
    """c = 4 sigma, px [Lee 2019, Section 3.3]."""
    return sigma * COC_PER_SIGMA


def depth_from_coc(coc: Array, focal_distance: Array | float,
                   alpha: Array | float, behind: bool) -> Array:
    """Inverts Eq. 1 on one side of the focal plane: x = S1 / (1 -+ c / alpha).

    Args:
        coc: px, >= 0; behind the focal plane it must stay below alpha, the
            coc of infinity: larger values give infinity.
        focal_distance: S1.
        alpha: As in circle_of_confusion, px.
        behind: True for points beyond S1, False for points before it.

    Returns:
        Depth in the unit of focal_distance.
    """
    ratio = coc / alpha
    backend = _backend(ratio)
    if not behind:
        return focal_distance / (1.0 + ratio)
    with np.errstate(divide='ignore'):
        return focal_distance / backend.maximum(1.0 - ratio, 0.0)


def _check_convention(convention):
    if convention not in CONVENTIONS:
        raise ValueError(
            f'convention must be one of {CONVENTIONS}: sigma7 (sigma = 7 d, '
            'the paper and everything made here) or legacy15 (sigma = '
            "max(0, (15 d - 1) / 2), the authors' released files). Received: "
            f'{convention!r}.')


def sigma_from_defocus(defocus: Array, convention: str) -> Array:
    """Network map -> sigma, px.

    Args:
        defocus: In [0, 1].
        convention: 'sigma7' or 'legacy15', a property of the weights.

    Returns:
        sigma, px, >= 0.

    Raises:
        ValueError: Unknown convention.
    """
    _check_convention(convention)
    if convention == 'sigma7':
        return defocus * MAX_SIGMA
    return _backend(defocus).maximum((15.0 * defocus - 1.0) / 2.0, 0.0)


def defocus_from_sigma(sigma: Array, convention: str) -> Array:
    """sigma, px -> network map; the inverse of sigma_from_defocus.

    Raises:
        ValueError: Unknown convention.
    """
    _check_convention(convention)
    if convention == 'sigma7':
        return sigma / MAX_SIGMA
    return (2.0 * sigma + 1.0) / 15.0


@functools.cache
def disc_table() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pairs of Gaussian sigma and disc radius that blur alike.

    Closest fits published with the RTF dataset [D'Andres 2016].

    Returns:
        sigma [n], radius [n]: px, float64, both increasing.
    """
    table = importlib.resources.files('dmenet_tf') / 'tables'
    with (table / 'disc_to_gaussian.csv').open() as file:
        sigma, radius = np.loadtxt(file, delimiter=',', skiprows=1).T
    return sigma, radius


def _interpolate(x, xs, ys, nearest):
    """Looks x up in a table; linear beyond its ends through the origin."""
    backend = _backend(x)
    if nearest:
        # Row i wins above the midpoint between rows i - 1 and i.
        middles = (xs[1:] + xs[:-1]) / 2
        if backend is np:
            return ys[np.searchsorted(middles, x)]
        flat = backend.reshape(x, [-1])
        row = backend.searchsorted(backend.constant(middles, x.dtype), flat)
        values = backend.gather(backend.constant(ys, x.dtype), row)
        return backend.reshape(values, backend.shape(x))
    # A sum of clipped ramps: piecewise linear through (0, 0) and the rows,
    # with the last slope held beyond them.
    xs, ys = np.append(0.0, xs), np.append(0.0, ys)
    slopes = np.diff(ys) / np.diff(xs)
    y = 0.0 * x
    for i, slope in enumerate(slopes):
        ramp = backend.maximum(x - xs[i], 0.0)
        if i < len(slopes) - 1:
            ramp = backend.minimum(ramp, xs[i + 1] - xs[i])
        y = y + slope * ramp
    return y


def sigma_from_disc_radius(radius: Array, nearest: bool = False) -> Array:
    """sigma of the Gaussian that blurs like a disc, px.

    Args:
        radius: Of the disc, px, >= 0.
        nearest: Take the nearest row of the table, as the RTF protocol does,
            which is bounded by 0.3 and 3.275 px; otherwise interpolate, from
            (0, 0) and beyond the last row with the last slope.

    Returns:
        sigma, px.
    """
    sigmas, radii = disc_table()
    return _interpolate(radius, radii, sigmas, nearest)


def disc_radius_from_sigma(sigma: Array, nearest: bool = False) -> Array:
    """Radius of the disc that blurs like a Gaussian, px; see the inverse."""
    sigmas, radii = disc_table()
    return _interpolate(sigma, sigmas, radii, nearest)
