"""estimate(): photographs of any size as arrays in, their maps out.

Large photographs go through the network in tiles. Each tile is cut with as
much of its surroundings as the network can see, at multiples of the network's
stride, so that the tiled map is the untiled one.
"""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import overload

import keras
import numpy as np
import numpy.typing as npt
from skimage import transform

from dmenet_tf import arrays, inference, networks, weights

# What one pass may take; activations are what it takes it for.
MEMORY_BUDGET = 4 * 2**30  # bytes
# Full-resolution float32 feature maps alive at once, in units of B's width
# (measured as peak memory over pixels and width).
_LIVE_FEATURES = 8
AUTO = 'auto'
Sigma = npt.NDArray[np.float32]
Model = keras.Model | str | pathlib.Path | None
Runner = Callable[[np.ndarray], np.ndarray]


@overload
def estimate(image: Sequence[np.ndarray], model: Model = None,
             max_side: int | None = None, tile: int | str = AUTO,
             runner: Runner | None = None) -> list[Sigma]: ...


@overload
def estimate(image: np.ndarray, model: Model = None,
             max_side: int | None = None, tile: int | str = AUTO,
             runner: Runner | None = None) -> Sigma: ...


def estimate(image: np.ndarray | Sequence[np.ndarray], model: Model = None,
             max_side: int | None = None, tile: int | str = AUTO,
             runner: Runner | None = None) -> Sigma | list[Sigma]:
    """Estimates how blurred each pixel of a photograph is.

    Args:
        image: RGB [h, w, 3] or grey [h, w], any size: uint8, uint16 in
            [0, 65535], or float in [0, 255]. dmenet_tf.read_image reads a
            file so, upright as its EXIF says and in sRGB. Or a list of such
            photographs, of any sizes.
        model: What dmenet_tf.load_model returns; or what it takes, which is
            loaded at the first call and kept; None for the bundled one.
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
        that blurred the pixel, in pixels of this image. Of a list: the list
        of their maps.

    Raises:
        ValueError: The array is not such an image, may be one in [0, 1] (see
            arrays.check_image), or an argument is out of range.
        FileNotFoundError: There is no such model.
        RuntimeError: See inference.check_tensorflow.
    """
    inference.check_tensorflow()
    # Nested lists of numbers are one photograph.
    several = isinstance(image, (list, tuple)) and all(
        hasattr(one, 'shape') for one in image)
    checked = _check_list(image) if several else [_check(image)]
    model = _model(model)
    runner = inference.compiled(model) if runner is None else runner
    found = [_estimate(one, model, max_side, tile, runner) for one in checked]
    return found if several else found[0]


def _check(image):
    if isinstance(image, (str, pathlib.Path)):
        raise ValueError('estimate() takes an array; dmenet_tf.read_image '
                         f'reads {image}.')
    try:
        return arrays.check_image(image)
    except ValueError as error:
        hint = (' Pass several as a list, or model.predict a batch.'
                if np.ndim(image) == 4 else '')
        raise ValueError(f'{error}{hint}') from None


def _check_list(photographs):
    checked = []
    for i, image in enumerate(photographs):
        try:
            checked.append(_check(image))
        except ValueError as error:
            raise ValueError(f'image {i} of the list: {error}') from None
    return checked


def _model(model):
    model = 'small' if model is None else model
    if isinstance(model, (str, pathlib.Path)):
        path = weights.find(model)
        changed = path.stat().st_mtime_ns if path.is_file() else None
        return _loaded(path.absolute(), changed)
    if not isinstance(model, keras.Model):
        raise ValueError('model must be what dmenet_tf.load_model returns, or '
                         f'takes. Received: {model!r}.')
    if 'B' not in {layer.name for layer in model.layers}:
        raise ValueError('model must be what dmenet_tf.load_model returns: '
                         f"{model.name!r} has no layer 'B'.")
    return model


@functools.lru_cache(maxsize=2)
def _loaded(path, changed):
    """The model of a file in a state, `changed`."""
    return inference.fold(weights.load_model(path))


def _estimate(image, model, max_side, tile, runner):
    """The map of one photograph that arrays.check_image let through."""
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


def _estimate_shrunk(image, model, scale, tile, runner):
    """sigma is in px of the image it was seen in: enlarging multiplies it."""
    height, width = image.shape[:2]
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    small = transform.resize(image, size, order=1, anti_aliasing=True,
                             preserve_range=True).astype(np.float32)
    sigma = _estimate(np.clip(small, 0, 255), model, None, tile, runner)
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
        built = networks.architecture(b)
        width = max(built['width'], built['decoder_width'])
        bytes_per_pixel = 4 * width * _LIVE_FEATURES
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
