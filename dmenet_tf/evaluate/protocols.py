"""How each protocol reads truths and maps, and scores one image.

    cuhk        mask; accuracy at tau, precision-recall, average precision
    detection   the same masks and scores under the detection literature's
                splits (100 images of CUHK; DUT-DBD, CTCUG, EBD) and main
                figures (MAE, F)
    rtf         disc radius, px (.mat) -> sigma by the nearest row of the
                table; both sides cut at 3.275 px and divided by it
    syndof      sigma; both sides divided by 7 px: errors of d
    sigma       sigma, px, unknown pixels left out; errors in px
    uniform     no truth but what is done here: sharp photographs, blurred by
                one Gaussian everywhere; the median of each map, px

Beside a folder of sigma, sigma/NAME.png, there may be valid/NAME.png: where
it is 0 the truth is not known, and the pixel left out.

RTF's truth and a map of sigma have different units. The paper converts the
estimates to disc radii; here the truth is converted to sigma, so that errors
are of what the maps hold.

Every figure of a method is the mean over images of the image's figure, so
that a large image counts like a small one; only what is called pooled adds up
pixels. [Lee 2019, Section 5.3] calls accuracy "the ratio of correctly
classified pixels in a given image".
"""

import pathlib
import zlib
from typing import Any

import numpy as np
from scipy import ndimage

from dmenet_tf import images, metrics, optics, sigma_files
from dmenet_tf.evaluate import structure
from dmenet_tf.evaluate.options import MASKS, Settings

RTF_LIMIT = 3.275  # px, the last row of the disc table
RTF_NOISE = (0.0, 1.0, 1.6)
# A tool that crops to multiples of 16 makes maps up to 15 px smaller.
_SLACK = 16


def read_truth(path: pathlib.Path, settings: Settings) -> np.ndarray:
    """Reads a truth.

    Returns:
        bool mask for MASKS, True = blurred; else sigma, px, float64 [h, w],
        NaN = unknown. uniform: of a photograph of this path.

    Raises:
        OSError, ValueError: The message starts with the path.
    """
    if settings.protocol in MASKS:
        return sigma_files.read_mask(path) ^ settings.masks_sharp_is_bright
    if settings.protocol == 'uniform':
        return np.full(images.read_image(path).shape[:2], settings.blur)
    values = sigma_files.read_grey(path)
    left_out = _left_out(path, values.shape, settings)
    unknown = ~np.isfinite(values) | left_out
    if settings.unknown_code is not None:
        unknown |= values == settings.unknown_code
    if unknown.all() or ((unknown & ~left_out).any()
                         and settings.protocol != 'sigma'):
        raise ValueError(f'{path}: {unknown.mean():.0%} of the truth is '
                         'unknown (NaN, infinite, the unknown code, or 0 in '
                         'valid/).')
    sigma = _truth_in_px(np.where(unknown, values.dtype.type(0), values), path,
                         settings)
    if sigma[~unknown].min() < 0:
        raise ValueError(f'{path}: the truth is negative.')
    return np.where(unknown, np.nan, sigma)


def valid_path(truth: pathlib.Path) -> pathlib.Path:
    """Where it is, or would be, said which pixels of a truth of sigma count.

    A picture of any kind, as training takes it.
    """
    folder = truth.absolute().parents[1] / 'valid'
    suffixes = sorted(images.SUFFIXES) if folder.is_dir() else ()
    return next((path for path in (folder / f'{truth.stem}{suffix}'
                                   for suffix in suffixes) if path.is_file()),
                folder / f'{truth.stem}.png')


def _left_out(truth, shape, settings):
    """bool [h, w]: 0 in the valid/NAME.png of a truth, if there is one."""
    path = valid_path(truth)
    if settings.protocol == 'rtf' or not path.is_file():
        return np.zeros(shape, bool)
    return ~sigma_files.read_valid(path, shape)


def _truth_in_px(values, path, settings):
    """The numbers of a truth's file -> sigma, px, float64."""
    if settings.protocol == 'rtf':
        return optics.sigma_from_disc_radius(values.astype(np.float64),
                                             nearest=True)
    if settings.convention is not None:
        sigma = sigma_files.sigma_from_authors_codes(values,
                                                     settings.convention)
        return sigma.astype(np.float64)
    if settings.protocol == 'syndof' and path.parent.name == 'blur_map':
        raise ValueError(
            f"{path}: the authors' blur_map holds 10 sigma (--convention="
            'sigma7, their later generator) or 10 (2 sigma + 1) '
            '(--convention=legacy15, their SYNDOF.zip); say which.')
    if settings.truth_scale is not None:
        sigma = values.astype(np.float64) * settings.truth_scale
    else:
        sigma = _by_its_file(values, path).astype(np.float64)
    return sigma + settings.truth_offset


def _by_its_file(values, path):
    try:
        return sigma_files.sigma_of(path, values)
    except ValueError as error:
        raise ValueError(f'{error} Else pass --truth_scale, px per code.'
                         ) from None


def read_prediction(path: pathlib.Path, settings: Settings,
                    unit: str) -> np.ndarray:
    """Reads a foreign map: float [h, w], more = blurrier.

    In px where Options.foreign_unit says so; for MASKS else as it is.

    Raises:
        OSError, ValueError: NaN, unit not given; the message starts with the
            path.
    """
    values = sigma_files.read_grey(path)
    if not np.isfinite(values).all():
        count = np.count_nonzero(~np.isfinite(values))
        raise ValueError(f'{path}: {count} pixels are NaN or infinite.')
    full = _largest_code(values.dtype)
    values = values.astype(np.float32 if values.dtype.itemsize < 4
                           else np.float64)
    if settings.sharp_is_bright:
        values = -values if unit == 'score' else full - values
    if unit == 'score':
        return values
    values = values.astype(np.float64)
    if settings.prediction_unit in optics.CONVENTIONS:
        return optics.sigma_from_defocus(values / full,
                                         settings.prediction_unit)
    if full != 1 and settings.prediction_scale is None:
        raise ValueError(f'{path}: codes have no unit; pass '
                         '--prediction_scale (px per code) or '
                         '--prediction_unit.')
    scale = settings.prediction_scale
    values = values * (1.0 if scale is None else scale)
    if settings.prediction_unit == 'disc_radius':
        # A map of another tool may be a little below 0.
        return optics.sigma_from_disc_radius(np.maximum(values, 0))
    return values


def _largest_code(dtype):
    """What stands for 1 in a map of this type."""
    return float(np.iinfo(dtype).max) if dtype.kind in 'ui' else 1.0


def read_image(path: pathlib.Path, settings: Settings) -> np.ndarray:
    """The photograph, [h, w, 3], with the blur and noise of the protocol.

    uint8, but blurred without noise float32, which no rounding makes coarser:
    flat slopes of large blur would become steps. Blur is of the codes, not of
    linear light. Noise is Gaussian, of standard deviation settings.noise on
    [0, 255], drawn from the file's name, rounded and cut to 8 bits as a file
    would hold it.
    """
    image = images.read_image(path)
    if settings.blur:
        image = ndimage.gaussian_filter(image.astype(np.float32),
                                        (settings.blur, settings.blur, 0))
        if not settings.noise:
            return image
    if not settings.noise:
        return np.round(image).astype(np.uint8)
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    noisy = image + settings.noise * rng.standard_normal(image.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def align(values: np.ndarray, truth: np.ndarray,
          path: pathlib.Path) -> tuple[np.ndarray, np.ndarray, bool]:
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


def score(values: np.ndarray, truth: np.ndarray, settings: Settings,
          unit: str) -> dict[str, Any]:
    """Scores one map.

    Args:
        values: [h, w], finite.
        truth: Of read_truth, same shape.
        settings: Settings.
        unit: 'px', or 'score' for maps that only rank; those are fitted to
            each truth by a straight line first, which flatters them.

    Returns:
        Dict of JSON values: `scores`; for MASKS `counts`
        (metrics.threshold_counts) and, of maps in px, `px_counts`; but for
        uniform `ranges` (metrics.error_by_range).
    """
    if settings.protocol in MASKS:
        return _detection(values, truth, settings, unit)
    if settings.protocol == 'uniform':
        return {'scores': metrics.uniform_scores(values, settings.blur)}
    known = np.isfinite(truth)
    sigma = np.asarray(values, np.float64)[known]
    truth = truth[known]
    rho = metrics.rank_correlation(sigma, truth)
    if unit == 'score':
        sigma = np.maximum(metrics.fit_to(sigma, truth), 0)
    a, b = compared(sigma, settings), compared(truth, settings)
    mse = metrics.mean_squared_error(a, b)
    scores = {'mse': mse, 'rmse': mse**0.5,
              'mae': metrics.mean_absolute_error(a, b),
              # Of a constant that is fitted to this truth: to compare with.
              'constant_mae': metrics.mean_absolute_error(b, b.mean()),
              'bias': float(np.mean(a - b)),
              'correlation': metrics.correlation(sigma, truth),
              'rank_correlation': rho}
    return {'scores': scores, 'unknown': int(np.count_nonzero(~known)),
            'ranges': metrics.error_by_range(sigma, truth).tolist()}


def _detection(values, mask, settings, unit):
    scores, counts = metrics.detection_scores(values, mask)
    if settings.structure:
        scores |= structure.structure_scores(values, mask)
    found = {'scores': scores, 'counts': counts.tolist()}
    if unit == 'px':
        found['px_counts'] = metrics.px_counts(values, mask).tolist()
    return found


def compared(sigma: np.ndarray, settings: Settings) -> np.ndarray:
    """sigma, px -> what the protocol compares."""
    if settings.protocol == 'rtf':
        return np.clip(sigma, 0, RTF_LIMIT) / RTF_LIMIT
    if settings.protocol == 'syndof':
        return optics.defocus_from_sigma(sigma, 'sigma7')
    return sigma
