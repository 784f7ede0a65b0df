"""One training step against the matrix products that it cannot avoid.

    python experiments/benchmarks/step.py [--policy=mixed_bfloat16] [--alone]

All four networks, or B alone, with random weights and pictures. FLOPs are
those of the convolutions, counted by layer: backward costs twice the forward,
except where no gradient is needed. The sgemm rate is measured between the
steps. Below stand the shares that the kinds of operations have in the time of
all in one more step, which TensorFlow's profiler watches.
"""

import collections
import pathlib
import statistics
import tempfile
import time

import dmenet_tf  # noqa: F401  Before TensorFlow: it chooses oneDNN.

# isort: split
import bound
import tensorflow as tf
from absl import app, flags
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from dmenet_tf import networks
from dmenet_tf.train import steps

_POLICY = flags.DEFINE_enum(
    'policy', 'float32', ['float32', 'mixed_bfloat16', 'mixed_float16'],
    "Keras's.")
_ALONE = flags.DEFINE_bool('alone', False, 'B without D, C and S.')
_WIDTH = flags.DEFINE_integer('width', 64, 'Of all networks.')
_CROP = flags.DEFINE_integer('crop', 240, 'px.')
_BATCH = flags.DEFINE_integer('batch', 4, 'Crops of each dataset.')
_ROUNDS = flags.DEFINE_integer('rounds', 3, 'After one that compiles.')
_SHOWN = 12


def main(argv):
    del argv
    with networks.policy(_POLICY.value):
        trainer = make_trainer(_WIDTH.value)
    train_step = steps.make_train_step(trainer, _weights())
    data = make_batch(_CROP.value, _BATCH.value)
    train_step(data)
    seconds, rates, losses = [], [], []
    for _ in range(_ROUNDS.value):
        rates.append(bound.sgemm_rate())
        began = time.perf_counter()
        losses.append(float(train_step(data)['L_g']))
        seconds.append(time.perf_counter() - began)
    second, rate = statistics.median(seconds), statistics.median(rates)
    flops = step_flops(trainer, _WIDTH.value, _CROP.value, _BATCH.value)
    print(f'{_POLICY.value}, width {_WIDTH.value}, crop {_CROP.value}, batch '
          f'{_BATCH.value}: {second:.2f} s a step, {flops / 1e12:.3f} TFLOP, '
          f'sgemm {rate / 1e9:.0f} GFLOP/s: {flops / rate:.2f} s at that rate,'
          f' ratio {second * rate / flops:.2f}')
    print('L_g:', *(f'{loss:.6f}' for loss in losses))
    for kind, share in profiled(lambda: train_step(data)['L_g'].numpy()):
        print(f'  {share:6.1%}  {kind}')


def _weights():
    return (steps.Weights(lambda_adv=0, lambda_C=0, lambda_S=0)
            if _ALONE.value else steps.Weights())


def make_trainer(width):
    d, s, c = (None, None, None) if _ALONE.value else (
        networks.build_discriminator(width, width),
        networks.build_sharpness(width), networks.build_content(width))
    return steps.Trainer(
        networks.Networks(networks.build_blur_estimator(width), d, s), c,
        lambda _: 1e-4, _POLICY.value == 'mixed_float16')


def make_batch(crop, batch):
    def draw(channels):
        return tf.random.stateless_uniform([batch, crop, crop, channels],
                                           (0, channels))
    return {'synthetic': {'image': draw(3), 'defocus': draw(1)},
            'binary': {'image': draw(3), 'blurred': tf.round(draw(1))},
            'real': {'image': draw(3)}}


def step_flops(trainer, width, crop, batch):
    """What one joint step must do."""
    b, d, s, c = (
        bound.conv_flops(model, crop, crop, channels) if model else 0
        for model, channels in zip((*trainer.networks, trainer.content),
                                   (3, width, 1, 1), strict=True))
    # B: 3 datasets, alone 1. D: 3 to learn, 2 more without its weights'
    # gradient. C: the label forward, the map forward and back to the map. S: 1
    # dataset.
    return batch * ((3 if _ALONE.value else 9) * b + 13 * d + 3 * c + 3 * s)


def profiled(function):
    """(kind of operation, share of the time of all), the largest first."""
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        function()
        tf.profiler.experimental.stop()
        [path] = pathlib.Path(folder).rglob('*.xplane.pb')
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    taken = collections.Counter()
    for plane in space.planes:
        for event in (e for line in plane.lines for e in line.events):
            name = plane.event_metadata[event.metadata_id].name
            _, colon, kind = name.rpartition(':')
            # Operations are called name:kind, what runs them Class::function.
            if colon and kind.isidentifier() and '::' not in name:
                taken[kind] += event.duration_ps
    total = sum(taken.values())
    return [(kind, time_ps / total)
            for kind, time_ps in taken.most_common(_SHOWN)]


if __name__ == '__main__':
    app.run(main)
