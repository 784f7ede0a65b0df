"""estimate(): one photograph of any size as an array in, its map out.

Large photographs go through the network in tiles. Each tile is cut with as
much of its surroundings as the network can see, at multiples of the network's
stride, so that the tiled map is the untiled one.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
import numpy.typing as npt
from skimage import transform

from dmenet_tf import inference, networks, weights

# What one pass may take; activations are what it takes it for.
MEMORY_BUDGET = 4 * 2**30  # bytes
# Full-resolution float32 feature maps alive at once, in units of B's width
# (measured as peak memory over pixels and width).
_LIVE_FEATURES = 8
AUTO = 'auto'


@functools.cache
def _default_model():
    return inference.fold(weights.load_model())


def estimate(image: npt.ArrayLike, model: keras.Model | None = None,
             max_side: int | None = None, tile: int | str = AUTO,
             runner: Callable[[np.ndarray], np.ndarray] | None = None
             ) -> npt.NDArray[np.float32]:
    """Estimates how blurred each pixel of a photograph is.

    Args:
        image: RGB [h, w, 3] or grey [h, w], uint8 or float, in [0, 255], any
            size. dmenet_tf.read_image reads a file so, upright as its EXIF
            says and in sRGB.
        model: What dmenet_tf.load_model returns; None for the bundled one.
        max_side: Larger images are shrunk to this longest side, px, and the
            map enlarged again, its sigma with it: faster, and the network
            then sees blur beyond its largest sigma. Fine detail is lost, and
            with it small sigma: what is sharp at the reduced size cannot be
            told from what is sharp.
        tile: 'auto': in tiles where one pass would take too much memory; 0:
            in one pass; otherwise the side of the tiles, px.
        runner: What runs the model, see runtimes.make_runner; None for
            TensorFlow.

    Returns:
        sigma [h, w], px, float32: the standard deviation of the Gaussian
        that blurred the pixel, in pixels of this image.

    Raises:
        ValueError: The array is not such an image, or an argument is out of
            range.
    """
    image = check_image(image)
    model = _default_model() if model is None else model
    runner = inference.compiled(model) if runner is None else runner
    scale = network_scale(image.shape, max_side)
    if scale < 1:
        return _estimate_shrunk(image, model, scale, tile, runner)
    side = _tile_side(image, model, tile)
    if side is None:
        return runner(image[None])[0, ..., 0]
    return _estimate_tiled(image, side, _halo(model), runner)


def network_scale(shape: tuple[int, ...], max_side: int | None) -> float:
    """How much smaller than the photograph is what the network sees of it.

    Args:
        shape: (h, w, ...) of the photograph.
        max_side: See estimate.

    Returns:
        In (0, 1].

    Raises:
        ValueError: max_side is below 1.
    """
    if max_side is None:
        return 1.0
    if max_side < 1:
        raise ValueError('max_side must be at least 1 px. Received: '
                         f'max_side={max_side}.')
    return min(max_side / max(shape[:2]), 1.0)


def check_image(image: npt.ArrayLike) -> np.ndarray:
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


def _estimate_shrunk(image, model, scale, tile, runner):
    """sigma is in px of the image it was seen in: enlarging multiplies it."""
    height, width = image.shape[:2]
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    small = transform.resize(image, size, order=1, anti_aliasing=True,
                             preserve_range=True).astype(np.float32)
    sigma = estimate(np.clip(small, 0, 255), model, None, tile, runner)
    sigma = transform.resize(sigma, (height, width), order=1)
    return (sigma / scale).astype(np.float32)


def _tile_side(image, model, tile):
    """Side of the tiles, a multiple of the stride; None for one pass."""
    if tile != AUTO and (not isinstance(tile, int) or tile < 0):
        raise ValueError("tile must be 'auto', 0 (one pass) or a side in px. "
                         f'Received: tile={tile!r}.')
    side = tile
    if tile == AUTO:
        b = model.get_layer('B')
        bytes_per_pixel = 4 * networks.architecture(b)['width'] * _LIVE_FEATURES
        pixels = MEMORY_BUDGET / bytes_per_pixel
        if image.shape[0] * image.shape[1] <= pixels:
            return None
        side = max(pixels**0.5 - 2 * _halo(model), 256)
    side = -(-int(side) // networks.STRIDE) * networks.STRIDE
    return side if 0 < side < max(image.shape[:2]) else None


def _halo(model):
    """What a tile needs around it: the receptive field, in whole strides."""
    reach = max(inference.receptive_field(model.get_layer('B')))
    return -(-reach // networks.STRIDE) * networks.STRIDE


def _estimate_tiled(image, side, halo, runner):
    height, width = image.shape[:2]
    # Padded as the model would pad the whole, so that no tile is padded.
    image = inference.pad_to_multiple(image)
    sigma = np.empty(image.shape[:2], np.float32)
    for y in range(0, image.shape[0], side):
        for x in range(0, image.shape[1], side):
            top, left = max(y - halo, 0), max(x - halo, 0)
            seen = image[top:y + side + halo, left:x + side + halo]
            part = runner(seen[None])[0, ..., 0]
            target = sigma[y:y + side, x:x + side]
            target[:] = part[y - top:, x - left:][:target.shape[0],
                                                  :target.shape[1]]
    return sigma[:height, :width]
