"""The layered blur of photographs as cameras make them.

What render.blend_layers computes where the most blurred layers are the
farthest. A wide blur leaves no detail, so those layers are blended first, on a
canvas reduced 2^k times: a pixel adds to the one of the canvas that it lies
in, and its layer's kernel is narrower by what that blurs. Then the canvas is
enlarged twice, less blurred layers are blended over it, and so on to full
size. Each canvas is worked on in bands of rows by several threads, a band with
as many rows around it as its kernels reach. Layers whose kernels are all
narrower than twice NARROWEST px are blended at full size, to the same bits.
"""

import concurrent.futures
import os
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from dmenet_tf.syndof import render

NARROWEST = 4.0  # sigma of kernels on a reduced canvas, px of it
_BAND = 256  # rows
# Goes through steps, of which there are so many, and shows how far it is.
Progress = Callable[[Iterable, int], Iterable]


def blend_large(image: npt.ArrayLike, layer: npt.ArrayLike,
                sigma: npt.ArrayLike, progress: Progress | None = None
                ) -> npt.NDArray[np.float32]:
    """Blurs each layer by its own Gaussian and blends them back to front.

    Args:
        image: [h, w, 3], float32, any range.
        layer: [h, w], int32 in [0, n), 0 = farthest.
        sigma: [n], px, >= 0, descending.
        progress: Shows it; None does not.

    Returns:
        [h, w, 3], float32: within .01 of the image's range what blend_layers
        gives of white noise, the least smooth picture.

    Raises:
        ValueError: Shapes or values are not as above.
    """
    image, layer, sigma = render.check_layers(image, layer, sigma)
    if np.any(np.diff(sigma) > 0):
        raise ValueError('sigma must descend, the most blurred layer is the '
                         f'farthest. Received: {sigma!r}.')
    canvases = _canvases(layer.shape, sigma)
    steps = _steps(canvases, image, layer, sigma)
    total = sum(-(-len(canvas) // _BAND) for _, _, canvas in canvases)
    for _ in steps if progress is None else progress(steps, total):
        pass
    return render.flatten(canvases[-1][2], layer.shape)


def _canvases(shape, sigma):
    """(scale, (first, end) of its layers, canvas), coarse to fine."""
    scales = 2 ** np.maximum(np.log2(np.maximum(sigma, 1e-6) / NARROWEST),
                             0).astype(int)
    found = []
    for scale in 2 ** np.arange(int(np.log2(scales.max(initial=1))), -1, -1):
        of_it = np.flatnonzero(scales == scale)
        ends = (of_it[0], of_it[-1] + 1) if of_it.size else (0, 0)
        found.append((int(scale), ends, render.new_canvas(
            tuple(-(-n // scale) for n in shape))))
    return found


def _steps(canvases, image, layer, sigma):
    """Blends all, band by band; yields after each."""
    coarser = None
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for scale, (first, end), canvas in canvases:
            if coarser is not None:
                _enlarge(coarser, canvas, pool)
            narrowed = _narrowed(sigma[:end], scale)
            reach = render.radius(narrowed[first:].max(initial=0))
            waiting = [pool.submit(_blend_band, canvas, image, layer,
                                   narrowed, first, scale, reach, top)
                       for top in range(0, len(canvas), _BAND)]
            for band in concurrent.futures.as_completed(waiting):
                yield band.result()
            coarser = canvas


def _narrowed(sigma, scale):
    """Kernels in px of the canvas, less the variance of scale x scale px."""
    variance = np.maximum(sigma**2 - (scale**2 - 1) / 12, 0)
    return np.sqrt(variance) / np.float32(scale)


def _blend_band(canvas, image, layer, sigma, first, scale, reach, top):
    """Blends layers `first` and on over the canvas's rows from `top` on."""
    if first == len(sigma):
        return  # None has kernels of this scale.
    bottom = min(top + _BAND, len(canvas))
    y, end = max(top - reach, 0), min(bottom + reach, len(canvas))
    seen = np.s_[y * scale:end * scale]
    around = np.zeros_like(canvas[y:end])
    around[top - y:bottom - y] = canvas[top:bottom]
    # Others go to other canvases.
    render.blend_gaussians(around, image[seen], np.minimum(
        layer[seen], len(sigma)), sigma, first, scale)
    canvas[top:bottom] = around[top - y:bottom - y]


def _enlarge(coarse, canvas, pool):
    """Fills a canvas with one of half its size."""
    source, target = (x.reshape(len(x), -1, 4) for x in (coarse, canvas))
    size = 2 * source.shape[1], 2 * source.shape[0]

    def enlarge(c):
        plane = Image.fromarray(np.ascontiguousarray(source[..., c]))
        plane = plane.resize(size, Image.Resampling.BICUBIC)
        target[..., c] = np.asarray(plane)[:target.shape[0], :target.shape[1]]

    list(pool.map(enlarge, range(4)))
