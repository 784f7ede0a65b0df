"""How strong the random changes of training pictures are: --augment.

augment.py makes them. Importing this imports neither TensorFlow nor absl.
"""

import dataclasses

from dmenet_tf import optics


@dataclasses.dataclass(frozen=True)
class Augment:
    """Largest random changes of the training pictures; the defaults make none.

    The first four change sigma, and their label with it; they are made to the
    synthetic dataset alone. The others leave sigma as it is and are made to
    all, so that D cannot tell the datasets apart by them. u is uniform in
    [0, 1].

    Attributes:
        zoom: Scales are drawn from 1 / zoom to zoom, uniformly in their
            logarithm.
        blur: Largest sigma of a Gaussian over the whole picture, px.
        blur_share: Part of the pictures that get one.
        blur_power: Its sigma is blur * u**blur_power.
        grey: Part of the pictures that lose their colours.
        exposure: Stops up or down.
        gamma: log2 of gamma, up or down.
        noise: Standard deviation, in codes of 255.
        noise_power: It is noise * u**noise_power.
        grain: Correlation of the noise between neighbouring pixels and
            between channels, in [0, 1]; see augment.add_noise.
        jpeg_quality: The lowest; 100 is off.
    """
    zoom: float = 1.0
    blur: float = 0.0
    blur_share: float = 0.5
    blur_power: float = 1.0
    grey: float = 0.0
    exposure: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    noise_power: float = 1.0
    grain: float = 0.0
    jpeg_quality: int = 100


# What --augment names.
AUGMENT = {
    'none': Augment(),
    # Photographs of strangers: of any size, soft all over or nowhere, noisy
    # as finished pictures are, compressed. The values that the bundled
    # `small` was trained with in its last stage.
    'photographs': Augment(
        zoom=2.0, blur=7.0, blur_share=0.5, blur_power=2.0, grey=0.3,
        exposure=0.5, gamma=0.3, noise=8.0, noise_power=2.0, grain=1.0,
        jpeg_quality=70)}

# Strength -> (whether a value is allowed, in words).
STRENGTHS = {
    'zoom': (lambda v: 1 <= v <= 4, 'in [1, 4]'),
    'blur': (lambda v: 0 <= v <= optics.MAX_SIGMA,
             f'in [0, {optics.MAX_SIGMA:g}]'),
    'blur_share': (lambda v: 0 < v <= 1, 'in (0, 1]'),
    'jpeg_quality': (lambda v: 1 <= v <= 100, 'in 1..100'),
    **dict.fromkeys(('blur_power', 'noise_power'),
                    (lambda v: v > 0, 'above 0')),
    **dict.fromkeys(('grey', 'grain'), (lambda v: 0 <= v <= 1, 'in [0, 1]')),
    **dict.fromkeys(('exposure', 'gamma', 'noise'),
                    (lambda v: v >= 0, 'at least 0')),
}
