"""What a photograph itself says of its blur, where a map says more.

A map can claim more blur than there is; deconvolved by that, edges ring. But a
Gaussian of sigma leaves only so much fine detail. The energy of the gradients,
smoothed by a and by b > a, is of natural pictures, whose power falls with the
square of the frequency [Field 1987],

    E_a / E_b = ((sigma^2 + b^2) / (sigma^2 + a^2))^p,    p = 1

once noise is taken off, which says the sigma that the detail around a pixel
allows. Of a single straight edge the ratio is the root of that; what is seen
has something of both, so _POWER lies between. Where the noise hides all detail
the photograph says nothing. What is in focus looks blurred by _SOFT px itself.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from dmenet_tf import scales

_A, _B = 0.7, 1.4  # px
_BLOCK, _WINDOW = 4, 2.5  # px; blocks, a deviation: 10 px are looked at
_SHARPEST = 100.0  # 1 / sigma^2 of what is sharper than any natural picture
_POWER = 1.0
_SOFT = 0.6  # px
_VISIBLE = 2.0  # px: a scale has detail of what is blurred by so much of it


def agreed_sigma(sigma: npt.NDArray[np.float32],
                 image: npt.NDArray[np.float32],
                 noise: float) -> npt.NDArray[np.float32]:
    """The map, lowered to what the photograph's detail allows.

    The photograph is looked at in full size, and reduced by 2, 4, ... as far
    as the map's largest sigma is seen there.

    Args:
        sigma: [h, w] px.
        image: [h, w, 3] in [0, 1].
        noise: Its standard deviation, of 1.

    Returns:
        [h, w] px.
    """
    largest, scale = float(sigma.max()), 1
    while True:
        evidence = _evidence(image.mean(-1), noise / scale) / scale**2
        height, width = evidence.shape
        side = scale * _BLOCK
        enlarged = np.asarray(Image.fromarray(evidence).resize(
            (side * width, side * height), Image.Resampling.BILINEAR))
        enlarged = enlarged[:sigma.shape[0], :sigma.shape[1]]
        allowed = 1 / np.maximum(enlarged, 1e-9) - _SOFT**2
        sigma = np.minimum(sigma, np.sqrt(np.maximum(allowed, 0)))
        scale *= 2
        if scale * _VISIBLE > largest:
            return sigma
        image = scales.halved(image)


def _evidence(grey, noise):
    """1 / sigma^2 that the detail allows, of blocks; 0 where it is hidden."""
    fine, coarse = (
        ndimage.gaussian_filter(_of_blocks(_energy(grey, s)), _WINDOW)
        - _noise_energy(s) * noise**2 / 3 for s in (_A, _B))
    ratio = (np.maximum(fine, 0) / np.maximum(coarse, 1e-9))**(1 / _POWER)
    spread = np.maximum(_B**2 - ratio * _A**2, 1e-9)
    return np.clip((ratio - 1) / spread, 0, _SHARPEST).astype(np.float32)


def _energy(grey, smoothing):
    """Squared gradient of the smoothed picture."""
    return sum(np.square(ndimage.gaussian_filter(grey, smoothing, order))
               for order in ((0, 1), (1, 0)))


def _noise_energy(smoothing):
    """Mean _energy() of white noise of deviation 1."""
    impulse = np.zeros((33, 33))
    impulse[16, 16] = 1
    return float(_energy(impulse, smoothing).sum())


def _of_blocks(values):
    """Means of _BLOCK x _BLOCK px."""
    values = np.pad(values, [(0, -n % _BLOCK) for n in values.shape], 'edge')
    return values.reshape(len(values) // _BLOCK, _BLOCK, -1, _BLOCK).mean(
        (1, 3))
