"""How long a training lasts, and its learning rate at each step."""

from collections.abc import Callable

import keras

from dmenet_tf.train.config import Config

# [Lee 2019, Section 4.1]: a fifth less every 20 epochs.
_DECAY_RATE, _DECAY_EPOCHS = 0.8, 20


def total_steps(config: Config, steps_per_epoch: float) -> int:
    """--steps, or --epochs in steps."""
    if config.steps is not None:
        return config.steps
    return round(config.epochs * steps_per_epoch)


def learning_rate(config: Config, steps_per_epoch: float,
                  total: int) -> Callable:
    """The schedule: step -> learning rate."""
    schedules = keras.optimizers.schedules
    if config.schedule == 'exponential':
        return schedules.ExponentialDecay(
            config.learning_rate, max(_DECAY_EPOCHS * steps_per_epoch, 1),
            _DECAY_RATE, staircase=True)
    if config.schedule == 'cosine':
        return schedules.CosineDecay(config.learning_rate, max(total, 1))
    return lambda step: config.learning_rate
