"""Photographs with their sigma maps, for the applications' commands."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt
from absl import flags
from PIL import Image
from skimage import transform

from dmenet_tf import (
    files,
    images,
    jobs,
    made_with,
    maps,
    network_flags,
    sigma_files,
)

# A map may differ from its photograph by what cropping and rounding leave.
_ASPECT_TOLERANCE = 0.02
# Of a photograph's name, in the folder that --sigma names.
_MAP_SUFFIXES = ('.npy', '_sigma16.png', '_sigma.tiff', '.tiff', '.png')


def define_flags(output_dir: str) -> None:
    """Defines the flags that every application has.

    Args:
        output_dir: Where its results go unless told.
    """
    flags.DEFINE_string(
        'sigma', None, 'A sigma map (.npy, px; .png of 16 bits, sigma = code '
        '/ 1000 px; .tiff) for one photograph, or a folder of maps named '
        'after their photographs. Without it, --model estimates.')
    network_flags.define_flags()
    jobs.define_flags(output_dir)


def check_sigma(sigma: npt.ArrayLike, shape: tuple[int, int] | None = None
                ) -> npt.NDArray[np.float32]:
    """Returns a map as float32 [h, w] of an image's size.

    A map of another size but the same aspect is resized, and its sigma with
    it, because sigma is in px.

    Args:
        sigma: [h, w] or [h, w, 1], px.
        shape: (h, w) of the photograph, or None.

    Raises:
        ValueError: Not such a map, NaN or infinite or negative values, or
            another aspect.
    """
    sigma = np.asarray(sigma)
    if sigma.ndim == 3 and sigma.shape[-1] == 1:
        sigma = sigma[..., 0]
    if sigma.ndim != 2 or not sigma.size or sigma.dtype.kind not in 'fiu':
        raise ValueError('a sigma map is [h, w] of numbers in px. Received: '
                         f'shape {sigma.shape}, {sigma.dtype}.')
    sigma = sigma.astype(np.float32)
    sigma_files.check_values(sigma)
    if shape is None or sigma.shape == tuple(shape):
        return sigma
    scale = np.array(shape) / sigma.shape
    if abs(scale[0] / scale[1] - 1) > _ASPECT_TOLERANCE:
        raise ValueError(f'the sigma map is of size {sigma.shape}, the '
                         f'photograph of {tuple(shape)}: another aspect.')
    resized = transform.resize(sigma, shape, order=1, anti_aliasing=False)
    return (resized * np.sqrt(scale.prod())).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A photograph with its map.

    Attributes:
        path: Of its file.
        image: [h, w, 3] in [0, 255], uint8 or float32.
        sigma: [h, w], float32, px.
    """

    path: pathlib.Path
    image: np.ndarray
    sigma: np.ndarray


def run(arguments: Collection[str], suffixes: Collection[str],
        work: Callable[[Photograph], Any],
        write: Callable[[jobs.Job, Any], Any], settings: Collection[str],
        possible: Collection[str] | None = None) -> int:
    """What every command does with the photographs it is called with.

    Args:
        arguments: Files, folders and lists, see jobs.find_jobs.
        suffixes: Of the results that each photograph gets.
        work: Photograph -> result.
        write: Writes a job's result; returns what to print.
        settings: Names of the flags that change a result.
        possible: All suffixes that results can have; None: `suffixes`.

    Returns:
        The exit status.
    """
    jobs.value_range()  # A wrong one is said before anything is read.
    found, failed = jobs.from_flags(
        arguments, lambda job: _made_of(job, possible or suffixes))
    found = _with_settings(found, settings)
    todo = found if flags.FLAGS.overwrite else jobs.unfinished(found, suffixes)
    outcomes = ()
    if todo:
        sigma_of = _sigma_source(found)
        outcomes = jobs.process(
            todo, _read,
            lambda job, read: work(_with_sigma(job, *read, sigma_of)), write)
    return jobs.complete(outcomes, len(todo), len(found) - len(todo), failed)


def _with_settings(found, names):
    """The jobs, and what changes their results: also the model, or the map."""
    if flags.FLAGS.sigma:
        return [jobs.with_settings(job, names, sigma=_digest_of_map(job))
                for job in found]
    return network_flags.with_model(found, names)


def _digest_of_map(job):
    try:
        return hashlib.sha256(_map_of(job).read_bytes()).hexdigest()
    except OSError:
        return None  # Reading it will say why.


def _made_of(job, suffixes):
    """Paths of what may be there: results; maps, also in --sigma's folder."""
    maps_of = maps.FORMATS.values()
    yield from map(job.path, [*suffixes, *maps_of])
    if flags.FLAGS.sigma:
        yield from map(_namesake(job).path, maps_of)


def _read(job):
    """The photograph, see images.read_image; its map where --sigma has one."""
    image = images.read_image(job.photograph, jobs.value_range())
    if not flags.FLAGS.sigma:
        return image, None
    return image, sigma_files.read_sigma(_map_of(job))


def _with_sigma(job, image, sigma, sigma_of):
    sigma = sigma_of(image) if sigma is None else sigma
    return Photograph(job.photograph, image,
                      check_sigma(sigma, image.shape[:2]))


def _sigma_source(found):
    """Returns a function of an image as it was read: its sigma map.

    Raises:
        ValueError, OSError, ImportError: See network_flags.load.
    """
    if flags.FLAGS.sigma:
        return None
    # TensorFlow takes seconds to import; a map needs none.
    from dmenet_tf import estimation
    model, runner = network_flags.load(found)
    return lambda image: estimation.estimate(image, model, jobs.scales(),
                                             runner=runner)


def _namesake(job):
    """The job as if its results went into the folder of --sigma."""
    relative = job.target.relative_to(flags.FLAGS.output_dir)
    return jobs.Job(job.photograph, pathlib.Path(flags.FLAGS.sigma) / relative)


def _map_of(job):
    """The map of a photograph: the file, or its namesake in the folder."""
    source = pathlib.Path(flags.FLAGS.sigma)
    if not source.is_dir():
        return source
    found = [path for path in map(_namesake(job).path, _MAP_SUFFIXES)
             if path.is_file()]
    if not found:
        raise FileNotFoundError(f'{job.photograph}: no map of it in {source}.')
    return found[0]


def comparison_suffixes(name: str) -> tuple[str, str]:
    """Suffixes of a result and of the picture that compares it."""
    return f'_{name}.png', f'_{name}_before_after.png'


def write_before_after(before: np.ndarray, after: np.ndarray, job: jobs.Job,
                       name: str) -> pathlib.Path:
    """Writes a result and, beside it, what it came from.

    Args:
        before, after: [h, w, 3] in [0, 255].
        job: Whose result it is.
        name: Of the result, such as 'deblurred'.

    Returns:
        Path of the result.
    """
    path, both = map(job.path, comparison_suffixes(name))
    write_picture(after, path, job.settings)
    write_picture(np.hstack([before, after]), both, job.settings)
    return path


def write_picture(picture: np.ndarray, path: str | pathlib.Path,
                  said: str | None = None) -> None:
    """Writes [0, 255] as 8 bits, whole or not at all.

    Args:
        picture: [h, w, 3].
        path: Of the .png.
        said: What it was made with, see made_with.
    """
    codes = np.round(np.clip(picture, 0, 255)).astype(np.uint8)
    with files.atomic_path(path) as temporary:
        Image.fromarray(codes).save(temporary,
                                    pnginfo=made_with.png_info(said))
