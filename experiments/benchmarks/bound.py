"""What a network must at least cost: its FLOPs at the rate of sgemm."""

import time

import keras
import numpy as np
import tensorflow as tf

_SIDE = 2048


def conv_flops(model, height, width, channels=3):
    """FLOPs of a model's convolutions for one picture, two a multiply-add."""
    convs = [layer for layer in model.layers
             if isinstance(layer, keras.layers.Conv2D)]
    probe = keras.Model(model.inputs, [layer.output for layer in convs])
    traced = tf.function(lambda x: probe(x, training=False))
    outputs = traced.get_concrete_function(tf.TensorSpec(
        [1, height, width, channels], tf.float32)).structured_outputs
    return sum(2 * np.prod(layer.kernel.shape) * np.prod(output.shape[1:3])
               for layer, output in zip(convs, tf.nest.flatten(outputs),
                                        strict=True))


def sgemm_rate():
    """FLOP/s of the fastest of three large products."""
    a, seconds = tf.random.normal([_SIDE, _SIDE]), []
    for _ in range(3):
        began = time.perf_counter()
        tf.matmul(a, a)[0, 0].numpy()
        seconds.append(time.perf_counter() - began)
    return 2 * _SIDE**3 / min(seconds)
