"""What the page does, without the page: an upload in, pictures and files out.

Every photograph gets a folder of its own. Its files have the names that
dmenet_tf.predict and the applications' commands give them; `shown` pictures
are small enough for a screen, and their pixels are translated where clicked.
"""

import ctypes
import functools
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Collection

import keras
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

import dmenet_tf
from dmenet_tf import (
    deep_images,
    engines,
    focus,
    images,
    jobs,
    maps,
    optics,
    predict,
    runtimes,
    scales,
    weights,
)
from dmenet_tf.applications import deblur, depth, inputs, magnify
from dmenet_tf.rank import scores
from dmenet_tf.syndof import develop, large

SHOWN_SIDE = 1200  # px
# Refocusing and sharpening larger ones would keep the others waiting.
RESULT_PIXELS = 2_000_000
_DIMMED = 0.25  # of the light, where it is blurred
_GONE = 'The photograph is no longer kept here; choose it again.'


@functools.lru_cache(maxsize=2)
def load_model(source: str | pathlib.Path, engine: engines.Engine
               ) -> tuple[keras.Model, Callable[[np.ndarray], np.ndarray]]:
    """The model and what runs it, loaded once for all visitors."""
    model = weights.load_model(source)
    runner = runtimes.make_runner(model, *engine)
    # Now, so that the first visitor need not wait: photographs, and reduced
    # ones, which are float.
    for dtype in (np.uint8, np.float32):
        sigma = runner(np.zeros((1, 64, 64, 3), dtype))
    _colored(sigma[0, ..., 0], float(sigma.max()))
    return model, runner


def _returning_memory(function):
    """Gives what was freed back to the system, where the C library keeps it.

    Visitors are served by many threads, and glibc has a heap for each.
    """
    trim = getattr(ctypes.pythonapi, 'malloc_trim', None)

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        finally:
            if trim:
                trim(0)
    return wrapped


@_returning_memory
def map_upload(path: str | pathlib.Path, folder: pathlib.Path,
               source: str | pathlib.Path, engine: engines.Engine,
               scales: int | str = 'auto',
               max_pixels: int | None = None) -> jobs.Job:
    """Maps an uploaded photograph.

    Args:
        path: Of the upload.
        folder: The photograph's folder is made below it.
        source: Of the model, see weights.load_model.
        engine: What runs it.
        scales: See estimation.estimate.
        max_pixels: The largest photograph taken, or None.

    Returns:
        jobs.Job, whose npy and color maps are there.

    Raises:
        ValueError: One line that says what is wrong with the file.
    """
    path = pathlib.Path(path)
    check_pixels(path, max_pixels)
    model, runner = load_model(source, engine)
    target = pathlib.Path(tempfile.mkdtemp(dir=folder)) / path.stem
    [outcome] = predict.map_photographs(
        [jobs.Job(path, target)], model, ['npy', 'color'], scales,
        runner=runner)
    if outcome.error:
        # A visitor knows the file by its name.
        raise ValueError(outcome.error.replace(str(path), path.name))
    return outcome.job


@_returning_memory
def coarse_map(path: str | pathlib.Path, source: str | pathlib.Path,
               engine: engines.Engine, max_pixels: int | None = None
               ) -> npt.NDArray[np.uint8] | None:
    """What the coarsest scale says of a large photograph, while more is made.

    Args:
        path, source, engine, max_pixels: As of map_upload.

    Returns:
        The coloured map with its bar; None of a photograph that has one scale
        only.

    Raises:
        ValueError, OSError: One line that says what is wrong with the file.
    """
    check_pixels(pathlib.Path(path), max_pixels)
    *finer, coarsest = scales.pyramid(images.read_image(path))
    if not finer:
        return None
    model, runner = load_model(source, engine)
    sigma = 2**len(finer) * dmenet_tf.estimate(
        coarsest, model, scales=1, runner=runner)
    return _colored(fitted(sigma), float(sigma.max()))


def forget(job: jobs.Job) -> None:
    """Removes what was made of a photograph."""
    shutil.rmtree(job.target.parent, ignore_errors=True)


def check_pixels(path: pathlib.Path, max_pixels: int | None) -> None:
    """Raises ValueError for a picture of too many pixels, before decoding."""
    try:
        width, height = _size(path)
        pixels = width * height
        found = f'{pixels / 1e6:.0f}'
    except Image.DecompressionBombError:
        pixels = np.inf
        found = f'more than {2 * Image.MAX_IMAGE_PIXELS / 1e6:.0f}'
    except Exception:
        return  # images.read_image says what it is.
    if max_pixels and pixels > max_pixels:
        raise ValueError(
            f'{path.name} has {found} megapixels; this page takes '
            f'{max_pixels / 1e6:.0f} at most. Shrink it, or use '
            'python -m dmenet_tf.predict, which works in tiles.')


def _size(path):
    """(width, height) by the header."""
    if deep_images.is_tiff(path):  # Pillow does not know all of them.
        return deep_images.size(path)
    with Image.open(path) as picture:
        return picture.size


def read_sigma(job: jobs.Job) -> npt.NDArray[np.float32]:
    """The map of a job.

    Raises:
        ValueError: It was removed, because its time was over.
    """
    try:
        return np.load(predict.map_path(job, 'npy'))
    except FileNotFoundError:
        raise ValueError(_GONE) from None


def read_photograph(job: jobs.Job) -> npt.NDArray[np.uint8]:
    """The photograph of a job, uint8 [h, w, 3].

    Raises:
        ValueError: As read_sigma.
    """
    try:
        # 16-bit files come as float.
        return np.round(images.read_image(job.photograph)).astype(np.uint8)
    except FileNotFoundError:
        raise ValueError(_GONE) from None


def describe(job: jobs.Job) -> str:
    """A map in two sentences.

    Args:
        job: Of map_upload.
    """
    sigma = read_sigma(job)
    height, width = sigma.shape
    below = focus.threshold(sigma.shape)
    return (f'{job.photograph.name}, {width} x {height} px: sigma is '
            f'{sigma.min():.2f} to {sigma.max():.2f} px, half of it below '
            f'{np.median(sigma):.2f} px. {(sigma <= below).mean():.0%} of the '
            f'pixels are in focus, sigma up to {below:.1f} px.')


def in_focus(job: jobs.Job, below: float | None = None
             ) -> tuple[npt.NDArray[np.uint8], str, str]:
    """What of a photograph is in focus.

    Args:
        job: Of map_upload.
        below: px; None: focus.threshold.

    Returns:
        The photograph, darkened where it is blurred, with a frame around its
        sharpest square (as dmenet_tf.rank finds it); a sentence; the path of
        the mask, full size, white = in focus.
    """
    sigma = read_sigma(job)
    if below is None:
        below = focus.threshold(sigma.shape)
    path = predict.map_path(job, 'mask')
    maps.write(sigma, 'mask', path, mask_limits=(below, below))
    photograph, small = shown(job)
    light = np.where(small <= below, 1, _DIMMED)[..., None]
    picture = Image.fromarray((photograph * light).astype(np.uint8))
    score = scores.of_map(small, sigma.shape)
    ratio = small.shape[1] / sigma.shape[1]
    box = [ratio * n for n in (score.left, score.top,
                               score.left + score.side - 1,
                               score.top + score.side - 1)]
    draw = ImageDraw.Draw(picture)
    for color, line in (('black', 5), ('white', 2)):
        draw.rectangle(box, outline=color, width=line)
    said = (f'{(sigma <= below).mean():.0%} of the pixels are in focus. The '
            f'frame is around what is sharpest: {score.side} x {score.side} '
            f'px at ({score.left}, {score.top}).')
    return np.asarray(picture), said, str(path)


def write_maps(job: jobs.Job, kinds: Collection[str]) -> list[str]:
    """Writes those formats that are missing; returns the paths of all."""
    missing = [kind for kind in kinds
               if not predict.map_path(job, kind).exists()]
    if missing:
        write_sigma(job, read_sigma(job), missing, read_photograph(job))
    return [str(predict.map_path(job, kind)) for kind in kinds]


def write_sigma(job: jobs.Job, sigma: npt.NDArray[np.float32],
                kinds: Collection[str],
                photograph: np.ndarray | None = None) -> list[str]:
    """Writes a map in several formats, see maps.write; returns the paths."""
    paths = [predict.map_path(job, kind) for kind in kinds]
    for kind, path in zip(kinds, paths, strict=True):
        maps.write(sigma, kind, path, photograph)
    return list(map(str, paths))


@functools.lru_cache(maxsize=4)
def shown(job: jobs.Job
          ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Photograph and map in the size of a screen: uint8, float32 px."""
    photograph, sigma = read_photograph(job), read_sigma(job)
    return fitted(photograph), fitted(sigma)


def fitted(picture: np.ndarray, pixels: int | None = None) -> np.ndarray:
    """Shrinks a picture or map to SHOWN_SIDE, or to a number of pixels."""
    height, width = picture.shape[:2]
    scale = (SHOWN_SIDE / max(height, width) if pixels is None
             else (pixels / (height * width))**0.5)
    if scale >= 1:
        return picture
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(Image.fromarray(picture).resize(
        size, Image.Resampling.BOX))


def draw_map(job: jobs.Job, opacity: float = 1.0) -> npt.NDArray[np.uint8]:
    """The coloured map over the photograph, with a bar in px."""
    photograph, sigma = shown(job)
    return _colored(sigma, float(read_sigma(job).max()), photograph, opacity)


def _colored(sigma, largest, photograph=0, opacity=1.0):
    max_sigma = max(largest, 1.0)
    colors = maps.color_sigma(sigma, max_sigma)
    picture = opacity * colors + (1 - opacity) * photograph
    return maps.with_color_bar(np.round(picture).astype(np.uint8), max_sigma)


def locate(job: jobs.Job, place: tuple[float, float],
           shape: tuple[int, int] | None = None) -> tuple[int, int]:
    """A click on a shown picture -> (x, y) of the photograph, or of `shape`.

    Raises:
        ValueError: The click was beside the photograph, on the colour bar.
    """
    height, width = shown(job)[1].shape
    x, y = place
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError('That is beside the photograph.')
    full_height, full_width = shape or read_sigma(job).shape
    return (min(int((x + 0.5) * full_width / width), full_width - 1),
            min(int((y + 0.5) * full_height / height), full_height - 1))


def read_out(job: jobs.Job, place: tuple[float, float]) -> str:
    """sigma at a click, as a sentence."""
    x, y = locate(job, place)
    sigma = float(read_sigma(job)[y, x])
    return (f'sigma at ({x}, {y}) is {sigma:.2f} px, a circle of confusion of '
            f'{optics.coc_from_sigma(sigma):.1f} px.')


@_returning_memory
def refocus(job: jobs.Job, strength: float,
            place: tuple[float, float] | None = None,
            progress: large.Progress | None = None
            ) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Magnifies the blur around what was clicked.

    Args:
        job: Of map_upload.
        strength: See magnify.magnify.
        place: Of the click on what is shown; None: see there.
        progress: See there.

    Returns:
        before, after, uint8, as shown; the paths of the files.
    """
    before = working(job)
    focus = None if place is None else locate(job, place, before.shape[:2])
    after = magnify.magnify(before, read_sigma(job), strength, focus_on=focus,
                            progress=progress)
    return _compared(job, before, after, 'magnified')


@_returning_memory
def sharpen(job: jobs.Job, strength: float,
            progress: large.Progress | None = None
            ) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Brings all into focus; returns as refocus()."""
    before = working(job)
    after = deblur.deblur(before, read_sigma(job), strength=strength,
                          progress=progress)
    return _compared(job, before, after, 'deblurred')


def working(job: jobs.Job) -> npt.NDArray[np.uint8]:
    """The photograph in the size that refocus() and sharpen() work in."""
    return fitted(read_photograph(job), RESULT_PIXELS)


def _compared(job, before, after, name):
    # working() has it in sRGB.
    kept = inputs.Kept(images.read_exif(job.photograph))
    inputs.write_before_after(before, after, job, name, kept)
    suffixes = inputs.comparison_suffixes(name, inputs.kind_of(job))
    return (fitted(before), fitted(develop.to_bytes(after / 255)),
            [str(job.path(suffix)) for suffix in suffixes])


@_returning_memory
def make_depth(job: jobs.Job, focus: str, kinds: Collection[str]
               ) -> tuple[np.ndarray, str, list[str]]:
    """Depth from blur; in metres if EXIF tells of the camera.

    Returns:
        A picture as shown, a sentence on the unit, the paths of the files.
    """
    camera = depth.camera_of(job.photograph, {})
    values = depth.depth(read_sigma(job), focus, camera)
    image = read_photograph(job)
    paths = [job.path(depth.FORMATS[kind]) for kind in kinds]
    for kind, path in zip(kinds, paths, strict=True):
        depth.write(values, kind, path, camera is not None, image, camera)
    unit = ('metres, by the camera that EXIF tells of' if camera else
            'pseudo-depth from 0 to 1: EXIF does not tell all of the camera')
    picture = depth.color_depth(values, *depth.near_and_far(values))
    return (fitted(picture), f'Near is bright; {unit}.',
            [str(path) for path in paths])
