"""Tang, Hou & Song, "Defocus map estimation from a single image via spectrum
contrast", 2013.

The paper determines: at an edge the amplitude of the local spectrum stands out
from that of its neighbours, and the less so the more the edge is blurred; so
this contrast, on a logarithmic scale, gives sigma at edges, and an
optimisation over the whole picture spreads it.

Chosen: Canny's edges; the amplitude E is that of the smallest window, the
slope by central differences, all frequencies together: in wider ones the
neighbours' own edges drown the contrast (at windows of 0.7 px and more the
contrast of photographs rose with sigma up to 1.5 px). The contrast C is log E
less its mean over a disc of RADIUS. Along a step, at a distance of x,

    E ~ exp(-x^2 / (2 (sigma^2 + 1/3))),  C = m / (2 (sigma^2 + 1/3)),

whatever the height of the step; m is the mean of x^2 over the disc, and 1/3
the variance of a difference over 2 px. In photographs other edges are near: a
table, fitted on sharp photographs blurred by known Gaussians, turns this sigma
to px (experiments/baselines.sh). The spreading is propagation.py's.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import morphology

from dmenet_tf.baselines import edges, fitted, propagation

UNIT = 'px'
MAX_SIGMA = 5.0  # px
RADIUS = 2  # px
_FLOOR = 0.5 / 255  # Of slopes: rounding to 8 bits.


def estimate(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """sigma of every pixel.

    Args:
        image: uint8 [h, w, 3].

    Returns:
        float32 [h, w], px, in [0, MAX_SIGMA].
    """
    score = sigma_of_steps(edges.to_grey(image))
    sparse = fitted.interpolate(score, fitted.load('tang')['sigma'])
    return propagation.fill(sparse, image, MAX_SIGMA)


def sigma_of_steps(grey: np.ndarray) -> npt.NDArray[np.float64]:
    """sigma at edges as if each were a step alone, px, [h, w].

    Returns:
        NaN where no edge is, or none that stands out.
    """
    log_amplitude = np.log(np.hypot(edges.slope(grey), _FLOOR))
    disc = morphology.disk(RADIUS).astype(float)
    disc /= disc.sum()
    contrast = log_amplitude - ndimage.convolve(log_amplitude, disc,
                                                mode='nearest')
    contrast = np.where(edges.canny(grey) & (contrast > 0), contrast, np.nan)
    distance = np.arange(-RADIUS, RADIUS + 1)
    square = disc.sum(axis=0) @ distance**2 / (2 * contrast) - 1 / 3
    return np.sqrt(np.maximum(square, 0))
