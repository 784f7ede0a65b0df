"""The same network through other engines: what runs it in the commands.

    tensorflow     the Keras model, one compiled function
    openvino       OpenVINO's CPU plugin
    openvino_int8  the same, its convolutions in 8 bits: post-training
                   quantisation by NNCF, calibrated on photographs
    onnx           ONNX Runtime on the CPU

Each runner is a function of a batch, [b, h, w, 3] in [0, 255] -> sigma
[b, h, w, 1], px; estimation.estimate takes one beside the model. Batch
normalisation is folded into the convolutions first. What each computes in, and
which is taken by itself, is in engines. All but the first are extras: pip
install 'dmenet_tf[openvino]' or 'dmenet_tf[onnx]'.
"""

import functools
import logging
import types
from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dmenet_tf import engines, inference

CALIBRATION_SIDE = 512  # px; larger photographs are cut to their middle
CALIBRATION_PHOTOGRAPHS = 30
# OpenVINO keeps as many shapes compiled, of at most so many pixels: each
# program holds the memory of a pass.
SHAPES = 2
MOST_PIXELS = 2**19
NARROW = 32  # Convolutions with fewer channels stay in float32.
Runner = Callable[[np.ndarray], npt.NDArray[np.float32]]


def make_runner(model: keras.Model, runtime: str = 'tensorflow',
                precision: str = 'float32',
                photographs: Sequence[np.ndarray] = ()) -> Runner:
    """Compiles a model for a runtime.

    Args:
        model: What weights.load_model returns, or inference.fold.
        runtime: engines.AUTO or one of engines.RUNTIMES.
        precision: engines.AUTO or one of engines.PRECISIONS.
        photographs: For openvino_int8: arrays [h, w, 3] in [0, 255] like
            those to come; the first CALIBRATION_PHOTOGRAPHS are used.

    Returns:
        [b, h, w, 3], uint8 or float32 -> float32 [b, h, w, 1].

    Raises:
        ImportError: The runtime is not installed.
        ValueError: Unknown runtime, a precision that it or this CPU does not
            compute in, or nothing to calibrate on.
    """
    runtime, precision = engines.choose(runtime, precision)
    if runtime == 'tensorflow':
        return inference.compiled(inference.fold(model, precision))
    folded = inference.fold(model, 'float32')
    if runtime == 'onnx':
        return run_onnx(to_onnx(folded))
    return _openvino_runner(folded, runtime, precision, photographs)


def to_onnx(folded: keras.Model) -> bytes:
    """An .onnx file of any size: float32 `image` in [0, 255] -> `sigma`, px.

    Args:
        folded: What inference.fold returns, in float32.

    Raises:
        ImportError: tf2onnx or onnxruntime is not installed.
    """
    tf2onnx, _ = onnx_packages()

    @tf.function(input_signature=[
        tf.TensorSpec([None, None, None, 3], tf.float32, 'image')])
    def run(image):
        return {'sigma': folded(image, training=False)}
    converted, _ = tf2onnx.convert.from_function(
        run, input_signature=run.input_signature, opset=15)
    return converted.SerializeToString()


def onnx_packages() -> tuple[types.ModuleType, types.ModuleType]:
    """tf2onnx and onnxruntime.

    Raises:
        ImportError: One of them is not installed.
    """
    try:
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise ImportError('ONNX needs tf2onnx and onnxruntime: pip install '
                          "'dmenet_tf[onnx]'.") from error
    return tf2onnx, onnxruntime


def run_onnx(content: bytes) -> Runner:
    """What runs to_onnx's file on the CPU."""
    _, onnxruntime = onnx_packages()
    session = onnxruntime.InferenceSession(
        content, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(
        None, {name: np.asarray(batch, np.float32)})[0]


def _openvino_runner(folded, runtime, precision, photographs):
    try:
        graph = _openvino_graph(folded)
    except ImportError as error:
        raise ImportError(f'--runtime={runtime} needs OpenVINO: '
                          "pip install 'dmenet_tf[openvino]'.") from error
    if runtime == 'openvino_int8':
        graph = _quantised(graph, photographs)
    if precision == 'float32':
        return _openvino_function(graph, precision)
    start, rest = _first_convolution_apart(graph)
    start = _openvino_function(start, 'float32', share_outputs=True)
    rest = _openvino_function(rest, precision)
    return lambda batch: rest(batch, start(batch))


def _openvino_function(graph, precision, share_outputs=False):
    """A function of arrays of any shape.

    A shape that comes again gets a program of its own, which is compiled in a
    fraction of a second and up to 15 % faster; but see MOST_PIXELS.
    """
    program = _openvino_program(graph, precision)

    @functools.lru_cache(maxsize=SHAPES)
    def program_of(shapes):
        fixed = graph.clone()
        fixed.reshape(dict(enumerate(shapes)))
        return _openvino_program(fixed, precision)

    seen = set()

    def run(*arrays):
        arrays = [np.ascontiguousarray(array, np.float32) for array in arrays]
        shapes = tuple(array.shape for array in arrays)
        small = np.prod(shapes[0][:3]) <= MOST_PIXELS
        chosen = program_of(shapes) if small and shapes in seen else program
        seen.add(shapes)
        return chosen(arrays, share_inputs=True,
                      share_outputs=share_outputs)[0]
    return run


def _openvino_program(graph, precision):
    import openvino
    wanted = openvino.Type.bf16 if precision == 'bfloat16' else (
        openvino.Type.f32)
    program = openvino.Core().compile_model(
        graph, 'CPU', {'INFERENCE_PRECISION_HINT': wanted})
    # A CPU that cannot takes float32, and does not say so.
    if program.get_property('INFERENCE_PRECISION_HINT') != wanted:
        raise ValueError(
            f'OpenVINO does not compute in {precision} on this CPU: take '
            '--precision=float32, or --runtime=tensorflow.')
    return program


def _first_convolution_apart(graph):
    """Two graphs: image -> features of conv1_1; image, features -> sigma.

    Its grey levels need more than 8 bits, see networks, and the plugin has one
    precision for a graph.
    """
    import openvino
    rest = graph.clone()
    features, cut = (next(node.output(0) for node in part.get_ordered_ops()
                          if node.get_type_name() == 'Relu')
                     for part in (graph, rest))
    start = openvino.Model([features], graph.get_parameters())
    given = openvino.opset13.parameter(cut.get_partial_shape(),
                                       openvino.Type.f32)
    for reader in cut.get_target_inputs():
        reader.replace_source_output(given.output(0))
    return start, openvino.Model(rest.get_results(),
                                 [*rest.get_parameters(), given])


def _openvino_graph(model):
    """OpenVINO's form of the model, any size, float32 in."""
    import openvino
    run = tf.function(
        lambda image: model(image, training=False),
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    return openvino.convert_model(run.get_concrete_function())


def _quantised(graph, photographs):
    """The graph with 8-bit convolutions."""
    try:
        import nncf
        from nncf.quantization.range_estimator import (
            RangeEstimatorParametersSet as ranges,
        )
    except ImportError as error:
        raise ImportError('--runtime=openvino_int8 needs NNCF: '
                          "pip install 'dmenet_tf[openvino]'.") from error
    nncf.set_log_level(logging.ERROR)  # Three lines for each layer.
    batches = [middle(photograph, CALIBRATION_SIDE)[None].astype(np.float32)
               for photograph in photographs[:CALIBRATION_PHOTOGRAPHS]]
    if not batches:
        raise ValueError('openvino_int8 needs photographs to calibrate on.')
    return nncf.quantize(
        graph, nncf.Dataset(batches), subset_size=len(batches),
        preset=nncf.QuantizationPreset.MIXED, fast_bias_correction=False,
        ignored_scope=nncf.IgnoredScope(names=_narrow(graph)),
        # The mean range over photographs, NNCF's default, cuts off what a
        # strongly blurred one needs.
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=ranges.MINMAX))


def _narrow(graph):
    """Names of the convolutions that 8 bits hurt most and speed up least."""
    return [node.get_friendly_name() for node in graph.get_ordered_ops()
            if node.get_type_name() == 'Convolution'
            and min(list(node.input(1).get_shape())[:2]) < NARROW]


def middle(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image [h, w, ...], at most `side` px each way."""
    top, left = (max(n - side, 0) // 2 for n in image.shape[:2])
    return image[top:top + side, left:left + side]
