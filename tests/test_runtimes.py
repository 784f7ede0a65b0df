"""The same network through other engines."""

import pathlib
import sys

import keras
import numpy as np
import pytest

from dmenet_tf import (
    estimation,
    images,
    inference,
    networks,
    runtimes,
    weights,
)

PHOTOGRAPHS = pathlib.Path(__file__).parents[1] / 'data/samples/photographs'
RNG = np.random.default_rng(0)


@pytest.fixture(scope='module')
def model(tamed):
    keras.utils.set_random_seed(0)
    b = tamed(networks.build_blur_estimator(8, 1, side_heads=False))
    return inference.build_estimator(b, 'sigma7')


def photographs(count, size=(70, 90)):
    return [RNG.integers(0, 256, (*size, 3), np.uint8) for _ in range(count)]


@pytest.mark.long
def test_compiled_is_the_model(model):
    image = photographs(1)[0]
    for dtype in (np.uint8, np.float32):
        np.testing.assert_allclose(
            runtimes.make_runner(model)(image[None].astype(dtype)),
            model.predict(image[None].astype(np.float32), verbose=0),
            atol=1e-4)


@pytest.mark.long
@pytest.mark.extra
@pytest.mark.parametrize('runtime, package', [
    ('openvino', 'openvino'), ('onnx', 'tf2onnx')])
def test_other_runtimes_are_the_model(model, runtime, package):
    pytest.importorskip(package)
    runner = runtimes.make_runner(model, runtime)
    for size in ((70, 90), (33, 17)):
        image = photographs(1, size)[0]
        np.testing.assert_allclose(
            estimation.estimate(image, model, runner=runner),
            estimation.estimate(image, model), atol=1e-4)


@pytest.mark.long
@pytest.mark.extra
def test_a_shape_that_comes_again_gives_the_same_bits(model, monkeypatch):
    """Though OpenVINO compiles a program for it, once."""
    pytest.importorskip('openvino')
    compiled = []
    compile_graph = runtimes._openvino_program

    def counting(graph, precision):
        compiled.append(graph.inputs[0].get_partial_shape().is_dynamic)
        return compile_graph(graph, precision)

    monkeypatch.setattr(runtimes, '_openvino_program', counting)
    monkeypatch.setattr(runtimes, 'MOST_PIXELS', 64 * 96)
    runner = runtimes.make_runner(model, 'openvino')
    batches = [photographs(1, size)[0][None] for size in ((64, 96), (80, 48))]
    first = [runner(batch) for batch in batches]
    assert compiled == [True]
    for _ in range(2):
        for batch, wanted in zip(batches, first, strict=True):
            np.testing.assert_array_equal(runner(batch), wanted)
    assert compiled == [True, False, False]
    large = photographs(1, (65, 96))[0][None]
    for _ in range(2):
        runner(large)
    assert compiled == [True, False, False]


@pytest.mark.long
@pytest.mark.extra
def test_int8_is_nearly_the_bundled_model():
    pytest.importorskip('openvino')
    pytest.importorskip('nncf')
    model = weights.load_model()
    halves = [images.read_image(path)[::2, ::2]
              for path in images.find_images(PHOTOGRAPHS)]
    runner = runtimes.make_runner(model, 'openvino_int8', photographs=halves)
    for image in halves:
        change = np.mean(np.abs(
            estimation.estimate(image, model)
            - estimation.estimate(image, model, runner=runner)))
        assert 1e-4 < change < 0.05  # px


def test_bad_runtimes_are_refused(model, monkeypatch):
    with pytest.raises(ValueError, match='runtime must be auto or one of'):
        runtimes.make_runner(model, 'tpu')
    for runtime, package in (('openvino', 'openvino'), ('onnx', 'tf2onnx')):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match='pip install '
                           rf"'dmenet_tf\[{runtime}\]'"):
            runtimes.make_runner(model, runtime)


@pytest.mark.long
@pytest.mark.extra
@pytest.mark.parametrize('name', ['small', 'base'])
def test_openvino_computes_in_bfloat16_or_says_that_it_cannot(name):
    """Where it can, the map is within what engines says of it."""
    openvino = pytest.importorskip('openvino')
    model = weights.load_model(name)
    can = 'BF16' in openvino.Core().get_property(
        'CPU', 'OPTIMIZATION_CAPABILITIES')
    if not can:
        with pytest.raises(ValueError, match='in bfloat16 on this CPU: take'):
            runtimes.make_runner(model, 'openvino', 'bfloat16')
        return
    near(runtimes.make_runner(model, 'openvino', 'bfloat16'), model)


def near(runner, model, most=0.1):
    """A map of few bits: other numbers, within what engines says."""
    exact = runtimes.make_runner(model)
    for path in images.find_images(PHOTOGRAPHS):
        image = images.read_image(path)[None]
        change = np.abs(runner(image) - exact(image))
        assert 1e-5 < change.mean() < 0.02  # px
        assert change.max() < most


@pytest.mark.long
@pytest.mark.parametrize('name, precision, most', [
    ('small', 'bfloat16', 0.1), ('small', 'float16', 0.1),
    ('base', 'bfloat16', 0.11), ('base', 'float16', 0.1)])
def test_maps_of_few_bits_are_near_those_of_float32(name, precision, most):
    """base's activations are far beyond float16's range until folded."""
    model = weights.load_model(name)
    near(runtimes.make_runner(model, precision=precision), model, most)


@pytest.mark.extra
def test_int8_without_photographs(model):
    pytest.importorskip('nncf')
    with pytest.raises(ValueError, match='to calibrate on'):
        runtimes.make_runner(model, 'openvino_int8')
