"""Scores of images -> the figures of a method."""

import collections
import pathlib
from typing import Any

import numpy as np

from dmenet_tf import metrics
from dmenet_tf.evaluate import pairing, scoring

# What one photograph may be far off in: medians over images, not means.
_MEDIANS = ('median_sigma', 'relative_error')


def summarize(path: pathlib.Path, wanted: int,
              sigma_threshold: float | None = None) -> dict[str, Any]:
    """Averages a score file, one line in memory at a time.

    Args:
        path: Of the .jsonl.
        wanted: How many images there should be.
        sigma_threshold: See options.Options.

    Returns:
        Dict of JSON values: `images`, `of`, `cropped`, `scores` (means over
        images; of uniform medians) and `intervals` (metrics.interval of those
        scores that are such means). For masks, `precision` and `recall`
        (means over images at each threshold, as the paper averages), their
        pooled twins, `in_cuhk_training` (how many images are of the part of
        CUHK that DMENet is trained on) and, of maps in px, `sigma_threshold`
        (px, and whether it was given). For sigma, `ranges` and `pooled`.
    """
    scores, px_curves = collections.defaultdict(list), []
    names, cropped, curves, pooled, ranges = [], 0, 0, 0, 0
    for line in scoring.read_lines(path):
        names.append(line['image'])
        cropped += line['cropped']
        for name, value in line['scores'].items():
            scores[name].append(value)
        if 'counts' in line:
            counts = np.array(line['counts'])
            curves = curves + np.stack(metrics.precision_recall(counts))
            pooled = pooled + counts
        if 'px_counts' in line:
            px_curves.append(metrics.px_accuracies(line['px_counts']))
        if 'ranges' in line:
            ranges = ranges + np.array(line['ranges'])
    found = {'images': len(names), 'of': wanted, 'cropped': cropped}
    if px_curves:
        found['sigma_threshold'], scores['accuracy_one_threshold'] = (
            _one_threshold(np.stack(px_curves), sigma_threshold))
    found |= _averages(scores)
    if np.ndim(pooled):
        found['in_cuhk_training'] = len(
            set(names) & set(pairing.split_names('cuhk', 'train')))
        found |= _curves(found['scores'], curves / len(names), pooled)
    if np.ndim(ranges):
        found |= _ranges(ranges)
    return found


def _averages(scores):
    """Means or medians of lists of scores, with their intervals."""
    found = {'scores': {}, 'intervals': {}}
    for name, values in scores.items():
        average = np.median if name in _MEDIANS else np.mean
        found['scores'][name] = float(average(values))
        interval = metrics.interval(values, average)
        if interval is not None:
            found['intervals'][name] = list(interval)
    return found


def _one_threshold(curves, given):
    """(what is said of the threshold, accuracy of each image at it).

    Args:
        curves: [n, PX_LEVELS] of metrics.px_accuracies.
        given: px, or None for the one with the best mean.
    """
    level = (int(np.argmax(curves.mean(axis=0))) if given is None
             else metrics.px_level(given))
    said = {'px': round(level * metrics.PX_STEP, 2),
            'given': given is not None}
    return said, curves[:, level]


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
    """Mean errors by true sigma and over all, pixels pooled."""
    edges = zip(metrics.RANGES, metrics.RANGES[1:], strict=False)
    return {'ranges': [{'from_px': low,
                        'to_px': high if np.isfinite(high) else None,
                        **_errors(*row)}
                       for (low, high), row in zip(edges, sums, strict=True)],
            'pooled': _errors(*sums.sum(axis=0))}


def _errors(pixels, total, signed):
    return {'pixels': int(pixels),
            'mae_px': total / pixels if pixels else None,
            'bias_px': signed / pixels if pixels else None}
