"""Photographs as arrays: what estimate() and the applications take.

One rule of range for all of them: uint8 and uint16 say it by their type,
every other type holds values in [0, 255]. What might as well be of another
range is refused, because a map of it would be without meaning.
"""

import numpy as np
import numpy.typing as npt

_ROUNDING = 0.5  # Of 255: what resizing and filters leave beyond the range.
_UNIT = 1 + _ROUNDING / 255


def check_image(image: npt.ArrayLike) -> np.ndarray:
    """Returns a photograph as RGB in [0, 255], or says what is wrong with it.

    Args:
        image: [h, w, 3] or grey [h, w]: uint8, uint16 in [0, 65535], or other
            numbers in [0, 255].

    Returns:
        [h, w, 3], uint8 if it was, else float32.

    Raises:
        ValueError: Wrong rank or channels, empty, NaN, out of range; or of a
            range that is not clear: floats that end at 1, uint16 that end at
            255. All zeros are black in any range.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise ValueError('needs one RGB image [h, w, 3] or grey image [h, w] '
                         'with at least one pixel. Received shape: '
                         f'{image.shape}.')
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind not in 'fiu':
        raise ValueError('needs numbers in [0, 255]. Received dtype: '
                         f'{image.dtype}.')
    _check_range(image)
    if image.dtype == np.uint16:
        return image.astype(np.float32) / np.float32(257)
    return image.astype(np.float32)


def _check_range(image):
    kind, low, high = image.dtype, image.min(), image.max()
    if kind == np.uint16:
        if 0 < high <= 255:
            raise ValueError('a uint16 picture must be in [0, 65535], and '
                             f'this one ends at {high}: pass codes of 8 bits '
                             'as uint8.')
        return
    # NaN fails every comparison.
    if not (low >= -_ROUNDING and high <= 255 + _ROUNDING):
        raise ValueError('needs finite values in [0, 255]; scale images of '
                         'another range first. Received values from '
                         f'{low:g} to {high:g}.')
    if kind.kind == 'f' and high <= _UNIT and (low or high):
        raise ValueError('a float picture must be in [0, 255], and this one '
                         f'ends at {high:.3g}: multiply a picture in [0, 1] '
                         'by 255 first.')
