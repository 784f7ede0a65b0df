"""Local variance of the Laplacian: the floor that any method should beat.

Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000,
score a whole image so; here each pixel's neighbourhood. Chosen: a Gaussian
window of 5 px, and the logarithm, because the variance falls off with sigma
by orders of magnitude. No number is published for it.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dmenet_tf.baselines import edges

UNIT = 'score'
WINDOW = 5.0  # px, standard deviation
# A grey level of 1/255 alone makes about this variance: below is rounding.
_FLOOR = (1 / 255.0) ** 2


def estimate(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """-log10 of the local variance of the Laplacian.

    Args:
        image: uint8 [h, w, 3].

    Returns:
        float32 [h, w], a score: more = blurrier.
    """
    response = ndimage.laplace(edges.to_grey(image), mode='nearest')
    mean = ndimage.gaussian_filter(response, WINDOW, mode='nearest')
    square = ndimage.gaussian_filter(response**2, WINDOW, mode='nearest')
    variance = np.maximum(square - mean**2, 0)
    return -np.log10(variance + _FLOOR).astype(np.float32)
