"""What the edge-based baselines share: grey, Canny edges, the re-blur ratio.

A step edge of contrast A, blurred with sigma, has the slope
A / sqrt(2 pi sigma^2) on the edge. Re-blurring with s adds up to
sqrt(sigma^2 + s^2). So the ratio R of the two slopes is the same for every A:

    R = sqrt((sigma^2 + s^2) / sigma^2),   sigma = s / sqrt(R^2 - 1)

[Zhuo 2011, Eqs. 4-6]
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import color, feature


def to_grey(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Luma in [0, 1], float64 [h, w], of an RGB image in [0, 255]."""
    return color.rgb2gray(np.asarray(image, np.float64) / 255.0)


def canny(grey: np.ndarray, smoothing: float = 1.0,
          threshold: float = 0.1) -> npt.NDArray[np.bool_]:
    """Canny's edges.

    Args:
        grey: [h, w].
        smoothing: Of the detector, px.
        threshold: Upper threshold as a share of the steepest slope in the
            image; the lower one is 0.4 of it.

    Returns:
        bool [h, w].
    """
    smooth = ndimage.gaussian_filter(grey, smoothing, mode='nearest')
    # feature.canny compares its thresholds with Sobel's sums.
    steepest = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1))
    high = threshold * steepest.max()
    if high < 1e-6:  # No edge in a constant image, but rounding.
        return np.zeros(grey.shape, bool)
    return feature.canny(grey, smoothing, 0.4 * high, high, mode='nearest')


def some_places(edges: npt.NDArray[np.bool_],
                most: int) -> npt.NDArray[np.int_]:
    """Rows and columns of edges, [n, 2], evenly thinned out.

    Args:
        edges: bool [h, w].
        most: About as many are kept where there are more; n < 2 most.
    """
    places = np.argwhere(edges)
    return places[::max(len(places) // most, 1)]


def slope(grey: np.ndarray) -> np.ndarray:
    """|grad grey| by central differences, [h, w], per px."""
    padded = np.pad(grey, 1, 'edge')
    return np.hypot(padded[2:, 1:-1] - padded[:-2, 1:-1],
                    padded[1:-1, 2:] - padded[1:-1, :-2]) / 2


def reblurred_slope(grey: np.ndarray, scale: float) -> np.ndarray:
    """|grad (grey * G_scale)|, [h, w], per px."""
    return slope(ndimage.gaussian_filter(grey, scale, mode='nearest'))


def sigma_from_ratio(ratio: npt.ArrayLike,
                     scale: float) -> npt.NDArray[np.float64]:
    """sigma = s / sqrt(R^2 - 1) [Zhuo 2011, Eq. 6].

    Args:
        ratio: R, slope before over slope after re-blurring.
        scale: s, px.

    Returns:
        sigma, px; NaN where R <= 1, which no blurred step has.
    """
    ratio = np.asarray(ratio, np.float64)
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.where(ratio > 1, scale / np.sqrt(ratio * ratio - 1), np.nan)


def sigma_at_edges(grey: np.ndarray, edges: npt.NDArray[np.bool_],
                   scale: float) -> npt.NDArray[np.float64]:
    """sigma on edges, px, NaN elsewhere and where R <= 1; see the module."""
    after = np.maximum(reblurred_slope(grey, scale), 1e-12)
    return np.where(edges, sigma_from_ratio(slope(grey) / after, scale),
                    np.nan)
