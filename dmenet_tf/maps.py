"""What becomes of a sigma map: arrays, pictures and one line of figures."""

import dataclasses
import pathlib

import numpy as np
import numpy.typing as npt
from absl import logging
from PIL import Image
from skimage import measure

from dmenet_tf import files, focus, made_with, metrics, optics, sigma_files

# Suffix of each format's file, after the photograph's stem.
FORMATS = {'npy': '.npy', 'png16': '_sigma16.png', 'tiff': '_sigma.tiff',
           'exr': '_sigma.exr', 'color': '_sigma.png',
           'overlay': '_overlay.png', 'normalized': '_normalized.png',
           'binary': '_binary.png', 'mask': '_mask.png'}
_WRITERS = {'npy': sigma_files.write_npy, 'tiff': sigma_files.write_tiff,
            'png16': sigma_files.write_png, 'exr': sigma_files.write_exr}


def write(sigma: npt.NDArray[np.float32], kind: str,
          path: str | pathlib.Path,
          photograph: np.ndarray | None = None,
          max_sigma: float | None = None, said: str | None = None,
          mask_limits: tuple[float, float] | None = None) -> None:
    """Writes one map in one format, whole or not at all.

    Args:
        sigma: [h, w], float32, px.
        kind: One of FORMATS:
            npy, png16, tiff, exr  the numbers, see sigma_files; what png16
                        cuts is warned of
            color       viridis with a bar in px
            overlay     the colours over the photograph
            normalized  8-bit grey, the paper's d = sigma / 7 px
            binary      255 = blurred: above 0.3 max + 0.7 min [Section 5.3],
                        relative to this map, so never all of it
            mask        255 = in focus, see focus.mask
        path: Of the file.
        photograph: [h, w, 3] in [0, 255], for `overlay` and `mask`.
        max_sigma: px at the bright end of the colours; None: the map's own
            largest, at least 1 px.
        said: What it was made with, see made_with.
        mask_limits: (low, high) px of focus.mask; None: focus.threshold for
            both, and all is white where the photograph is given and
            focus.everywhere.
    """
    if kind == 'png16':
        _warn_of_cuts(sigma, path)
    if kind in _WRITERS:
        _WRITERS[kind](path, sigma, said=said)
        return
    drawn = Image.fromarray(picture(sigma, kind, photograph, max_sigma,
                                    mask_limits))
    with files.atomic_path(path) as temporary:
        drawn.save(temporary, compress_level=3,
                   pnginfo=made_with.png_info(said))


def _warn_of_cuts(sigma, path):
    most = sigma_files.MAX_CODE / sigma_files.CODES_PER_PX
    if sigma.max() > np.float32(most):
        logging.warning(
            '%s: its largest sigma, %.2f px, is cut to %s px, the most that '
            '16 bits hold; --format=npy or tiff keeps it.', path, sigma.max(),
            most)


def picture(sigma: npt.NDArray[np.float32], kind: str,
            photograph: np.ndarray | None = None,
            max_sigma: float | None = None,
            mask_limits: tuple[float, float] | None = None
            ) -> npt.NDArray[np.uint8]:
    """Draws one map in one of the formats that are pictures.

    Args:
        sigma, kind, photograph, max_sigma, mask_limits: See write.

    Returns:
        uint8, [h, w] or [h, w, 3]; with a bar it is wider, and may be higher.
    """
    if kind == 'mask':
        return focus.mask(sigma,
                          *(mask_limits or _mask_limits(sigma, photograph)))
    if kind == 'normalized':
        defocus = optics.defocus_from_sigma(sigma, 'sigma7')
        return np.round(np.clip(defocus, 0, 1) * 255).astype(np.uint8)
    if kind == 'binary':
        return np.where(is_blurred(sigma), 255, 0).astype(np.uint8)
    if max_sigma is None:
        max_sigma = max(float(sigma.max()), 1.0)
    colors = color_sigma(sigma, max_sigma)
    if kind == 'overlay':
        # Grey below, so that every colour is the map's.
        grey = photograph.mean(-1, keepdims=True)
        colors = np.round(0.5 * grey + 0.5 * colors).astype(np.uint8)
    return with_color_bar(colors, max_sigma)


def _mask_limits(sigma, photograph):
    if photograph is not None and focus.everywhere(sigma, photograph):
        return 2 * [float(sigma.max())]
    return 2 * [focus.threshold(sigma.shape)]


def is_blurred(sigma: np.ndarray) -> npt.NDArray[np.bool_]:
    """sigma > tau = 0.3 max + 0.7 min, per map [Lee 2019, Section 5.3].

    Of an even map nothing is, unlike in metrics.binarize: a photograph that
    is as sharp everywhere has its whole as its sharpest region.
    """
    return sigma > metrics.threshold(sigma)


def color_sigma(sigma: np.ndarray,
                max_sigma: float) -> npt.NDArray[np.uint8]:
    """Colours a map: 0 dark violet, max_sigma and above yellow.

    Args:
        sigma: [h, w] px.
        max_sigma: px, > 0.

    Returns:
        uint8 [h, w, 3], perceptually uniform ('viridis').
    """
    import matplotlib
    colors = matplotlib.colormaps['viridis'](np.arange(256) / 255.0)[:, :3]
    table = np.round(colors * 255).astype(np.uint8)
    codes = np.clip(sigma / max_sigma * 255 + 0.5, 0, 255).astype(np.uint8)
    return table[codes]


def with_color_bar(picture: npt.NDArray[np.uint8], top: float,
                   bottom: float = 0.0, label: str = 'sigma (px)'
                   ) -> npt.NDArray[np.uint8]:
    """Adds a bar with ticks at the right of a picture of color_sigma.

    Args:
        picture: uint8 [h, w, 3]; its pixels stay as they are.
        top, bottom: What is yellow, and what is dark violet.
        label: Of the numbers, with their unit.

    Returns:
        uint8 [max(h, 200), w + bar, 3]; below a lower picture it is white.
    """
    height = max(len(picture), 200)
    bar = _color_bar(height, top, bottom, label)
    white = np.full((height - len(picture), picture.shape[1], 3), 255,
                    np.uint8)
    return np.hstack([np.vstack([picture, white]), bar])


def _color_bar(height, top, bottom, label):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
    scale = max(height / 600, 0.75)  # Text grows with the picture.
    width = round(85 * scale)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes([0.15, 0.04, 0.2, 0.92])
    falls = bottom > top
    bar = figure.colorbar(
        ScalarMappable(Normalize(min(top, bottom), max(top, bottom)),
                       'viridis_r' if falls else 'viridis'), cax=axes,
        ticks=MaxNLocator(7, steps=[1, 2, 5, 10]))  # Short numbers.
    if falls:
        bar.ax.invert_yaxis()
    bar.set_label(label, size=10 * scale)
    bar.ax.tick_params(labelsize=9 * scale)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


@dataclasses.dataclass(frozen=True)
class Summary:
    """One photograph in figures; the fields are the columns of --summary."""

    photograph: str
    width_px: int
    height_px: int
    mean_sigma_px: float
    median_sigma_px: float
    p95_sigma_px: float
    sharp_share: float
    sharpest_left: int
    sharpest_top: int
    sharpest_width: int
    sharpest_height: int
    sharpness: float


def summarise(sigma: np.ndarray, photograph: str) -> Summary:
    """Puts a map into a few figures.

    Sharpness is judged at full size. A map of several scales has there what
    full size said: whatever is below focus.SHARP_SIGMA at a reduced scale was
    looked at again at the next, see scales.

    Args:
        sigma: [h, w] px of the photograph.
        photograph: Its name, for the row.

    Returns:
        Summary. `*_px` are px of the photograph. `sharp_share` is the share
        of pixels with sigma below focus.SHARP_SIGMA; `sharpest_*` the box
        around the largest connected region that is not `is_blurred`;
        `sharpness` = 1 / (1 + s) in (0, 1], s being the 10th percentile of
        sigma: a portrait before a soft background is a sharp photograph, a
        shaken or misfocused one is not.
    """
    # An even map has no threshold: then everything is the sharpest region.
    regions = measure.label(~is_blurred(sigma), connectivity=1)
    largest = np.bincount(regions.ravel())[1:].argmax() + 1
    rows, columns = np.nonzero(regions == largest)
    p10, median, p95 = np.percentile(sigma, [10, 50, 95])
    rounded = [round(float(x), 4) for x in (
        sigma.mean(), median, p95, (sigma < focus.SHARP_SIGMA).mean())]
    return Summary(
        photograph, sigma.shape[1], sigma.shape[0], *rounded,
        int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1,
        int(np.ptp(rows)) + 1, round(float(1 / (1 + p10)), 4))
