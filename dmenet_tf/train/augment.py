"""Random changes of training pictures that keep their labels true.

Geometry is done to a picture and its label together. Pictures with a sigma
label are flipped, turned by quarters and cropped only: resampling would add
blur that the label lacks. Photographs without labels or with a mask may be
turned by any angle.

Photometric changes leave sigma alone; they are the same for every set, so
that D cannot tell the sets apart by them.
"""

import math
import warnings

import numpy as np
import tensorflow as tf

try:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Its notice of the end of life.
        from tensorflow_addons.image import transform as _tfa_transform
except (ImportError, AttributeError):  # Keras 3, or not installed.
    _tfa_transform = None


def window_size(crop):
    """Side of the square that holds a crop turned by any angle, px."""
    return crop + 2 * math.ceil((math.sqrt(2.0) - 1.0) / 2.0 * crop)


def flip_and_turn(array, flip, turns):
    """Mirrors left-right and turns counter-clockwise by quarters.

    With the quarter turns, left-right and up-down mirroring give the same
    eight pictures.

    Args:
        array: NumPy, [h, w, ...].
        flip: Whether to mirror.
        turns: 0, 1, 2 or 3.

    Returns:
        A view, [h, w, ...] or [w, h, ...].
    """
    if flip:
        array = array[:, ::-1]
    return np.rot90(array, turns)


def cut(array, size, top, left):
    """Cuts a square at a relative position; too small sides are mirrored.

    Args:
        array: NumPy, [h, w, ...].
        size: Side of the square, px, less than 3 times the smaller side.
        top, left: Position in [0, 1): of all that fit, 0 is the first.

    Returns:
        [size, size, ...].
    """
    pads = [((size - n) // 2, (size - n + 1) // 2) if n < size else (0, 0)
            for n in array.shape[:2]]
    if np.any(pads):
        pads += [(0, 0)] * (array.ndim - 2)
        array = np.pad(array, pads, mode='symmetric')
    y = int(top * (array.shape[0] - size + 1))
    x = int(left * (array.shape[1] - size + 1))
    return array[y:y + size, x:x + size]


def rotation_transforms(angles, window, crop):
    """The projective transforms that turn a window about its centre and crop.

    An output pixel (x, y) shows the input at (a0 x + a1 y + a2,
    a3 x + a4 y + a5): tfa.image.rotate's rows, moved by the crop's margin.

    Args:
        angles: [b], radians, counter-clockwise.
        window: Side of the input, px.
        crop: Side of the centred output, px; window - crop is even.

    Returns:
        [b, 8].
    """
    cos, sin = tf.cos(angles), tf.sin(angles)
    centre_in, centre_out = (window - 1) / 2.0, (crop - 1) / 2.0
    zero = tf.zeros_like(angles)
    return tf.stack([
        cos, -sin, centre_in - centre_out * (cos - sin),
        sin, cos, centre_in - centre_out * (cos + sin), zero, zero], axis=1)


def rotate_and_crop(windows, angles, crop, interpolation='bilinear'):
    """Turns each window by its own angle and keeps the middle.

    The same as tfa.image.rotate followed by a central crop, without computing
    what the crop throws away. Without TensorFlow Addons the kernel that it
    wraps is called.

    Args:
        windows: [b, n, n, c], n = window_size(crop), any numeric type.
        angles: [b], radians, counter-clockwise.
        crop: Side of the result, px.
        interpolation: 'bilinear', or 'nearest' for masks.

    Returns:
        [b, crop, crop, c].
    """
    transforms = rotation_transforms(angles, windows.shape[1], crop)
    if _tfa_transform is not None:
        turned = _tfa_transform(windows, transforms, interpolation, 'reflect',
                                output_shape=[crop, crop])
    else:
        turned = tf.raw_ops.ImageProjectiveTransformV3(
            images=windows, transforms=transforms, output_shape=[crop, crop],
            fill_value=0.0, interpolation=interpolation.upper(),
            fill_mode='REFLECT')
    return tf.ensure_shape(turned, [None, crop, crop, windows.shape[3]])


def change_exposure(image, stops, log2_gamma):
    """image' = min(2^stops image, 1)^(2^log2_gamma).

    Args:
        image: [b, h, w, 3] in [0, 1].
        stops, log2_gamma: [b].

    Returns:
        [b, h, w, 3] in [0, 1].
    """
    stops, log2_gamma = (tf.reshape(x, [-1, 1, 1, 1])
                         for x in (stops, log2_gamma))
    return tf.minimum(image * 2.0**stops, 1.0) ** (2.0**log2_gamma)


def add_noise(image, std, seeds, grain=None):
    """Adds Gaussian noise and clips to [0, 1].

    What demosaicing, resizing and compression leave of a sensor's noise is no
    longer white: neighbours go together, and so do the three channels.

    Args:
        image: [b, h, w, 3] in [0, 1].
        std: [b], in the unit of image.
        seeds: [b, 2], integers: each picture's own.
        grain: [b, 2] in [0, 1], how far neighbouring pixels (1: correlation
            2/3) and channels (1: grey noise) go together; None: not at all.
    """
    noise = tf.map_fn(
        lambda seed: tf.random.stateless_normal(tf.shape(image)[1:], seed),
        seeds, fn_output_signature=tf.float32)
    if grain is not None:
        noise = _correlated(noise, *tf.unstack(
            tf.reshape(grain, [-1, 1, 1, 1, 2]), axis=-1))
    noisy = image + noise * tf.reshape(std, [-1, 1, 1, 1])
    return tf.clip_by_value(noisy, 0.0, 1.0)


def _correlated(noise, smooth, grey):
    """White noise of deviation 1 -> the same with correlation; see add_noise.

    Args:
        noise: [b, h, w, 3].
        smooth, grey: [b, 1, 1, 1] in [0, 1].
    """
    side = smooth / 4.0  # 1: the binomial kernel (1, 2, 1) / 4.
    for axis in (1, 2):
        noise = (1.0 - 2.0 * side) * noise + side * (
            tf.roll(noise, 1, axis) + tf.roll(noise, -1, axis))
    variance = ((1.0 - 2.0 * side)**2 + 2.0 * side**2)**2
    common = tf.reduce_sum(noise, axis=-1, keepdims=True) / math.sqrt(3.0)
    noise = (1.0 - grey) * noise + grey * common
    # A channel and the common noise have a covariance of 1 / sqrt(3).
    variance *= (1.0 - grey)**2 + grey**2 + 2.0 * grey * (
        1.0 - grey) / math.sqrt(3.0)
    return noise / tf.sqrt(variance)


def compress(image, quality):
    """Goes through JPEG.

    Args:
        image: [b, h, w, 3] in [0, 1].
        quality: [b], int32, 1 to 100.
    """
    return tf.map_fn(lambda x: tf.image.adjust_jpeg_quality(x[0], x[1]),
                     (image, quality), fn_output_signature=tf.float32)
