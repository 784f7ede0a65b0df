"""Layers that B, D, S and C need and Keras lacks, or has at a higher cost.

Imports `keras` alone, and runs on Keras 2.15 and on Keras 3 with any backend.
"""

from typing import TYPE_CHECKING

import keras
from keras import layers

if TYPE_CHECKING:
    import tensorflow as tf


def repeated(x: 'tf.Tensor') -> 'tf.Tensor':
    """SymmetricPadding of slices."""
    import tensorflow as tf
    for axis in (2, 1):
        x = tf.concat([_between(x, axis, None, 1), x,
                       _between(x, axis, -1, None)], axis)
    return x


def padded(x: 'tf.Tensor') -> 'tf.Tensor':
    """`repeated` of at least 2 x 2 pixels, with a gradient of slices too.

    It adds the outermost rows and columns to their neighbours.
    """
    import tensorflow as tf

    def fold(g, axis):
        return tf.concat([
            _between(g, axis, None, 1) + _between(g, axis, 1, 2),
            _between(g, axis, 2, -2),
            _between(g, axis, -2, -1) + _between(g, axis, -1, None)], axis)

    @tf.custom_gradient
    def pad(x):
        return repeated(x), lambda g: fold(fold(g, 1), 2)
    return pad(x)


def _between(array, axis, begin, end):
    index = [slice(None)] * 4
    index[axis] = slice(begin, end)
    return array[tuple(index)]


def leaky(x: 'tf.Tensor', slope: float) -> 'tf.Tensor':
    """LeakyReLU, its gradient g (a + (1 - a) [x > 0]) of plain operations."""
    import tensorflow as tf

    @tf.custom_gradient
    def activate(x):
        y = tf.nn.leaky_relu(x, slope)
        return y, lambda g: g * (slope + (1 - slope) * tf.cast(y > 0, g.dtype))
    return activate(x)


def normalized(x: 'tf.Tensor', beta: 'tf.Tensor', epsilon: float
               ) -> tuple['tf.Tensor', 'tf.Tensor', 'tf.Tensor']:
    """x normalised by its own statistics, in one kernel both ways.

    Args:
        x: [b, h, w, c].
        beta: [c], float32: the new mean.
        epsilon: Added to the variance.

    Returns:
        y, in x's type; mean and variance of each channel of x, float32.
    """
    import tensorflow as tf
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=tf.ones_like(beta), offset=beta, mean=[], variance=[],
        epsilon=epsilon, is_training=True)
    # The kernel's is that of a sample, sum / (n - 1).
    n = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
    return y, mean, variance * (n - 1) / n


def _cheaper(layer):
    """Whether `repeated`, `padded` and `leaky` are the cheaper ones.

    On CPUs they are in bfloat16, for which TensorFlow's own kernels are slow;
    in float32 they are not (experiments/benchmarks/gradients.py).
    """
    return (layer.compute_dtype == 'bfloat16'
            and keras.backend.backend() == 'tensorflow')


@keras.utils.register_keras_serializable('dmenet_tf')
class SymmetricPadding(layers.Layer):
    """Repeats the outermost rows and columns: [h, w] -> [h + 2, w + 2].

    One mirror-pad kernel. Forward and backward it costs less than slicing and
    concatenating the edges, gathering clipped indices, or a 'same'
    convolution whose edges are corrected afterwards
    (experiments/benchmarks/padding.py); but see `_cheaper` for bfloat16.
    """

    def call(self, x, training=False):
        if _cheaper(self):
            # A single row would be first and last at once.
            several = min(n or 0 for n in x.shape[1:3]) > 1
            return padded(x) if training and several else repeated(x)
        pads = ((0, 0), (1, 1), (1, 1), (0, 0))
        if hasattr(keras, 'ops'):
            return keras.ops.pad(x, pads, mode='symmetric')
        # Keras 2 has no operation for this, but also no backend other than:
        import tensorflow as tf
        return tf.pad(x, pads, mode='SYMMETRIC')

    def compute_output_shape(self, input_shape):
        b, h, w, c = input_shape
        return b, h and h + 2, w and w + 2, c


@keras.utils.register_keras_serializable('dmenet_tf')
class LeakyReLU(layers.LeakyReLU):
    """Keras's, but see `leaky` for training in bfloat16."""

    def call(self, x, training=False):
        if not (training and _cheaper(self)):
            return super().call(x)
        keras_3 = hasattr(keras, 'ops')
        return leaky(x, float(self.negative_slope if keras_3 else self.alpha))


@keras.utils.register_keras_serializable('dmenet_tf')
class BatchNormalization(layers.BatchNormalization):
    """Keras's without scale, trained by one kernel on Keras 3 too.

    Keras 3 has single operations in its place, in float32 whatever the policy:
    the same numbers, see `normalized`, at a higher cost. Of Keras 2 it is its
    own.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, 'scale': False})

    def call(self, x, training=None, mask=None):
        if not (hasattr(keras, 'ops') and training and self.trainable
                and keras.backend.backend() == 'tensorflow'):
            return super().call(x, training=training, mask=mask)
        y, *moments = normalized(x, keras.ops.cast(self.beta, 'float32'),
                                 self.epsilon)
        for moving, new in zip((self.moving_mean, self.moving_variance),
                               moments, strict=True):
            moving.assign(self.momentum * moving + (1 - self.momentum) * new)
        return y


@keras.utils.register_keras_serializable('dmenet_tf')
class Doubling(layers.UpSampling2D):
    """Repeats pixels: [h, w] -> [2 h, 2 w].

    UpSampling2D with a gradient that XLA compiles on Keras 2 too: the sum
    over each pixel's four copies, by pooling.
    """

    def call(self, x, training=False):
        if hasattr(keras, 'ops') or not training:
            return super().call(x)
        import tensorflow as tf

        @tf.custom_gradient
        def double(x):
            return super(Doubling, self).call(x), lambda upstream: (
                4 * tf.nn.avg_pool2d(upstream, 2, 2, 'VALID'))
        return double(x)


@keras.utils.register_keras_serializable('dmenet_tf')
class ReversedChannels(layers.Layer):
    """RGB -> BGR. A slice in the graph itself is not saved by every Keras."""

    def call(self, x):
        return x[:, :, :, ::-1]

    def compute_output_shape(self, input_shape):
        return input_shape
