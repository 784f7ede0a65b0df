"""Seconds a photograph: this library's model beside other engines.

    python experiments/benchmarks/estimate.py [--model=FILE.npz] \\
        [--plot=estimate.png]

All run the same weights: the folded model in TensorFlow in float32 (ours) and
in bfloat16, what engines.choose takes by itself (auto), plain Keras (predict
on the unfolded model), ONNX Runtime, OpenVINO in float32 and in 8 bits, and an
equal network in PyTorch; those that are not installed are left out. Beside
them the time that the convolutions' FLOPs take at the rate of a large matrix
product (sgemm) in the same round. Every round runs everything once, in turn;
the table has the medians of the rounds and each engine's ratio to the bound,
taken within rounds. Each map is compared with ours first. Without --model the
full-size network has random weights, on which 8 bits say nothing.

Last comes a photograph of 12 megapixels (--large), a sample mirrored until it
is as large, through estimation.estimate: at several scales and in tiles.
"""

import importlib.util
import pathlib
import statistics
import time

import dmenet_tf  # noqa: F401  Before TensorFlow: it chooses oneDNN.

# isort: split
import bound
import keras
import numpy as np
from absl import app, flags

from dmenet_tf import (
    engines,
    estimation,
    images,
    inference,
    networks,
    runtimes,
    weights,
)

_MODEL = flags.DEFINE_string('model', None, 'As of predict.')
_SIZES = flags.DEFINE_list('sizes', ['240x240', '480x640', '1080x1920'],
                           'Height x width, px.')
_LARGE = flags.DEFINE_string('large', '3000x4000', 'Height x width of the '
                             'large photograph; empty: none.')
_WARMING = 2  # OpenVINO compiles for a shape that comes again.
_ROUNDS = flags.DEFINE_integer('rounds', 3, 'After those that warm up.')
_ENGINES = flags.DEFINE_list(
    'engines', ['ours', 'bfloat16', 'auto', 'keras', 'onnx', 'openvino',
                'int8', 'torch'], 'What to run.')
_PHOTOGRAPHS = flags.DEFINE_string(
    'photographs', str(pathlib.Path(__file__).parents[2]
                       / 'data/samples/photographs'), 'To calibrate on.')
_PLOT = flags.DEFINE_string('plot', None, 'A .png of the table.')
_NEEDS = {'onnx': 'tf2onnx', 'openvino': 'openvino', 'int8': 'nncf',
          'torch': 'torch'}


def main(argv):
    del argv
    model = load()
    photographs = [images.read_image(path)
                   for path in images.find_images(_PHOTOGRAPHS.value)]
    runners = {}
    for name in _ENGINES.value:
        if name in _NEEDS and importlib.util.find_spec(_NEEDS[name]) is None:
            print(f'{name}: not run, {_NEEDS[name]} is not installed')
            continue
        runners[name] = MAKERS[name](model, photographs)
    agree(runners, photographs[0])
    table = {}
    for size in _SIZES.value:
        height, width = map(int, size.split('x'))
        table[size] = measure(runners, model, height, width)
        print_size(size, table[size])
    if _LARGE.value:
        height, width = map(int, _LARGE.value.split('x'))
        table[_LARGE.value] = measure_large(
            runners, model, mirrored(photographs[0], height, width))
        print_size(_LARGE.value, table[_LARGE.value])
    if _PLOT.value:
        plot(table, _PLOT.value)


def load():
    if _MODEL.value:
        return weights.load_model(_MODEL.value)
    keras.utils.set_random_seed(0)
    b = networks.build_blur_estimator(side_heads=False)
    # So that no map is saturated.
    for name in ('conv1_1', 'uf_c3'):
        kernel = b.get_layer(name).kernel
        kernel.assign(0.01 * kernel)
    return inference.build_estimator(b, 'sigma7')


def torch_runner(model, _):
    """The folded network, layer by layer, channels last."""
    import torch
    from torch.nn import functional as F
    b = inference.fold(model).get_layer('B')
    kernels = {layer.name: tuple(
        torch.tensor(w).contiguous(memory_format=torch.channels_last)
        if w.ndim == 4 else torch.tensor(w)
        for w in (layer.get_weights()[0].transpose(3, 2, 0, 1),
                  layer.get_weights()[1]))
        for layer in b.layers if isinstance(layer, keras.layers.Conv2D)}
    mean = torch.tensor(networks.VGG_MEAN_BGR).reshape(1, 3, 1, 1)

    def apply(layer, xs):
        kind, x = type(layer).__name__, xs[0]
        if kind == 'SymmetricPadding':
            return F.pad(x, (1, 1, 1, 1), mode='replicate')
        if kind == 'Conv2D':
            x = F.conv2d(x, *kernels[layer.name], padding=layer.padding)
            return F.relu_(x) if layer.activation is relu else x
        if kind == 'Rescaling':
            return 255 * x.flip(1) - mean
        return {'MaxPooling2D': lambda: F.max_pool2d(x, 2),
                'Doubling': lambda: F.interpolate(x, scale_factor=2),
                'Concatenate': lambda: torch.cat(xs, 1),
                'LeakyReLU': lambda: F.leaky_relu_(x, 0.2),
                'Add': lambda: xs[0] + xs[1],
                'Activation': lambda: torch.sigmoid(x),
                # Channels are reversed with the rescaling.
                'SlicingOpLambda': lambda: x}[kind]()
    relu = keras.activations.relu

    @torch.inference_mode()
    def run(batch):
        image = torch.tensor(batch).permute(0, 3, 1, 2) / 255
        height, width = image.shape[2:]
        image = F.pad(image, (0, -width % 16, 0, -height % 16), 'reflect')
        known = {}
        for layer in b.layers:
            inputs = layer.input
            inputs = inputs if isinstance(inputs, list) else [inputs]
            # Keras 3 does not list the slice that reverses channels.
            known[id(layer.output)] = image if isinstance(
                layer, keras.layers.InputLayer) else apply(
                    layer, [known.get(id(x), image) for x in inputs])
            if layer.name == 'defocus':
                sigma = 7 * known[id(layer.output)]
        return sigma[:, :, :height, :width].permute(0, 2, 3, 1).numpy()
    return run


def runner(*how):
    return lambda model, photographs: runtimes.make_runner(
        model, *how, photographs=photographs)


MAKERS = {
    'ours': runner(), 'bfloat16': runner('tensorflow', 'bfloat16'),
    'auto': runner(engines.AUTO, engines.AUTO),
    'keras': lambda model, _: lambda x: model.predict(x, verbose=0),
    'onnx': runner('onnx'), 'openvino': runner('openvino'),
    'int8': runner('openvino_int8'),
    'torch': torch_runner}


def agree(runners, photograph):
    """Prints how far each engine's map is from ours."""
    image = runtimes.middle(photograph, 240)[None].astype(np.float32)
    ours = runners['ours'](image)
    few_bits = {'int8', 'bfloat16'}
    if engines.choose().precision != 'float32':
        few_bits.add('auto')
    for name, run in runners.items():
        error = np.abs(run(image) - ours)
        print(f'{name}: sigma off by {error.mean():.2g} px in the mean, '
              f'{error.max():.2g} px at most')
        if name not in few_bits and not error.max() < 1e-3:
            raise ValueError(f'{name} is another network.')


def measure(runners, model, height, width):
    """Seconds of every round, {'bound': [...], engine: [...]}."""
    image = np.random.default_rng(0).integers(
        0, 256, (1, height, width, 3)).astype(np.float32)
    work = bound.conv_flops(model.get_layer('B'), -(-height // 16) * 16,
                            -(-width // 16) * 16)
    return in_turn({'bound': lambda: work / bound.sgemm_rate(),
                    **{name: timed(run, image)
                       for name, run in runners.items()}})


def measure_large(runners, model, image):
    """The same of one photograph that goes through estimate()."""
    return in_turn({name: timed(estimation.estimate, image, model, 'auto',
                                'auto', run)
                    for name, run in runners.items()})


def timed(run, *arguments):
    def seconds():
        began = time.perf_counter()
        run(*arguments)
        return time.perf_counter() - began
    return seconds


def in_turn(measured):
    """{name: its seconds in every round}; the first ones warm up."""
    rounds = [{name: seconds() for name, seconds in measured.items()}
              for _ in range(_WARMING + _ROUNDS.value)]
    return {name: [one[name] for one in rounds[_WARMING:]]
            for name in measured}


def mirrored(photograph, height, width):
    h, w = photograph.shape[:2]
    return np.pad(photograph, ((0, max(height - h, 0)),
                               (0, max(width - w, 0)), (0, 0)),
                  'symmetric')[:height, :width]


def print_size(size, seconds):
    print(f'{size}:')
    against = 'bound' if 'bound' in seconds else 'ours'
    for name, column in seconds.items():
        ratio = statistics.median(
            a / b for a, b in zip(column, seconds[against], strict=True))
        print(f'  {name:<9} {statistics.median(column):8.3f} s  '
              f'{ratio:5.2f} x {against}', flush=True)


def plot(table, path):
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt
    names = [name for name in next(iter(table.values())) if name != 'bound']
    figure, axes = plt.subplots(1, len(table), figsize=(3.2 * len(table), 2.6),
                                layout='constrained', squeeze=False)
    for axis, (size, seconds) in zip(axes[0], table.items(), strict=True):
        axis.barh(names[::-1], [statistics.median(seconds[name])
                                for name in names[::-1]])
        if 'bound' in seconds:
            axis.axvline(statistics.median(seconds['bound']), color='black',
                         linestyle='--', label='sgemm bound')
        axis.set(title=f'{size} px', xlabel='s')
    axes[0][0].legend(fontsize='small')
    figure.savefig(path, dpi=120)


if __name__ == '__main__':
    app.run(main)
