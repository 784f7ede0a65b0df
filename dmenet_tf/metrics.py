"""Scores of one map against one truth, and sums of them over many maps.

Three kinds of truth:

    mask    bool [h, w], True = blurred: accuracy, precision and recall,
            average precision, F, IoU, balanced error rate, MAE
    sigma   float [h, w]: MSE, MAE, bias, correlation, error by range
    number  one sigma for all pixels: the median, how far it is off

A map may be in any unit; more = blurrier. Where a mask is the truth, a map is
compared with thresholds within its own range, so that neither its unit nor
its offset matters; one in px also with thresholds in px, the same for all
photographs. The blurred class is the positive one.

Counts are kept at LEVELS thresholds, and at PX_LEVELS in px, so that what is
stored for an image, and what is added up over images, does not grow with
anything.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

LEVELS = 256  # Thresholds between a map's minimum and its maximum
ALPHA = 0.3  # [Lee 2019, Section 5.3]
BETA_SQUARED = 0.3  # Of F, as in the detection literature
# Edges of the ranges of sigma in which errors are reported, px.
RANGES = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, np.inf)
PX_STEP = 0.01  # Thresholds in px are k PX_STEP
PX_LEVELS = 801  # k = 0 ... 800: up to 8 px
_NEAR = 0.15  # Of a known sigma: what counts as found
_RESAMPLES = 2000


def threshold(values: npt.ArrayLike, alpha: float = ALPHA) -> float:
    """tau = alpha v_max + (1 - alpha) v_min [Lee 2019, Section 5.3].

    Args:
        values: A map, [h, w].
        alpha: In [0, 1].

    Returns:
        tau, float; exactly the value of a constant map.
    """
    low, high = float(np.min(values)), float(np.max(values))
    return low + alpha * (high - low)


def binarize(values: np.ndarray,
             alpha: float = ALPHA) -> npt.NDArray[np.bool_]:
    """values >= tau: bool, True = blurred. A constant map is all blurred."""
    return values >= threshold(values, alpha)


def accuracy(prediction: npt.NDArray[np.bool_],
             mask: npt.NDArray[np.bool_]) -> float:
    """Share of pixels classified right [Lee 2019, Section 5.3].

    Args:
        prediction, mask: bool, same shape, True = blurred.
    """
    return float(np.mean(prediction == mask))


def intersection_over_union(prediction: npt.NDArray[np.bool_],
                            mask: npt.NDArray[np.bool_]) -> float:
    """|both blurred| / |either blurred|; 1 where neither has any.

    Args:
        prediction, mask: bool, same shape, True = blurred.
    """
    union = np.count_nonzero(prediction | mask)
    return np.count_nonzero(prediction & mask) / union if union else 1.0


def balanced_error_rate(prediction: npt.NDArray[np.bool_],
                        mask: npt.NDArray[np.bool_]) -> float:
    """Mean over the classes of the share of their pixels classified wrong.

    1 - (TPR + TNR) / 2; where the mask has one class, the error in that.

    Args:
        prediction, mask: bool, same shape, True = blurred.
    """
    wrong = prediction != mask
    return float(np.mean([np.mean(wrong[mask == kind])
                          for kind in (False, True) if (mask == kind).any()]))


def normalized(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(v - v_min) / (v_max - v_min), float64 in [0, 1]; constant maps: 0."""
    values = np.asarray(values, np.float64)
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else values - low


def mean_absolute_error(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """mean |a - b|, float."""
    return float(np.mean(np.abs(np.subtract(a, b, dtype=np.float64))))


def mean_squared_error(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """mean (a - b)^2, float."""
    return float(np.mean(np.square(np.subtract(a, b, dtype=np.float64))))


def f_measure(precision: npt.ArrayLike, recall: npt.ArrayLike,
              beta_squared: float = BETA_SQUARED) -> npt.NDArray[np.float64]:
    """F = (1 + beta^2) P R / (beta^2 P + R); 0 where P = R = 0.

    Args:
        precision, recall: In [0, 1], same shape.
        beta_squared: Below 1, precision counts more than recall.

    Returns:
        In [0, 1], of that shape.
    """
    precision, recall = np.asarray(precision), np.asarray(recall)
    total = beta_squared * precision + recall
    return np.where(total > 0, (1 + beta_squared) * precision * recall
                    / np.where(total > 0, total, 1), 0.0)


def threshold_counts(values: np.ndarray,
                     mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Counts what is called blurred at each threshold.

    tau_k = v_min + (v_max - v_min) k / (LEVELS - 1), k = 0 ... LEVELS - 1:
    the paper's tau "slided from v_min to v_max", at 256 places. At tau_0 all
    is called blurred, at the last only the map's maximum; of a constant map
    always all.

    Args:
        values: [h, w].
        mask: bool [h, w], True = blurred.

    Returns:
        int64 [LEVELS, 2]: true positives and false positives, v >= tau_k.
    """
    unit = normalized(values) if np.ptp(values) else np.ones(values.shape)
    # What rounding took off an exact threshold is given back.
    level = np.floor(unit * (LEVELS - 1) + 1e-9).astype(np.int64)
    joint = np.bincount((level + LEVELS * ~mask).ravel(),
                        minlength=2 * LEVELS).reshape(2, LEVELS)
    return np.cumsum(joint[:, ::-1], axis=1)[:, ::-1].T


def precision_recall(
        counts: npt.ArrayLike) -> tuple[npt.NDArray[np.float64],
                                       npt.NDArray[np.float64]]:
    """Precision and recall at each threshold.

    Args:
        counts: [LEVELS, 2] of threshold_counts, or a sum of several.

    Returns:
        (precision, recall), each float64 [LEVELS].
    """
    counts = np.asarray(counts, np.float64)
    positives = counts[0, 0]
    return counts[:, 0] / counts.sum(axis=1), counts[:, 0] / positives


def pooled_average_precision(counts: npt.ArrayLike) -> float:
    """Area under a step curve of precision over recall at LEVELS thresholds.

    sum_k (R_k - R_{k+1}) P_k, R beyond the last threshold being 0.

    Args:
        counts: Sum of threshold_counts over images.
    """
    precision, recall = precision_recall(counts)
    return float(np.sum(-np.diff(recall, append=0.0) * precision))


def average_precision(values: np.ndarray,
                      mask: npt.NDArray[np.bool_]) -> float:
    """Exact AP: the mean over blurred pixels of the precision at their value.

    The same as sum_n (R_n - R_{n-1}) P_n over all distinct values, because
    each blurred pixel adds 1 / P to the recall.

    Args:
        values: [h, w].
        mask: bool [h, w] with at least one True.
    """
    levels, counts = np.unique(values[mask], return_counts=True)
    sharp = np.sort(values[~mask])
    found = np.cumsum(counts[::-1])[::-1]
    false = len(sharp) - np.searchsorted(sharp, levels, 'left')
    return float(np.sum(counts * (found / (found + false))) / found[0])


def detection_scores(
        values: np.ndarray, mask: npt.NDArray[np.bool_]
        ) -> tuple[dict[str, float], npt.NDArray[np.int64]]:
    """All scores of one map against one mask.

    Args:
        values: [h, w], finite, more = blurrier.
        mask: bool [h, w], True = blurred, with at least one True.

    Returns:
        (scores, counts): dict of floats; threshold_counts.
            accuracy, iou, balanced_error_rate: of the map binarized at
            ALPHA;
            average_precision: exact;
            mae: of the map normalized to [0, 1];
            f_max, accuracy_own_threshold: the largest F and the largest
            accuracy over the thresholds.

    Raises:
        ValueError: No pixel of the mask is blurred.
    """
    if not mask.any():
        raise ValueError('no pixel of the mask is blurred, so recall is '
                         'undefined')
    counts = threshold_counts(values, mask)
    binary = binarize(values)
    return {
        'accuracy': accuracy(binary, mask),
        'accuracy_own_threshold': _best_accuracy(counts, mask.size),
        'average_precision': average_precision(values, mask),
        'mae': mean_absolute_error(normalized(values), mask),
        'f_max': float(f_measure(*precision_recall(counts)).max()),
        'iou': intersection_over_union(binary, mask),
        'balanced_error_rate': balanced_error_rate(binary, mask),
    }, counts


def _best_accuracy(counts, pixels):
    """Largest accuracy over the thresholds of threshold_counts."""
    sharp = pixels - counts[0, 0]
    return float((counts[:, 0] + sharp - counts[:, 1]).max() / pixels)


def px_counts(sigma: npt.ArrayLike,
              mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Counts sharp and blurred pixels by the sigma that a map gives them.

    Args:
        sigma: [h, w] px; below 0 counts as 0, above the last threshold with
            it.
        mask: bool [h, w], True = blurred.

    Returns:
        int64 [2, PX_LEVELS]: sharp and blurred pixels between k PX_STEP and
        the next threshold.
    """
    # What rounding took off an exact threshold is given back.
    level = np.floor(np.asarray(sigma, np.float64) / PX_STEP + 1e-4)
    level = np.clip(level, 0, PX_LEVELS - 1).astype(np.int64)
    return np.bincount((level + PX_LEVELS * mask).ravel(),
                       minlength=2 * PX_LEVELS).reshape(2, PX_LEVELS)


def px_accuracies(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Accuracy of sigma >= k PX_STEP, k = 0 ... PX_LEVELS - 1.

    Args:
        counts: [2, PX_LEVELS] of px_counts.
    """
    sharp, blurred = np.asarray(counts, np.float64)
    right = np.cumsum(sharp) - sharp + np.cumsum(blurred[::-1])[::-1]
    return right / (sharp.sum() + blurred.sum())


def px_level(threshold: float) -> int:
    """k of a threshold in px: the nearest of PX_LEVELS."""
    return int(np.clip(np.rint(threshold / PX_STEP), 0, PX_LEVELS - 1))


def uniform_scores(values: npt.ArrayLike, sigma: float) -> dict[str, float]:
    """Scores of a map of a photograph that is equally blurred everywhere.

    Args:
        values: The map, [h, w] px.
        sigma: px; 0: a sharp photograph.

    Returns:
        Dict of floats: true_sigma; median_sigma, of the map; for sigma > 0,
        relative_error, median / sigma - 1, and within_15_percent, 1 or 0.
    """
    median = float(np.median(values))
    scores = {'true_sigma': float(sigma), 'median_sigma': median}
    if sigma > 0:
        error = median / sigma - 1
        scores['relative_error'] = error
        scores['within_15_percent'] = float(abs(error) <= _NEAR)
    return scores


@functools.lru_cache(maxsize=2)
def draws(count: int) -> npt.NDArray[np.int64]:
    """Which of `count` photographs are drawn, with replacement, _RESAMPLES
    times: int64 [_RESAMPLES, count], the same at each call.
    """
    return np.random.RandomState(0).randint(0, count, (_RESAMPLES, count))


def resampled_means(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Means over the photographs of each draw.

    Args:
        values: [n, ...], one for each photograph.

    Returns:
        float64 [_RESAMPLES, ...].
    """
    count = len(values)
    # How often each photograph is in a draw; one bincount for all draws.
    shares = np.bincount(
        (draws(count) + count * np.arange(_RESAMPLES)[:, None]).ravel(),
        minlength=_RESAMPLES * count).reshape(_RESAMPLES, count) / count
    return np.tensordot(shares, np.asarray(values, np.float64), 1)


def middle(samples: npt.ArrayLike) -> tuple[float, float]:
    """(low, high) of the middle 95 %; NaN is left out."""
    low, high = np.nanpercentile(samples, (2.5, 97.5))
    return float(low), float(high)


def interval(values: npt.ArrayLike,
             statistic: Callable[..., np.ndarray] = np.mean
             ) -> tuple[float, float] | None:
    """95 % bootstrap interval over photographs, the same at each call.

    Photographs are drawn again with replacement, _RESAMPLES times; the
    interval holds the middle 95 % of what they give. It says how far a figure
    hangs on which photographs there were, and nothing else; of few
    photographs it is too narrow.

    Args:
        values: One for each photograph, flat.
        statistic: np.mean or np.median.

    Returns:
        (low, high); None for less than two photographs.
    """
    if len(values) < 2:
        return None
    values = np.asarray(values, np.float64)
    return middle(statistic(values[draws(len(values))], axis=-1))


def fit_to(values: npt.ArrayLike, truth: np.ndarray) -> npt.NDArray[np.float64]:
    """The map a values + b nearest to the truth by least squares.

    For scores, which have no unit: what their order is worth at best.

    Args:
        values, truth: Same shape.
    """
    values = np.asarray(values, np.float64)
    centred = values - values.mean()
    power = np.sum(centred * centred)
    slope = np.sum(centred * truth) / power if power > 0 else 0.0
    return slope * centred + np.mean(truth)


def correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Pearson's r; 0 where one of the two is constant."""
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    a, b = a - a.mean(), b - b.mean()
    power = np.sqrt(np.sum(a * a) * np.sum(b * b))
    return float(np.sum(a * b) / power) if power > 1e-12 else 0.0


def ranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Rank of each value, ties sharing their mean rank: float64, flat."""
    _, index, counts = np.unique(values, return_inverse=True,
                                 return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2.0)[index.ravel()]


def rank_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Spearman's rho: Pearson's r of the ranks."""
    return correlation(ranks(a), ranks(b))


def error_by_range(sigma: npt.ArrayLike, truth: np.ndarray,
                   edges: Sequence[float] = RANGES) -> npt.NDArray[np.float64]:
    """Sums of errors in ranges of the true sigma.

    Args:
        sigma, truth: Flat, px.
        edges: Of the ranges, px, increasing.

    Returns:
        float64 [len(edges) - 1, 3]: pixels, sum of |error|, sum of error.
    """
    error = np.asarray(sigma, np.float64) - truth
    index = np.digitize(truth, edges) - 1
    count = len(edges) - 1
    return np.stack([np.bincount(index, weights, count)[:count] for weights in
                     (np.ones(error.shape), np.abs(error), error)], axis=-1)
