"""Park, Tai, Cho & Kweon, "A unified approach of multi-scale deep and
hand-crafted features for defocus estimation", 2017.

The paper determines: patches at strong and at weak edges, large and small;
hand-crafted features of each - DCT coefficients, gradients, singular values,
on logarithmic scales - and deep ones, of a convolutional network that learnt
to classify blurred patches; a second network turns all of them to one of 11
levels of sigma, 0.5 to 2 px; sigma at edges is spread by a joint bilateral
filter and the matting Laplacian.

Chosen: patches of 27 and 15 px, around Canny's edges at two thresholds, of
which at most EDGES are looked at, evenly; each hand-crafted feature in BINS
numbers: sums of |DCT| over equal bands of frequency, a histogram of the slope
relative to its largest, singular values, all of a patch of unit contrast; the
two networks are small, learnt here on photographs blurred by Gaussians
(experiments/baselines.sh); sigma is the mean of the levels by their
probabilities. The spreading is propagation.py's.
"""

import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import fft

from dmenet_tf.baselines import edges, fitted, propagation

if TYPE_CHECKING:
    import keras

UNIT = 'px'
LEVELS = np.linspace(0.5, 2.0, 11)  # px
STRONG, WEAK = 27, 15  # px, sides of patches
THRESHOLDS = (0.2, 0.08)  # Of the steepest slope: strong, weak edges.
EDGES = 3000  # Pixels of each kind, about; see edges.some_places.
BINS = 13
_DEEP = 16  # Deep features.


def estimate(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """sigma of every pixel.

    Args:
        image: uint8 [h, w, 3].

    Returns:
        float32 [h, w], px, in the range of LEVELS.
    """
    grey = edges.to_grey(image)
    sparse = np.full(grey.shape, np.nan)
    for places, side in edges_and_sides(grey):
        if len(places):
            patches = unit_patches(grey, places, side)
            sparse[tuple(places.T)] = level_probabilities(patches) @ LEVELS
    return propagation.fill(sparse, image, LEVELS[-1])


def edges_and_sides(grey: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """(places [n, 2], side of their patches) of strong and of weak edges."""
    strong, weak = (edges.canny(grey, threshold=t) for t in THRESHOLDS)
    return [(edges.some_places(mask, EDGES), side) for mask, side in (
        (strong, STRONG), (weak & ~strong, WEAK))]


def unit_patches(grey: np.ndarray, places: np.ndarray,
                 side: int) -> npt.NDArray[np.float32]:
    """Squares around pixels, of mean 0 and deviation 1: [n, side, side]."""
    padded = np.pad(grey.astype(np.float32), side // 2, 'symmetric')
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    patches = windows[tuple(places.T)]
    patches = patches - patches.mean(axis=(1, 2), keepdims=True)
    return patches / (patches.std(axis=(1, 2), keepdims=True) + 1e-4)


def hand_crafted(patches: np.ndarray) -> npt.NDArray[np.float32]:
    """DCT, gradient and singular-value features.

    Args:
        patches: [n, side, side], of mean 0 and deviation 1.

    Returns:
        float32 [n, 3 BINS].
    """
    side = patches.shape[-1]
    spectrum = np.abs(fft.dctn(patches, axes=(1, 2), norm='ortho'))
    band = (np.add.outer(np.arange(side), np.arange(side)) * BINS
            // (2 * side - 1))
    bands = np.stack([spectrum[:, band == b].mean(axis=-1)
                      for b in range(BINS)], -1)
    down, right = np.gradient(patches, axis=(1, 2))
    slope = np.hypot(down, right).reshape(len(patches), -1)
    place = np.minimum(BINS * slope / (slope.max(axis=1, keepdims=True)
                                       + 1e-6), BINS - 1).astype(int)
    histogram = np.stack([(place == b).mean(axis=1) for b in range(BINS)], -1)
    singular = np.linalg.svd(patches, compute_uv=False)[:, :BINS] / side
    return np.log(np.concatenate([bands + 1e-3, histogram + 1e-2,
                                  singular + 1e-4], -1)).astype(np.float32)


def build_deep() -> 'keras.Model':
    """Patches [b, side, side, 1] of any side to deep features [b, _DEEP]."""
    import keras
    from keras import layers
    x = patches = keras.Input((None, None, 1))
    for width in (8, 12, _DEEP):
        x = layers.Conv2D(width, 3, activation='relu')(x)
    return keras.Model(patches, layers.GlobalAveragePooling2D()(x))


def build_classifier() -> 'keras.Model':
    """All features [b, 3 BINS + _DEEP], standardised, to probabilities."""
    import keras
    from keras import layers
    x = features = keras.Input((3 * BINS + _DEEP,))
    for width in (64, 32):
        x = layers.Dense(width, activation='relu')(x)
    x = layers.Dense(len(LEVELS), activation='softmax')(x)
    return keras.Model(features, x)


@functools.lru_cache
def _networks():
    learnt, found = fitted.load('park'), []
    for name, build in (('deep', build_deep), ('classifier',
                                               build_classifier)):
        network = build()
        network.set_weights([learnt[f'{name}/{i}'].astype(np.float32)
                             for i in range(len(network.weights))])
        found.append(network)
    return found


def level_probabilities(patches: np.ndarray) -> npt.NDArray[np.float32]:
    """Probabilities of LEVELS, [n, 11].

    Args:
        patches: [n, side, side], of mean 0 and deviation 1.
    """
    deep, classifier = _networks()
    learnt = fitted.load('park')
    features = np.concatenate([
        hand_crafted(patches),
        deep.predict(patches[..., None], batch_size=512, verbose=0)], axis=-1)
    return classifier.predict(
        (features - learnt['mean']) / learnt['deviation'], batch_size=4096,
        verbose=0)
