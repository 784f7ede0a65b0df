"""Xu, Quan & Ji, "Estimating defocus blur via rank of local patches", 2017.

The paper determines: of patches of the gradient around an edge pixel, turned
to several orientations, the largest numerical rank; it falls as sigma grows,
because a Gaussian leaves few frequencies; a standard propagation spreads the
values of edges.

Chosen: the magnitude of the gradient; Canny's edges, of which at most EDGES
are looked at, evenly; patches of 15x15 px at four angles, 0 to 67.5 degrees
(a quarter turn leaves the rank), interpolated linearly. A singular value
counts if it is more than THRESHOLD of the largest; between two whole ranks is
where the logarithms of the singular values cross that line, else few levels
were all there is. A table of the median rank at known Gaussians on
sharp photographs gives px (experiments/baselines.sh); it ends where the rank
no longer falls. What is spread, by propagation.py, is the rank.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dmenet_tf.baselines import edges, fitted, propagation

UNIT = 'px'
MAX_SIGMA = 5.0  # px
PATCH = 15  # px
ANGLES = np.deg2rad([0, 22.5, 45, 67.5])
THRESHOLD = 0.03  # Of the largest singular value.
EDGES = 3000  # Pixels of a photograph, about; see edges.some_places.


def estimate(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """sigma of every pixel.

    Args:
        image: uint8 [h, w, 3].

    Returns:
        float32 [h, w], px, in [0, MAX_SIGMA].
    """
    rank = rank_at_edges(edges.to_grey(image))
    # Spread as a rank: a mean of sigma would be that of its few large values.
    rank = propagation.fill(rank, image, empty=1)
    # Blur makes ranks small, and a table's scores rise.
    return fitted.interpolate(-rank, fitted.load('xu')['sigma']).astype(
        np.float32)


def rank_at_edges(grey: np.ndarray) -> npt.NDArray[np.float64]:
    """The largest rank over the orientations, [h, w]; NaN but at edges."""
    places = edges.some_places(edges.canny(grey), EDGES)
    rank = np.full(grey.shape, np.nan)
    if len(places):
        slope = edges.slope(grey)
        rank[tuple(places.T)] = np.max(
            [numerical_rank(turned_patches(slope, places, angle))
             for angle in ANGLES], axis=0)
    return rank


def turned_patches(values: np.ndarray, places: np.ndarray,
                   angle: float) -> npt.NDArray[np.float32]:
    """Squares around pixels, turned by an angle.

    Args:
        values: [h, w].
        places: Rows and columns, int [n, 2].
        angle: Radians.

    Returns:
        float32 [n, PATCH, PATCH].
    """
    steps = np.arange(PATCH) - PATCH // 2
    down, right = np.meshgrid(steps, steps, indexing='ij')
    offset = np.stack([np.cos(angle) * down - np.sin(angle) * right,
                       np.sin(angle) * down + np.cos(angle) * right])
    points = places.T[:, :, None, None] + offset[:, None]
    return ndimage.map_coordinates(values.astype(np.float32), points, order=1,
                                   mode='nearest')


def numerical_rank(patches: np.ndarray) -> npt.NDArray[np.float64]:
    """Singular values above THRESHOLD of the largest, and part of the next.

    Args:
        patches: [n, k, k].

    Returns:
        [n], in [1, k].
    """
    singular = np.linalg.svd(patches.astype(np.float64), compute_uv=False)
    levels = np.log(singular / (singular[:, :1] + 1e-12) + 1e-9)
    whole = np.sum(levels > np.log(THRESHOLD), axis=1).clip(1)
    rows = np.arange(len(levels))
    above = levels[rows, whole - 1]
    below = levels[rows, whole.clip(max=levels.shape[1] - 1)]
    part = (above - np.log(THRESHOLD)) / np.maximum(above - below, 1e-9)
    return whole + part.clip(0, 1) * (whole < levels.shape[1])
