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


def summarized(path, wanted, threshold=None):
    return summary.summarize(summary.read(path, threshold), wanted)


def test_errors_by_range_are_pooled_and_scores_averaged(tmp_path):
    lines = [{'scores': {'mae': 0.25}, 'ranges': [[1, 1, 1]] * 7}] * 25
    lines += [{'scores': {'mae': 0.75}, 'ranges': [[3, 1, -5]] * 7}] * 25
    found = summarized(write(tmp_path / 'a.jsonl', lines), 60)
    assert found['images'] == 50 and found['of'] == 60
    assert found['scores'] == {'mae': 0.5}
    # 1.96 standard errors of 50 values that are 0.25 from their mean.
    low, high = found['intervals']['mae']
    assert (low, high) == pytest.approx((0.43, 0.57), abs=0.01)
    # Of k images of the first kind in 50: 50 / (150 - 2 k) px.
    pooled = found['pooled']
    low, high = pooled.pop('mae_interval')
    assert (low, high) == pytest.approx((50 / 114, 50 / 86), abs=0.02)
    assert pooled == {'pixels': 700, 'mae_px': 0.5, 'bias_px': -1.0}
    assert found['ranges'][0] == {
        'from_px': 0.0, 'to_px': 0.5, 'pixels': 100, 'mae_px': 0.5,
        'bias_px': -1.0, 'mae_interval': pytest.approx([low, high])}


def test_precision_and_recall_are_averaged_over_images(tmp_path):
    cases = [(RNG.random((20, n)), RNG.random((20, n)) < 0.6)
             for n in (10, 30)]
    scores, counts = zip(*(metrics.detection_scores(*case) for case in cases),
                         strict=True)
    found = summarized(write(tmp_path / 'a.jsonl', [
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
    assert summarized(tmp_path / 'none.jsonl', 4) == {
        'images': 0, 'of': 4, 'cropped': 0, 'seconds': None, 'scores': {},
        'intervals': {}}


def test_one_threshold_for_all_images_is_the_best_or_the_given(tmp_path):
    # Of each image, 10 pixels: sharp ones have 0.5 px, blurred ones 1 or 2.
    lines = []
    for blurred_px, sharp_px in ((1.0, 0.5), (2.0, 1.5), (2.0, 1.5)):
        sigma = np.repeat([[sharp_px, blurred_px]], 5, axis=0)
        mask = np.repeat([[False, True]], 5, axis=0)
        scores, counts = metrics.detection_scores(sigma, mask)
        lines.append({'scores': scores, 'counts': counts.tolist(),
                      'px_counts': metrics.px_counts(sigma, mask).tolist()})
    path = write(tmp_path / 'a.jsonl', lines)
    found = summarized(path, 3)
    assert found['sigma_threshold'] == {'px': 1.51, 'given': False}
    assert found['scores']['accuracy_one_threshold'] == pytest.approx(5 / 6)
    assert found['scores']['accuracy_own_threshold'] == 1
    found = summarized(path, 3, 0.6)
    assert found['sigma_threshold'] == {'px': 0.6, 'given': True}
    assert found['scores']['accuracy_one_threshold'] == pytest.approx(2 / 3)
    assert found['intervals']['accuracy_one_threshold'] == [0.5, 1]


def test_images_that_dmenet_is_trained_on_are_counted(tmp_path):
    scores, counts = metrics.detection_scores(np.eye(3), np.eye(3) > 0)
    lines = [{'image': f'out_of_focus{i:04d}', 'scores': scores,
              'counts': counts.tolist()} for i in (503, 504, 505)]
    found = summarized(write(tmp_path / 'a.jsonl', lines), 3)
    assert found['in_cuhk_training'] == 2


def test_of_uniform_blur_medians_are_told_and_the_share_of_those_found(
        tmp_path):
    lines = [{'scores': metrics.uniform_scores(np.full((2, 2), sigma), 2)}
             for sigma in (1.0, 2.1, 9.0)]
    scores = summarized(write(tmp_path / 'a.jsonl', lines), 3)['scores']
    assert scores == pytest.approx({
        'true_sigma': 2, 'median_sigma': 2.1, 'relative_error': 0.05,
        'within_15_percent': 1 / 3})


def curves_of(tmp_path, name, strength):
    """A score file of five images, blurred where a map is raised."""
    rng = np.random.default_rng(1)
    lines = []
    for i in range(5):
        mask = rng.random((8, 9)) < 0.5
        scores, counts = metrics.detection_scores(
            rng.random((8, 9)) + strength * mask, mask)
        lines.append({'image': str(i), 'scores': scores,
                      'counts': counts.tolist()})
    return summary.read(write(tmp_path / f'{name}.jsonl', lines))


def test_what_is_read_off_mean_curves_has_an_interval_too(tmp_path):
    scored = curves_of(tmp_path, 'a', 0.3)
    found = summary.summarize(scored, 5)
    assert set(found['intervals']) == set(found['scores'])
    best = [metrics.f_measure(*scored.curves[rows].mean(axis=0)).max()
            for rows in metrics.draws(5)]
    assert found['intervals']['f_curve'] == pytest.approx(
        np.percentile(best, (2.5, 97.5)))
    pooled = [metrics.pooled_average_precision(scored.counts[rows].sum(axis=0))
              for rows in metrics.draws(5)]
    assert found['intervals']['pooled_average_precision'] == pytest.approx(
        np.percentile(pooled, (2.5, 97.5)))


def test_a_difference_is_of_the_same_photographs_drawn_for_both(tmp_path):
    # What photographs differ by is much more than what the methods do.
    hard = np.array([0.1, 0.9, 0.3, 0.7, 0.5])
    files = {label: write(tmp_path / f'{label}.jsonl', [
        {'image': str(i), 'scores': {'mae': mae}} for i, mae in enumerate(
            hard + shift)]) for label, shift in (
                ('a', 0.03), ('b', np.array([0, 0.01, 0, 0.01, 0])))}
    row, = summary.differences([(label, summary.read(path))
                                for label, path in files.items()])
    assert (row['method'], row['other'], row['images']) == ('a', 'b', 5)
    assert row['scores']['mae'] == pytest.approx(0.026)
    low, high = row['intervals']['mae']
    assert (low, high) == pytest.approx((0.022, 0.03), abs=1e-9)
    alone = summarized(files['a'], 5)['intervals']['mae']
    assert alone[1] - alone[0] > 0.4


def test_methods_are_compared_where_both_were_scored(tmp_path):
    paths = [write(tmp_path / f'{name}.jsonl', [
        {'image': image, 'scores': {'mae': mae, **more}}
        for image, mae, more in rows]) for name, rows in {
            'a': [('x', 1.0, {}), ('y', 2.0, {}), ('z', 9.0, {})],
            'b': [('y', 4.0, {'iou': 1}), ('x', 1.0, {'iou': 1})],
            'c': [('w', 0.0, {})]}.items()]
    row, = summary.differences([(path.stem, summary.read(path))
                                for path in paths])
    assert (row['method'], row['other'], row['images']) == ('a', 'b', 2)
    assert row['scores'] == {'mae': -1.0}
    assert row['intervals'] == {'mae': [-2.0, 0.0]}


def test_curves_of_two_methods_are_compared_too(tmp_path):
    methods = [(name, curves_of(tmp_path, name, strength))
               for name, strength in (('good', 2.0), ('bad', 0.0))]
    row, = summary.differences(methods)
    assert row['scores']['f_curve'] == pytest.approx(
        methods[0][1].averages['f_curve'][0]
        - methods[1][1].averages['f_curve'][0])
    assert row['intervals']['f_curve'][0] > 0
