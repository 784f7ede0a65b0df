"""The guided filter [He 2013]: smooths a map along the edges of an image."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage


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
