"""Shi, Xu & Jia, "Discriminative blur detection features", 2014.

The paper determines: four kinds of local features - kurtosis of the gradients,
the span of their histogram (the wider of two Gaussians fitted to it), the
power spectrum averaged over angles, and local filters learnt to tell blurred
from sharp patches; a naive Bayes classifier of them at each of three scales
(windows of 11, 21 and 31 px), learnt from the masks of CUHK; the scales are
fused by an energy over pixels and scales.

Chosen: the two Gaussians have mean 0 and as many gradients each, so that the
second and fourth moments give them in closed form; the slope of the
logarithmic spectrum over the logarithmic frequency stands for the spectrum;
of 7x7 filters the three whose mean square differs most between sharp and
blurred patches (generalised eigenvectors of their covariances), relative to
all of a patch's contrast; Gaussians for each feature and class (scikit-learn,
experiments/baselines.sh); features at every STRIDE-th row and column; a mean
of the three scales' log-odds and a guided filter stand for the energy.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage import transform

from dmenet_tf.baselines import edges, fitted, guided

UNIT = 'score'
WINDOWS = (11, 21, 31)  # px
STRIDE = 6  # px
FILTER = 7  # px
_FLOOR = (1 / 255) ** 2  # Of squares of grey: less is rounding.


def estimate(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Log-odds of blurred against sharp.

    Args:
        image: uint8 [h, w, 3].

    Returns:
        float32 [h, w], a score: above 0 = rather blurred.
    """
    grey = edges.to_grey(image)
    learnt = fitted.load('shi')
    odds = np.mean([
        log_odds(features(grey, window, learnt['filters']),
                 learnt['mean'][i], learnt['variance'][i])
        for i, window in enumerate(WINDOWS)], axis=0)
    odds = transform.resize(odds, grey.shape, order=1, mode='edge')
    return guided.guided_filter(odds, grey, 15, 1e-3).astype(np.float32)


def log_odds(values: np.ndarray, mean: np.ndarray,
             variance: np.ndarray) -> npt.NDArray[np.float64]:
    """Naive Bayes: log p(values | blurred) - log p(values | sharp).

    Args:
        values: [..., features].
        mean, variance: Of each feature, [2, features]: sharp, blurred.

    Returns:
        [...].
    """
    logs = [-np.sum((values - m)**2 / (2 * v) + np.log(v) / 2, axis=-1)
            for m, v in zip(mean, variance, strict=True)]
    return logs[1] - logs[0]


def features(grey: np.ndarray, window: int,
             filters: np.ndarray) -> npt.NDArray[np.float64]:
    """All features at every STRIDE-th row and column.

    Args:
        grey: [h, w] in [0, 1].
        window: Side of the window, px, odd.
        filters: [n, FILTER, FILTER].

    Returns:
        [ceil(h / STRIDE), ceil(w / STRIDE), 3 + n].
    """
    def mean(x):
        return ndimage.uniform_filter(x, window,
                                      mode='nearest')[::STRIDE, ::STRIDE]
    found = [*gradient_features(grey, mean), spectrum_slope(grey, window)]
    contrast = mean(ndimage.gaussian_filter(grey, FILTER / 4) * -2 * grey
                    + ndimage.gaussian_filter(grey, FILTER / 4)**2 + grey**2)
    for kernel in filters:
        response = ndimage.convolve(grey, kernel, mode='nearest')
        found.append(np.log((mean(response**2) + _FLOOR)
                            / (contrast + _FLOOR)))
    return np.stack(found, axis=-1)


def gradient_features(grey: np.ndarray, mean: Callable
                      ) -> tuple[np.ndarray, np.ndarray]:
    """Kurtosis and span of the gradients.

    Args:
        grey: [h, w].
        mean: Function, [h, w] -> local means.

    Returns:
        The smaller log kurtosis of both directions, and the log of their mean
        wider variance.
    """
    kurtosis, spans = [], []
    for gradient in np.gradient(np.pad(grey, 1, 'edge')):
        square = gradient[1:-1, 1:-1]**2
        second = mean(square) + _FLOOR
        fourth = mean(square**2) + 3 * _FLOOR**2
        kurtosis.append(fourth / second**2)
        spans.append(wider_variance(second, fourth))
    return np.log(np.min(kurtosis, axis=0)), np.log(np.mean(spans, axis=0))


def wider_variance(second: np.ndarray, fourth: np.ndarray) -> np.ndarray:
    """b of two Gaussians of variances a <= b, of mean 0, as often each.

    second = (a + b) / 2, fourth = 3 (a^2 + b^2) / 2, so
    b = second + sqrt(fourth / 3 - second^2).
    """
    return second + np.sqrt(np.maximum(fourth / 3 - second**2, 0))


def spectrum_slope(grey: np.ndarray,
                   window: int) -> npt.NDArray[np.float64]:
    """Slope of the log power spectrum over the log frequency, per window.

    Args:
        grey: [h, w].
        window: px, odd.

    Returns:
        [ceil(h / STRIDE), ceil(w / STRIDE)]; about -2 for sharp pictures.
    """
    padded = np.pad(grey, window // 2, 'symmetric').astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (window, window))[::STRIDE, ::STRIDE]
    taper = np.hanning(window + 2)[1:-1].astype(np.float32)
    centred = windows - windows.mean(axis=(-2, -1), keepdims=True)
    spectrum = np.abs(fft.rfft2(centred * np.outer(taper, taper)))**2
    frequency = np.hypot(fft.fftfreq(window)[:, None],
                         fft.rfftfreq(window)[None])
    ring = np.round(frequency * window).astype(int)
    rings = np.arange(1, window // 2 + 1)
    power = np.stack([spectrum[..., ring == r].mean(axis=-1) for r in rings],
                     axis=-1)
    # Rounding to 8 bits, as it comes through the taper.
    log_power = np.log(power + np.sum(np.outer(taper, taper)**2) * _FLOOR / 12)
    position = np.log(rings) - np.log(rings).mean()
    return log_power @ position / np.sum(position**2)
