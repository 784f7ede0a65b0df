"""Brings a photograph into focus everywhere, given its defocus map.

    python -m dmenet_tf.applications.deblur photo.jpg --output_dir=sharp

Writes photo_deblurred.png and, to compare,
photo_deblurred_before_after.png.

sigma is quantised into layers. Each layer is a photograph deconvolved with the
Gaussian of one sigma (deconvolution.py), and every pixel blends the two layers
between which its own sigma lies [Lee 2019, Section 5.4, Fig. 9]. lambda of the
deconvolution follows from the noise, which is measured in the photograph.
Pixels with sigma below SHARP_SIGMA stay as they are.

Departures from the map as it is, because what is deconvolved with a Gaussian
wider than its blur rings. What the map says of the sharpest region counts as
sharp (inputs.without_floor). No pixel has more blur than the detail around it
allows (agreement.py). And a blurred edge spreads over what is behind it, so a
pixel within reach of a sharper surface takes that surface's sigma
(sharpening.spread_sharper).
"""

import numpy as np
import numpy.typing as npt
from absl import flags

from dmenet_tf import arrays, command
from dmenet_tf.applications import agreement, inputs
from dmenet_tf.syndof import large

LAYERS = 32
FACTOR = 1.25  # Layers that differ by less look alike.
ALPHA = 0.8  # natural images have 0.5 to 0.8 [Krishnan and Fergus 2009]
SHARP_SIGMA = 0.3  # px
# Less is not trusted: one Gaussian a layer is no better a model than that.
MIN_NOISE = 0.01


def deblur(image: npt.ArrayLike, sigma: npt.ArrayLike,
           noise: float | None = None, strength: float = 1.0,
           alpha: float = ALPHA, layers: int = LAYERS,
           progress: large.Progress | None = None
           ) -> npt.NDArray[np.float32]:
    """Returns the all-in-focus photograph.

    Args:
        image: RGB [h, w, 3] or grey [h, w], uint8, uint16 in [0, 65535] or
            float in [0, 255].
        sigma: [h, w] px; a map of another size is scaled.
        noise: Standard deviation of the noise, of 1; None measures it.
        strength: Of the sharpening: lambda is multiplied by it.
        alpha: Exponent of the prior, in (0, 1].
        layers: The most layers.
        progress: Goes through an iterable of so many steps, and shows how far
            it is: lambda steps, total: tqdm.tqdm(steps, total=total).

    Returns:
        float32 [h, w, 3] in [0, 255], as estimation.estimate takes it.

    Raises:
        ValueError: An argument is not as above.
    """
    # Numba, an extra.
    from dmenet_tf.applications import deconvolution, sharpening
    image = np.float32(arrays.check_image(image)) / np.float32(255)
    sigma = inputs.check_sigma(sigma, image.shape[:2])
    _check_settings(noise, strength, layers)
    table = deconvolution.shrinkage_table(alpha)
    sigma = _without_floor(sigma)
    noise = estimate_noise(image, sigma) if noise is None else noise
    sigma = agreement.agreed_sigma(sigma, image, noise)
    spread = sharpening.spread_sharper(sigma)
    steps = layer_sigmas(spread, layers)
    precision = strength / max(noise, MIN_NOISE)**2
    if len(steps) > 1:
        image = sharpening.deconvolve_layers(image, spread, steps, precision,
                                             table, progress)
    return 255 * np.clip(image, 0, 1)


def _without_floor(sigma):
    """Where a photograph is nowhere sharp, its map shows no floor."""
    floor = inputs.sharpest(sigma)
    return inputs.without_floor(sigma, floor * (floor <= inputs.MAX_FLOOR))


def _check_settings(noise, strength, layers):
    if noise is not None and not 0 <= noise < 1:
        raise ValueError('noise is a standard deviation of values in [0, 1], '
                         f'such as 0.01. Received: {noise}.')
    if not 0 < strength < np.inf:
        raise ValueError(f'strength must be above 0. Received: {strength}.')
    if layers < 1:
        raise ValueError(f'layers must be at least 1. Received: {layers}.')


def layer_sigmas(sigma: np.ndarray,
                 layers: int = LAYERS) -> npt.NDArray[np.float32]:
    """Chooses the layers' sigma, each by one factor larger than the last.

    Args:
        sigma: [h, w] px.
        layers: The most layers, beside the one that stays as it is.

    Returns:
        [n] px, ascending, n <= layers + 1. The first, SHARP_SIGMA, stands for
        the photograph as it is.
    """
    blurred = sigma[sigma > SHARP_SIGMA]
    if not blurred.size:
        return np.array([SHARP_SIGMA], np.float32)
    low = max(float(blurred.min()), SHARP_SIGMA + 1e-3)
    high = max(float(blurred.max()), low)
    needed = int(np.ceil(np.log(high / low) / np.log(FACTOR))) + 1
    steps = np.geomspace(low, high, min(needed, layers))
    # As float32 the largest must not lie above all layers.
    return np.append(SHARP_SIGMA, steps).astype(np.float32)


def estimate_noise(image: np.ndarray, sigma: np.ndarray) -> float:
    """Measures the noise, where blur has removed the finest detail.

    The second difference along both axes is 0 on planes and 6 times the noise
    on noise [Immerkaer 1996]; its median is robust to the edges that are left
    [Donoho 1995]. Only the more blurred half of the pixels is looked at.

    Args:
        image: [h, w, 3] in [0, 1].
        sigma: [h, w] px.

    Returns:
        Standard deviation, the mean over the channels; 0 below 3 x 3 px.
    """
    if min(image.shape[:2]) < 3:
        return 0.0
    difference = image[2:] - 2 * image[1:-1] + image[:-2]
    difference = (difference[:, 2:] - 2 * difference[:, 1:-1]
                  + difference[:, :-2])
    inner = sigma[1:-1, 1:-1]
    chosen = np.abs(difference[inner >= np.median(inner)])
    return float(np.median(chosen, axis=0).mean() / (6 * 0.6745))


def define_flags() -> None:
    """Defines the flags of this command."""
    inputs.define_flags('deblurred')
    flags.DEFINE_float('noise', None, 'Standard deviation of the noise, of 1, '
                       'such as 0.01; by default it is measured.',
                       lower_bound=0)
    flags.DEFINE_float('strength', 1.0, 'Of the sharpening: 0.1 is gentle, 3 '
                       'brings out more detail, and noise with it.')
    flags.DEFINE_float('alpha', ALPHA, 'Exponent of the gradients in the '
                       'prior, in (0, 1].')
    flags.DEFINE_integer('layers', LAYERS, 'The most layers.', lower_bound=1)


def main(arguments: list[str]) -> int:
    """Deblurs what the command line names; returns the exit status."""
    command.require('numba', 'applications')
    flag = flags.FLAGS

    def work(photograph):
        return deblur(photograph.image, photograph.sigma, flag.noise,
                      flag.strength, flag.alpha, flag.layers,
                      inputs.steps_shown)

    return inputs.compare(arguments, 'deblurred', work,
                          ['noise', 'strength', 'alpha', 'layers'])


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
