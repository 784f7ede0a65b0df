"""Gradients of our layers against those of TensorFlow's and Keras's, timed.

    python experiments/benchmarks/gradients.py [rounds]

One line per feature map and type: milliseconds forward and backward (medians;
the ways take turns), and the ratio: layers.padded, layers.leaky and batch
normalisation, which on Keras 2 is Keras's. layers.py takes ours where the ratio
is below 1.
"""

import functools
import statistics
import sys

import dmenet_tf  # noqa: F401  Before TensorFlow: it chooses oneDNN.

# isort: split
import keras
import padding
import tensorflow as tf

from dmenet_tf import layers

SHAPES = [(4, 240, 240, 64), (4, 240, 240, 16), (4, 60, 60, 256)]


def make_pairs(dtype, channels):
    """(plain, ours) by name."""
    policy = 'float32' if dtype == tf.float32 else f'mixed_{dtype.name}'
    norms = [cls(scale=False, dtype=policy) for cls in (
        keras.layers.BatchNormalization, layers.BatchNormalization)]
    for norm in norms:
        norm.build((None, None, None, channels))
    return {
        'padding': (
            lambda x: tf.pad(x, padding.ROWS_AND_COLUMNS, 'SYMMETRIC'),
            layers.padded),
        'leaky': (lambda x: tf.nn.leaky_relu(x, 0.2),
                  lambda x: layers.leaky(x, 0.2)),
        'norm': tuple(functools.partial(norm, training=True)
                      for norm in norms)}


def compiled(function):
    """Forward and backward."""
    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x, output_gradients=y)
    return run


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for dtype in (tf.float32, tf.bfloat16):
        for shape in SHAPES:
            x = tf.cast(tf.random.normal(shape), dtype)
            for name, pair in make_pairs(dtype, shape[-1]).items():
                ways = [compiled(function) for function in pair]
                times = zip(*[[padding.milliseconds(way, x, repeats=1)
                               for way in ways] for _ in range(rounds)],
                            strict=True)
                plain, ours = map(statistics.median, times)
                print(f'{dtype.name:8s} {shape!s:20s} {name:8s} '
                      f'{plain:7.1f} {ours:7.1f}  {ours / plain:.2f}')


if __name__ == '__main__':
    main()
