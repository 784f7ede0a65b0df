"""Spreads values known at a few pixels, along the image's colours.

Minimises  E(d) = d' L d + lambda (d - k)' D (d - k),  so solves
(L + lambda D) d = lambda D k, with L the matting Laplacian [Levin 2008,
Eq. 12] and D diagonal, 1 at known pixels. pymatting gives L, the incomplete
Cholesky factor and the conjugate gradients.
"""

import contextlib
import importlib.util

import numpy as np
import numpy.typing as npt
from scipy import sparse

# Looked for here, so that it is missed before the work begins; imported where
# it is used, because it compiles itself, for minutes, on its first import.
if importlib.util.find_spec('pymatting') is None:
    raise ImportError(
        'This baseline needs the package pymatting (the matting Laplacian): '
        "pip install 'dmenet_tf[evaluate]'.")


def propagate(known: np.ndarray, image: np.ndarray,
              weight: float = 0.005) -> npt.NDArray[np.float64]:
    """Returns the map that keeps to the known values and to the colours.

    Args:
        known: [h, w], NaN where unknown; at least one value is known.
        image: [h, w, 3] in [0, 255].
        weight: lambda; 0.005 [Zhuo 2011, Section 4].

    Returns:
        [h, w], float64, within the range of the known values.
    """
    import pymatting
    is_known = np.isfinite(known)
    low, high = np.min(known[is_known]), np.max(known[is_known])
    if low == high:
        return np.full(known.shape, low)
    # 1e-5, not Levin's 1e-7: where a window is grey or flat its covariance of
    # colours is singular, and pymatting's closed-form inverse then rounds so
    # much that a step costs more than the data do.
    laplacian = pymatting.cf_laplacian(np.asarray(image, np.float64) / 255.0,
                                       epsilon=1e-5)
    data = sparse.diags(weight * is_known.ravel().astype(np.float64))
    # Centred: the solution starts from 0, which is then the middle.
    middle = (low + high) / 2
    right = weight * np.where(is_known, known - middle, 0.0).ravel()
    system = (laplacian + data).tocsc()
    # Smaller shifts and thresholds meet negative pivots on most photographs.
    with contextlib.redirect_stdout(None):  # It prints about those it met.
        factor = pymatting.ichol(system, discard_threshold=1e-3,
                                 shifts=[1e-2, 1e-1])
    # Against a direct solution, 1e-3 leaves mean errors below 0.001.
    solved = pymatting.cg(system, right, M=factor, maxiter=2000, rtol=1e-3)
    return np.clip(solved.reshape(known.shape) + middle, low, high)
