"""The all-in-focus picture of a focus stack, by the least sigma of each pixel.

Where a frame is sharp is told by its sigma map, not by its local contrast: so
noise is no detail, and the wide edge of something blurred is no edge. Frames
are joined softly, band by band, as Burt & Adelson [1983, "A Multiresolution
Spline With Application to Image Mosaics"] join pictures: each frame's Laplacian
pyramid is weighted by the Gaussian pyramid of its weight, so that fine detail
changes from frame to frame within few pixels and broad shades within many.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import transform

# Differences of sigma that count little: the maps are not better than this.
SOFTNESS = 0.1  # px
# Over which maps are smoothed before they are compared.
_SMOOTHING = 2.0  # px
_SMALLEST = 16  # px; the coarsest level's shorter side is not below its half


def smoothed(sigma: np.ndarray) -> npt.NDArray[np.float32]:
    """A map as it is compared with those of other frames.

    Args:
        sigma: [h, w] px.
    """
    return ndimage.gaussian_filter(sigma.astype(np.float32), _SMOOTHING,
                                   mode='nearest')


def weights(sigmas: Iterable[np.ndarray]) -> npt.NDArray[np.float32]:
    """How much of each frame each pixel takes.

    w_k = exp(-(s_k - min_j s_j) / SOFTNESS), normalised, s being the smoothed
    maps.

    Args:
        sigmas: Of each frame [h, w] px, one size.

    Returns:
        [n, h, w] in [0, 1], the sum over frames being 1.
    """
    found = np.stack([smoothed(sigma) for sigma in sigmas])
    found -= found.min(0)
    np.exp(found / -SOFTNESS, out=found)
    found /= found.sum(0)
    return found


def index(weight: np.ndarray) -> npt.NDArray[np.uint16]:
    """The frame that each pixel is sharpest in, 0 being the first.

    Args:
        weight: [n, h, w] of weights().
    """
    return weight.argmax(0).astype(np.uint16)


def merge(frames: Iterable[np.ndarray],
          weight: np.ndarray) -> npt.NDArray[np.float32]:
    """Joins the frames of a stack.

    Args:
        frames: Each [h, w, 3] in [0, 255]; looked at one after the other.
        weight: [n, h, w] of weights().

    Returns:
        [h, w, 3] in [0, 255].
    """
    total = None
    for frame, one in zip(frames, weight, strict=True):
        bands = _laplacian(frame.astype(np.float32))
        shares = _gaussian(one[..., None], len(bands))
        parts = [band * share
                 for band, share in zip(bands, shares, strict=True)]
        total = parts if total is None else [
            a + b for a, b in zip(total, parts, strict=True)]
    return np.clip(_collapse(total), 0, 255)


def _gaussian(picture, levels):
    found = [picture]
    while len(found) < levels:
        found.append(_reduced(found[-1]))
    return found


def _laplacian(picture):
    """Bands from fine to coarse; the last one is what is left."""
    found = []
    while min(picture.shape[:2]) >= _SMALLEST:
        coarser = _reduced(picture)
        found.append(picture - _expanded(coarser, picture.shape))
        picture = coarser
    return [*found, picture]


def _collapse(bands):
    *finer, picture = bands
    for band in reversed(finer):
        picture = band + _expanded(picture, band.shape)
    return picture


def _reduced(picture):
    return transform.pyramid_reduce(picture, channel_axis=-1)


def _expanded(picture, shape):
    enlarged = transform.pyramid_expand(picture, channel_axis=-1)
    return enlarged[:shape[0], :shape[1]]
