"""Deconvolution of a photograph whose blur differs from place to place.

What is blurred by one sigma is deconvolved with the Gaussian of that sigma:
for x the brightness, or a colour difference, of the photograph y,

    lambda / 2 ||k * x - y||^2 + sum |grad x|^alpha

is minimised by half-quadratic splitting: a point-wise shrinkage of the
gradients, which does not depend on k, in turn with a linear solve, which is
one division where convolution is a product [Krishnan and Fergus 2009].

That product is taken between cosine transforms: they are the real FFTs of the
picture continued by its mirror image. So no border has to be tapered, and no
number is computed that is its mirror's equal.

A departure from deconvolving the photograph as it is, because a border between
surfaces is not what one Gaussian made of anything, and rings: what is blurred
otherwise than the layer is first replaced by a continuation of what is blurred
alike (_fill), so each layer has transforms of its own. sharpening.py puts the
layers together.
"""

import functools
from collections.abc import Iterator, Sequence

import numba
import numpy as np
import numpy.typing as npt
from scipy import fft

from dmenet_tf.syndof import render

# Of each round. Krishnan and Fergus take six, 1 to 256 by factors of
# 2 sqrt(2); these four took less time and came nearer to the truth.
BETAS = (4.0, 16.0, 64.0, 256.0)
# These, and the exponent 0.8, were chosen on RGB-D scenes rendered with noise
# of 0.01.
_FIDELITY = 0.12  # lambda = _FIDELITY / noise^2, of the brightness
_COLOUR_FIDELITY = 0.06  # of the colour differences
# Blurred alike: within this factor, as a deviation of log(sigma + _SOFT).
_ALIKE, _SOFT = 0.3, 0.3
_FAINT = 1e-3  # Coverage where a continuation gives way to the mean.
# Brightness and two colour differences. Orthonormal: noise that is alike and
# independent in R, G and B is so in these.
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
OPPONENT /= np.linalg.norm(OPPONENT, axis=1, keepdims=True)
_TABLE_END, _TABLE_STEPS = 64.0, 16384
# alpha, threshold, v - shrink(v): see shrinkage_table.
Table = tuple[float, float, npt.NDArray[np.float32]]


def shrink(v: np.ndarray, alpha: float) -> np.ndarray:
    """The x that minimises |x|^alpha + (x - v)^2, for v >= 0.

    Zero up to a threshold, then the larger root of 2 (x - v) + alpha
    x^(alpha - 1): in closed form for alpha 1/2 [Xu 2012] and 2/3 [Cao 2013],
    by Newton's method for others.

    Args:
        v: [n], float64, >= 0.
        alpha: In (0, 1].

    Returns:
        x [n] in [0, v].

    Raises:
        ValueError: alpha is out of range.
    """
    start = threshold(alpha)
    x = np.zeros_like(v)
    above = v > start
    if alpha == 1 / 2:
        phi = np.arccos((v[above] / 3) ** -1.5 / 8)
        x[above] = 2 / 3 * v[above] * (1 + np.cos(2 / 3 * (np.pi - phi)))
    elif alpha == 2 / 3:
        a = np.cosh(np.arccosh(27 / 16 * v[above]**2) / 3)**0.5 * 2 / 3**0.5
        x[above] = ((a + np.sqrt(2 * v[above] / a - a**2)) / 2)**3
    else:
        x[above] = _newton(v[above], alpha)
    return x


def threshold(alpha: float) -> float:
    """The largest v that shrink() sends to 0.

    There |x|^alpha + (x - v)^2 is as low at 0 as at its other minimum, which
    gives x^(2 - alpha) = 1 - alpha.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f'alpha must be in (0, 1]. Received: {alpha}.')
    x = (1 - alpha) ** (1 / (2 - alpha))
    return x + alpha / 2 * x ** (alpha - 1)


def _newton(v, alpha):
    """The larger root; from x = v it is approached from above."""
    x = v.copy()
    for _ in range(30):
        slope = 2 + alpha * (alpha - 1) * x ** (alpha - 2)
        x -= (2 * (x - v) + alpha * x ** (alpha - 1)) / slope
    return x


@functools.lru_cache(maxsize=8)
def shrinkage_table(alpha: float) -> Table:
    """v - shrink(v) on an even grid from the threshold to _TABLE_END.

    One table serves every beta: |w|^alpha + beta / 2 (w - v)^2 is that of
    shrink() once w and v are divided by s = (2 / beta)^(1 / (2 - alpha)).

    Returns:
        (alpha, threshold, table [n] float32). Beyond the end, where v is a
        step of the whole brightness at the last beta, the last value holds.
    """
    start = threshold(alpha)
    # A hair above, so that the first entry is the jump's upper end.
    v = np.linspace(start * (1 + 1e-9), _TABLE_END, _TABLE_STEPS)
    return alpha, start, (v - shrink(v, alpha)).astype(np.float32)


def log_sigma(sigma: np.ndarray) -> npt.NDArray[np.float32]:
    """What deconvolve() takes: how alike two sigma are is their difference."""
    return np.log(sigma + np.float32(_SOFT))


def deconvolve(planes: Sequence[npt.NDArray[np.float32]],
               place: npt.NDArray[np.float32], sigma: float, precision: float,
               table: Table) -> Iterator[npt.NDArray[np.float32]]:
    """Deconvolves one layer.

    Args:
        planes: The photograph by OPPONENT: brightness, two colour
            differences, each [h, w]. Fast where fft.next_fast_len gives h and
            w themselves.
        place: log_sigma of the map, [h, w].
        sigma: Of the layer, px.
        precision: strength / noise^2.
        table: Of shrinkage_table.

    Yields:
        The planes of the layer, each until the next is asked for.
    """
    alike, covered, spectrum, *pair = np.empty((5, *place.shape), np.float32)
    axes = [_axis(n, sigma) for n in place.shape]
    _blurred_alike(alike, place, sigma)
    covered[:] = alike
    _continue(covered, axes, sigma)
    covered += _FAINT
    for channel, plane in enumerate(planes):
        _fill(spectrum, plane, alike, covered, axes, sigma)
        pair[0][:] = spectrum
        fft.dctn(spectrum, norm='ortho', overwrite_x=True)
        fidelity = _COLOUR_FIDELITY if channel else _FIDELITY
        yield _split(spectrum, axes, fidelity * precision, table, pair)


def _blurred_alike(alike, place, step):
    """alike = 1 where sigma is the layer's, 0 where it is far from it."""
    np.subtract(place, np.log(step + _SOFT), out=alike)
    np.square(alike, out=alike)
    alike *= -0.5 / _ALIKE**2
    np.exp(alike, out=alike)


def _fill(out, plane, alike, covered, axes, step):
    """Replaces what is blurred otherwise by a continuation of what is alike.

    out = a y + (1 - a) g * (a y) / g * a, where g falls off about
    exponentially over sigma px; far from all that is alike, its mean.
    """
    np.multiply(alike, plane, out=out)
    mean = out.mean(dtype=np.float64) / alike.mean(dtype=np.float64)
    _continue(out, axes, step)
    out += np.float32(_FAINT * mean)
    out /= covered
    _mix(out, plane, alike)


def _continue(x, axes, step):
    """x = g * x, g the Green's function of 1 - sigma^2 Laplace, in place."""
    fft.dctn(x, norm='ortho', overwrite_x=True)
    _screen(x, axes[0][1], axes[1][1], step**2)
    fft.idctn(x, norm='ortho', overwrite_x=True)


def _axis(size, sigma):
    """Spectra along one axis: of the Gaussian, and of -D'D, [2, size]."""
    kernel = render.gaussian_kernel(sigma).astype(np.float64)
    radius = len(kernel) // 2
    angle = np.pi * np.arange(size) / size
    shifts = np.arange(1, radius + 1)
    blur = kernel[radius] + 2 * np.cos(np.outer(angle, shifts)) @ kernel[
        radius + 1:]
    return np.stack([blur, 2 - 2 * np.cos(angle)]).astype(np.float32)


def _split(spectrum, axes, fidelity, table, pair):
    """Half-quadratic splitting.

    Args:
        spectrum: Of y.
        axes: Of _axis, for rows and columns.
        fidelity: lambda.
        table: Of shrinkage_table.
        pair: Two buffers; the first holds y, from which x starts.

    Returns:
        x, one of the two buffers.
    """
    alpha, start, values = table
    x, divergence = pair
    for beta in BETAS:
        scale = (2 / beta) ** (1 / (2 - alpha))
        _shrink_gradients(x, divergence, scale, start, values)
        fft.dctn(divergence, norm='ortho', overwrite_x=True)
        _divide(spectrum, divergence, *axes, fidelity / beta)
        fft.idctn(divergence, norm='ortho', overwrite_x=True)
        x, divergence = divergence, x
    return x


@numba.njit(nogil=True, cache=True)
def _shrink_gradients(x, out, scale, start, values):
    """out = D' shrink(D x), D the forward differences, 0 over the border."""
    height, width = x.shape
    scale = np.float32(scale)
    above = np.zeros(width, np.float32)
    for i in range(height):
        left = np.float32(0)
        for j in range(width):
            right = below = np.float32(0)
            if j + 1 < width:
                right = _look_up(x[i, j + 1] - x[i, j], scale, start, values)
            if i + 1 < height:
                below = _look_up(x[i + 1, j] - x[i, j], scale, start, values)
            out[i, j] = left - right + above[j] - below
            left = right
            above[j] = below


@numba.njit(nogil=True, cache=True, inline='always')
def _look_up(v, scale, start, values):
    """shrink() of one gradient, by linear interpolation in the table."""
    size = abs(v) / scale
    if size <= start:
        return np.float32(0)
    place = (size - start) * (len(values) - 1) / (_TABLE_END - start)
    left = min(int(place), len(values) - 2)
    part = min(np.float32(place - left), np.float32(1))
    taken = values[left] + part * (values[left + 1] - values[left])
    return np.sign(v) * scale * (size - taken)


@numba.njit(nogil=True, cache=True)
def _screen(x, rows, columns, squared):
    """x = x / (1 + squared |D|^2), in place."""
    one, squared = np.float32(1), np.float32(squared)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] /= one + squared * (rows[i] + columns[j])


@numba.njit(nogil=True, cache=True)
def _mix(x, y, share):
    """x = share y + (1 - share) x, in place."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] += share[i, j] * (y[i, j] - x[i, j])


@numba.njit(nogil=True, cache=True)
def _divide(spectrum, x, rows, columns, fidelity):
    """x = (fidelity k y + x) / (fidelity k^2 + |D|^2), in place."""
    fidelity = np.float32(fidelity)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            k = rows[0, i] * columns[0, j]
            x[i, j] = (fidelity * k * spectrum[i, j] + x[i, j]) / (
                fidelity * k * k + (rows[1, i] + columns[1, j]))
