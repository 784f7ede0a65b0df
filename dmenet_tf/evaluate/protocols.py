"""How each protocol reads truths and maps, and scores one image.

    cuhk        mask; accuracy at tau, precision-recall, average precision
    detection   the same masks and scores under the detection literature's
                split (100 images) and main figures (MAE, F)
    rtf         disc radius, px (.mat) -> sigma by the nearest row of the
                table; both sides cut at 3.275 px and divided by it
    syndof      sigma; both sides divided by 7 px: errors of d
    sigma       sigma, px, unknown pixels left out; errors in px

Every figure of a method is the mean over images of the image's figure, so
that a large image counts like a small one; only what is called pooled adds up
pixels. [Lee 2019, Section 5.3] calls accuracy "the ratio of correctly
classified pixels in a given image".
"""

import dataclasses
import pathlib
import zlib

import numpy as np
from PIL import Image

from dmenet_tf import images, metrics, optics

MASKS = ('cuhk', 'detection')
NAMES = (*MASKS, 'rtf', 'syndof', 'sigma')
RTF_LIMIT = 3.275  # px, the last row of the disc table
RTF_NOISE = (0.0, 1.0, 1.6)
# A tool that crops to multiples of 16 makes maps up to 15 px smaller.
_SLACK = 16
UNITS = ('px', 'sigma7', 'legacy15', 'score')


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides a score besides the files.

    Attributes:
        protocol: One of NAMES.
        truth_scale, truth_offset: sigma in px = scale x code + offset, of
            truths in picture files and arrays; None: the protocol's own.
        unknown_code: Code of truth pixels without a value; None: none but
            NaN and infinity.
        convention: Of truths in the authors' blur_map folders, or None.
        prediction_unit: One of UNITS, of foreign maps.
        prediction_scale: px per code, for unit px.
        sharp_is_bright: Foreign maps are the other way round.
        noise: Added to images, standard deviation on [0, 255].
    """
    protocol: str
    truth_scale: float | None = None
    truth_offset: float = 0.0
    unknown_code: float | None = None
    convention: str | None = None
    prediction_unit: str = 'px'
    prediction_scale: float | None = None
    sharp_is_bright: bool = False
    noise: float = 0.0


def read_array(path):
    """Reads a map in its own numbers.

    Args:
        path: .npy, .npz with one array, .mat with one 2-D array, or a grey
            picture of 8, 16 or 32 bit.

    Returns:
        (values [h, w], full): full is the largest code of an integer type,
        else None.

    Raises:
        ValueError: Not one grey map; the message starts with the path.
    """
    path = pathlib.Path(path)
    try:
        values = _READERS.get(path.suffix.lower(), _read_picture)(path)
    except (OSError, ValueError, KeyError, EOFError, SyntaxError,
            NotImplementedError) as error:
        raise ValueError(f'{path}: not a readable map: {error}') from None
    values = np.asarray(values)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 3:
        if (values[..., :3] != values[..., :1]).any():
            raise ValueError(f'{path}: a coloured picture cannot be scored; '
                             'score the grey map or the .npy.')
        values = values[..., 0]
    if values.ndim != 2 or not values.size or values.dtype.kind not in 'buif':
        raise ValueError(f'{path}: not a map [h, w] of numbers; its shape is '
                         f'{values.shape}, its type {values.dtype}.')
    full = None
    if values.dtype.kind == 'u':
        full = float(np.iinfo(values.dtype).max)
    return values.astype(np.float32 if values.dtype.itemsize < 4
                         else np.float64), full


def _read_picture(path):
    with Image.open(path) as picture:
        if picture.mode in ('P', '1'):
            picture = picture.convert('L' if picture.mode == '1' else 'RGB')
        if picture.mode == 'LA':
            picture = picture.convert('L')
        values = np.asarray(picture)
    # Pillow opens 16-bit PNG as 32-bit integers.
    return values.astype(np.uint16) if values.dtype.kind == 'i' else values


def _read_npz(path):
    with np.load(path, allow_pickle=False) as archive:
        if len(archive.files) != 1:
            raise ValueError(f'holds {len(archive.files)} arrays, not one')
        return archive[archive.files[0]]


def _read_mat(path):
    import scipy.io
    found = {name: value for name, value in scipy.io.loadmat(path).items()
             if not name.startswith('__') and np.ndim(value) == 2}
    if 'blurMap' in found:
        return found['blurMap']
    if len(found) != 1:
        raise ValueError(f'holds {len(found)} matrices, not one: '
                         f'{", ".join(sorted(found))}')
    return found.popitem()[1]


_READERS = {'.npz': _read_npz, '.mat': _read_mat,
            '.npy': lambda path: np.load(path, allow_pickle=False)}


def read_mask(path):
    """Reads a mask: bool [h, w], True = blurred = the larger of two codes.

    Raises:
        ValueError: More than two codes, or two of which the lower is not 0.
    """
    values, full = read_array(path)
    high = values.max()
    if not np.all((values == 0) | (values == high)):
        raise ValueError(f'{path}: not a binary mask: it has '
                         f'{len(np.unique(values))} levels, not 0 and '
                         f'{full or 1:g}.')
    return values > 0


def read_truth(path, settings):
    """Reads a truth.

    Returns:
        bool mask for MASKS; else sigma, px, float64 [h, w], NaN = unknown.

    Raises:
        ValueError: The message starts with the path.
    """
    if settings.protocol in MASKS:
        return read_mask(path)
    values, full = read_array(path)
    values = values.astype(np.float64)
    unknown = ~np.isfinite(values)
    if settings.unknown_code is not None:
        unknown |= values == settings.unknown_code
    if unknown.all() or (unknown.any() and settings.protocol != 'sigma'):
        raise ValueError(f'{path}: {unknown.mean():.0%} of the truth is '
                         'unknown (NaN, infinite or the unknown code).')
    sigma = _to_sigma(np.where(unknown, 0, values), full, path, settings)
    if sigma.min() < 0:
        raise ValueError(f'{path}: the truth is negative.')
    return np.where(unknown, np.nan, sigma)


def _to_sigma(values, full, path, settings):
    if settings.protocol == 'rtf':
        return optics.sigma_from_disc_radius(values, nearest=True)
    if settings.convention == 'sigma7':
        return values / 10.0
    if settings.convention == 'legacy15':
        return optics.sigma_from_defocus(values / 150.0, 'legacy15')
    if settings.protocol == 'syndof' and path.parent.name == 'blur_map':
        raise ValueError(
            f"{path}: the authors' blur_map holds 10 sigma (--convention="
            'sigma7, their later generator) or 10 (2 sigma + 1) '
            '(--convention=legacy15, their SYNDOF.zip); say which.')
    scale = settings.truth_scale
    if scale is None and full is not None:
        if settings.protocol == 'sigma' and full < 65535:
            raise ValueError(f'{path}: an 8-bit truth has no unit; pass '
                             '--truth_scale, px per code.')
        scale = 0.001  # Our own SYNDOF: sigma/NAME.png
    return values * (1.0 if scale is None else scale) + settings.truth_offset


def read_prediction(path, settings):
    """Reads a foreign map: float64 [h, w], more = blurrier.

    In px where the protocol needs px, unless prediction_unit is 'score'.

    Raises:
        ValueError: NaN, unit not given; the message starts with the path.
    """
    values, full = read_array(path)
    if not np.isfinite(values).all():
        count = np.count_nonzero(~np.isfinite(values))
        raise ValueError(f'{path}: {count} pixels are NaN or infinite.')
    if settings.sharp_is_bright:
        values = -values
    if settings.protocol in MASKS or settings.prediction_unit == 'score':
        return values
    values = values.astype(np.float64)
    if settings.prediction_unit != 'px':
        return optics.sigma_from_defocus(values / (full or 1.0),
                                         settings.prediction_unit)
    if full is not None and settings.prediction_scale is None:
        raise ValueError(f'{path}: codes have no unit; pass '
                         '--prediction_scale (px per code) or '
                         '--prediction_unit.')
    return values * (settings.prediction_scale or 1.0)


def read_image(path, settings):
    """The photograph, uint8 [h, w, 3], with the noise of the protocol.

    Noise is Gaussian, of standard deviation settings.noise on [0, 255], drawn
    from the file's name, rounded and cut to 8 bits as a file would hold it.
    """
    image = images.read_image(path)
    if not settings.noise:
        return np.round(image).astype(np.uint8)
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    noisy = image + settings.noise * rng.standard_normal(image.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def align(values, truth, path):
    """Cuts both to their common upper left part if sizes nearly agree.

    Returns:
        (values, truth, cropped).

    Raises:
        ValueError: They differ by 16 px or more.
    """
    if values.shape == truth.shape:
        return values, truth, False
    difference = np.abs(np.subtract(values.shape, truth.shape)).max()
    if difference >= _SLACK:
        raise ValueError(
            f'{path}: wrong size: the map has {values.shape[1]}x'
            f'{values.shape[0]} px, the truth {truth.shape[1]}x'
            f'{truth.shape[0]}.')
    height, width = np.minimum(values.shape, truth.shape)
    return values[:height, :width], truth[:height, :width], True


def score(values, truth, settings, unit):
    """Scores one map.

    Args:
        values: [h, w], finite.
        truth: Of read_truth, same shape.
        settings: Settings.
        unit: 'px', or 'score' for maps that only rank; those are fitted to
            each truth by a straight line first, which flatters them.

    Returns:
        Dict of JSON values: `scores` and `counts` (metrics.threshold_counts)
        or `ranges` (metrics.error_by_range).
    """
    if settings.protocol in MASKS:
        scores, counts = metrics.detection_scores(values, truth)
        return {'scores': scores, 'counts': counts.tolist()}
    known = np.isfinite(truth)
    sigma = np.asarray(values, np.float64)[known]
    truth = truth[known]
    rho = metrics.rank_correlation(sigma, truth)
    if unit == 'score':
        sigma = np.maximum(metrics.fit_to(sigma, truth), 0)
    a, b = compared(sigma, settings), compared(truth, settings)
    scores = {'mse': metrics.mean_squared_error(a, b),
              'mae': metrics.mean_absolute_error(a, b),
              'bias': float(np.mean(a - b)),
              'correlation': metrics.correlation(sigma, truth),
              'rank_correlation': rho}
    return {'scores': scores, 'unknown': int(np.count_nonzero(~known)),
            'ranges': metrics.error_by_range(sigma, truth).tolist()}


def compared(sigma, settings):
    """sigma, px -> what the protocol compares."""
    if settings.protocol == 'rtf':
        return np.clip(sigma, 0, RTF_LIMIT) / RTF_LIMIT
    if settings.protocol == 'syndof':
        return optics.defocus_from_sigma(sigma, 'sigma7')
    return sigma
