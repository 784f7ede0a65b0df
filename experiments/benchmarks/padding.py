"""Ways to give a 3x3 convolution one pixel of symmetric padding, timed.

    python experiments/benchmarks/padding.py

One line per way and feature map: milliseconds (median of 7) of convolution
with padding, and of forward plus backward. `zeros` and `same` pad with zeros
and are there as bounds. layers.SymmetricPadding is `mirror`.
"""

import statistics
import time

import tensorflow as tf

SHAPES = [(1, 480, 640, 64), (1, 240, 320, 128), (4, 240, 240, 64)]
ROWS_AND_COLUMNS = [[0, 0], [1, 1], [1, 1], [0, 0]]


def valid(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, 'VALID')


def mirror(x, kernel):
    return valid(tf.pad(x, ROWS_AND_COLUMNS, 'SYMMETRIC'), kernel)


def concat(x, kernel):
    x = tf.concat([x[:, :, :1], x, x[:, :, -1:]], 2)
    return valid(tf.concat([x[:, :1], x, x[:, -1:]], 1), kernel)


def gather(x, kernel):
    for axis in (1, 2):
        size = tf.shape(x)[axis]
        index = tf.clip_by_value(tf.range(-1, size + 1), 0, size - 1)
        x = tf.gather(x, index, axis=axis)
    return valid(x, kernel)


def corrected(x, kernel):
    """'same', then what zeros left out added to the border in place."""
    y = tf.nn.conv2d(x, kernel, 1, 'SAME')
    batch, height, width = tf.unstack(tf.shape(y)[:3])
    rows = tf.pad(tf.concat([x[:, :1], x[:, -1:]], 1),
                  [[0, 0], [0, 0], [1, 1], [0, 0]], 'SYMMETRIC')
    rows = tf.concat([valid(rows[:, :1], kernel[:1]),
                      valid(rows[:, 1:], kernel[2:])], 1)
    columns = tf.concat(
        [tf.nn.conv2d(x[:, :, :1], kernel[:, :1], 1, 'SAME'),
         tf.nn.conv2d(x[:, :, -1:], kernel[:, 2:], 1, 'SAME')], 2)
    for strip, i, j in ((rows, tf.stack([0, height - 1]), tf.range(width)),
                        (columns, tf.range(height), tf.stack([0, width - 1]))):
        index = tf.meshgrid(tf.range(batch), i, j, indexing='ij')
        y = tf.tensor_scatter_nd_add(y, tf.stack(index, -1), strip)
    return y


def zeros(x, kernel):
    return valid(tf.pad(x, ROWS_AND_COLUMNS), kernel)


def same(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, 'SAME')


def milliseconds(function, *arguments, repeats=7):
    """Median run time of a compiled function, its first run left out."""
    function(*arguments)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*arguments)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def compiled(way):
    """The forward function of a way, and forward with gradients."""
    @tf.function
    def forward(x, kernel):
        return way(x, kernel)

    @tf.function
    def backward(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = way(x, kernel)
        return tape.gradient(y, [x, kernel], output_gradients=y)
    return forward, backward


def main():
    for shape in SHAPES:
        x = tf.random.normal(shape)
        kernel = tf.random.normal([3, 3, shape[-1], shape[-1]]) * 0.01
        expected = mirror(x, kernel)
        print(f'{shape}: forward, forward and backward (ms)')
        for way in (mirror, concat, gather, corrected, zeros, same):
            if way not in (zeros, same):
                tf.debugging.assert_near(way(x, kernel), expected, 1e-4, 1e-4)
            times = [milliseconds(f, x, kernel) for f in compiled(way)]
            print(f'  {way.__name__:10s} {times[0]:8.1f} {times[1]:8.1f}')


if __name__ == '__main__':
    main()
