"""The public model: any RGB photograph in [0, 255] -> sigma in px.

Around B it does what a user should not have to: scaling, padding to the
multiple of 16 that B needs, cropping back, and the unit. It is a plain Keras
model, so `model.predict`, SavedModel and TF Serving all see the same thing.
"""

import keras
import tensorflow as tf
from keras import layers

from dmenet_tf import networks, optics


def _mirrored_range(size, target):
    """Indices of symmetric padding: 0 .. size-1, size-1 .. 0, 0 .. and on.

    Unlike tf.pad it goes on for ever, so that a 1 x 1 image can be padded.
    """
    position = tf.range(target) % (2 * size)
    return tf.minimum(position, 2 * size - 1 - position)


@keras.utils.register_keras_serializable('dmenet_tf')
class PadToMultiple(layers.Layer):
    """Symmetric padding at the bottom and right: [h, w] -> multiples of 16."""

    def call(self, image):
        for axis in (1, 2):
            size = tf.shape(image)[axis]
            target = -(-size // networks.STRIDE) * networks.STRIDE
            image = tf.gather(image, _mirrored_range(size, target), axis=axis)
        return image

    def compute_output_shape(self, input_shape):
        b, h, w, c = input_shape
        return b, h and -(-h // 16) * 16, w and -(-w // 16) * 16, c


@keras.utils.register_keras_serializable('dmenet_tf')
class DefocusToSigma(layers.Layer):
    """B's map -> sigma, px, cut to the size of the image before padding."""

    def __init__(self, convention, **kwargs):
        super().__init__(**kwargs)
        self.convention = convention

    def call(self, inputs):
        defocus, image = inputs
        size = tf.shape(image)
        defocus = defocus[:, :size[1], :size[2]]
        return optics.sigma_from_defocus(defocus, self.convention)

    def compute_output_shape(self, input_shape):
        _, image_shape = input_shape
        return (*image_shape[:3], 1)

    def get_config(self):
        return {**super().get_config(), 'convention': self.convention}


def build_estimator(b, convention):
    """Builds the public model around B, sharing its weights.

    Args:
        b: networks.build_blur_estimator's model, with or without side heads.
        convention: What b's map means, see optics.

    Returns:
        Model, RGB [b, h, w, 3] in [0, 255], uint8 or float, any h, w >= 1 ->
        sigma [b, h, w, 1] px, float32.
    """
    image = keras.Input((None, None, 3), name='image')
    x = layers.Rescaling(1 / 255.0, dtype='float32', name='unit_range')(image)
    x = PadToMultiple(name='pad')(x)
    defocus = b(x)['defocus']
    sigma = DefocusToSigma(convention, dtype='float32', name='sigma')(
        [defocus, image])
    return keras.Model(image, sigma, name='dmenet')
