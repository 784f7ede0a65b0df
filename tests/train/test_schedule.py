"""How long a training lasts, and its learning rate."""

import numpy as np

from dmenet_tf.train import schedule


def test_learning_rate_falls_by_a_fifth_every_20_epochs(settings):
    config = settings(learning_rate=1e-4)
    rate = schedule.learning_rate(config, steps_per_epoch=10, total=1000)
    np.testing.assert_allclose(
        [float(rate(step)) for step in (0, 199, 200, 400)],
        [1e-4, 1e-4, 0.8e-4, 0.64e-4], rtol=1e-6)


def test_cosine_ends_at_zero_in_the_last_step(settings):
    rate = schedule.learning_rate(
        settings(schedule='cosine', learning_rate=1e-4), 10, total=1000)
    np.testing.assert_allclose(
        [float(rate(step)) for step in (0, 500, 1000)], [1e-4, 0.5e-4, 0.0],
        atol=1e-10)


def test_constant_stays(settings):
    rate = schedule.learning_rate(
        settings(schedule='constant', learning_rate=3e-4), 10, total=1000)
    assert rate(0) == rate(999) == 3e-4


def test_epochs_are_counted_in_steps(settings):
    assert schedule.total_steps(settings(steps=None, epochs=2.5), 10) == 25
    assert schedule.total_steps(settings(steps=7), 10) == 7
