"""D'Andres, Salvador, Kochale & Susstrunk, "Non-parametric blur map regression
for depth of field extension", 2016.

The paper determines: a local frequency analysis of each pixel's surroundings;
regression trees learnt on photographs blurred by discs, with noise; and a
field (regression tree field) that makes the map smooth, with its potentials in
the leaves. Its output is the radius of a disc.

Chosen: the trees are scikit-learn's extremely randomised ones, TREES of at
most 1024 leaves, learnt on sharp photographs blurred by discs of 0 to 7 px at
three noise levels, 0, 1 and 1.6 of 255 (experiments/baselines.sh); features
are the energies of bands between Gaussians, in a small and a large window. A
guided filter of the radii, each weighted by the contrast around it, stands for
the field. This is NOT the authors' field, which decides much of their result.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import transform

from dmenet_tf import optics
from dmenet_tf.baselines import edges, fitted, guided

UNIT = 'px'
SCALES = (0.0, 0.5, 0.8, 1.2, 1.8, 2.7, 4.0)  # px: bands lie between two
WINDOWS = (2.0, 6.0)  # px, standard deviations
STRIDE = 2  # px
TREES = 16
_FLOOR = (0.5 / 255) ** 2  # Of squares of grey: less is rounding.


def estimate(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """sigma of every pixel.

    Args:
        image: uint8 [h, w, 3].

    Returns:
        float32 [h, w], px, in [0, 7].
    """
    grey = edges.to_grey(image)
    values = features(grey)
    radius = predict(fitted.load('dandres'),
                     values.reshape(-1, values.shape[-1]))
    radius = radius.reshape(values.shape[:2])
    # The finest band of the large window says how much there is to see.
    weight = np.exp(values[..., -1])
    radius, weight = (transform.resize(x, grey.shape, order=1, mode='edge')
                      for x in (radius, weight))
    return optics.sigma_from_disc_radius(
        smoothed(radius, weight, grey)).astype(np.float32)


def features(grey: np.ndarray) -> npt.NDArray[np.float32]:
    """Log energies of the bands, at every STRIDE-th row and column.

    Args:
        grey: [h, w] in [0, 1].

    Returns:
        float32 [ceil(h / STRIDE), ceil(w / STRIDE), bands * windows]: of each
        window its bands relative to their sum, and the sum last.
    """
    levels = [ndimage.gaussian_filter(grey, scale, mode='nearest')
              for scale in SCALES]
    found = []
    for window in WINDOWS:
        energy = np.stack([
            ndimage.gaussian_filter((fine - coarse)**2, window,
                                    mode='nearest')[::STRIDE, ::STRIDE]
            for fine, coarse in zip(levels, levels[1:], strict=False)], -1)
        total = energy.sum(axis=-1, keepdims=True) + _FLOOR
        found += [np.log((energy[..., :-1] + _FLOOR / 100) / total),
                  np.log(total)]
    return np.concatenate(found, axis=-1).astype(np.float32)


def predict(trees: dict[str, np.ndarray],
            values: np.ndarray) -> npt.NDArray[np.float64]:
    """Means of what the trees say.

    Args:
        trees: Arrays of all nodes, tree after tree: `feature` (-1: a leaf),
            `threshold`, `left` and `right` (node numbers; left where value <=
            threshold), `value`; and `root`, where each tree begins.
        values: [n, features].

    Returns:
        [n].
    """
    total = np.zeros(len(values))
    rows = np.arange(len(values))
    for root in trees['root']:
        node = np.full(len(values), root)
        inside = trees['feature'][node] >= 0
        while inside.any():
            going, at = rows[inside], node[inside]
            smaller = (values[going, trees['feature'][at]]
                       <= trees['threshold'][at])
            node[inside] = np.where(smaller, trees['left'][at],
                                    trees['right'][at])
            inside = trees['feature'][node] >= 0
        total += trees['value'][node]
    return total / len(trees['root'])


def smoothed(radius: np.ndarray, weight: np.ndarray,
             grey: np.ndarray) -> npt.NDArray[np.float64]:
    """A weighted mean along the picture's edges, within the radii's range."""
    size = max(grey.shape) // 40 + 1
    sums, weights = (guided.guided_filter(x, grey, size, 1e-3)
                     for x in (radius * weight, weight))
    # The filter overshoots: where weights nearly vanish, the radius stays.
    trusted = weights > 0.05 * weight.mean()
    mean = np.where(trusted, sums / np.where(trusted, weights, 1), radius)
    return mean.clip(radius.min(), radius.max())
