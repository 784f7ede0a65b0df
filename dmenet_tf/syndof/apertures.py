"""What a point out of focus becomes, beside a Gaussian and a disc.

    polygon     an iris of 5 to 9 blades, at any angle
    cats_eye    a disc that the rim of the lens cuts, more towards the corners
    a file      measured point spread functions of a user's own lens

Each has the standard deviation of the disc that blurs like a Gaussian of the
layer's sigma (optics.disc_radius_from_sigma), and its centre of light where the
point is: so sigma stays the label, whatever the shape. They are normalised:
that corners are also darker is no blur.
"""

import functools
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dmenet_tf import budgets, images, optics

SHAPES = ('polygon', 'cats_eye')
SUFFIXES = ('.npy', '.npz')
SHARP_SIGMA = 0.1  # px; below it a layer is not blurred
BLADES = (5, 9)
# Of the radius, how far the rim's shadow has moved in the corners at most: half
# of a disc's width is left, as of fast lenses wide open.
MAX_VIGNETTING = 1.0
_RINGS, _SECTORS = 3, 4  # A cat's eye looks the same from both sides.
_HEIGHTS = 8  # a px, at which a shape's chords are taken


class Aperture(NamedTuple):
    """A lens.

    Attributes:
        zones: Parts of the frame that have a kernel of their own.
        zone: (height, width) -> which of them each pixel is in, int32 [h, w].
        kernel: (sigma, zone) -> [2 r + 1, 2 r + 1], float64, of sum 1.
    """

    zones: int
    zone: Callable[[tuple[int, int]], npt.NDArray[np.int32]]
    kernel: Callable[[float, int], npt.NDArray[np.float64]]


def aperture_rng(seed: int, index: int) -> np.random.Generator:
    """The random numbers of the lens and the highlights of image `index`."""
    return np.random.default_rng([seed, index, 4])


def draw(kind: str, rng: np.random.Generator
         ) -> tuple[Aperture, dict[str, Any]]:
    """A lens of a kind.

    Args:
        kind: One of SHAPES, or a file as read_stack takes it.
        rng: np.random.Generator.

    Returns:
        The Aperture, and what was drawn, for the manifest.
    """
    if kind == 'polygon':
        blades = int(rng.integers(*BLADES, endpoint=True))
        degrees = float(rng.uniform(0, 360 / blades))
        return (polygon(blades, np.radians(degrees)),
                {'blades': blades, 'degrees': degrees})
    if kind == 'cats_eye':
        vignetting = float(rng.uniform(0, MAX_VIGNETTING))
        return cats_eye(vignetting), {'vignetting': vignetting}
    return measured(*read_stack(kind)), {}


def polygon(blades: int, angle: float) -> Aperture:
    """A regular polygon, its first corner at `angle`, radians."""
    turns = angle + np.arange(blades) * 2 * np.pi / blades
    corners = _normalised(np.stack([np.cos(turns), np.sin(turns)], -1))
    return Aperture(1, _one_zone, lambda sigma, _: _kernel_of(corners, sigma))


def cats_eye(vignetting: float) -> Aperture:
    """What is common to a disc and to one that is moved away from the centre.

    Args:
        vignetting: By how much of the radius it is moved in the corners;
            in between in proportion to the distance from the centre.
    """
    eyes = [_eye(0.0, 0.0)]
    eyes += [_eye(vignetting * ring / _RINGS, np.pi * sector / _SECTORS)
             for ring in range(1, _RINGS + 1) for sector in range(_SECTORS)]
    return Aperture(len(eyes), _zones_of_eyes,
                    lambda sigma, zone: _kernel_of(eyes[zone], sigma))


def _one_zone(shape):
    return np.zeros(shape, np.int32)


@functools.lru_cache(maxsize=4)
def _zones_of_eyes(shape):
    """0 in the middle, then ring by ring, and in it sector by sector."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    distance = np.hypot(y[:, None], x) / np.hypot(y[-1], x[-1])
    ring = np.rint(distance * _RINGS).astype(np.int32)
    angle = np.arctan2(y[:, None], x) / np.pi * _SECTORS
    sector = np.rint(angle).astype(np.int32) % _SECTORS
    return np.where(ring == 0, 0, 1 + (ring - 1) * _SECTORS + sector
                    ).astype(np.int32)


def _eye(moved, angle):
    """Corners of two unit circles' common part, `moved` apart along angle."""
    tip = np.arccos(moved / 2)
    arc = np.linspace(-tip, tip, 33)[:-1]
    right = np.stack([np.cos(arc) - moved / 2, np.sin(arc)], -1)
    corners = np.concatenate([right, -right])
    cos, sin = np.cos(angle), np.sin(angle)
    return _normalised(corners @ np.array([[cos, sin], [-sin, cos]]))


def _normalised(corners):
    """Corners of a convex shape, its centre at 0, its variance a unit disc's.

    By the moments of the triangles between 0 and each side.
    """
    after = np.roll(corners, -1, axis=0)
    area = (corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]) / 2
    centre = ((corners + after) * area[:, None]).sum(0) / (3 * area.sum())
    corners, after = corners - centre, after - centre
    area = (corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]) / 2
    second = (corners**2 + corners * after + after**2).sum(1) * area / 6
    # A unit disc has a variance of 1 / 4 along each axis.
    return corners * np.sqrt(0.5 / (second.sum() / area.sum()))


@functools.lru_cache(maxsize=4096)
def _radius(sigma):
    return float(optics.disc_radius_from_sigma(np.float64(sigma)))


def _kernel_of(corners, sigma):
    """The kernel of a convex shape: the part of each pixel that it covers."""
    if sigma < SHARP_SIGMA:
        return np.ones((1, 1))
    corners = corners * _radius(sigma)
    reach = int(np.ceil(abs(corners).max() - 0.5))
    size = 2 * reach + 1
    y = (np.arange(size * _HEIGHTS) + 0.5) / _HEIGHTS - reach - 0.5
    left, right = _chords(corners, y)
    border = np.arange(-reach, reach + 1) - 0.5
    covered = (np.minimum(border + 1, right[:, None])
               - np.maximum(border, left[:, None]))
    covered = np.maximum(covered, 0).reshape(size, _HEIGHTS, -1).mean(1)
    return covered / covered.sum()


def _chords(corners, y):
    """Where lines of height y cross a convex shape: (left, right), [n] each.

    left > right where they miss it.
    """
    (x0, y0), (x1, y1) = corners.T[..., None], np.roll(corners, -1, 0
                                                        ).T[..., None]
    crossed = (y0 <= y) != (y1 <= y)
    with np.errstate(divide='ignore', invalid='ignore'):
        x = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    return (np.where(crossed, x, np.inf).min(0),
            np.where(crossed, x, -np.inf).max(0))


@functools.lru_cache(maxsize=2)
def read_stack(path: str | pathlib.Path
               ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Reads measured point spread functions.

    Args:
        path: .npy of [n, k, k], or .npz with such a `psf` and, if wanted,
            `sigma` [n], px: of the Gaussians that blur alike.

    Returns:
        psf [n, k, k], each of sum 1; sigma [n], increasing. A sigma that is
        not given is that of the function's own standard deviation, by the
        table of discs.

    Raises:
        FileNotFoundError, ValueError: One line that names the file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file.')
    try:
        if not zipfile.is_zipfile(path):
            return _checked(budgets.read_npy(path), None)
        with budgets.open_npz(path) as loaded:
            sigma = loaded.get('sigma')
            return _checked(loaded['psf'], sigma)
    except Exception as error:  # Whatever NumPy throws at a damaged file.
        raise ValueError(f'{path}: not point spread functions: '
                         f'{images.one_line(error)}.') from None


def _checked(psf, sigma):
    psf = _numbers(psf)
    if psf.ndim != 3 or psf.shape[1] != psf.shape[2] or not psf.size:
        raise ValueError(f'they must be [n, k, k]; the shape is {psf.shape}')
    if not np.isfinite(psf).all() or psf.min() < 0 or (
            psf.sum((1, 2)) == 0).any():
        raise ValueError('they must be finite, not negative, and not all 0')
    psf = psf / psf.sum((1, 2), keepdims=True)
    if sigma is None:
        deviation = np.array([_moments(one)[1] for one in psf])
        sigma = optics.sigma_from_disc_radius(2 * deviation)
    sigma = _numbers(sigma)
    if sigma.shape != psf.shape[:1] or not (sigma >= SHARP_SIGMA).all() or (
            np.diff(sigma) <= 0).any():
        raise ValueError(f'sigma must be {len(psf)} increasing numbers from '
                         f'{SHARP_SIGMA} px on; it is {sigma}')
    return psf, sigma


def _numbers(array):
    """As float64; without NumPy's warning, finite or not is told by the caller.
    """
    with np.errstate(invalid='ignore'):
        return np.asarray(array, np.float64)


def _moments(psf):
    """Centre (y, x), and the standard deviation along an axis, px."""
    places = np.arange(len(psf))
    along = [psf.sum(1 - axis) for axis in (0, 1)]
    centre = np.array([places @ weights for weights in along])
    variance = [(places - c)**2 @ weights
                for c, weights in zip(centre, along, strict=True)]
    return centre, float(np.sqrt(np.mean(variance)))


def measured(psf: npt.NDArray[np.float64],
             sigma: npt.NDArray[np.float64]) -> Aperture:
    """The lens of read_stack.

    A layer's kernel is the measured one of the next larger sigma, or the last,
    resized by the ratio of the sigmas.
    """
    @functools.lru_cache(maxsize=4096)
    def kernel(wanted, _):
        if wanted < SHARP_SIGMA:
            return np.ones((1, 1))
        which = min(int(np.searchsorted(sigma, wanted)), len(sigma) - 1)
        return _resized(psf[which], float(wanted / sigma[which]))
    return Aperture(1, _one_zone, kernel)


def _resized(psf, ratio):
    """A function `ratio` times as wide, its centre of light in the middle."""
    centre, _ = _moments(psf)
    half = max(centre.max() + 0.5, len(psf) - 0.5 - centre.min())
    # Rounded, so that no CPU's last bit adds a ring of nothing.
    reach = int(np.ceil(np.round(ratio * half - 0.5, 6)))
    borders = (np.arange(2 * reach + 2) - reach - 0.5) / ratio + 0.5
    # A measured pixel is as bright all over; so sums up to a border, linear
    # in between, give what each new pixel gets.
    sums = np.pad(psf, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    rows, columns = np.meshgrid(borders + centre[0], borders + centre[1],
                                indexing='ij')
    sums = ndimage.map_coordinates(sums, [rows, columns], order=1,
                                   mode='nearest')
    kernel = np.maximum(np.diff(np.diff(sums, axis=0), axis=1), 0)
    return kernel / kernel.sum()
