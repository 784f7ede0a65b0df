"""The public model: any RGB photograph in [0, 255] -> sigma in px.

Around B it does what a user should not have to: scaling, padding to the
multiple of 16 that B needs, cropping back, and the unit. It is a plain Keras
model, so `model.predict`, SavedModel and TF Serving all see the same thing.
"""

import functools
import os
from collections.abc import Callable

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from dmenet_tf import networks, optics

# Keras's names; the mixed ones keep weights in float32.
_POLICIES = {'float32': 'float32', 'bfloat16': 'mixed_bfloat16',
             'float16': 'mixed_float16'}


@functools.cache
def _process():
    """The process that first used a model; its children inherit the answer."""
    return os.getpid()


def check_tensorflow() -> None:
    """Refuses what TensorFlow would answer with random maps, or never.

    Raises:
        RuntimeError: TensorFlow runs as TensorFlow 1 did; or this process was
            forked from one that had used a model.
    """
    if not tf.compat.v1.executing_eagerly_outside_functions():
        raise RuntimeError(
            'dmenet_tf needs eager execution: in the graphs of TensorFlow 1 '
            '(tf.compat.v1.disable_eager_execution) weights stay random.')
    if _process() != os.getpid():
        raise RuntimeError(
            'a process that is forked after a model was used cannot run '
            "TensorFlow: start it with 'spawn' (multiprocessing.get_context("
            "'spawn')), or use models in the children alone.")


def _mirrored_range(size, target):
    """Indices of symmetric padding: 0 .. size-1, size-1 .. 0, 0 .. and on.

    Unlike tf.pad it goes on for ever, so that a 1 x 1 image can be padded.
    """
    position = tf.range(target) % (2 * size)
    return tf.minimum(position, 2 * size - 1 - position)


def pad_to_multiple(image: np.ndarray) -> np.ndarray:
    """PadToMultiple for one NumPy image [h, w, ...]."""
    for axis in (0, 1):
        image = np.pad(image, [(0, -image.shape[axis] % networks.STRIDE
                                if a == axis else 0)
                               for a in range(image.ndim)], 'symmetric')
    return image


@keras.utils.register_keras_serializable('dmenet_tf')
class PadToMultiple(layers.Layer):
    """Symmetric padding at the bottom and right: [h, w] -> multiples of 16."""

    def call(self, image: tf.Tensor) -> tf.Tensor:
        for axis in (1, 2):
            size = tf.shape(image)[axis]
            # Of positive numbers alone: ONNX rounds quotients towards zero.
            strides = (size + networks.STRIDE - 1) // networks.STRIDE
            target = strides * networks.STRIDE
            image = tf.gather(image, _mirrored_range(size, target), axis=axis)
        return image

    def compute_output_shape(self, input_shape):
        b, h, w, c = input_shape
        return b, h and -(-h // 16) * 16, w and -(-w // 16) * 16, c


@keras.utils.register_keras_serializable('dmenet_tf')
class DefocusToSigma(layers.Layer):
    """B's map -> sigma, px, cut to the size of the image before padding."""

    def __init__(self, convention: str, **kwargs):
        super().__init__(**kwargs)
        self.convention = convention

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        defocus, image = inputs
        size = tf.shape(image)
        defocus = defocus[:, :size[1], :size[2]]
        return optics.sigma_from_defocus(defocus, self.convention)

    def compute_output_shape(self, input_shape):
        _, image_shape = input_shape
        return (*image_shape[:3], 1)

    def get_config(self):
        return {**super().get_config(), 'convention': self.convention}


def build_estimator(b: keras.Model, convention: str) -> keras.Model:
    """Builds the public model around B, sharing its weights.

    Args:
        b: networks.build_blur_estimator's model, with or without side heads.
        convention: What b's map means, see optics.

    Returns:
        Model, RGB [b, h, w, 3] in [0, 255], uint8 or float, any h, w >= 1 ->
        sigma [b, h, w, 1] px, float32.

    Raises:
        RuntimeError: See check_tensorflow.
    """
    check_tensorflow()
    image = keras.Input((None, None, 3), name='image')
    x = layers.Rescaling(1 / 255.0, dtype='float32', name='unit_range')(image)
    # Float32 under every policy: bfloat16 has 8 bits, a grey level needs
    # more.
    x = PadToMultiple(dtype='float32', name='pad')(x)
    defocus = b(x)['defocus']
    sigma = DefocusToSigma(convention, dtype='float32', name='sigma')(
        [defocus, image])
    return keras.Model(image, sigma, name='dmenet')


def fold(estimator: keras.Model, precision: str = 'float32') -> keras.Model:
    """The same public model with batch normalisation put into convolutions.

    kernel' = kernel / s, bias' = (bias - mean) / s + beta with
    s = sqrt(variance + epsilon), per output channel: equal up to rounding,
    and faster. It has its own weights: fold again after training on.

    Args:
        estimator: What build_estimator or weights.load_model returns.
        precision: What it computes in, 'float32', 'bfloat16' or 'float16';
            its weights and its map are float32.

    Returns:
        Model of the same signature.
    """
    source = estimator.get_layer('B')
    built = networks.architecture(source) | {'side_heads': False}
    names = {layer.name for layer in source.layers}
    arrays = {}
    for name in networks.convolutions(source):
        kernel, bias = source.get_layer(name).get_weights()
        norm = networks.norm_name(name)
        if norm in names:
            kernel, bias = _folded(kernel, bias, source.get_layer(norm))
        arrays[name] = kernel, bias
    if precision == 'float16' and not built['encoder_norm']:
        _fit_to_float16(source, arrays)
    with networks.policy(_POLICIES[precision]):
        folded = networks.build_blur_estimator(**built, folded=True)
    for name in networks.convolutions(folded):
        folded.get_layer(name).set_weights(arrays[name])
    return build_estimator(folded, estimator.get_layer('sigma').convention)


def _folded(kernel, bias, norm):
    beta, mean, variance = norm.get_weights()
    scale = 1.0 / np.sqrt(variance.astype(np.float64) + norm.epsilon)
    return kernel * scale, (bias - mean) * scale + beta


def _fit_to_float16(b, arrays):
    """Scales the activations of an encoder without norms to about 64.

    Nothing holds them: after training they may be beyond 65,504, where
    float16 ends. ReLU passes factors on, so they are taken out of each
    convolution and given back where the decoder reads. All are powers of two:
    nothing is rounded.

    Args:
        b: B.
        arrays: Of the folded B, name -> (kernel, bias); changed.
    """
    encoder = [name for name in arrays if name.startswith('conv')]
    probe = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    probe[:, :, 32:] = 1.0
    seen = keras.Model(b.input, {name: b.get_layer(name).output
                                 for name in encoder})(probe)
    factors, before = {}, 1.0
    for name in encoder:
        peak = max(float(tf.reduce_max(tf.cast(seen[name], tf.float32))), 1.0)
        factor = factors[name] = 2.0**round(6 - np.log2(peak))
        kernel, bias = arrays[name]
        arrays[name] = kernel * (factor / before), bias * factor
        before = factor
    for reader, (below, skip) in networks.readers(b).items():
        kernel, bias = arrays[reader]
        channels = arrays[skip][0].shape[-1]
        kernel = np.concatenate([
            kernel[:, :, :-channels] / factors.get(below, 1.0),
            kernel[:, :, -channels:] / factors[skip]], axis=2)
        arrays[reader] = kernel, bias


@functools.lru_cache(maxsize=2)
def compiled(model: keras.Model
             ) -> Callable[[np.ndarray], npt.NDArray[np.float32]]:
    """The model as one compiled function of a batch of any size.

    Not model.predict_on_batch: Keras hides its batch in an iterator inside
    the function, and now and then all convolutions then run on one thread.
    """
    function = tf.function(lambda image: model(image, training=False))

    def run(batch):
        check_tensorflow()
        # Traced once for all sizes, not for the first and then for others.
        any_size = tf.TensorSpec([None, None, None, 3], batch.dtype)
        traced = function.get_concrete_function(any_size)
        return traced(tf.convert_to_tensor(batch)).numpy()
    return run


def receptive_field(model: keras.Model) -> tuple[int, int]:
    """How far a functional model looks around an output pixel, in input px.

    Follows the intervals [a p - left, a p + right] of the input that an
    output position p depends on through every layer.

    Args:
        model: Functional Keras model of convolutions, 2x2 pooling, x2
            nearest upsampling and layers that act pixel by pixel, with one
            input, such as B.

    Returns:
        (left, right): px, for the output 'defocus' (or the only output).
    """
    field = {id(model.inputs[0]): (1.0, 0.0, 0.0)}
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        inputs = layer.input
        inputs = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        seen = [field[id(tensor)] for tensor in inputs]
        a = seen[0][0]
        left, right = max(s[1] for s in seen), max(s[2] for s in seen)
        if isinstance(layer, layers.Conv2D):
            reach = a * (layer.kernel_size[0] - 1) / 2
            left, right = left + reach, right + reach
        elif isinstance(layer, layers.MaxPooling2D):
            a, right = 2 * a, right + a
        elif isinstance(layer, layers.UpSampling2D):
            a, left = a / 2, left + a / 2
        field[id(layer.output)] = (a, left, right)
    outputs = model.output
    if isinstance(outputs, dict):
        outputs = outputs['defocus']
    _, left, right = field[id(outputs)]
    return int(np.ceil(left)), int(np.ceil(right))
