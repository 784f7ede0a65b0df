"""The same network through other engines: how predict --runtime runs.

    tensorflow     the Keras model, one compiled function
    openvino       OpenVINO's CPU plugin in float32
    openvino_int8  the same, its convolutions in 8 bits: post-training
                   quantisation by NNCF, calibrated on photographs

Each runner is a function of a batch, [b, h, w, 3] in [0, 255] -> sigma
[b, h, w, 1], px; estimation.estimate takes one beside the model. OpenVINO is
an extra: pip install dmenet_tf[openvino].
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dmenet_tf import inference

RUNTIMES = ('tensorflow', 'openvino', 'openvino_int8')
CALIBRATION_SIDE = 512  # px; larger photographs are cut to their middle
CALIBRATION_PHOTOGRAPHS = 30
NARROW = 32  # Convolutions with fewer channels stay in float32.


def make_runner(model: keras.Model, runtime: str = 'tensorflow',
                photographs: Sequence[np.ndarray] = ()
                ) -> Callable[[np.ndarray], npt.NDArray[np.float32]]:
    """Compiles a model for a runtime.

    Args:
        model: What weights.load_model returns; inference.fold makes it
            faster.
        runtime: One of RUNTIMES.
        photographs: For openvino_int8: arrays [h, w, 3] in [0, 255] like
            those to come; the first CALIBRATION_PHOTOGRAPHS are used.

    Returns:
        [b, h, w, 3], uint8 or float32 -> float32 [b, h, w, 1].

    Raises:
        ImportError: The runtime is not installed.
        ValueError: Unknown runtime, or nothing to calibrate on.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f'runtime must be one of {RUNTIMES}. Received: '
                         f'{runtime!r}.')
    if runtime == 'tensorflow':
        return inference.compiled(model)
    try:
        import openvino
    except ImportError as error:
        raise ImportError(f'--runtime={runtime} needs OpenVINO: '
                          "pip install 'dmenet_tf[openvino]'.") from error
    graph = _openvino_graph(model)
    if runtime == 'openvino_int8':
        graph = _quantised(graph, photographs)
    program = openvino.Core().compile_model(
        graph, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    return lambda batch: program(np.asarray(batch, np.float32))[0]


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
