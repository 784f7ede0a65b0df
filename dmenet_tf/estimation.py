"""estimate(): one photograph as an array in, its defocus map out."""

import functools

import numpy as np

from dmenet_tf import weights


@functools.cache
def _default_model():
    return weights.load_model()


def estimate(image, model=None):
    """Estimates how blurred each pixel of a photograph is.

    Args:
        image: RGB [h, w, 3] or grey [h, w], uint8 or float, in [0, 255], any
            size.
        model: What dmenet_tf.load_model returns; None for the bundled one.

    Returns:
        sigma [h, w], px, float32: the standard deviation of the Gaussian
        that blurred the pixel, in pixels of this image.

    Raises:
        ValueError: The array is not such an image.
    """
    image = check_image(image)
    model = model or _default_model()
    return model.predict(image[None], verbose=0)[0, ..., 0]


def check_image(image):
    """Returns the image as RGB [h, w, 3], or says what is wrong with it.

    Raises:
        ValueError: Wrong rank or channels, empty, NaN, or not in [0, 255].
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise ValueError('estimate() needs one RGB image [h, w, 3] or grey '
                         'image [h, w] with at least one pixel. Received '
                         f'shape: {image.shape}.')
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind not in 'fiu':
        raise ValueError('estimate() needs numbers in [0, 255]. Received '
                         f'dtype: {image.dtype}.')
    image = image.astype(np.float32)
    low, high = image.min(), image.max()
    # NaN fails every comparison.
    if not (low >= 0 and high <= 255.5):
        raise ValueError('estimate() needs finite values in [0, 255]; scale '
                         'images of another range first. Received values '
                         f'from {low} to {high}.')
    return image
