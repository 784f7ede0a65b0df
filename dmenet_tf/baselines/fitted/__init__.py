"""What the baselines learnt: plain arrays, a file and a card for each.

experiments/baselines.sh makes the files again.
"""

import functools
import importlib.resources

import numpy as np
import numpy.typing as npt

_FOLDER = importlib.resources.files(__name__)


@functools.lru_cache
def load(name: str) -> dict[str, np.ndarray]:
    """Arrays of fitted/NAME.npz by name; not to be changed."""
    with (_FOLDER / f'{name}.npz').open('rb') as file, np.load(file) as arrays:
        return dict(arrays)


def interpolate(score: npt.ArrayLike,
                table: np.ndarray) -> npt.NDArray[np.float64]:
    """sigma of a score, by a table of rising scores.

    Args:
        score: Any shape; NaN stays.
        table: [2, n]: scores, rising, and sigma in px.

    Returns:
        px, shape of score; beyond the table its first or last.
    """
    return np.interp(np.asarray(score, np.float64), *table.astype(np.float64))
