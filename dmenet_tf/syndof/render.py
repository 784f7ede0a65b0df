"""The layered blur: the one place of the library where images are blurred.

A scene is an image and a map of layers, 0 = farthest. Each layer's image and
mask are blurred by the layer's own kernel, then blended back to front with
the blurred masks as alpha, and what came out is divided by the mask that was
blended in the same way [Lee 2019, Section 3.3]. Images are premultiplied and
zero outside the frame, so the borders do not darken.

The direct way filters the whole frame once a layer: 350 layers cost 350
frames. Here a layer costs what it covers. Its pixels are scattered along their
rows into a buffer of short column strips; every strip remembers which rows
were touched; the columns are then summed over the touched rows only, and
blended in place (loops.py). `blend_layers_reference` is the direct way, the
oracle of the tests.
"""

import functools

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dmenet_tf import optics
from dmenet_tf.syndof.apertures import SHARP_SIGMA, Aperture

KERNELS = ('gaussian', 'disc')
KERNEL_SIGMAS = 3.0  # A Gaussian ends at radius int(3 sigma + 0.5).


def gaussian_kernel(sigma: float) -> npt.NDArray[np.float32]:
    """The normalised 1-D Gaussian of radius int(3 sigma + 0.5), float32.

    Below SHARP_SIGMA it is the single weight 1.
    """
    if sigma < SHARP_SIGMA:
        return np.ones(1, np.float32)
    reach = radius(sigma)
    x = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (x / sigma) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def radius(sigma: float) -> int:
    """How far gaussian_kernel reaches, px, where it is not a single weight."""
    return int(KERNEL_SIGMAS * sigma + 0.5)


def disc_kernel(sigma: float) -> npt.NDArray[np.float64]:
    """The normalised disc that blurs like a Gaussian of `sigma`.

    Its radius is that of the RTF table (optics.disc_radius_from_sigma); a
    weight is the part of its pixel that the disc covers.

    Returns:
        [2 r + 1, 2 r + 1], float64; [1, 1] below SHARP_SIGMA.
    """
    if sigma < SHARP_SIGMA:
        return np.ones((1, 1))
    radius = float(optics.disc_radius_from_sigma(np.float64(sigma)))
    reach = int(np.ceil(radius - 0.5))
    # Chords of the disc at eight heights a pixel, each cut at pixel borders.
    y = (np.arange((2 * reach + 1) * 8) + 0.5) / 8 - reach - 0.5
    half = np.sqrt(np.maximum(radius**2 - y**2, 0))[:, None]
    left = np.arange(-reach, reach + 1) - 0.5
    covered = np.minimum(left + 1, half) - np.maximum(left, -half)
    covered = np.maximum(covered, 0).reshape(2 * reach + 1, 8, -1).mean(1)
    return covered / covered.sum()


def blend_layers(image: npt.ArrayLike, layer: npt.ArrayLike,
                 sigma: npt.ArrayLike, kernel: str | Aperture = 'gaussian'
                 ) -> npt.NDArray[np.float32]:
    """Blurs each layer by its own kernel and blends them back to front.

    Args:
        image: [h, w, 3], float32, any range.
        layer: [h, w], int32 in [0, n), 0 = farthest.
        sigma: [n], px, >= 0.
        kernel: One of KERNELS, where a disc is the one of disc_kernel, or
            an Aperture.

    Returns:
        [h, w, 3], float32.

    Raises:
        ValueError: Shapes or values are not as above.
    """
    image, layer, sigma = check_layers(image, layer, sigma)
    canvas = new_canvas(layer.shape)
    _blend_onto(canvas, image, layer, sigma, kernel, 0)
    return flatten(canvas, layer.shape)


def blend_filled(image: npt.ArrayLike, layer: npt.ArrayLike,
                 sigma: npt.ArrayLike, front: int,
                 kernel: str | Aperture = 'gaussian'
                 ) -> npt.NDArray[np.float32]:
    """blend_layers over a background without holes.

    What stands at or before the focal plane hides part of the background,
    and blurring the rest would let its gap show. Here each hidden pixel first
    takes the colour and the layer of the nearest background pixel; the filled
    background is blended alone, and the rest over it.

    Args:
        image, layer, sigma, kernel: As in blend_layers.
        front: First layer that is not background.

    Returns:
        [h, w, 3], float32.

    Raises:
        ValueError: As blend_layers.
    """
    image, layer, sigma = check_layers(image, layer, sigma)
    canvas = new_canvas(layer.shape)
    hidden = layer >= front
    if hidden.any() and not hidden.all():
        y, x = ndimage.distance_transform_edt(
            hidden, return_distances=False, return_indices=True)
        _blend_onto(canvas, image[y, x], layer[y, x], sigma, kernel, 0)
        _blend_onto(canvas, image, layer, sigma, kernel, front)
    else:
        _blend_onto(canvas, image, layer, sigma, kernel, 0)
    return flatten(canvas, layer.shape)


def blend_layers_reference(image: npt.ArrayLike, layer: npt.ArrayLike,
                           sigma: npt.ArrayLike,
                           kernel: str | Aperture = 'gaussian'
                           ) -> npt.NDArray[np.float32]:
    """What blend_layers computes, by filtering the whole frame every time."""
    image, layer, sigma = check_layers(image, layer, sigma)
    out = np.zeros(layer.shape + (4,), np.float32)
    for i, s in enumerate(sigma):
        mask = (layer == i).astype(np.float32)[..., None]
        blurred = np.concatenate([image * mask, mask], axis=-1)
        if isinstance(kernel, Aperture):
            zone = kernel.zone(layer.shape)[..., None]
            blurred = sum(ndimage.convolve(
                blurred * (zone == z), kernel.kernel(s, z)[..., None],
                mode='constant') for z in range(kernel.zones))
        elif kernel == 'disc':
            blurred = ndimage.convolve(
                blurred, disc_kernel(s)[..., None], mode='constant')
        elif s >= SHARP_SIGMA:
            # truncate=3 makes SciPy's radius int(3 sigma + 0.5).
            blurred = ndimage.gaussian_filter(
                blurred, (s, s, 0), mode='constant', truncate=KERNEL_SIGMAS)
        out = out * (1 - blurred[..., 3:]) + blurred
    return out[..., :3] / out[..., 3:]


def check_layers(image: npt.ArrayLike, layer: npt.ArrayLike,
                 sigma: npt.ArrayLike
                 ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32],
                            npt.NDArray[np.float32]]:
    """Returns the three as contiguous float32, int32, float32, or raises."""
    image, layer, sigma = map(np.asarray, (image, layer, sigma))
    if image.ndim != 3 or image.shape != layer.shape + (3,):
        raise ValueError('image must be [h, w, 3] and layer [h, w]. Received: '
                         f'{image.shape} and {layer.shape}.')
    if layer.size == 0 or layer.dtype.kind not in 'iu':
        raise ValueError('layer must be integers, one a pixel. Received: '
                         f'{layer.dtype}, shape {layer.shape}.')
    if sigma.ndim != 1 or not np.all((sigma >= 0) & (sigma < np.inf)):
        raise ValueError('sigma must be one number >= 0 a layer, [n]. '
                         f'Received: {sigma!r}.')
    if not 0 <= layer.min() <= layer.max() < len(sigma):
        raise ValueError(
            f'layer must lie in [0, {len(sigma)}), the length of sigma. '
            f'Received: {layer.min()} to {layer.max()}.')
    return (np.ascontiguousarray(image, np.float32),
            np.ascontiguousarray(layer, np.int32), sigma.astype(np.float32))


def new_canvas(shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """An empty canvas for images of shape (h, w): [h, strips, lanes]."""
    from dmenet_tf.syndof import loops  # Numba, an extra, where it is used.
    strips = -(-shape[1] // loops.STRIP)
    return np.zeros((shape[0], strips, loops.LANES), np.float32)


def _blend_onto(canvas, image, layer, sigma, kernel, first):
    """Blends the layers from `first` on over what the canvas holds."""
    if not isinstance(kernel, Aperture) and kernel not in KERNELS:
        raise ValueError(f'kernel must be one of {KERNELS}. Received: '
                         f'{kernel!r}.')
    if kernel == 'gaussian':
        blend_gaussians(canvas, image, layer, sigma, first)
        return
    from dmenet_tf.syndof import loops
    order, start = _pixels_by_layer(layer, sigma, first)
    zones, zone, edges = 1, np.zeros(layer.shape, np.int32), []
    if kernel == 'disc':
        edges = [_disc_edges(s) for s in sigma]
    else:
        zones, zone = kernel.zones, kernel.zone(layer.shape)
        edges = _edges_of(kernel, layer * zones + zone, sigma)
    offset = np.cumsum([0] + [len(step) for _, step in edges])
    loops.blend_steps(canvas, image, order, start, zone.ravel(), zones,
                      np.concatenate([place for place, _ in edges]),
                      np.concatenate([step for _, step in edges]), offset)


def blend_gaussians(canvas: npt.NDArray[np.float32],
                    image: npt.NDArray[np.float32],
                    layer: npt.NDArray[np.int32], sigma: np.ndarray,
                    first: int = 0, scale: int = 1) -> None:
    """Blends layers over what the canvas holds, in place.

    Args:
        canvas: Of new_canvas, for ceil(h / scale) and ceil(w / scale).
        image: [h, w, 3].
        layer: [h, w]; those from n on are left out.
        sigma: [n], px of the canvas; not sharp where scale is not 1.
        first: The layers before this one are left out too.
        scale: Pixels of the image along a side of one of the canvas.
    """
    from dmenet_tf.syndof import loops
    order, start = _pixels_by_layer(layer, sigma, first)
    kernels = [gaussian_kernel(s) for s in sigma]
    offset = np.cumsum([0] + [len(k) for k in kernels])
    loops.blend_separable(canvas, image, order, start,
                          np.concatenate(kernels), offset, scale)


def _pixels_by_layer(layer, sigma, first):
    """loops.pixels_by_layer, without pixels before `first` or after sigma."""
    from dmenet_tf.syndof import loops
    order, start = loops.pixels_by_layer(layer, len(sigma) + 1)
    start[:first + 1] = start[first]
    return order, start[:-1]


def _edges_of(aperture, used, sigma):
    """_edges of each layer's kernel in each zone; none where no pixel is."""
    used = set(np.unique(used).tolist())
    nothing = np.zeros((0, 2), np.int32), np.zeros(0)
    return [_edges(aperture.kernel(float(s), z))
            if i * aperture.zones + z in used else nothing
            for i, s in enumerate(sigma) for z in range(aperture.zones)]


@functools.lru_cache(maxsize=4096)
def _disc_edges(sigma):
    return _edges(disc_kernel(sigma))


def _edges(kernel):
    """Where the rows of a kernel change: places [e, 2] (dy, dx), steps [e]."""
    reach = len(kernel) // 2
    steps = np.diff(np.pad(kernel, ((0, 0), (1, 1))), axis=1)
    dy, dx = np.nonzero(np.abs(steps) > 1e-12)
    places = np.stack([dy - reach, dx - reach], axis=-1).astype(np.int32)
    return places, steps[dy, dx]


def flatten(canvas: npt.NDArray[np.float32], shape: tuple[int, int]
            ) -> npt.NDArray[np.float32]:
    """Divides by the blended mask: canvas -> [h, w, 3]."""
    height, width = shape
    pixels = canvas.reshape(height, -1, 4)[:, :width]
    return pixels[..., :3] / pixels[..., 3:]
