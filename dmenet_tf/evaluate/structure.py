"""E- and S-measure, of those who detect objects, by the package pysodmetrics.

Both ask whether a map has the shape of its mask, not how many pixels are
right [Fan 2018, E; Fan 2017, S]. The blurred class is the foreground.
"""

import numpy as np
import numpy.typing as npt

from dmenet_tf import metrics


def structure_scores(values: np.ndarray,
                     mask: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Scores of one map against one mask.

    Args:
        values: [h, w], finite, more = blurrier.
        mask: bool [h, w], True = blurred.

    Returns:
        Dict of floats, of the map normalized to [0, 1]: e_measure, the mean
        over 256 thresholds; s_measure, objects and regions alike.

    Raises:
        ImportError: The package is not installed.
    """
    import py_sod_metrics  # Of an extra.
    values = metrics.normalized(values)
    e_measure, s_measure = py_sod_metrics.Emeasure(), py_sod_metrics.Smeasure()
    for measure in (e_measure, s_measure):
        measure.step(values, mask, normalize=False)
    return {'e_measure': float(e_measure.get_results()['em']['curve'].mean()),
            's_measure': float(s_measure.get_results()['sm'])}
