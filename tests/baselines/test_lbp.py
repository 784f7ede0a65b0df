"""LBP: the kinds of patterns."""

import numpy as np

from dmenet_tf.baselines import lbp


def test_pattern_kinds_of_hand_made_neighbourhoods():
    flat = np.full((3, 3), 0.5)
    assert lbp.pattern_kinds(flat)[1, 1] == 0
    edge = flat.copy()
    edge[:, 2] = 1.0
    assert lbp.pattern_kinds(edge)[1, 1] == 3
    point = np.ones((3, 3))
    point[1, 1] = 0.0
    assert lbp.pattern_kinds(point)[1, 1] == 8
    cross = flat.copy()
    cross[0, 1] = cross[2, 1] = 1.0  # Two runs of bits: not uniform.
    assert lbp.pattern_kinds(cross)[1, 1] == 9
