"""Magnifies the blur of photographs: background softer, subject as it is.

    python -m dmenet_tf.applications.magnify photo.jpg --strength=3 \\
        --output_dir=soft

Each pixel is blurred according to its sigma by the renderer that makes SYNDOF,
in layers ordered by blur, the most blurred farthest [Lee 2019, Section 5.4,
Fig. 8]. Writes photo_magnified.png and, to compare,
photo_magnified_before_after.png.
"""

import numpy as np
import numpy.typing as npt
from absl import flags

from dmenet_tf import arrays, command
from dmenet_tf.applications import inputs
from dmenet_tf.syndof import large

KERNELS = ('exact', 'paper')
MAX_SIGMA = 60.0  # px; wider blur has no more to show
_LAYERS = 350


def added_sigma(sigma: np.ndarray, strength: float, kernel: str = 'exact',
                focus: float | None = None,
                max_sigma: float = MAX_SIGMA) -> npt.NDArray[np.float32]:
    """The Gaussian to add at each pixel so that its blur grows m times.

    exact:  sqrt((m sigma)^2 - sigma^2), because variances add: the total
            is m sigma.
    paper:  m sigma on top of what there is [Lee 2019, Section 5.4]: the total
            is sqrt(m^2 + 1) sigma.

    With a focus f, sigma is replaced by |sigma - f|: what is as blurred as
    the focus stays, everything else grows with its distance from it.

    Args:
        sigma: [h, w] px.
        strength: m, >= 1 for exact, >= 0 for paper.
        kernel: One of KERNELS.
        focus: sigma of what shall stay as it is, px, or None.
        max_sigma: Bound of what is added, px.

    Returns:
        [h, w] px.

    Raises:
        ValueError: An argument is out of range.
    """
    if kernel not in KERNELS:
        raise ValueError(f'kernel must be one of {KERNELS}. Received: '
                         f'{kernel!r}.')
    if not strength >= (1 if kernel == 'exact' else 0):
        raise ValueError(
            'strength must be at least 1 for the exact kernel and 0 for that '
            f'of the paper: blur can be added only. Received: {strength}.')
    if not max_sigma > 0:
        raise ValueError(f'max_sigma must be above 0. Received: {max_sigma}.')
    if focus is not None:
        sigma = np.abs(sigma - focus)
    factor = np.sqrt(strength**2 - 1) if kernel == 'exact' else strength
    return np.minimum(factor * sigma, max_sigma).astype(np.float32)


def layers_by_blur(sigma: np.ndarray, limit: int = _LAYERS
                   ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Cuts a map into at most `limit` layers, the most blurred first.

    Args:
        sigma: [h, w] px.

    Returns:
        layer [h, w] int32, 0 = most blurred; sigma of each layer [n] px.
    """
    values = np.unique(sigma[::8, ::8])
    if len(values) <= limit:  # Else it is not worth sorting all.
        values = np.unique(sigma)
    if len(values) <= limit:
        layer = np.searchsorted(values, sigma)
    else:
        step = max(float(sigma.max()) / (limit - 1), 1e-6)
        codes = np.rint(sigma / np.float32(step)).astype(np.int32)
        found = np.bincount(codes.ravel()) > 0
        values = np.flatnonzero(found) * step
        layer = (np.cumsum(found) - 1)[codes]
    return (np.int32(len(values) - 1 - layer),
            values[::-1].astype(np.float32))


def magnify(image: npt.ArrayLike, sigma: npt.ArrayLike, strength: float = 3.0,
            kernel: str = 'exact', focus_on: tuple[int, int] | None = None,
            max_sigma: float = MAX_SIGMA,
            progress: large.Progress | None = None
            ) -> npt.NDArray[np.float32]:
    """Magnifies the defocus blur of a photograph.

    Args:
        image: RGB [h, w, 3] or grey [h, w], uint8, uint16 in [0, 65535] or
            float in [0, 255].
        sigma: [h, w] px; a map of another size is scaled.
        strength: m, the factor by which blur grows; the paper shows 8.
        kernel: 'exact' or 'paper', see added_sigma.
        focus_on: (x, y), px: what is as blurred as this pixel stays as it is.
            None: what is sharpest stays, see inputs.without_floor.
        max_sigma: Bound of what is added, px.
        progress: Goes through an iterable of so many steps, and shows how far
            it is: lambda steps, total: tqdm.tqdm(steps, total=total).

    Returns:
        float32 [h, w, 3] in [0, 255], as estimation.estimate takes it.

    Raises:
        ValueError: An argument is not as above.
    """
    image = np.float32(arrays.check_image(image))
    sigma = inputs.check_sigma(sigma, image.shape[:2])
    focus = None if focus_on is None else _sigma_at(sigma, *focus_on)
    if focus is None:
        floor = min(inputs.sharpest(sigma), inputs.MAX_FLOOR)
        sigma = inputs.without_floor(sigma, floor)
    added = added_sigma(sigma, strength, kernel, focus, max_sigma)
    layer, per_layer = layers_by_blur(added)
    return np.clip(large.blend_large(image, layer, per_layer, progress),
                   0, 255)


def _sigma_at(sigma, x, y):
    """sigma around a pixel, px: the median of 5 x 5."""
    height, width = sigma.shape
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f'focus_on=({x}, {y}) is outside the picture of '
                         f'{width} x {height} px.')
    return float(np.median(sigma[max(y - 2, 0):y + 3, max(x - 2, 0):x + 3]))


def _focus_on(text):
    if not text:
        return None
    try:
        x, y = (int(part) for part in text.split(','))
    except ValueError:
        raise command.UsageError('--focus_on needs X,Y in px, such as '
                                 f'320,200. Received: {text!r}.') from None
    return x, y


def define_flags() -> None:
    """Defines the flags of this command."""
    inputs.define_flags('magnified')
    flags.DEFINE_float('strength', 3.0, 'm: blur grows by this factor; the '
                       'paper shows 8.', lower_bound=0)
    flags.DEFINE_enum('kernel', 'exact', KERNELS, 'exact: the total becomes m '
                      'sigma. paper: m sigma is added to what there is.')
    flags.DEFINE_string('focus_on', None, 'X,Y in px: what is as blurred as '
                        'this pixel stays as it is.')
    flags.DEFINE_float('max_sigma', MAX_SIGMA, 'Bound of the blur added, px.',
                       lower_bound=0.1)


def main(arguments: list[str]) -> int:
    """Magnifies what the command line names; returns the exit status."""
    command.require('numba', 'applications')
    flag = flags.FLAGS
    focus_on = _focus_on(flag.focus_on)

    def work(photograph):
        return magnify(photograph.image, photograph.sigma, flag.strength,
                       flag.kernel, focus_on, flag.max_sigma,
                       inputs.steps_shown)

    return inputs.compare(
        arguments, 'magnified', work,
        ['strength', 'kernel', 'focus_on', 'max_sigma'])


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
