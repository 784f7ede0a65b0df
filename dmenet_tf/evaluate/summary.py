"""Scores of images -> the figures of a method, and how methods differ."""

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dmenet_tf import metrics
from dmenet_tf.evaluate import pairing, scoring

# What one photograph may be far off in: medians over images, not means.
_MEDIANS = ('median_sigma', 'relative_error')
# A figure, and what it is of each draw of photographs; None of a single one.
_Average = tuple[float, npt.NDArray[np.float64] | None]


@dataclasses.dataclass(frozen=True)
class Scored:
    """What a score file holds, an image a row.

    Attributes:
        names: Of the images.
        cropped: How many maps were cut to their truth.
        scores: Name -> float64 [n].
        counts: [n, LEVELS, 2] of metrics.threshold_counts; None but of masks.
        ranges: [n, 7, 3] of metrics.error_by_range; None but of sigma.
        threshold: What is said of the one threshold in px, or None.
        seconds: That a map took, the median, or None.
    """
    names: Sequence[str]
    cropped: int
    scores: dict[str, npt.NDArray[np.float64]]
    counts: np.ndarray | None
    ranges: np.ndarray | None
    threshold: dict[str, Any] | None
    seconds: float | None

    def only(self, names: Sequence[str]) -> 'Scored':
        """The same of some of the images, in that order."""
        if list(names) == list(self.names):
            return self
        rows = [self.names.index(name) for name in names]
        return dataclasses.replace(
            self, names=names,
            scores={key: of[rows] for key, of in self.scores.items()},
            counts=None if self.counts is None else self.counts[rows],
            ranges=None if self.ranges is None else self.ranges[rows])

    @functools.cached_property
    def averages(self) -> dict[str, _Average]:
        """Every figure: means over the images, medians of _MEDIANS, and of
        masks what is read off the mean curves.
        """
        found = {name: _average(name, values)
                 for name, values in self.scores.items()}
        return found if self.counts is None else found | self._of_curves()

    def _of_curves(self):
        # The detection literature's F: the best point of the mean curve.
        return {'f_curve': _resampled(self.curves, _best_f),
                'pooled_average_precision': _resampled(
                    self.counts, _pooled_precision)}

    @functools.cached_property
    def curves(self) -> npt.NDArray[np.float64]:
        """Precision and recall of each image, [n, 2, LEVELS]."""
        return np.stack([metrics.precision_recall(one)
                         for one in self.counts])


def _average(name, values):
    statistic = np.median if name in _MEDIANS else np.mean
    if len(values) < 2:
        return float(statistic(values)), None
    return (float(statistic(values)),
            statistic(values[metrics.draws(len(values))], axis=-1))


def _resampled(values, figure):
    """(figure of the mean over images, figure of each draw's mean)."""
    samples = None if len(values) < 2 else np.array(
        [figure(mean) for mean in metrics.resampled_means(values)])
    return float(figure(values.mean(axis=0))), samples


def _best_f(curves):
    return metrics.f_measure(*curves).max()


def _pooled_precision(counts):
    return metrics.pooled_average_precision(counts)


def read(path: pathlib.Path, sigma_threshold: float | None = None) -> Scored:
    """Reads a score file.

    Args:
        path: Of the .jsonl.
        sigma_threshold: See options.Options.
    """
    names, cropped, seconds = [], 0, []
    scores, arrays = collections.defaultdict(list), collections.defaultdict(
        list)
    for line in scoring.read_lines(path):
        names.append(line['image'])
        cropped += line['cropped']
        seconds += [line['seconds']] if 'seconds' in line else []
        for name, value in line['scores'].items():
            scores[name].append(value)
        for name in ('counts', 'ranges'):
            if name in line:
                arrays[name].append(np.array(line[name]))
        if 'px_counts' in line:
            arrays['px'].append(metrics.px_accuracies(line['px_counts']))
    threshold = None
    if arrays['px']:
        threshold, scores['accuracy_one_threshold'] = _one_threshold(
            np.stack(arrays['px']), sigma_threshold)
    counts, ranges = (np.stack(arrays[name]) if arrays[name] else None
                      for name in ('counts', 'ranges'))
    return Scored(names, cropped, {name: np.array(values) for name, values in
                                   scores.items()}, counts, ranges, threshold,
                  float(np.median(seconds)) if seconds else None)


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


def summarize(scored: Scored, wanted: int) -> dict[str, Any]:
    """The figures of a method.

    Args:
        scored: Of read.
        wanted: How many images there should be.

    Returns:
        Dict of JSON values: `images`, `of`, `cropped`, `seconds` (that a map
        took, the median, or None), `scores` (means over images; of uniform
        medians) and their `intervals`, see
        metrics.interval. For masks, `precision` and `recall`
        (means over images at each threshold, as the paper averages), their
        pooled twins, `in_cuhk_training` (how many images are of the part of
        CUHK that DMENet is trained on) and, of maps in px, `sigma_threshold`
        (px, and whether it was given). For sigma, `ranges` and `pooled`.
    """
    found = {'images': len(scored.names), 'of': wanted,
             'cropped': scored.cropped, 'seconds': scored.seconds,
             'scores': {name: value
                        for name, (value, _) in scored.averages.items()},
             'intervals': {name: list(metrics.middle(samples)) for
                           name, (_, samples) in scored.averages.items()
                           if samples is not None}}
    if scored.threshold is not None:
        found['sigma_threshold'] = scored.threshold
    if scored.counts is not None:
        found['in_cuhk_training'] = len(
            set(scored.names) & set(pairing.split_names('cuhk', 'train')))
        found |= _curves(scored)
    if scored.ranges is not None:
        found |= _ranges(scored.ranges)
    return found


def _curves(scored):
    precision, recall = scored.curves.mean(axis=0)
    pooled_precision, pooled_recall = metrics.precision_recall(
        scored.counts.sum(axis=0))
    return {'precision': precision.tolist(), 'recall': recall.tolist(),
            'pooled_precision': pooled_precision.tolist(),
            'pooled_recall': pooled_recall.tolist()}


def _ranges(sums):
    """Mean errors by true sigma and over all, pixels pooled."""
    edges = zip(metrics.RANGES, metrics.RANGES[1:], strict=False)
    rows = [{'from_px': low, 'to_px': high if np.isfinite(high) else None,
             **_errors(sums[:, i])} for i, (low, high) in enumerate(edges)]
    return {'ranges': rows, 'pooled': _errors(sums.sum(axis=1))}


def _errors(sums):
    """Of [n, 3]: pixels, sum of |error|, sum of error of each image."""
    pixels, total, signed = sums.sum(axis=0)
    found = {'pixels': int(pixels),
             'mae_px': total / pixels if pixels else None,
             'bias_px': signed / pixels if pixels else None}
    if pixels and len(sums) > 1:
        count, errors, _ = metrics.resampled_means(sums).T
        found['mae_interval'] = list(metrics.middle(
            errors[count > 0] / count[count > 0]))
    return found


def differences(methods: Sequence[tuple[str, Scored]]
                ) -> list[dict[str, Any]]:
    """How each two methods differ on the photographs that both were scored on.

    Args:
        methods: (label, Scored) of one level of noise and blur.

    Returns:
        Dicts of JSON values, one for each pair: `method`, `other`, `images`,
        and by name of the score `scores`, method minus other, and
        `intervals`: of the differences, the same photographs being drawn for
        both. Empty without a common photograph.
    """
    found = []
    for i, (label, scored) in enumerate(methods):
        for other_label, other in methods[i + 1:]:
            common = [name for name in scored.names if name in other.names]
            if common:
                found.append({'method': label, 'other': other_label,
                              'images': len(common), **_difference(
                                  scored.only(common), other.only(common))})
    return found


def _difference(scored, other):
    found = {'scores': {}, 'intervals': {}}
    for name, (value, samples) in scored.averages.items():
        if name not in other.averages:
            continue
        other_value, other_samples = other.averages[name]
        found['scores'][name] = value - other_value
        if samples is not None:
            found['intervals'][name] = list(
                metrics.middle(samples - other_samples))
    return found
