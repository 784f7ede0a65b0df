"""The layers of a deblurred photograph: which, where, and how they join.

The photograph is deconvolved with each sigma of a list (deconvolution.py), and
every pixel blends the two results between which its own sigma lies. A layer is
worked on where it is needed: in tiles of TILE px, with MARGIN px around them.

What is blurred widely is worked on reduced. A photograph blurred by NARROWEST
px of the reduced one has nothing left at the finest frequencies of that: its
Gaussian leaves exp(-(NARROWEST pi)^2 / 2) of them. There edges are longer in
px of their own by the scale s, and steps across them as high as before: the
prior weighs 1 / s of what it weighs at full size, and lambda gets the factor.
"""

import concurrent.futures
import itertools
import os
import threading

import numba
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import fft, ndimage

from dmenet_tf import scales
from dmenet_tf.applications import deconvolution
from dmenet_tf.syndof import large

NARROWEST = 1.5  # px of a reduced photograph
TILE, MARGIN = 576, 32  # px
_RANGE_SIGMAS, _OVERSHOOT = 2.0, 0.05
_SHARPER = 1.15  # Surfaces whose sigma differs by less are one.
_MAX_REACH = 16  # px
Tile = tuple[slice, slice]


def spread_sharper(sigma: npt.NDArray[np.float32]
                   ) -> npt.NDArray[np.float32]:
    """Gives pixels in the blur of a sharper surface that surface's sigma.

    The edge of a surface is seen where its blur reaches, and there it is as
    blurred as the surface; deconvolved with a wider Gaussian it would ring.

    Args:
        sigma: [h, w] px, float32.

    Returns:
        [h, w] px: the least sigma_q of the clearly sharper pixels q that are
        within sigma_q px, or else sigma itself.
    """
    out, side = sigma.copy(), _MAX_REACH
    padded = np.pad(sigma, [(0, -n % side) for n in sigma.shape], 'edge')
    blocks = padded.reshape(padded.shape[0] // side, side, -1, side)
    # Of a block and those around it: most pixels have nothing sharper there.
    least = ndimage.minimum_filter(blocks.min((1, 3)), 3, mode='nearest')
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda i: _spread_rows(sigma, out, least, i),
                      range(len(least))))
    return out


@numba.njit(nogil=True, cache=True)
def _spread_rows(sigma, out, least, block):
    """spread_sharper of one row of blocks."""
    height, width = sigma.shape
    for i in range(block * _MAX_REACH, min((block + 1) * _MAX_REACH, height)):
        for j in range(width):
            limit = sigma[i, j] / np.float32(_SHARPER)
            if least[block, j // _MAX_REACH] >= limit:
                continue
            reach = min(int(limit), _MAX_REACH)
            for y in range(max(i - reach, 0), min(i + reach + 1, height)):
                for x in range(max(j - reach, 0), min(j + reach + 1, width)):
                    there = sigma[y, x]
                    if (there < limit and there < out[i, j]
                            and (y - i)**2 + (x - j)**2 <= there * there):
                        out[i, j] = there


def deconvolve_layers(image: npt.NDArray[np.float32],
                      sigma: npt.NDArray[np.float32], steps: np.ndarray,
                      precision: float, table: deconvolution.Table,
                      progress: large.Progress | None = None
                      ) -> npt.NDArray[np.float32]:
    """Deconvolves every layer where it is needed and blends them.

    Args:
        image: [h, w, 3], float32.
        sigma: [h, w] px.
        steps: Sigma of the layers, [n] px, ascending; the first stands for
            the photograph as it is.
        precision: strength / noise^2.
        table: Of deconvolution.shrinkage_table.
        progress: As of large.blend_large.

    Returns:
        [h, w, 3], float32.
    """
    place = np.interp(sigma, steps, np.arange(len(steps))).astype(np.float32)
    parts = [_Scale(scale, layers, image, sigma, place)
             for scale, layers in _scales_of(steps)]
    todo = [(part, tile, layer) for part in parts for tile in part.tiles()
            for layer in part.layers_in(tile)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        run = pool.map(lambda job: job[0].add(*job[1:], steps, precision,
                                              table), todo)
        for _ in run if progress is None else progress(run, len(todo)):
            pass
    out = image * np.maximum(1 - place, 0)[..., None]
    for part in parts:
        part.join(out, place)
    return out


def _scales_of(steps):
    """(scale, its layers), from full size on."""
    ratio = np.maximum(steps[1:] / NARROWEST, 1)
    found = (1 << np.log2(ratio).astype(int)).tolist()
    for scale, layers in itertools.groupby(range(1, len(steps)),
                                           lambda i: found[i - 1]):
        yield scale, list(layers)


class _Scale:
    """The layers of one scale and what they share.

    Attributes:
        scale: Pixels of the photograph along a side of one of this scale.
        layers: Its layers, one behind the other.
        image, sigma: The photograph and its map, reduced; px of this scale.
        place: [h, w]: between which layers a pixel lies.
        needed: [h, w]: where one of its layers is seen.
        blended: [3, h, w], by OPPONENT: the layers.
    """

    def __init__(self, scale, layers, image, sigma, place):
        for _ in range(scale.bit_length() - 1):
            image = scales.halved(image)
        self.scale, self.layers, self.image = scale, layers, image
        self.sigma = sigma[::scale, ::scale] / np.float32(scale)
        self.place = place[::scale, ::scale]
        self.needed = _weight(self.place, layers) > 0
        if scale > 1:  # Enlarging looks two pixels farther.
            self.needed = ndimage.maximum_filter(self.needed, 5)
            self.place = np.clip(self.place, layers[0], layers[-1])
        self.blended = np.zeros((3, *self.place.shape), np.float32)
        self.lock = threading.Lock()

    def tiles(self):
        """Those in which a layer is needed, as slices."""
        height, width = self.place.shape
        for y in range(0, height, TILE):
            for x in range(0, width, TILE):
                tile = np.s_[y:min(y + TILE, height), x:min(x + TILE, width)]
                if self.needed[tile].any():
                    yield tile

    def layers_in(self, tile):
        """The layers that a pixel of a tile blends."""
        place = np.unique(self.place[tile][self.needed[tile]])
        seen = {*np.floor(place).tolist(), *np.ceil(place).tolist()}
        return [layer for layer in self.layers if layer in seen]

    def add(self, tile, layer, steps, precision, table):
        """Deconvolves one layer in one tile and adds it."""
        seen = tuple(slice(max(cut.start - MARGIN, 0), cut.stop + MARGIN)
                     for cut in tile)
        inner = tuple(slice(cut.start - wide.start, cut.stop - wide.start)
                      for cut, wide in zip(tile, seen, strict=True))
        planes = [_padded(plane) for plane in np.moveaxis(
            self.image[seen] @ deconvolution.OPPONENT.T, -1, 0)]
        place = _padded(deconvolution.log_sigma(self.sigma[seen]))
        sigma = steps[layer] / self.scale
        found = deconvolution.deconvolve(planes, place, sigma,
                                         precision * self.scale, table)
        weight = np.maximum(1 - np.abs(self.place[tile] - layer), 0)
        for target, plane, before in zip(self.blended, found, planes,
                                         strict=True):
            added = weight * _limited(plane, before, sigma)[inner]
            # Two layers meet in a pixel, and a + b = b + a: the same bits.
            with self.lock:
                target[tile] += added

    def join(self, out, place):
        """Adds the layers to the photograph, in place."""
        blended = np.moveaxis(self.blended, 0, -1) @ deconvolution.OPPONENT
        if self.scale == 1:
            out += blended
            return
        weight = _weight(place, self.layers)
        height, width = self.place.shape
        size = self.scale * width, self.scale * height
        for c in range(3):
            plane = Image.fromarray(np.ascontiguousarray(blended[..., c]))
            plane = np.asarray(plane.resize(size, Image.Resampling.BICUBIC))
            out[..., c] += weight * plane[:len(out), :out.shape[1]]


def _limited(plane, seen, sigma):
    """Keeps a plane near what is seen within _RANGE_SIGMAS sigma.

    An edge ends at its two sides. Where the blur is less than sigma it would
    overshoot them, and ring.
    """
    side = 2 * int(np.ceil(_RANGE_SIGMAS * sigma)) + 1
    low = ndimage.minimum_filter(seen, side, mode='nearest')
    high = ndimage.maximum_filter(seen, side, mode='nearest')
    more = _OVERSHOOT * (high - low)
    return np.clip(plane, low - more, high + more)


def _weight(place, layers):
    """How much of a pixel some layers, one behind the other, are."""
    return np.clip(np.minimum(place - (layers[0] - 1), layers[-1] + 1 - place),
                   0, 1)


def _padded(plane):
    """Continued by its mirror image to where the transforms are fast."""
    border = [(0, fft.next_fast_len(n, real=True) - n) for n in plane.shape]
    return np.pad(plane, border, mode='symmetric')
