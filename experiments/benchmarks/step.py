"""One training step against the matrix products that it cannot avoid.

    python experiments/benchmarks/step.py [width] [crop] [batch] [rounds]

All four networks, random weights and pictures. FLOPs are those of the
convolutions, counted by layer: backward costs twice the forward, except where
no gradient is needed. The sgemm rate is measured between the steps.
"""

import statistics
import sys
import time

import dmenet_tf  # noqa: F401  Before TensorFlow: it chooses oneDNN.

# isort: split
import bound
import tensorflow as tf

from dmenet_tf import networks
from dmenet_tf.train import steps


def step_flops(trainer, width, crop, batch):
    """What one joint step must do."""
    b, d, s = (bound.conv_flops(model, crop, crop, channels)
               for model, channels in zip(trainer.networks, (3, width, 1),
                                          strict=True))
    c = bound.conv_flops(trainer.content, crop, crop, 1)
    # B: 3 datasets. D: 3 to learn, 2 more without its weights' gradient. C:
    # the label forward, the map forward and back to the map. S: 1 dataset.
    return batch * (9 * b + 9 * d + 4 * d + 3 * c + 3 * s)


def make_batch(crop, batch):
    def draw(channels):
        return tf.random.uniform([batch, crop, crop, channels])
    return {'synthetic': {'image': draw(3), 'defocus': draw(1)},
            'binary': {'image': draw(3), 'blurred': tf.round(draw(1))},
            'real': {'image': draw(3)}}


def main():
    numbers = [int(argument) for argument in sys.argv[1:]]
    width, crop, batch, rounds = (numbers + [64, 240, 4, 3][len(numbers):])
    trainer = steps.Trainer(
        networks.Networks(networks.build_blur_estimator(width),
                          networks.build_discriminator(width, width),
                          networks.build_sharpness(width)),
        networks.build_content(width), lambda _: 1e-4)
    train_step = steps.make_train_step(trainer, steps.Weights())
    data = make_batch(crop, batch)
    train_step(data)
    seconds, rates = [], []
    for _ in range(rounds):
        rates.append(bound.sgemm_rate())
        began = time.perf_counter()
        float(train_step(data)['L_g'])
        seconds.append(time.perf_counter() - began)
    flops = step_flops(trainer, width, crop, batch)
    second, rate = statistics.median(seconds), statistics.median(rates)
    print(f'width {width}, crop {crop}, batch {batch}: {second:.2f} s a step, '
          f'{flops / 1e12:.3f} TFLOP, sgemm {rate / 1e9:.0f} GFLOP/s: '
          f'{flops / rate:.2f} s at that rate, ratio '
          f'{second * rate / flops:.2f}')


if __name__ == '__main__':
    main()
