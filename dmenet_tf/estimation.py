"""estimate(): photographs of any size as arrays in, their maps out.

Large photographs are seen at several scales, see scales, and go through the
network in tiles. Each tile is cut with as much of its surroundings as the
network can see, at multiples of the network's stride, so that the tiled map
is the untiled one.
"""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import overload

import keras
import numpy as np
import numpy.typing as npt
from absl import logging

from dmenet_tf import (
    arrays,
    engines,
    inference,
    model_files,
    networks,
    scales,
    weights,
)

# What one pass may take; activations are what it takes it for.
MEMORY_BUDGET = 2 * 2**30  # bytes
# Full-resolution float32 feature maps alive at once, in units of B's width
# (measured as peak memory over pixels and width).
_LIVE_FEATURES = 8
AUTO = engines.AUTO
Sigma = npt.NDArray[np.float32]
Model = keras.Model | str | pathlib.Path | None
Runner = Callable[[np.ndarray], np.ndarray]


@overload
def estimate(image: Sequence[np.ndarray], model: Model = None,
             scales: int | str = AUTO, tile: int | str = AUTO,
             runner: Runner | None = None,
             precision: str = AUTO) -> list[Sigma]: ...


@overload
def estimate(image: np.ndarray, model: Model = None,
             scales: int | str = AUTO, tile: int | str = AUTO,
             runner: Runner | None = None,
             precision: str = AUTO) -> Sigma: ...


def estimate(image: np.ndarray | Sequence[np.ndarray], model: Model = None,
             scales: int | str = AUTO, tile: int | str = AUTO,
             runner: Runner | None = None,
             precision: str = AUTO) -> Sigma | list[Sigma]:
    """Estimates how blurred each pixel of a photograph is.

    Args:
        image: RGB [h, w, 3] or grey [h, w], any size: uint8, uint16 in
            [0, 65535], or float in [0, 255]. dmenet_tf.read_image reads a
            file so, upright as its EXIF says and in sRGB. Or a list of such
            photographs, of any sizes.
        model: What dmenet_tf.load_model returns; or what it takes, which is
            loaded at the first call and kept; None for the bundled one.
        scales: 'auto': a photograph of more than scales.COARSEST pixels at
            several scales, so that sigma beyond the network's largest, 7 px,
            is measured too, see the module scales; 1: at full size alone, as
            the paper does.
        tile: 'auto': in tiles where one pass would take too much memory; 0:
            in one pass; otherwise the side of the tiles, px.
        runner: What runs the model, see runtimes.make_runner; None for
            TensorFlow.
        precision: 'float32', 'bfloat16' or 'float16' of a model that is
            named; 'auto': by what the machine has, see engines. A model that
            was loaded, or that a runner runs, has a precision already; in
            another it is inference.fold(model, precision).

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
    _check_scales(scales)
    model = _model(model, precision)
    runner = inference.compiled(model) if runner is None else runner
    estimated = _at_one_scale if scales == 1 else _at_several_scales
    found = [estimated(one, model, tile, runner) for one in checked]
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


def _check_scales(scales):
    if scales not in (AUTO, 1):
        raise ValueError("scales must be 'auto' or 1. Received: "
                         f'scales={scales!r}.')


def _model(model, precision):
    model = 'small' if model is None else model
    if isinstance(model, (str, pathlib.Path)):
        path = model_files.find(model)
        changed = path.stat().st_mtime_ns if path.is_file() else None
        chosen = engines.choose('tensorflow', precision)
        return _loaded(path.absolute(), changed, chosen.precision)
    if not isinstance(model, keras.Model):
        raise ValueError('model must be what dmenet_tf.load_model returns, or '
                         f'takes. Received: {model!r}.')
    if 'B' not in {layer.name for layer in model.layers}:
        raise ValueError('model must be what dmenet_tf.load_model returns: '
                         f"{model.name!r} has no layer 'B'.")
    if precision != AUTO:
        raise ValueError('precision is of a model that is named; of one that '
                         'was loaded fold it: inference.fold(model, '
                         f'{precision!r}).')
    return model


@functools.lru_cache(maxsize=2)
def _loaded(path, changed, precision):
    """The model of a file in a state, `changed`."""
    logging.info('%s is computed in %s.', path.name, precision)
    return inference.fold(weights.load_model(path), precision)


def _at_several_scales(image, model, tile, runner):
    """Coarse to fine, see scales; one scale where the photograph is small."""
    *finer, coarsest = scales.pyramid(image)
    sigma = _at_one_scale(coarsest, model, tile, runner)
    for picture in reversed(finer):
        coarse = scales.doubled(sigma, picture.shape[:2])
        weight = scales.finer_weight(coarse)
        fine = _estimate_where(weight > 0, picture, model, tile, runner)
        sigma = coarse + weight * (fine - coarse)
    return sigma


def _at_one_scale(image, model, tile, runner):
    """The map of one picture that arrays.check_image let through."""
    side = _tile_side(image, model, tile)
    if side is None:
        return runner(image[None])[0, ..., 0]
    height, width = (-(-n // networks.STRIDE) * networks.STRIDE
                     for n in image.shape[:2])
    tiles = [(y, min(y + side, height), x, min(x + side, width))
             for y in range(0, height, side) for x in range(0, width, side)]
    return _estimate_boxes(image, tiles, _halo(model), runner)


def _estimate_where(needed, image, model, tile, runner):
    """The same map where needed, [h, w] of bool; elsewhere it may be 0."""
    stride = networks.STRIDE
    needed = inference.pad_to_multiple(needed)
    height, width = (n // stride for n in needed.shape)
    blocks = needed.reshape(height, stride, width, stride).any((1, 3))
    side, halo = _tile_side(image, model, tile), _halo(model)
    most = (side + 2 * halo if side else max(image.shape) + stride)**2
    found = scales.boxes(blocks, most // stride**2, halo // stride)
    return _estimate_boxes(image, stride * np.array(found, int).reshape(-1, 4),
                           halo, runner)


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


def _estimate_boxes(image, boxes, halo, runner):
    """The map inside boxes (top, bottom, left, right), whole strides."""
    height, width = image.shape[:2]
    # Padded as the model would pad the whole, so that no tile is padded.
    image = inference.pad_to_multiple(image)
    sigma = np.zeros(image.shape[:2], np.float32)
    for top, bottom, left, right in boxes:
        y, x = max(top - halo, 0), max(left - halo, 0)
        seen = image[y:bottom + halo, x:right + halo]
        part = runner(seen[None])[0, ..., 0]
        sigma[top:bottom, left:right] = part[top - y:bottom - y,
                                             left - x:right - x]
    return sigma[:height, :width]
