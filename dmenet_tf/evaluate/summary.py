"""Scores of images -> the figures of a method."""

import pathlib
from typing import Any

import numpy as np

from dmenet_tf import metrics
from dmenet_tf.evaluate import scoring


def summarize(path: pathlib.Path, wanted: int) -> dict[str, Any]:
    """Averages a score file, one line in memory at a time.

    Args:
        path: Of the .jsonl.
        wanted: How many images there should be.

    Returns:
        Dict of JSON values: `images`, `of`, `cropped`, `scores` (means over
        images) and, for masks, `precision` and `recall` (means over images
        at each threshold, as the paper averages) and their pooled twins; for
        sigma, `ranges`.
    """
    count, cropped, scores, curves, pooled, ranges = 0, 0, {}, 0, 0, 0
    for line in scoring.read_lines(path):
        count, cropped = count + 1, cropped + line['cropped']
        for name, value in line['scores'].items():
            scores[name] = scores.get(name, 0.0) + value
        if 'counts' in line:
            counts = np.array(line['counts'])
            curves = curves + np.stack(metrics.precision_recall(counts))
            pooled = pooled + counts
        else:
            ranges = ranges + np.array(line['ranges'])
    found = {'images': count, 'of': wanted, 'cropped': cropped}
    if not count:
        return {**found, 'scores': {}}
    found['scores'] = {name: value / count for name, value in scores.items()}
    if np.ndim(pooled):
        return {**found, **_curves(found['scores'], curves / count, pooled)}
    return {**found, 'ranges': _ranges(ranges)}


def _curves(scores, curves, counts):
    precision, recall = curves
    pooled_precision, pooled_recall = metrics.precision_recall(counts)
    scores['pooled_average_precision'] = (
        metrics.pooled_average_precision(counts))
    # The detection literature's F: the best point of the mean curve.
    scores['f_curve'] = float(metrics.f_measure(precision, recall).max())
    return {'precision': precision.tolist(), 'recall': recall.tolist(),
            'pooled_precision': pooled_precision.tolist(),
            'pooled_recall': pooled_recall.tolist()}


def _ranges(sums):
    """Mean errors per range of true sigma, pooled over all pixels."""
    return [{'from_px': low, 'to_px': high if np.isfinite(high) else None,
             'pixels': int(pixels),
             'mae_px': total / pixels if pixels else None,
             'bias_px': signed / pixels if pixels else None}
            for low, high, (pixels, total, signed) in
            zip(metrics.RANGES, metrics.RANGES[1:], sums, strict=False)]
