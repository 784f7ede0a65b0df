"""HiFST: the coefficients of all windows."""

import numpy as np

from dmenet_tf.baselines import hifst


def test_the_coefficients_of_all_windows_are_sorted():
    layers = hifst.sorted_coefficients(np.random.default_rng(0).random((9, 13)))
    assert layers.shape == (3, 4, hifst.LAYERS)
    assert (np.diff(layers, axis=-1) >= 0).all() and (layers >= 0).all()
