"""From values at edges to a map, for the methods that work at edges.

Zhuo & Sim's joint bilateral filter and matting Laplacian. Chosen: both work on
a reduced picture, because their time would be that of all else together ten
times, and the values of one block of pixels are averaged; a guided filter
brings the map back to the outlines of the picture.
"""

import warnings

import numpy as np
import numpy.typing as npt
from skimage import measure, transform

from dmenet_tf.baselines import edges, guided, matting, zhuo_sim

SIDE = 320  # px, at most the longer side of the reduced picture


def fill(sparse: np.ndarray, image: np.ndarray,
         empty: float) -> npt.NDArray[np.float32]:
    """Spreads values from edges over the picture; see the module.

    Args:
        sparse: [h, w], NaN where unknown.
        image: uint8 [h, w, 3].
        empty: Everywhere if nothing is known.

    Returns:
        float32 [h, w], within the range of the known values.
    """
    if not np.isfinite(sparse).any():
        return np.full(sparse.shape, empty, np.float32)
    factor = -(-max(sparse.shape) // SIDE)
    known = reduce(sparse, factor)
    small = np.stack([reduce(image[..., c], factor) for c in range(3)], -1)
    known = zhuo_sim.joint_bilateral(known, edges.to_grey(small),
                                     0.1 * max(known.shape))
    filled = matting.propagate(known, small)
    if factor > 1:
        low, high = filled.min(), filled.max()
        filled = transform.resize(filled, sparse.shape, order=1, mode='edge')
        filled = guided.guided_filter(filled, edges.to_grey(image),
                                      2 * factor, 1e-4).clip(low, high)
    return filled.astype(np.float32)


def reduce(values: np.ndarray, factor: int) -> npt.NDArray[np.float64]:
    """Means of the known values of blocks.

    Args:
        values: [h, w], NaN where unknown.
        factor: Side of a block, px.

    Returns:
        [ceil(h / factor), ceil(w / factor)], NaN where nothing is known.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Mean of empty slice')
        return measure.block_reduce(values.astype(np.float64), factor,
                                    np.nanmean, np.nan)
