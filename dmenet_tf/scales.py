"""A large photograph at several scales: what is seen where, and how it joins.

The network measures sigma up to 7 px of what it sees, and noise of single
pixels misleads it. A large photograph is blurred by more than that, in px of
its own. So it is looked at reduced first, s = 2^k times with the k that
leaves COARSEST pixels or fewer, then at s/2, and so on to full size, each
time only where the coarser map leaves something to say.

The rule. Let c be the coarser map, enlarged twice and multiplied by two: sigma
in px of the finer scale. Let f be the finer scale's own map. Both join as

    sigma = w f + (1 - w) c,    w = 1 - t^2 (3 - 2 t),
    t = (c - a) / (b - a) cut to [0, 1],    (a, b) = SWITCH

Where c <= a, below 1 px of the coarser scale, the finer one decides alone:
there the coarser map is near the network's floor, about 0.4 px of what it
sees. Where c >= b the finer scale is not run: the coarser one sees b / 2 px,
far from floor and ceiling alike, with a quarter of the pixels and half of the
noise. Between them w is smooth in c, which is continuous, and f is the map of
the whole finer picture, so there is no seam.

So the floor of a map is that of the finest scale that was run, and what is
sharp, below 1 px of the scale that it is seen at, is always looked at again at
the next, until it is seen at full size.

Reducing is the mean of 2x2 px, which is what a sensor of pixels twice as large
would have recorded. A pixel's own extent blurs by 1 / sqrt(12) px of its own
scale, at every scale, and sigma counts it at none. So reducing neither adds a
blur that would have to be taken out nor hides one: a Gaussian of sigma is one
of sigma / 2 at half size.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

COARSEST = 1_500_000  # px; a photograph of no more has one scale.
# a and b of the rule, px of the finer scale; below the network's 7 px.
SWITCH = (2.0, 3.5)
Box = tuple[int, int, int, int]


def pyramid(image: np.ndarray) -> list[np.ndarray]:
    """The photograph at every scale, from full size to at most COARSEST.

    Args:
        image: [h, w, 3] in [0, 255].

    Returns:
        [h, w, 3], as it came, then float32 [ceil(h/2), ceil(w/2), 3], and on.
    """
    found = [image]
    while found[-1].shape[0] * found[-1].shape[1] > COARSEST:
        found.append(halved(found[-1]))
    return found


def halved(image: np.ndarray) -> npt.NDArray[np.float32]:
    """Means of 2x2 px; an odd side repeats its last row or column.

    Args:
        image: [h, w, c].

    Returns:
        [ceil(h/2), ceil(w/2), c].
    """
    odd = [(0, n % 2) for n in image.shape[:2]]
    image = np.pad(image, [*odd, (0, 0)], 'edge')
    total = np.zeros((image.shape[0] // 2, image.shape[1] // 2,
                      image.shape[2]), np.float32)
    for y in (0, 1):
        for x in (0, 1):
            total += image[y::2, x::2]
    return total / 4


def doubled(sigma: npt.NDArray[np.float32],
            size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """A map of halved() in px of what was halved: enlarged, and times two.

    Args:
        sigma: [ceil(h/2), ceil(w/2)], px of the halved picture.
        size: (h, w).

    Returns:
        [h, w], px. Linear in between.
    """
    height, width = sigma.shape
    enlarged = Image.fromarray(sigma).resize((2 * width, 2 * height),
                                             Image.Resampling.BILINEAR)
    return 2 * np.asarray(enlarged)[:size[0], :size[1]]


def finer_weight(coarse: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """w of the rule: how much the finer scale decides.

    Args:
        coarse: c, px of the finer scale.

    Returns:
        In [0, 1]: 1 up to SWITCH[0], 0 from SWITCH[1] on.
    """
    a, b = np.float32(SWITCH)
    t = np.clip((coarse - a) / (b - a), 0, 1)
    return 1 - t * t * (3 - 2 * t)


def boxes(needed: npt.NDArray[np.bool_], most: int, halo: int) -> list[Box]:
    """Boxes that cover all that is needed, cheap to run.

    A box costs the area of itself and of `halo` around it, as far as the
    picture goes. It is cut to what is needed in it, and split in the middle of
    its longer side where the halves cost less, or where it costs too much.

    Args:
        needed: [h, w].
        most: The largest cost of a box, if it can be split.
        halo: >= 0, in the unit of needed.

    Returns:
        (top, bottom, left, right) of each, without overlap.
    """
    return _cheapest(needed, (0, needed.shape[0], 0, needed.shape[1]), most,
                     halo)[1]


def _cheapest(needed, box, most, halo):
    """(cost, boxes) for what is needed in a box."""
    top, bottom, left, right = box
    part = needed[top:bottom, left:right]
    rows, columns = (np.flatnonzero(part.any(axis)) for axis in (1, 0))
    if not rows.size:
        return 0, []
    top, bottom = top + int(rows[0]), top + int(rows[-1]) + 1
    left, right = left + int(columns[0]), left + int(columns[-1]) + 1
    box = top, bottom, left, right
    cost = _seen(top, bottom, needed.shape[0], halo) * _seen(
        left, right, needed.shape[1], halo)
    longer = max(bottom - top, right - left)
    if longer == 1 or longer <= halo and cost <= most:
        return cost, [box]  # Halves of so little cost more.
    if bottom - top == longer:
        middle = (top + bottom) // 2
        halves = (top, middle, left, right), (middle, bottom, left, right)
    else:
        middle = (left + right) // 2
        halves = (top, bottom, left, middle), (top, bottom, middle, right)
    (one, first), (other, second) = (
        _cheapest(needed, half, most, halo) for half in halves)
    if cost <= min(most, one + other):
        return cost, [box]
    return one + other, first + second


def _seen(start, stop, size, halo):
    return min(stop + halo, size) - max(start - halo, 0)
