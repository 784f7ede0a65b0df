"""The networks as they are validated and saved: a copy of those that learn.

    trained B -> its moving average (--ema) -> statistics of batch
    normalisation measured anew (--batch_norm) -> the published B

Training itself never sees the copy, so what is done to it changes no later
step.
"""

import dataclasses

import keras
import tensorflow as tf

from dmenet_tf import networks
from dmenet_tf.train import distribution, normalisation, steps
from dmenet_tf.train.config import STATISTICS, Config
from dmenet_tf.train.initialise import build_networks
from dmenet_tf.train.store import Store

# Batches that the last weights' statistics are measured on, and the most of
# any validation.
FINAL_BATCHES = 100
# The moving averages forget all but about the last ten batches; measuring on
# fewer would make them worse.
_FEWEST_BATCHES = 10


def batches_before_validation(steps_since_last: int) -> int:
    """How many batches to measure statistics on: a tenth of the steps.

    A batch costs a pass of B, so a validation then costs a few hundredths of
    the training before it. No fewer than 10, no more than 100.
    """
    return min(max(steps_since_last // 10, _FEWEST_BATCHES), FINAL_BATCHES)


class Average(tf.Module):
    """The exponential moving average of B's trainable weights.

    Its decay grows to `decay` with the steps, so that the first weights are
    soon forgotten. Batch normalisation's statistics are averages already and
    are taken as they are.
    """

    def __init__(self, model: keras.Model, decay: float):
        super().__init__(name='average')
        self._model, self._decay = model, decay
        self.values = [tf.Variable(tf.convert_to_tensor(v), trainable=False)
                       for v in model.trainable_variables]

    @tf.function
    def update(self, step: tf.Tensor) -> None:
        """Takes the weights in, after `step` steps."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for value, variable in zip(self.values, self._model.trainable_variables,
                                   strict=True):
            value.assign(decay * value
                         + (1.0 - decay) * tf.convert_to_tensor(variable))


class Published:
    """Plain copies of the networks that a strategy trains.

    Attributes:
        networks: Networks, built outside any strategy.
    """

    def __init__(self, trainer: steps.Trainer, average: Average | None,
                 stores: dict[str, Store], config: Config, replicas: int):
        """Builds the copies; nothing is copied yet.

        Args:
            trainer, average: What to copy from.
            stores: Of the datasets that are trained on.
            config: Resolved.
            replicas: Of the strategy.
        """
        self._trainer, self._average = trainer, average
        self.networks = build_networks(dataclasses.replace(
            config, init_weights=[], vgg19='none'))
        self._names = [name for name in STATISTICS.get(config.batch_norm, ())
                       if name in stores]
        self._batches = distribution.statistics_batches(
            {name: stores[name] for name in self._names}, config, replicas
            ) if self._names else None

    def copy(self) -> networks.Networks:
        """Copies the (averaged) weights; returns the copies.

        Every process has to take part, because mirrored variables are read
        together.
        """
        for ours, trained in zip(self.networks, self._trainer.networks,
                                 strict=True):
            if ours is not None:
                ours.set_weights(trained.get_weights())
        if self._average is not None:
            for variable, value in zip(self.networks.B.trainable_variables,
                                       self._average.values, strict=True):
                variable.assign(value)
        return self.networks

    def measure(self, count: int) -> None:
        """Measures the statistics of the copied B anew, from `count` batches.

        They are always the same batches, so equal weights get equal
        statistics, in a run that was resumed too. Nothing changes with
        --batch_norm=frozen.
        """
        if self._batches is not None:
            normalisation.recompute(self.networks.B, self._batches,
                                    self._names, count)
