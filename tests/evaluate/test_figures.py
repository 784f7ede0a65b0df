"""Figures: where a cell is empty, and how a map is shown."""

import numpy as np

from dmenet_tf.evaluate import figures


def test_a_sheet_has_a_column_for_each_picture_and_leaves_gaps():
    truth = np.zeros((20, 40))
    figure = figures.sheet([('a', [None, truth + 1, truth]),
                            ('b', [truth, None, truth])],
                           ['first', 'second', 'truth'])
    shown = [len(axes.images) for axes in figure.axes]
    assert shown == [0, 1, 1, 1, 0, 1]
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        'first', 'second', 'truth']


def test_each_of_many_curves_has_a_colour_of_its_own():
    line = [0.5, 1]
    result = {'scores': {'average_precision': 0.5}, 'images': 1, 'of': 1,
              **dict.fromkeys(('precision', 'recall', 'pooled_precision',
                               'pooled_recall'), line)}
    labels = [f'm{k}' for k in range(14)]
    figure = figures.precision_recall_plot(dict.fromkeys(labels, result))
    colors = [curve.get_color() for curve in figure.axes[0].get_lines()
              if curve.get_label().startswith('m')]
    assert len(colors) == len(set(colors)) == 14


def test_maps_are_cut_to_what_is_shown():
    np.testing.assert_array_equal(
        figures.in_range([-1, 0, 1, 4, 9], 0, 4), [0, 0, 0.25, 1, 1])
    np.testing.assert_array_equal(figures.in_range([3, 3], 3, 3), [0.5, 0.5])
