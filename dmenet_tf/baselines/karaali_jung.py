"""Karaali & Jung, "Edge-based defocus blur estimation with adaptive scale
selection", 2018.

Read from the paper's summary, which fixes the stages but not their formulas:
a scale-consistent edge map; at each edge pixel its own re-blurring scale, to
cope with noise, misplaced and interfering edges; sigma there by the re-blur
ratio; a connected edge filter, which smooths the sparse map along each
contour; a fast guided filter, which spreads it.

Chosen: Canny's edges at smoothing 1, 1.5, 2, 2.5 and 3 px; an edge pixel of
the first is consistent up to scale k if each coarser map up to k has an edge
within 1 px, and is kept if that holds for the second; it is re-blurred with
its coarsest consistent scale, because only noise and close neighbours (whose
edges merge or move at coarser scales) speak for a smaller one. The connected
edge filter is 10 steps of averaging with the edge pixels that touch it. The
guided filter runs on the values and on their mask, at growing radii until
every pixel is reached, and the quotient is taken. sigma is cut at 5 px.

Compare with: RTF MSE 0.064, MAE 0.199 [Lee 2019, Table 2, column 13].
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dmenet_tf.baselines import edges, guided

UNIT = 'px'
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0)  # px
MAX_SIGMA = 5.0  # px
_TOUCHING = np.ones((3, 3))
_CONTOUR_STEPS = 10


def estimate(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """sigma of every pixel.

    Args:
        image: uint8 [h, w, 3].

    Returns:
        float32 [h, w], px, in [0, MAX_SIGMA].
    """
    grey = edges.to_grey(image)
    sparse = smooth_along_contours(sparse_map(grey))
    return guided.spread(sparse, grey, MAX_SIGMA)


def consistent_scale(grey: np.ndarray) -> npt.NDArray[np.int_]:
    """Index into SCALES of the coarsest consistent one; 0 where no edge is.

    Returns:
        int [h, w].
    """
    going = edges.canny(grey, SCALES[0])
    index = np.zeros(grey.shape, int)
    for k, scale in enumerate(SCALES[1:], start=1):
        going = going & ndimage.binary_dilation(edges.canny(grey, scale),
                                                _TOUCHING)
        index[going] = k
    return index


def sparse_map(grey: np.ndarray) -> npt.NDArray[np.float64]:
    """sigma at scale-consistent edges, px, [h, w]; NaN elsewhere."""
    index = consistent_scale(grey)
    sigma = np.full(grey.shape, np.nan)
    for k, scale in enumerate(SCALES[1:], start=1):
        at_scale = edges.sigma_at_edges(grey, index == k, scale)
        sigma = np.where(index == k, at_scale, sigma)
    return np.minimum(sigma, MAX_SIGMA)


def smooth_along_contours(sparse: np.ndarray, steps: int = _CONTOUR_STEPS
                          ) -> npt.NDArray[np.float64]:
    """Averages each known value with the known ones that touch it.

    Args:
        sparse: [h, w], NaN where unknown.
        steps: Reach along the contour is about sqrt(steps) px.

    Returns:
        [h, w], NaN where it was NaN.
    """
    known = np.isfinite(sparse)
    values = np.where(known, sparse, 0.0)
    counts = ndimage.convolve(known.astype(np.float64), _TOUCHING,
                              mode='constant')
    for _ in range(steps):
        sums = ndimage.convolve(values, _TOUCHING, mode='constant')
        values = np.where(known, sums / np.maximum(counts, 1), 0.0)
    return np.where(known, values, np.nan)
