"""Summaries: means over images, sums over pixels."""

import json

import numpy as np
import pytest

from dmenet_tf import metrics
from dmenet_tf.evaluate import summary

RNG = np.random.default_rng(0)


def write(path, lines):
    path.write_text(''.join(json.dumps({'image': 'a', 'cropped': False,
                                        **line}) + '\n' for line in lines))
    return path


def test_errors_by_range_are_pooled_and_scores_averaged(tmp_path):
    lines = [{'scores': {'mae': 0.25}, 'ranges': [[1, 1, 1]] * 7}] * 25
    lines += [{'scores': {'mae': 0.75}, 'ranges': [[3, 1, -5]] * 7}] * 25
    found = summary.summarize(write(tmp_path / 'a.jsonl', lines), 60)
    assert found['images'] == 50 and found['of'] == 60
    assert found['scores'] == {'mae': 0.5}
    assert found['ranges'][0] == {
        'from_px': 0.0, 'to_px': 0.5, 'pixels': 100, 'mae_px': 0.5,
        'bias_px': -1.0}


def test_precision_and_recall_are_averaged_over_images(tmp_path):
    cases = [(RNG.random((20, n)), RNG.random((20, n)) < 0.6)
             for n in (10, 30)]
    scores, counts = zip(*(metrics.detection_scores(*case) for case in cases),
                         strict=True)
    found = summary.summarize(write(tmp_path / 'a.jsonl', [
        {'scores': s, 'counts': c.tolist()}
        for s, c in zip(scores, counts, strict=True)]), 2)
    precision, recall = np.mean([metrics.precision_recall(c) for c in counts],
                                axis=0)
    np.testing.assert_allclose(found['precision'], precision)
    assert found['scores']['f_curve'] == pytest.approx(
        metrics.f_measure(precision, recall).max())
    pooled = metrics.precision_recall(sum(counts))
    np.testing.assert_allclose(found['pooled_precision'], pooled[0])
    assert found['scores']['average_precision'] == pytest.approx(
        np.mean([one['average_precision'] for one in scores]))


def test_nothing_scored_has_no_figures(tmp_path):
    assert summary.summarize(tmp_path / 'none.jsonl', 4) == {
        'images': 0, 'of': 4, 'cropped': 0, 'scores': {}}
