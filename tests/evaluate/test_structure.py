"""E- and S-measure, and every other score that pysodmetrics has."""

import numpy as np
import pytest

from dmenet_tf import metrics
from dmenet_tf.evaluate import structure

RNG = np.random.default_rng(0)
MASK = np.zeros((40, 50), bool)
MASK[:, 20:] = True
VALUES = 3 * (RNG.random(MASK.shape) + 0.5 * MASK) - 1


@pytest.mark.extra
def test_the_truth_has_both_measures_1_and_the_inverse_less_than_half():
    pytest.importorskip('py_sod_metrics')
    found = structure.structure_scores(MASK * 7.0, MASK)
    # At the lowest of the thresholds all is called blurred.
    assert found['e_measure'] == pytest.approx(1, abs=0.005)
    assert found['s_measure'] == pytest.approx(1)
    found = structure.structure_scores(-1.0 * MASK, MASK)
    assert found['e_measure'] < 0.01 and found['s_measure'] < 0.1


@pytest.mark.extra
def test_the_e_measure_is_its_formula_at_each_threshold():
    pytest.importorskip('py_sod_metrics')
    unit = metrics.normalized(VALUES)
    y = MASK - MASK.mean()
    found = []
    for k in range(256):
        x = (np.floor(255 * unit) >= k).astype(float)
        x -= x.mean()
        alignment = 2 * x * y / (x**2 + y**2)
        found.append(np.sum((1 + alignment)**2 / 4) / (MASK.size - 1))
    scores = structure.structure_scores(VALUES, MASK)
    assert scores['e_measure'] == pytest.approx(np.mean(found), abs=1e-9)


@pytest.mark.extra
def test_our_scores_are_those_of_pysodmetrics():
    package = pytest.importorskip('py_sod_metrics')
    unit = metrics.normalized(VALUES)
    scores, counts = metrics.detection_scores(VALUES, MASK)
    mae = package.MAE()
    mae.step(unit, MASK, normalize=False)
    assert scores['mae'] == pytest.approx(mae.get_results()['mae'], abs=1e-6)
    curves = package.FmeasureV2({
        'f': package.FmeasureHandler(True, False, beta=0.3),
        'precision': package.PrecisionHandler(True, False),
        'recall': package.RecallHandler(True, False)})
    curves.step(unit, MASK, normalize=False)
    curves = {name: found['dynamic']
              for name, found in curves.get_results().items()}
    # Theirs begin at the highest threshold.
    for ours, theirs in zip(metrics.precision_recall(counts),
                            (curves['precision'], curves['recall']),
                            strict=True):
        np.testing.assert_allclose(ours[::-1], theirs, atol=1e-6)
    assert scores['f_max'] == pytest.approx(curves['f'].max(), abs=1e-6)
    binary = package.FmeasureV2({
        'iou': package.IOUHandler(False, False, with_binary=True),
        'oa': package.OverallAccuracyHandler(False, False, with_binary=True),
        'ber': package.BERHandler(False, False, with_binary=True)})
    binary.step(metrics.binarize(VALUES).astype(float), MASK, normalize=False)
    binary = {name: found['binary']
              for name, found in binary.get_results().items()}
    assert [scores['iou'], scores['accuracy'],
            scores['balanced_error_rate']] == pytest.approx(
                [binary['iou'], binary['oa'], binary['ber']], abs=1e-6)
