"""Every random change of a training picture; its label stays true.

Geometry is done to a picture and its label together: crop, flip, quarter
rotations. Photographs without labels or with a mask may be rotated by any
angle; those with sigma may not, because resampling adds a blur that differs
from place to place.

Zoom and blur change sigma by a known amount; they are for pictures with sigma
alone. Photometric changes leave sigma as it is; they are the same for all
datasets, so that D cannot tell the datasets apart by them.

How far the changes go is changes.Augment's; which of them a sample gets is
said by its Draws, a pure function of (seed, index).
"""

import dataclasses
import math
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from dmenet_tf import sigma_files
from dmenet_tf.train.changes import Augment

try:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Its notice of the end of life.
        from tensorflow_addons.image import transform as _tfa_transform
except (ImportError, AttributeError):  # Keras 3, or not installed.
    _tfa_transform = None

# Part of the photographs without sigma that are rotated by any angle. Only
# half, because rotation resamples: D must not take that for the mark of a
# real photograph.
ROTATED = 0.5
_ENLARGING = 0.44  # px of the smaller picture, see resize_with_sigma.


class Draws(NamedTuple):
    """Random numbers of one sample, uniform in [0, 1); of a batch: [b] each.

    Attributes:
        top, left: Where the crop is.
        flip: Whether it is mirrored.
        quarter: Its quarter rotations.
        any_angle, angle: Whether it is rotated by any angle; by which.
        zoom, blur: See scale_of, blur_of.
        exposure, gamma: From most down to most up.
        noise: Its deviation.
        pixel_grain, channel_grain: Correlation of the noise, see add_noise.
        grey: Whether the colours go.
        jpeg: Quality.
    """
    top: float
    left: float
    flip: float
    quarter: float
    any_angle: float
    angle: float
    zoom: float
    blur: float
    exposure: float
    gamma: float
    noise: float
    pixel_grain: float
    channel_grain: float
    grey: float
    jpeg: float


def random_draws(seed: int, index: int) -> Draws:
    """The random numbers of sample `index`: no two samples share any.

    Philox is a function of key and counter: a stateless generator. TensorFlow
    has one too, but an op per sample costs more than cutting the crop.

    Args:
        seed: >= 0, the dataset's own.
        index: Of the sample, >= 0.
    """
    # It counts its first word up as it goes; the second is the sample's.
    bits = np.random.Philox(key=seed, counter=[0, index, 0, 0])
    numbers = np.random.Generator(bits).random(len(Draws._fields), np.float32)
    return Draws(*numbers.tolist())


def photometric(changes: Augment) -> Augment:
    """The changes that leave sigma as it is."""
    return dataclasses.replace(changes, zoom=1.0, blur=0.0)


def scale_of(changes: Augment, draw: float) -> float:
    """Scale of a picture, in [1 / zoom, zoom); evenly in its logarithm."""
    return changes.zoom ** (2 * draw - 1)


def blur_of(changes: Augment, draw: float) -> float:
    """Sigma of the Gaussian over a whole picture, px; 0 for none."""
    u = max((draw - 1) / changes.blur_share + 1, 0.0)
    return changes.blur * u**changes.blur_power


def random_crop(image: npt.NDArray[np.uint8],
                label: npt.NDArray[np.uint16] | None, size: int, draws: Draws,
                changes: Augment) -> tuple[npt.NDArray[np.uint8],
                                           npt.NDArray[np.uint16] | None]:
    """A random square: cropped, zoomed, blurred, flipped, quarter-rotated.

    Args:
        image: [h, w, 3], contiguous.
        label: [h, w] of Store.readable: codes of sigma where `changes` has
            zoom or blur; or None.
        size: Side of the square, px.
        draws: The sample's.
        changes: Of which zoom and blur are made here.

    Returns:
        [size, size, 3] and [size, size] or None.
    """
    zoom = scale_of(changes, draws.zoom)
    blur = blur_of(changes, draws.blur)
    side = round(size / zoom)
    # Three bytes as one number are copied three times as fast.
    pixels, label = (
        None if array is None else crop_at(array, side, draws.top, draws.left)
        for array in (image.view('V3')[..., 0], label))
    if side != size or blur:
        image, label = _change_sigma(_bytes(pixels), label, size, blur)
        pixels = image.view('V3')[..., 0]
    pixels, label = (
        None if array is None else flip_and_rotate(
            array, draws.flip < 0.5, int(4 * draws.quarter))
        for array in (pixels, label))
    return _bytes(pixels), label


def _bytes(pixels):
    """[h, w] of three bytes each, of any strides -> uint8 [h, w, 3]."""
    image = np.ascontiguousarray(pixels).view(np.uint8)
    return image.reshape(*pixels.shape, 3)


def _change_sigma(image, codes, size, blur):
    """A square of any side, and its codes: resized, then blurred."""
    sigma = sigma_files.sigma_from_codes(codes)
    if image.shape[0] != size:
        image, sigma = resize_with_sigma(image, sigma, (size, size))
    if blur:
        image, sigma = blur_with_sigma(image, sigma, blur)
    return image, sigma_files.codes_from_sigma(sigma)


def crop_at(array: np.ndarray, size: int, top: float,
            left: float) -> np.ndarray:
    """Crops a square at a relative position; too small sides are mirrored.

    Args:
        array: [h, w, ...].
        size: Side of the square, px.
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


def flip_and_rotate(array: np.ndarray, flip: bool,
                    quarters: int) -> np.ndarray:
    """Mirrors left-right and rotates counter-clockwise by quarters.

    With the quarter rotations, left-right and up-down mirroring give the same
    eight pictures.

    Args:
        array: [h, w, ...].
        flip: Whether to mirror.
        quarters: 0, 1, 2 or 3.

    Returns:
        A view, [h, w, ...] or [w, h, ...].
    """
    if flip:
        array = array[:, ::-1]
    return np.rot90(array, quarters)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[h, w, 3], uint8, or [h, w], at another size (height, width); bicubic.
    """
    return np.asarray(Image.fromarray(image).resize(
        size[::-1], Image.Resampling.BICUBIC))


def resize_nearest(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label [h, w] at another size (height, width): no new values.

    Averaging over a depth edge would make a sigma that no pixel has.
    """
    rows, columns = (
        ((np.arange(n) + 0.5) * before / n).astype(int)
        for n, before in zip(size, array.shape, strict=True))
    return array[rows[:, None], columns]


def resize_with_sigma(
        image: npt.NDArray[np.uint8], sigma: npt.NDArray[np.float32],
        size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8],
                                        npt.NDArray[np.float32]]:
    """A photograph and its sigma at another size.

    sigma is in px, so it scales with the photograph. Enlarging shows what
    lies between pixels as blur. Shrunk photographs (Kodak) that are enlarged
    1.25, 1.5 or 2 times look like the originals at that size after a Gaussian
    of 0.54, 0.65 or 0.87 px: 0.44 px of the smaller picture.

    Args:
        image: [h, w, 3].
        sigma: [h, w], px; nan where it does not count, and then so is every
            pixel that is mixed with such a one.
        size: (height, width), px.

    Returns:
        [height, width, 3] and [height, width], px of that size.
    """
    ratio = math.sqrt(math.prod(size) / sigma.size)
    holes = np.isnan(sigma)
    sigma = resize_nearest(sigma, size)
    if holes.any():
        sigma[resize(holes.astype(np.float32), size) != 0] = np.nan
    if ratio > 1.0:
        sigma = np.hypot(sigma, np.float32(_ENLARGING))
    return resize(image, size), sigma * np.float32(ratio)


def blur_with_sigma(
        image: npt.NDArray[np.uint8], sigma: npt.NDArray[np.float32],
        blur: float) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """A photograph [h, w, 3] and its sigma [h, w], px, after a Gaussian of
    sigma `blur`, px; variances add up.
    """
    blurred = ndimage.gaussian_filter(image.astype(np.float32), (blur, blur, 0))
    return np.rint(blurred).astype(np.uint8), np.hypot(sigma, np.float32(blur))


def window_size(crop: int) -> int:
    """Side of the square that holds a crop rotated by any angle, px."""
    return crop + 2 * math.ceil((math.sqrt(2.0) - 1.0) / 2.0 * crop)


def _rotation_transforms(angles, window, crop):
    """[b, 8] that rotate a window about its centre and keep a centred crop.

    An output pixel (x, y) shows the input at (a0 x + a1 y + a2,
    a3 x + a4 y + a5): tfa.image.rotate's rows, moved by the crop's margin.
    """
    cos, sin = tf.cos(angles), tf.sin(angles)
    centre_in, centre_out = (window - 1) / 2.0, (crop - 1) / 2.0
    zero = tf.zeros_like(angles)
    return tf.stack([
        cos, -sin, centre_in - centre_out * (cos - sin),
        sin, cos, centre_in - centre_out * (cos + sin), zero, zero], axis=1)


def rotate_and_crop(windows: tf.Tensor, angles: tf.Tensor, crop: int,
                    interpolation: str = 'bilinear') -> tf.Tensor:
    """Rotates each window by its own angle and keeps the middle.

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
    transforms = _rotation_transforms(angles, windows.shape[1], crop)
    if _tfa_transform is not None:
        rotated = _tfa_transform(windows, transforms, interpolation, 'reflect',
                                 output_shape=[crop, crop])
    else:
        rotated = tf.raw_ops.ImageProjectiveTransformV3(
            images=windows, transforms=transforms, output_shape=[crop, crop],
            fill_value=0.0, interpolation=interpolation.upper(),
            fill_mode='REFLECT')
    return tf.ensure_shape(rotated, [None, crop, crop, windows.shape[3]])


def change_photometry(image: tf.Tensor, draws: Draws, seeds: tf.Tensor,
                      changes: Augment) -> tf.Tensor:
    """Exposure and gamma, noise, loss of colour, JPEG: as on the way to a file.

    Args:
        image: [b, h, w, 3] in [0, 1].
        draws: Of [b] each.
        seeds: See add_noise.
        changes: How far each may go; what is at its default costs nothing.
    """
    if changes.exposure or changes.gamma:
        image = change_exposure(image, (2 * draws.exposure - 1)
                                * changes.exposure,
                                (2 * draws.gamma - 1) * changes.gamma)
    if changes.noise:
        std = draws.noise**changes.noise_power * changes.noise / 255.0
        grain = changes.grain * tf.stack(
            [draws.pixel_grain, draws.channel_grain], axis=1)
        image = add_noise(image, std, seeds, grain if changes.grain else None)
    if changes.grey:
        chosen = tf.reshape(draws.grey < changes.grey, [-1, 1, 1, 1])
        image = tf.where(chosen, tf.image.rgb_to_grayscale(image), image)
    if changes.jpeg_quality < 100:
        span = 101 - changes.jpeg_quality
        image = compress(image, changes.jpeg_quality
                         + tf.cast(draws.jpeg * span, tf.int32))
    return image


def change_exposure(image: tf.Tensor, stops: tf.Tensor,
                    log2_gamma: tf.Tensor) -> tf.Tensor:
    """image' = min(2^stops image, 1)^(2^log2_gamma).

    Args:
        image: [b, h, w, 3] in [0, 1].
        stops, log2_gamma: [b].
    """
    stops, log2_gamma = (tf.reshape(x, [-1, 1, 1, 1])
                         for x in (stops, log2_gamma))
    return tf.minimum(image * 2.0**stops, 1.0) ** (2.0**log2_gamma)


def add_noise(image: tf.Tensor, std: tf.Tensor, seeds: tf.Tensor,
              grain: tf.Tensor | None = None) -> tf.Tensor:
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


def compress(image: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
    """Goes through JPEG.

    Args:
        image: [b, h, w, 3] in [0, 1].
        quality: [b], int32, 1 to 100.
    """
    return tf.map_fn(lambda x: tf.image.adjust_jpeg_quality(x[0], x[1]),
                     (image, quality), fn_output_signature=tf.float32)
