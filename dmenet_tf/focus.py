"""What of a photograph is in focus, by its map of blur.

A pixel is in focus up to `threshold` px of sigma. Where nothing can be seen,
in skies and on smooth walls, sharp and blurred look alike, and the networks
take much of it for blurred; so a photograph in which nothing that can be seen
is blurred is in focus everywhere, see `everywhere`.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dmenet_tf import scales

# A pixel counts as sharp below this. In photographs that are in focus `small`
# sees 0.2 to 0.8 px: the medians of 23 of Kodak's 24 pictures, so that each of
# the 23 has most of its pixels, 51 % to 99.9 %, below 0.8. The other one is
# two parrots before a background that is out of focus: median 2.1 px, 35 %
# below. Blurred by 1 px, pictures have 13 % below (median of the 24; from 1 %
# to 81 %); blurred by 2 px, none has more than 0.1 %.
SHARP_SIGMA = 0.8  # px
# A pixel counts as in focus up to this in a photograph whose longer side has
# 1,000 px, and up to proportionally more or less in others: that one threshold
# for all photographs of CUHK's training part (640 px) but 54 which scores best
# with `small`: 0.88 px there.
FOCUS_SIGMA = 1.2  # px
# What `everywhere` forgives, of the threshold. Of Kodak's photographs, 20 of 24
# have less than 0.05, of CUHK's 450, of which each has something blurred, 10
# less than 0.07.
_FORGIVEN = 0.06
_SIDE = 1000  # px: larger photographs are reduced before contrast is measured.
_VISIBLE = 2.0  # Grey levels per px: the contrast that counts for a half.


def threshold(shape: tuple[int, ...]) -> float:
    """sigma up to which a pixel of a photograph is in focus, px.

    It grows with the photograph, as the pixels of the same view do: what
    nobody sees who looks at the whole is in focus. It is never below
    SHARP_SIGMA, which sharp pixels of small photographs have too.

    Args:
        shape: (h, w, ...) of the photograph.
    """
    return max(FOCUS_SIGMA * max(shape[:2]) / 1000, SHARP_SIGMA)


def everywhere(sigma: np.ndarray, photograph: np.ndarray) -> bool:
    """Whether nothing that can be seen in a photograph is blurred.

    The mean of what sigma exceeds `threshold` by, over the pixels weighted by
    c^2 / (c^2 + _VISIBLE^2), c being the contrast around them: the root mean
    square of the gradient of the grey levels. It may be _FORGIVEN of the
    threshold, so that a small region may be blurred a little.

    Args:
        sigma: [h, w] px.
        photograph: [h, w, 3] in [0, 255].
    """
    limit = threshold(sigma.shape)
    both = np.dstack([np.maximum(sigma - np.float32(limit), 0),
                      photograph.mean(-1, dtype=np.float32)])
    while max(both.shape) > _SIDE:
        both = scales.halved(both)
    excess, grey = np.moveaxis(both, -1, 0)
    slope = ndimage.gaussian_gradient_magnitude(grey, 1)
    squared = ndimage.gaussian_filter(slope**2, 2)
    weights = squared / (squared + _VISIBLE**2)
    if not weights.any():  # An even picture tells nothing.
        return False
    return bool(np.average(excess, weights=weights) <= _FORGIVEN * limit)


def mask(sigma: np.ndarray, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Where a photograph is in focus: 255 there, 0 where it is blurred.

    Args:
        sigma: [h, w] px.
        low, high: px, low <= high: 255 up to low, 0 from high on, a straight
            line between; where they are equal, that sigma is in focus.

    Returns:
        uint8 [h, w].
    """
    if low == high:
        return np.where(sigma <= low, 255, 0).astype(np.uint8)
    return np.round(np.interp(sigma, [low, high], [255, 0])).astype(np.uint8)
