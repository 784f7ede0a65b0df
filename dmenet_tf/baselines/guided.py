"""The guided filter [He 2013]: smooths and spreads along an image's edges."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_LEAST_WEIGHT = 0.01  # Of known pixels in reach, to count as reached.


def guided_filter(values: np.ndarray, guide: np.ndarray, radius: int,
                  epsilon: float) -> npt.NDArray[np.float64]:
    """In each window, values ~ a guide + b by least squares; windows averaged.

    a = cov(guide, values) / (var(guide) + epsilon), b = mean(values) -
    a mean(guide) [He 2013, Eqs. 5, 6, 8].

    Args:
        values: [h, w].
        guide: [h, w] in [0, 1].
        radius: Half the window, px.
        epsilon: Contrasts below sqrt(epsilon) are smoothed over.

    Returns:
        [h, w].
    """
    def mean(x):
        return ndimage.uniform_filter(x, 2 * radius + 1, mode='nearest')
    mean_guide, mean_values = mean(guide), mean(values)
    covariance = mean(guide * values) - mean_guide * mean_values
    a = covariance / (mean(guide * guide) - mean_guide**2 + epsilon)
    return mean(a) * guide + mean(mean_values - a * mean_guide)


def spread(sparse: np.ndarray, grey: np.ndarray,
           empty: float) -> npt.NDArray[np.float32]:
    """Guided filter of values over guided filter of mask.

    At growing radii, until every pixel is reached.

    Args:
        sparse: [h, w], NaN where unknown.
        grey: [h, w] in [0, 1].
        empty: Everywhere if nothing is known.

    Returns:
        float32 [h, w], within the range of the known values.
    """
    known = np.isfinite(sparse)
    if not known.any():
        return np.full(sparse.shape, empty, np.float32)
    values = np.where(known, sparse, 0.0)
    result = np.full(grey.shape, np.nan)
    radius = max(grey.shape) // 20 + 1
    while np.isnan(result).any() and radius < 4 * max(grey.shape):
        weight = guided_filter(known * 1.0, grey, radius, 1e-3)
        total = guided_filter(values, grey, radius, 1e-3)
        reached = np.isnan(result) & (weight > _LEAST_WEIGHT)
        result[reached] = total[reached] / weight[reached]
        radius *= 2
    low, high = np.nanmin(sparse), np.nanmax(sparse)
    return np.clip(np.nan_to_num(result, nan=high), low,
                   high).astype(np.float32)
