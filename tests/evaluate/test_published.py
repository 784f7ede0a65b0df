"""Published figures: sources, columns, and what is not in our unit."""

import numpy as np
import pytest

from dmenet_tf import optics
from dmenet_tf.evaluate import protocols, published, tables
from dmenet_tf.evaluate.options import Settings


def test_every_row_has_a_source_and_only_columns_of_its_table():
    for (protocol, _), rows in published.ROWS.items():
        for row in rows:
            assert row.source and row.split.name
            assert set(row.scores) <= set(tables.COLUMNS[protocol])


def test_rows_of_detection_are_of_its_dataset_and_without_noise():
    mae = {(dataset, row.method): row.scores['mae']
           for dataset in ('cuhk', 'dut', 'ctcug', 'ebd')
           for row in published.rows('detection', 0.0, dataset)}
    assert mae['cuhk', 'D-DFFNet'] == 0.036
    assert mae['dut', 'D-DFFNet'] == 0.070
    assert mae['ctcug', 'D-DFFNet'] == 0.074
    assert mae['ebd', 'IS2CNet'] == 0.070
    assert published.rows('detection', 1.0, 'dut') == []


def test_a_row_is_of_our_split_where_its_photographs_are_as_many():
    row = published.rows('detection', 0.0, 'cuhk')[0]
    assert published.is_of(row, 100) and not published.is_of(row, 54)
    # Of CTCUG there is one split.
    assert published.is_of(published.rows('detection', 0.0, 'ctcug')[0], 7)


def test_a_rival_that_cannot_be_made_keeps_its_row_with_the_reason():
    row, = (row for row in published.rows('cuhk', 0.0) if row.method == 'Zhang')
    assert row.scores == {} and 'without figures' in row.source


def test_a_map_of_2_sigma_plus_1_over_15_bounds_one_of_sigma_over_7():
    row, = published.rows('syndof', 0.0)
    assert row.convention == 'legacy15'
    # (15 / 2) / 7 = 15 / 14.
    assert published.at_most(row) == pytest.approx(
        {'mae': 0.084 * 15 / 14, 'mse': 0.013 * (15 / 14)**2})


@pytest.mark.parametrize('lowest, exact', [(1 / 15, True), (0.0, False)])
def test_the_bound_is_reached_unless_an_estimate_is_below_sigma_0(lowest,
                                                                  exact):
    rng = np.random.default_rng(0)
    truth = np.maximum(rng.uniform(-3, 7, (30, 40)), 0)  # Much of it sharp.
    estimate = rng.uniform(lowest, 1, truth.shape)
    error = estimate - optics.defocus_from_sigma(truth, 'legacy15')
    bound = published.at_most(published.Row(
        'any', 'here', published.Split('any', 1), {'mse': np.mean(error**2),
                        'mae': np.mean(np.abs(error))}, 'legacy15'))
    scores = protocols.score(optics.sigma_from_defocus(estimate, 'legacy15'),
                             truth, Settings('syndof'), 'px')['scores']
    for name, most in bound.items():
        assert (scores[name] == pytest.approx(most) if exact
                else scores[name] < 0.995 * most)
