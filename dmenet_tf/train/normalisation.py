"""Statistics of B's batch normalisation, from many batches.

In training B normalises by the statistics of each batch, and its moving
averages see some ten batches of a few crops. Here they are replaced by those
of as many batches as wanted, with the weights as they are ["precise BN", Wu &
Johnson 2021, "Rethinking 'Batch' in BatchNorm", Section 3].
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def recompute(b: keras.Model, batches: Iterable[Mapping[str, Any]],
              names: Sequence[str], count: int) -> None:
    """Sets the moving statistics of a network's batch normalisation.

    Each layer gets the mean of the batches' means, and the mean of their
    variances plus the variance of their means: what one batch of all pictures
    would have. As in training, B is run on one dataset at a time, and every
    layer sees what the layers before it make by the statistics of the batch.

    Args:
        b: B, or any functional model; trained weights stay as they are.
        batches: Of steps.make_train_step; of each dataset only `image`, RGB
            in [0, 1], [b, h, w, 3], is looked at.
        names: Of the datasets, see config.STATISTICS; those that the batches
            lack are passed over.
        count: Batches to take; fewer if there are no more.

    Raises:
        ValueError: No batch holds any of these datasets.
    """
    norms = {layer.name: layer for layer in b.layers
             if isinstance(layer, keras.layers.BatchNormalization)}
    moments = _make_moments(b, norms)
    found = [moments(batch[name]['image'])
             for batch in itertools.islice(batches, count)
             for name in names if name in batch]
    if not found:
        raise ValueError('Batch normalisation needs pictures of '
                         f'{" or ".join(names)}, and there are none.')
    for name, layer in norms.items():
        means, variances = (np.float64([of_batch[name][i]
                                        for of_batch in found])
                            for i in (0, 1))
        layer.moving_mean.assign(means.mean(0))
        layer.moving_variance.assign(variances.mean(0) + means.var(0))


def _make_moments(b, norms):
    """Function of a batch to {layer: (mean, variance) of what it gets}."""
    inputs = keras.Model(b.input, {name: layer.input
                                   for name, layer in norms.items()})

    @tf.function
    def moments(image):
        return {name: tf.nn.moments(tf.cast(x, tf.float32), [0, 1, 2])
                for name, x in inputs(image, training=True).items()}
    return moments
