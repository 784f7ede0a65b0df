"""The compiled loops of the layered blur; see render.py.

A canvas is [h, strips, LANES], float32: rows cut into strips of STRIP columns,
each pixel premultiplied R, G, B and the mask.

No reduction is reordered (numba's fastmath is off), so a render has the same
bits on every x86 machine, whatever its vector width.
"""

import numba
import numpy as np

STRIP = 16  # columns
LANES = 4 * STRIP  # premultiplied R, G, B and the mask, interleaved


@numba.njit(nogil=True, cache=True)
def pixels_by_layer(layer: np.ndarray, count: int
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Counting sort: pixel numbers by layer, row by row within each.

    Args:
        layer: [h, w], int32 in [0, count).
        count: Of layers, n.

    Returns:
        order [h w], int32; start [n + 1]: layer i is order[start[i]:start[i +
        1]].
    """
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


@numba.njit(nogil=True, cache=True)
def blend_separable(canvas: np.ndarray, image: np.ndarray, order: np.ndarray,
                    start: np.ndarray, weights: np.ndarray,
                    offset: np.ndarray, scale: int = 1) -> None:
    """Blends layer after layer by separable kernels.

    Args:
        canvas: [ceil(h / scale), strips, LANES], float32, changed in place.
        image: [h, w, 3], float32.
        order, start: Of pixels_by_layer.
        weights: 1-D kernels, one after the other, float32; in px of the
            canvas, and longer than 1 where scale is not 1.
        offset: [n + 1], where each layer's kernel begins.
        scale: Pixels of the image along a side of one of the canvas.
    """
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
        _scatter_rows(rows, touched, image, pixels, kernel, scale)
        width = image.shape[1]
        _blend_columns(canvas, rows, touched, pixels[0] // width // scale,
                       pixels[-1] // width // scale, kernel)


@numba.njit(cache=True)
def _put_sharp(canvas, image, pixels):
    """A sharp pixel has mask 1: it replaces what is behind it."""
    width = image.shape[1]
    for pixel in pixels:
        y, x = pixel // width, pixel % width
        strip, lane = x // STRIP, 4 * (x % STRIP)
        for c in range(3):
            canvas[y, strip, lane + c] = image[y, x, c]
        canvas[y, strip, lane + 3] = 1.0


@numba.njit(cache=True)
def _scatter_rows(rows, touched, image, pixels, kernel, scale):
    """Blurs a layer's own pixels along their rows and notes the strips."""
    width = image.shape[1]
    last = (width - 1) // scale
    radius = len(kernel) // 2
    share = np.float32(1 / scale**2)
    for pixel in pixels:
        y, x = pixel // width, pixel % width
        r, g, b = (share * image[y, x, 0], share * image[y, x, 1],
                   share * image[y, x, 2])
        y, x = y // scale, x // scale
        left, right = max(x - radius, 0), min(x + radius, last)
        taps = kernel[left - x + radius:right - x + radius + 1]
        line = rows[y, 4 * left:4 * right + 4]
        for j in range(len(taps)):
            line[4 * j] += taps[j] * r
            line[4 * j + 1] += taps[j] * g
            line[4 * j + 2] += taps[j] * b
            line[4 * j + 3] += taps[j] * share
        for strip in range(left // STRIP, right // STRIP + 1):
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
    # Four rows at a time: one load and store of the sum for four products.
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
def blend_steps(canvas: np.ndarray, image: np.ndarray, order: np.ndarray,
                start: np.ndarray, zone: np.ndarray, zones: int,
                places: np.ndarray, steps: np.ndarray,
                offset: np.ndarray) -> None:
    """As blend_separable, for kernels given by where their rows change.

    A pixel adds a step at either end of each row of its disc; running sums
    along the rows then give the blurred layer. In float64, where what is
    left of a sum after the last step is no more than 1e-15.

    Args:
        canvas, image, order, start: As there.
        zone: [h w], int32 in [0, zones): which kernel of its layer a pixel
            has.
        zones: Kernels a layer.
        places: [e, 2], int32, (dy, dx) of all kernels' steps, row by row.
        steps: [e], float64.
        offset: [n zones + 1], where each kernel's steps begin.
    """
    height, strips, lanes = canvas.shape
    rows = np.zeros((height, strips * lanes), np.float64)
    touched = np.zeros((height, strips), np.bool_)
    width = image.shape[1]
    for i in range(len(start) - 1):
        pixels = order[start[i]:start[i + 1]]
        if len(pixels) == 0:
            continue
        begins = offset[i * zones:(i + 1) * zones + 1]
        reach, sharp = 0, True
        for z in range(zones):
            if begins[z + 1] > begins[z]:
                reach = max(reach, -places[begins[z], 0],
                            places[begins[z + 1] - 1, 0])
                sharp &= begins[z + 1] - begins[z] == 2  # a single pixel
        if sharp:
            _put_sharp(canvas, image, pixels)
            continue
        _scatter_steps(rows, touched, image, pixels, zone, begins, places,
                       steps)
        top = max(pixels[0] // width - reach, 0)
        bottom = min(pixels[-1] // width + reach + 1, height)
        for y in range(top, bottom):
            _blend_row(canvas[y], rows[y], touched[y], width)


@numba.njit(cache=True)
def _scatter_steps(rows, touched, image, pixels, zone, begins, places, steps):
    """Adds the steps of each pixel's kernel, and notes their strips."""
    height, width = image.shape[:2]
    zones = len(begins) - 1
    place, step = (places[begins[0]:begins[1]], steps[begins[0]:begins[1]])
    for pixel in pixels:
        y, x = pixel // width, pixel % width
        r = np.float64(image[y, x, 0])
        g = np.float64(image[y, x, 1])
        b = np.float64(image[y, x, 2])
        if zones > 1:
            which = zone[pixel]
            place = places[begins[which]:begins[which + 1]]
            step = steps[begins[which]:begins[which + 1]]
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
            touched[row, column // STRIP] = True


@numba.njit(cache=True)
def _blend_row(canvas, row, touched, width):
    """Sums the steps of a row, blends, clears; skips strips without mask."""
    r = g = b = mask = 0.0
    for strip in range(len(touched)):
        if not touched[strip] and mask < 1e-9:
            r = g = b = mask = 0.0
            continue
        touched[strip] = False
        for j in range(min(STRIP, width - strip * STRIP)):
            step = row[4 * (strip * STRIP + j):4 * (strip * STRIP + j) + 4]
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
