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
blended in place. `blend_layers_reference` is the direct way, the oracle of
the tests.

No reduction is reordered (numba's fastmath is off), so a render has the same
bits on every x86 machine, whatever its vector width.
"""

import functools

import numba
import numpy as np
from scipy import ndimage

from dmenet_tf import optics

KERNELS = ('gaussian', 'disc')
KERNEL_SIGMAS = 3.0  # A Gaussian ends at radius int(3 sigma + 0.5).
SHARP_SIGMA = 0.1  # px; below it a layer is not blurred
_STRIP = 16  # columns
_LANES = 4 * _STRIP  # premultiplied R, G, B and the mask, interleaved


def gaussian_kernel(sigma):
    """The normalised 1-D Gaussian of radius int(3 sigma + 0.5), float32.

    Below SHARP_SIGMA it is the single weight 1.
    """
    if sigma < SHARP_SIGMA:
        return np.ones(1, np.float32)
    radius = int(KERNEL_SIGMAS * sigma + 0.5)
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (x / sigma) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def disc_kernel(sigma):
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


def blend_layers(image, layer, sigma, kernel='gaussian'):
    """Blurs each layer by its own kernel and blends them back to front.

    Args:
        image: [h, w, 3], float32, any range.
        layer: [h, w], int32 in [0, n), 0 = farthest.
        sigma: [n], px, >= 0.
        kernel: One of KERNELS; a disc is the one of disc_kernel.

    Returns:
        [h, w, 3], float32.

    Raises:
        ValueError: Shapes or values are not as above.
    """
    image, layer, sigma = check_layers(image, layer, sigma)
    canvas = _new_canvas(layer.shape)
    _blend_onto(canvas, image, layer, sigma, kernel, 0)
    return _flatten(canvas, layer.shape)


def blend_filled(image, layer, sigma, front, kernel='gaussian'):
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
    canvas = _new_canvas(layer.shape)
    hidden = layer >= front
    if hidden.any() and not hidden.all():
        y, x = ndimage.distance_transform_edt(
            hidden, return_distances=False, return_indices=True)
        _blend_onto(canvas, image[y, x], layer[y, x], sigma, kernel, 0)
        _blend_onto(canvas, image, layer, sigma, kernel, front)
    else:
        _blend_onto(canvas, image, layer, sigma, kernel, 0)
    return _flatten(canvas, layer.shape)


def blend_layers_reference(image, layer, sigma, kernel='gaussian'):
    """What blend_layers computes, by filtering the whole frame every time."""
    image, layer, sigma = check_layers(image, layer, sigma)
    out = np.zeros(layer.shape + (4,), np.float32)
    for i, s in enumerate(sigma):
        mask = (layer == i).astype(np.float32)[..., None]
        blurred = np.concatenate([image * mask, mask], axis=-1)
        if kernel == 'disc':
            blurred = ndimage.convolve(
                blurred, disc_kernel(s)[..., None], mode='constant')
        elif s >= SHARP_SIGMA:
            # truncate=3 makes SciPy's radius int(3 sigma + 0.5).
            blurred = ndimage.gaussian_filter(
                blurred, (s, s, 0), mode='constant', truncate=KERNEL_SIGMAS)
        out = out * (1 - blurred[..., 3:]) + blurred
    return out[..., :3] / out[..., 3:]


def check_layers(image, layer, sigma):
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


def _new_canvas(shape):
    """An empty canvas for images of shape (h, w): [h, strips, lanes]."""
    strips = -(-shape[1] // _STRIP)
    return np.zeros((shape[0], strips, _LANES), np.float32)


def _blend_onto(canvas, image, layer, sigma, kernel, first):
    """Blends the layers from `first` on over what the canvas holds."""
    if kernel not in KERNELS:
        raise ValueError(f'kernel must be one of {KERNELS}. Received: '
                         f'{kernel!r}.')
    order, start = _pixels_by_layer(layer, len(sigma))
    start[:first + 1] = start[first]  # Layers before it become empty.
    if kernel == 'gaussian':
        kernels = [gaussian_kernel(s) for s in sigma]
        offset = np.cumsum([0] + [len(k) for k in kernels])
        _blend_separable(canvas, image, order, start,
                         np.concatenate(kernels), offset)
        return
    edges = [_disc_edges(s) for s in sigma]
    offset = np.cumsum([0] + [len(step) for _, step in edges])
    _blend_discs(canvas, image, order, start,
                 np.concatenate([place for place, _ in edges]),
                 np.concatenate([step for _, step in edges]), offset)


@functools.lru_cache(maxsize=4096)
def _disc_edges(sigma):
    """Where the rows of a disc change: places [e, 2] (dy, dx), steps [e]."""
    kernel = disc_kernel(sigma)
    reach = len(kernel) // 2
    steps = np.diff(np.pad(kernel, ((0, 0), (1, 1))), axis=1)
    dy, dx = np.nonzero(np.abs(steps) > 1e-12)
    places = np.stack([dy - reach, dx - reach], axis=-1).astype(np.int32)
    return places, steps[dy, dx]


def _flatten(canvas, shape):
    """Divides by the blended mask: canvas -> [h, w, 3]."""
    height, width = shape
    pixels = canvas.reshape(height, -1, 4)[:, :width]
    return pixels[..., :3] / pixels[..., 3:]


@numba.njit(cache=True)
def _pixels_by_layer(layer, count):
    """Counting sort: pixel numbers by layer, row by row within each."""
    flat = layer.ravel()
    start = np.zeros(count + 1, np.int64)
    for i in flat:
        start[i + 1] += 1
    start = np.cumsum(start)
    order = np.empty(flat.size, np.int32)
    at = start.copy()
    for pixel in range(flat.size):
        order[at[flat[pixel]]] = pixel
        at[flat[pixel]] += 1
    return order, start


@numba.njit(cache=True)
def _blend_separable(canvas, image, order, start, weights, offset):
    """Blends layer after layer; see the head of this module."""
    height, strips, lanes = canvas.shape
    rows = np.zeros((height, strips * lanes), np.float32)
    touched = np.zeros((strips, height), np.bool_)
    for i in range(len(start) - 1):
        pixels = order[start[i]:start[i + 1]]
        kernel = weights[offset[i]:offset[i + 1]]
        if len(pixels) == 0:
            continue
        if len(kernel) == 1:
            _put_sharp(canvas, image, pixels)
            continue
        _scatter_rows(rows, touched, image, pixels, kernel)
        width = image.shape[1]
        _blend_columns(canvas, rows, touched, pixels[0] // width,
                       pixels[-1] // width, kernel)


@numba.njit(cache=True)
def _put_sharp(canvas, image, pixels):
    """A sharp pixel has mask 1: it replaces what is behind it."""
    width = image.shape[1]
    for pixel in pixels:
        y, x = pixel // width, pixel % width
        strip, lane = x // _STRIP, 4 * (x % _STRIP)
        for c in range(3):
            canvas[y, strip, lane + c] = image[y, x, c]
        canvas[y, strip, lane + 3] = 1.0


@numba.njit(cache=True)
def _scatter_rows(rows, touched, image, pixels, kernel):
    """Blurs a layer's own pixels along their rows and notes the strips."""
    width = image.shape[1]
    radius = len(kernel) // 2
    for pixel in pixels:
        y, x = pixel // width, pixel % width
        r, g, b = image[y, x, 0], image[y, x, 1], image[y, x, 2]
        left, right = max(x - radius, 0), min(x + radius, width - 1)
        taps = kernel[left - x + radius:right - x + radius + 1]
        line = rows[y, 4 * left:4 * right + 4]
        for j in range(len(taps)):
            line[4 * j] += taps[j] * r
            line[4 * j + 1] += taps[j] * g
            line[4 * j + 2] += taps[j] * b
            line[4 * j + 3] += taps[j]
        for strip in range(left // _STRIP, right // _STRIP + 1):
            touched[strip, y] = True


@numba.njit(cache=True)
def _blend_columns(canvas, rows, touched, top, bottom, kernel):
    """Blurs the touched strips along columns, blends, clears the buffer."""
    height, strips, lanes = canvas.shape
    radius = len(kernel) // 2
    listed = np.empty(height, np.int32)
    total = np.empty(lanes, np.float32)
    for strip in range(strips):
        count = 0
        for y in range(top, bottom + 1):
            if touched[strip, y]:
                listed[count] = y
                count += 1
                touched[strip, y] = False
        if count == 0:
            continue
        column = rows[:, strip * lanes:(strip + 1) * lanes]
        low = high = 0
        for y in range(max(top - radius, 0), min(bottom + radius + 1, height)):
            while high < count and listed[high] <= y + radius:
                high += 1
            while low < high and listed[low] < y - radius:
                low += 1
            if low < high:
                _sum_rows(total, column, listed[low:high], kernel, radius - y)
                _blend_strip(canvas[y, strip], total)
        for n in range(count):
            column[listed[n]] = 0.0


@numba.njit(cache=True, inline='always')
def _sum_rows(total, column, listed, kernel, shift):
    """total = sum over listed rows y of kernel[y + shift] column[y]."""
    lanes = len(total)
    total[:] = 0.0
    n = 0
    # Four rows a turn: one load and store of the sum for four products.
    while n + 4 <= len(listed):
        a, b, c, d = listed[n], listed[n + 1], listed[n + 2], listed[n + 3]
        ka, kb = kernel[a + shift], kernel[b + shift]
        kc, kd = kernel[c + shift], kernel[d + shift]
        ra, rb, rc, rd = column[a], column[b], column[c], column[d]
        for j in range(lanes):
            total[j] += (ka * ra[j] + kb * rb[j]) + (kc * rc[j] + kd * rd[j])
        n += 4
    while n < len(listed):
        k, row = kernel[listed[n] + shift], column[listed[n]]
        for j in range(lanes):
            total[j] += k * row[j]
        n += 1


@numba.njit(cache=True, inline='always')
def _blend_strip(under, over):
    """under = under (1 - mask) + over, all premultiplied, mask included."""
    for j in range(0, len(over), 4):
        clear = np.float32(1.0) - over[j + 3]
        for c in range(4):
            under[j + c] = under[j + c] * clear + over[j + c]


@numba.njit(cache=True)
def _blend_discs(canvas, image, order, start, places, steps, offset):
    """As _blend_separable, for kernels given by where their rows change.

    A pixel adds a step at either end of each row of its disc; running sums
    along the rows then give the blurred layer. In float64, where what is
    left of a sum after the last step is no more than 1e-15.
    """
    height, strips, lanes = canvas.shape
    rows = np.zeros((height, strips * lanes), np.float64)
    touched = np.zeros((height, strips), np.bool_)
    width = image.shape[1]
    for i in range(len(start) - 1):
        pixels = order[start[i]:start[i + 1]]
        if len(pixels) == 0:
            continue
        place = places[offset[i]:offset[i + 1]]
        step = steps[offset[i]:offset[i + 1]]
        if len(step) == 2:  # the disc of one pixel
            _put_sharp(canvas, image, pixels)
            continue
        _scatter_steps(rows, touched, image, pixels, place, step)
        reach = -place[0, 0]
        top = max(pixels[0] // width - reach, 0)
        bottom = min(pixels[-1] // width + reach + 1, height)
        for y in range(top, bottom):
            _blend_row(canvas[y], rows[y], touched[y], width)


@numba.njit(cache=True)
def _scatter_steps(rows, touched, image, pixels, place, step):
    """Adds the steps of each pixel's disc, and notes their strips."""
    height, width = image.shape[:2]
    for pixel in pixels:
        y, x = pixel // width, pixel % width
        r = np.float64(image[y, x, 0])
        g = np.float64(image[y, x, 1])
        b = np.float64(image[y, x, 2])
        for e in range(len(step)):
            row, column = y + place[e, 0], x + place[e, 1]
            if row < 0 or row >= height or column >= width:
                continue
            # What begins left of the frame begins at its border.
            column = max(column, 0)
            at = rows[row, 4 * column:4 * column + 4]
            at[0] += step[e] * r
            at[1] += step[e] * g
            at[2] += step[e] * b
            at[3] += step[e]
            touched[row, column // _STRIP] = True


@numba.njit(cache=True)
def _blend_row(canvas, row, touched, width):
    """Sums the steps of a row, blends, clears; skips strips without mask."""
    r = g = b = mask = 0.0
    for strip in range(len(touched)):
        if not touched[strip] and mask < 1e-9:
            r = g = b = mask = 0.0
            continue
        touched[strip] = False
        for j in range(min(_STRIP, width - strip * _STRIP)):
            step = row[4 * (strip * _STRIP + j):4 * (strip * _STRIP + j) + 4]
            r += step[0]
            g += step[1]
            b += step[2]
            mask += step[3]
            step[:] = 0.0
            if mask > 1e-9:
                under = canvas[strip, 4 * j:4 * j + 4]
                under[0] = np.float32(under[0] * (1 - mask) + r)
                under[1] = np.float32(under[1] * (1 - mask) + g)
                under[2] = np.float32(under[2] * (1 - mask) + b)
                under[3] = np.float32(under[3] * (1 - mask) + mask)
