"""Scoring: what outdates a score, and what a bad file costs."""

import dataclasses
import json

import numpy as np
import pytest

from dmenet_tf.evaluate import pairing, scoring
from dmenet_tf.evaluate.options import Settings


@pytest.fixture
def job(tmp_path, save, mask):
    """One perfect foreign map of a mask."""
    save(tmp_path / 'gt/a.png', mask)
    save(tmp_path / 'maps/a.npy', mask / np.float32(255))
    return scoring.Job(
        pairing.Case('a', None, tmp_path / 'gt/a.png'),
        scoring.Method('maps', 'predictions', str(tmp_path / 'maps'), 'px'),
        Settings('cuhk'), tmp_path / 'maps/a.npy', None)


def changed(job, part, **values):
    """The job with other values of one of its dataclasses."""
    if part is None:
        return dataclasses.replace(job, **values)
    inner = dataclasses.replace(getattr(job, part), **values)
    return dataclasses.replace(job, **{part: inner})


@pytest.mark.parametrize('part, values', [
    ('settings', {'sharp_is_bright': True}), ('settings', {'noise': 1.0}),
    ('settings', {'blur': 1.0}),
    ('method', {'digest': 'a' * 64}), ('method', {'unit': 'score'})])
def test_a_score_is_of_its_settings_and_weights(job, part, values):
    assert changed(job, part, **values).fingerprint != job.fingerprint


def test_a_score_is_of_the_files_it_came_from(job, save, mask):
    before = job.fingerprint
    save(job.prediction, np.zeros((30, 41)))
    again = changed(job, None)
    assert again.fingerprint != before
    save(job.case.truth, mask[:, :20])
    assert changed(job, None).fingerprint != again.fingerprint


def test_a_score_is_of_the_pixels_that_are_valid(job, tmp_path, save):
    before = job.fingerprint
    save(tmp_path / 'valid/a.png', np.ones((30, 40), np.uint8))
    assert changed(job, None).fingerprint != before


@pytest.mark.long
def test_a_model_is_scored_at_one_scale(job, tmp_path, save, monkeypatch):
    from dmenet_tf import estimation
    monkeypatch.setattr(estimation, 'estimate',
                        lambda image, model, **given: given)
    save(tmp_path / 'image/a.png', np.zeros((30, 40, 3), np.uint8))
    seen = changed(changed(job, 'case', image=tmp_path / 'image/a.png'),
                   'method', kind='model')
    assert scoring.make_map(seen) == {'scales': 1}


def test_the_photograph_of_a_foreign_map_does_not_matter(job, tmp_path, save):
    save(tmp_path / 'image/a.png', np.zeros((30, 40, 3), np.uint8))
    seen = changed(job, 'case', image=tmp_path / 'image/a.png')
    assert seen.fingerprint == job.fingerprint


def test_another_release_scores_anew(job, monkeypatch):
    before = job.fingerprint
    monkeypatch.setattr(scoring, '__version__', '99')
    assert changed(job, None).fingerprint != before


def test_a_perfect_map_scores_1_and_keeps_a_small_copy(job, tmp_path):
    job = changed(job, None, thumbnail=tmp_path / 'sheet/a.npy')
    line = scoring.score_job(job)
    assert line['scores']['accuracy'] == 1 and not line['cropped']
    np.testing.assert_array_equal(np.load(job.thumbnail)[0],
                                  [0] * 13 + [1] * 27)


@pytest.mark.parametrize('name, values, reason', [
    ('maps/a.npy', np.ones((64, 64)), 'wrong size: the map has 64x64 px, the'),
    ('maps/a.npy', np.full((30, 40), np.inf), '1200 pixels are NaN'),
    ('gt/a.png', np.zeros((30, 40), np.uint8), 'no pixel of the mask is')])
def test_a_bad_file_is_one_line_with_its_name(job, tmp_path, save, name,
                                              values, reason):
    save(tmp_path / name, values)
    line = scoring.score_job(job)
    assert set(line) == {'image', 'problem'}
    assert line['problem'].startswith(f'{tmp_path / name}: ')
    assert reason in line['problem']


def test_torn_and_double_lines_are_scored_anew(job, tmp_path):
    path = tmp_path / 'scores/a.jsonl'
    assert scoring.score_all([job], path, 1) == []
    whole = path.read_text()
    for torn in (whole[:40], whole + whole, whole + whole[:40], ''):
        path.write_text(torn)
        assert scoring.score_all([job], path, 1) == []
        assert path.read_text() == whole
    assert json.loads(whole)['fingerprint'] == job.fingerprint
