"""metrics: hand sums, extremes, and scikit-learn where it has the same."""

import numpy as np
import pytest

from dmenet_tf import metrics

RNG = np.random.default_rng(0)
MASK = np.array([[True, True, False, False]])
# By hand: thresholds fall at 4 values; tau = 1 + 0.3 x 9 = 3.7.
VALUES = np.array([[10.0, 3.0, 4.0, 1.0]])


def random_case(shape=(40, 50), levels=None):
    mask = RNG.random(shape) < 0.7
    values = RNG.normal(size=shape) + mask
    if levels:
        values = np.round(values * levels) / levels
    return values, mask


def test_tau_is_three_tenths_of_the_way_up_the_maps_own_range():
    assert metrics.threshold(VALUES) == 1 + 0.3 * (10 - 1)
    np.testing.assert_array_equal(metrics.binarize(VALUES),
                                  [[True, False, True, False]])
    # Any other rule shows: a value between alpha 0.25 and 0.35 flips.
    around = np.array([0.0, 0.29, 0.31, 1.0])
    assert metrics.binarize(around).tolist() == [False, False, True, True]


@pytest.mark.parametrize('constant', [0.0, 0.1, 1 / 3, 1e6 + 0.7])
def test_a_constant_map_is_all_blurred_whatever_rounds(constant):
    values = np.full((3, 4), constant, np.float32)
    assert metrics.binarize(values).all()
    counts = metrics.threshold_counts(values, np.eye(3, 4, dtype=bool))
    assert (counts == [3, 9]).all()


def test_hand_sums_of_one_map():
    scores, counts = metrics.detection_scores(VALUES, MASK)
    assert scores['accuracy'] == 0.5  # 10 and 1 right, 3 and 4 wrong
    assert scores['iou'] == pytest.approx(1 / 3)
    # Blurred pixels: 10 at precision 1, 3 at precision 2 / 3.
    assert scores['average_precision'] == pytest.approx((1 + 2 / 3) / 2)
    # Normalized: 1, 2/9, 3/9, 0 against 1, 1, 0, 0.
    assert scores['mae'] == pytest.approx((7 / 9 + 3 / 9) / 4)
    # 10 alone above the threshold: 3 is the one wrong.
    assert scores['accuracy_own_threshold'] == 0.75
    # Best of F at P, R = (1, .5), (.5, .5), (2/3, 1), (.5, 1).
    assert scores['f_max'] == pytest.approx(1.3 * 0.5 / (0.3 + 0.5))
    assert counts[0].tolist() == [2, 2] and counts[-1].tolist() == [1, 0]


def test_the_truth_scores_1_and_its_inverse_0():
    _, mask = random_case()
    scores, _ = metrics.detection_scores(mask.astype(np.float32), mask)
    assert scores == {'accuracy': 1, 'average_precision': 1, 'mae': 0,
                      'balanced_error_rate': 0, 'accuracy_own_threshold': 1,
                      'f_max': 1, 'iou': 1}
    scores, _ = metrics.detection_scores(1 - mask.astype(np.float32), mask)
    assert scores['accuracy'] == scores['iou'] == 0 and scores['mae'] == 1


def test_a_constant_map_scores_the_class_share():
    _, mask = random_case()
    scores, _ = metrics.detection_scores(np.ones(mask.shape), mask)
    share = mask.mean()
    for name in ('accuracy', 'iou', 'average_precision', 'mae'):
        assert scores[name] == pytest.approx(share), name


def test_a_random_maps_precision_is_flat_at_the_class_share():
    mask = RNG.random((400, 500)) < 0.6
    values = RNG.random(mask.shape)
    precision, recall = metrics.precision_recall(
        metrics.threshold_counts(values, mask))
    np.testing.assert_allclose(precision[recall > 0.02], mask.mean(),
                               atol=0.015)
    assert metrics.average_precision(values, mask) == pytest.approx(
        mask.mean(), abs=0.01)


def test_thresholds_count_what_comparing_counts():
    values, mask = random_case(levels=4)
    counts = metrics.threshold_counts(values, mask)
    low, high = values.min(), values.max()
    for k in (0, 1, 100, 254, 255):
        called = values >= low + (high - low) * k / 255 - 1e-9
        assert counts[k].tolist() == [(called & mask).sum(),
                                      (called & ~mask).sum()]


def test_unit_and_offset_of_a_map_do_not_matter():
    values, mask = random_case()
    plain, _ = metrics.detection_scores(values, mask)
    moved, _ = metrics.detection_scores(7 * values - 3, mask)
    assert plain == pytest.approx(moved)


@pytest.mark.parametrize('levels', [None, 2, 20])
def test_equal_to_scikit_learn(levels):
    sklearn = pytest.importorskip('sklearn.metrics')
    values, mask = random_case(levels=levels)
    scores, _ = metrics.detection_scores(values, mask)
    binary = metrics.binarize(values)
    flat = mask.ravel(), binary.ravel()
    assert scores['accuracy'] == pytest.approx(sklearn.accuracy_score(*flat))
    assert scores['iou'] == pytest.approx(sklearn.jaccard_score(*flat))
    assert scores['average_precision'] == pytest.approx(
        sklearn.average_precision_score(mask.ravel(), values.ravel()))
    precision, recall, _, _ = sklearn.precision_recall_fscore_support(
        *flat, average='binary')
    assert metrics.f_measure(precision, recall) == pytest.approx(
        sklearn.fbeta_score(*flat, beta=np.sqrt(0.3)))
    a, b = RNG.random(99), RNG.random(99)
    assert metrics.mean_squared_error(a, b) == pytest.approx(
        sklearn.mean_squared_error(a, b))
    assert metrics.mean_absolute_error(a, b) == pytest.approx(
        sklearn.mean_absolute_error(a, b))


def test_counts_add_up_to_the_pooled_average_precision():
    sklearn = pytest.importorskip('sklearn.metrics')
    cases = [random_case() for _ in range(3)]
    counts = sum(metrics.threshold_counts(*case) for case in cases)
    values = np.concatenate([np.floor(metrics.normalized(v) * 255).ravel()
                             for v, _ in cases])
    truth = np.concatenate([mask.ravel() for _, mask in cases])
    assert metrics.pooled_average_precision(counts) == pytest.approx(
        sklearn.average_precision_score(truth, values))


def test_mean_squared_error_is_equal_to_scikit_image():
    skimage = pytest.importorskip('skimage.metrics')
    a, b = RNG.random((5, 6)), RNG.random((5, 6))
    assert metrics.mean_squared_error(a, b) == pytest.approx(
        skimage.mean_squared_error(a, b))


def test_errors_do_not_wrap_in_small_types():
    a, b = np.uint8([0, 250]), np.uint8([10, 0])
    assert metrics.mean_absolute_error(a, b) == 130
    assert metrics.mean_squared_error(a, b) == (100 + 62500) / 2


def test_a_mask_without_blurred_pixels_is_refused():
    with pytest.raises(ValueError, match='no pixel of the mask is blurred'):
        metrics.detection_scores(VALUES, np.zeros((1, 4), bool))


def test_f_is_0_where_nothing_is_found():
    assert metrics.f_measure(0.0, 0.0) == 0


def test_correlations():
    stats = pytest.importorskip('scipy.stats')
    a, b = RNG.random(200), np.round(RNG.random(200), 1)
    assert metrics.correlation(a, b) == pytest.approx(stats.pearsonr(a, b)[0])
    assert metrics.rank_correlation(a, b) == pytest.approx(
        stats.spearmanr(a, b)[0])
    assert metrics.correlation(np.ones(5), np.arange(5)) == 0


def test_a_fitted_score_keeps_its_order_and_the_truths_mean():
    truth = np.array([1.0, 2.0, 3.0, 6.0])
    np.testing.assert_allclose(metrics.fit_to(5 - 2 * truth, truth), truth)
    np.testing.assert_allclose(metrics.fit_to(np.ones(4), truth), 3.0)


def test_errors_by_range_are_hand_sums():
    truth = np.array([0.1, 0.4, 0.5, 9.0])
    sums = metrics.error_by_range(truth + [1, -1, 2, -3], truth)
    np.testing.assert_allclose(sums[0], [2, 2, 0])
    np.testing.assert_allclose(sums[1], [1, 2, 2])
    np.testing.assert_allclose(sums[-1], [1, 3, -3])
    assert sums[:, 0].sum() == 4


def test_balanced_error_rate_is_the_mean_of_the_classes_errors():
    called = np.array([True, True, True, False, False, True])
    mask = np.array([True, True, False, False, False, False])
    # No blurred pixel is wrong, two of four sharp ones are.
    assert metrics.balanced_error_rate(called, mask) == 0.25
    scores, _ = metrics.detection_scores(called[None].astype(float),
                                         mask[None])
    assert scores['balanced_error_rate'] == 0.25
    assert metrics.balanced_error_rate(called, np.ones(6, bool)) == (
        pytest.approx(2 / 6))


def test_balanced_error_rate_is_equal_to_scikit_learn():
    sklearn = pytest.importorskip('sklearn.metrics')
    values, mask = random_case()
    binary = metrics.binarize(values)
    assert metrics.balanced_error_rate(binary, mask) == pytest.approx(
        1 - sklearn.balanced_accuracy_score(mask.ravel(), binary.ravel()))


def test_accuracy_at_thresholds_in_px_is_that_of_comparing():
    values, mask = random_case()
    sigma = 9 * np.abs(values)
    found = metrics.px_accuracies(metrics.px_counts(sigma, mask))
    for k in (0, 1, 80, 799, 800):
        assert found[k] == pytest.approx(
            metrics.accuracy(sigma >= 0.01 * k, mask)), k


def test_a_sigma_that_is_a_threshold_counts_as_blurred():
    sigma = np.float32([[0.29, 0.58, 1.13, 8.0]])
    mask = np.ones((1, 4), bool)
    accuracies = metrics.px_accuracies(metrics.px_counts(sigma, mask))
    for k, share in ((29, 1), (30, 0.75), (58, 0.75), (59, 0.5), (113, 0.5),
                     (114, 0.25), (800, 0.25)):
        assert accuracies[k] == share, k
    assert metrics.px_level(0.58) == 58 and metrics.px_level(99) == 800


def test_the_median_of_a_uniformly_blurred_photograph_and_its_error():
    values = np.array([[1.0, 2.3, 9.0]])
    assert metrics.uniform_scores(values, 2) == pytest.approx(
        {'true_sigma': 2, 'median_sigma': 2.3, 'relative_error': 0.15,
         'within_15_percent': 1})
    assert metrics.uniform_scores(values, 1.9)['within_15_percent'] == 0
    assert metrics.uniform_scores(values, 0) == {'true_sigma': 0,
                                                 'median_sigma': 2.3}


def test_an_interval_is_that_of_the_mean_and_the_same_each_time():
    values = RNG.normal(3, 1, 400)
    low, high = metrics.interval(values)
    # 1.96 standard errors on either side.
    width = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - width, abs=0.02)
    assert high == pytest.approx(values.mean() + width, abs=0.02)
    assert metrics.interval(values) == (low, high)
    assert metrics.interval([5.0]) is None
    assert metrics.interval([5.0, 5.0]) == (5, 5)
    low, high = metrics.interval([1, 2, 3, 4, 1000], np.median)
    assert (low, high) == (1, 1000)
