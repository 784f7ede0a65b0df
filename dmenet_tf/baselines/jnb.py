"""Shi, Xu & Jia, "Just noticeable defocus blur detection and estimation",
2015.

The paper determines: a dictionary of 64 atoms, learnt from 8x8 patches that
are slightly blurred; a patch is coded sparsely in it, and the more of its
atoms are needed the sharper it is; a curve fitted to patches of known sigma
turns their number to sigma; smoothing along edges of the picture ends it. It
is made for blur that is just noticeable: the number hardly falls beyond about
2 px, so the map ends at MAX_SIGMA.

Chosen: patches of a Gaussian of 2 px, without their mean, scaled to length 1,
and scikit-learn's dictionary learning (experiments/baselines.sh); orthogonal
matching pursuit until LEFT of a patch's energy is left, at most MOST atoms;
patches at every STRIDE-th row and column, and none whose contrast is below
LEAST, which noise codes; the curve is a table of the mean number around a
pixel at known Gaussians; a guided filter spreads and smooths.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dmenet_tf.baselines import edges, fitted, guided

UNIT = 'px'
MAX_SIGMA = 2.5  # px
PATCH = 8  # px
STRIDE = 3  # px
LEFT = 0.02  # Of a patch's energy.
MOST = 16  # Atoms of a patch.
LEAST = 4 / 255  # Standard deviation of grey in a patch.
_WINDOW = 7  # Patches along the side of the square that is averaged.
_AT_ONCE = 4096  # Patches that are coded together.


def estimate(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """sigma of every pixel.

    Args:
        image: uint8 [h, w, 3].

    Returns:
        float32 [h, w], px, in [0, MAX_SIGMA].
    """
    grey = edges.to_grey(image)
    if min(grey.shape) < PATCH:
        return np.full(grey.shape, MAX_SIGMA, np.float32)
    learnt = fitted.load('jnb')
    counts = mean_counts(grey, learnt['dictionary'])
    # Blur makes numbers small, and a table's scores rise.
    sigma = fitted.interpolate(-counts, learnt['sigma'])
    sparse = np.full(grey.shape, np.nan)
    rows, columns = (STRIDE * np.arange(n) + PATCH // 2 for n in sigma.shape)
    sparse[np.ix_(rows, columns)] = sigma
    return guided.spread(sparse, grey, MAX_SIGMA)


def mean_counts(grey: np.ndarray,
                dictionary: np.ndarray) -> npt.NDArray[np.float64]:
    """Atoms of the patches around, on average, where there is contrast.

    Args:
        grey: [h, w] in [0, 1], at least PATCH px a side.
        dictionary: [64, PATCH**2], a row an atom, of length 1.

    Returns:
        [(h - PATCH) // STRIDE + 1, (w - PATCH) // STRIDE + 1]; NaN where the
        patch itself has no contrast.
    """
    patches = patches_of(grey, STRIDE)
    shape = patches.shape[:2]
    units, contrast = normalised(patches.reshape(-1, PATCH**2))
    seen = contrast >= LEAST
    counts = np.zeros(len(units))
    counts[seen] = np.concatenate(
        [np.zeros(0), *(atoms_used(units[part], dictionary)
                        for part in np.array_split(
                            np.flatnonzero(seen),
                            seen.sum() // _AT_ONCE + 1))])
    sums, known = (ndimage.uniform_filter(
        x.reshape(shape).astype(np.float64), _WINDOW, mode='constant')
        for x in (counts, seen))
    return np.where(seen.reshape(shape), sums / np.maximum(known, 1e-9),
                    np.nan)


def patches_of(grey: np.ndarray, stride: int) -> np.ndarray:
    """[rows, columns, PATCH, PATCH], every stride-th, a view."""
    windows = np.lib.stride_tricks.sliding_window_view(grey, (PATCH, PATCH))
    return windows[::stride, ::stride]


def normalised(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patches without their mean, of length 1.

    Args:
        patches: [n, PATCH**2].

    Returns:
        [n, PATCH**2] and the standard deviations that they had, [n].
    """
    centred = patches - patches.mean(axis=1, keepdims=True)
    contrast = centred.std(axis=1)
    length = np.maximum(contrast * PATCH, 1e-12)
    return centred / length[:, None], contrast


def atoms_used(patches: np.ndarray,
               dictionary: np.ndarray) -> npt.NDArray[np.int_]:
    """How many atoms orthogonal matching pursuit needs for LEFT.

    Args:
        patches: [n, d], of length 1.
        dictionary: [atoms, d], of length 1.

    Returns:
        int [n], in [1, MOST].
    """
    gram = dictionary @ dictionary.T
    products = patches @ dictionary.T
    left, going = products, np.arange(len(patches))
    chosen = np.zeros((len(patches), 0), int)
    counts = np.full(len(patches), MOST)
    for count in range(1, MOST + 1):
        strongest = np.abs(left).argmax(axis=1)
        chosen = np.concatenate([chosen, strongest[:, None]], axis=1)
        known = np.take_along_axis(products, chosen, 1)
        # Nearly the same atom twice must not end it: a trace on the diagonal.
        matrix = (gram[chosen[:, :, None], chosen[:, None, :]]
                  + 1e-9 * np.eye(count))
        weights = np.linalg.solve(matrix, known[..., None])[..., 0]
        done = 1 - np.sum(weights * known, axis=1) <= LEFT
        counts[going[done]] = count
        going, chosen, products, weights = (
            x[~done] for x in (going, chosen, products, weights))
        if not len(going):
            break
        left = products - np.einsum('nk,nka->na', weights, gram[chosen])
    return counts
