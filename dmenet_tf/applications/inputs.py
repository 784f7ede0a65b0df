"""Photographs with their sigma maps, for the applications' commands."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from absl import flags, logging
from PIL import ExifTags, Image
from skimage import transform

from dmenet_tf import (
    command,
    files,
    images,
    jobs,
    made_with,
    maps,
    network_flags,
    sigma_files,
)

# Of pictures that are results: which photographs they are made of. What is no
# JPEG but loses as it does becomes one.
KINDS = {'.jpg': ('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo', '.heic', '.heif',
                  '.hif', '.avif', '.webp'),
         '.tiff': ('.tif', '.tiff'), '.png': ('.png',)}
# A map may differ from its photograph by what cropping and rounding leave.
_ASPECT_TOLERANCE = 0.02
_JPEG_EXIF = 65533  # bytes
SHARPEST_SHARE = 0.05  # of the pixels
MAX_FLOOR = 0.5  # px; what is said of more is blurred.
# Of a photograph's name, in the folder that --sigma names.
_MAP_SUFFIXES = ('.npy', '_sigma16.png', '_sigma.tiff', '_sigma.exr', '.tiff',
                 '.png')


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


def sharpest(sigma: npt.NDArray[np.float32]) -> float:
    """sigma of the sharpest region, px: the quantile of SHARPEST_SHARE."""
    return float(np.quantile(sigma, SHARPEST_SHARE))


def without_floor(sigma: npt.NDArray[np.float32],
                  floor: float) -> npt.NDArray[np.float32]:
    """Makes sharp what a map says of what is sharp.

    Estimated maps do not reach 0: of what is sharp they say some tenths of a
    pixel, and more here than there. So with f, what is said of the sharpest,

        sigma t^2 (3 - 2 t),    t = sigma / (1.5 f) - 1 cut to [0, 1]:

    0 up to 1.5 f, sigma itself from 3 f on.

    Args:
        sigma: [h, w], px.
        floor: f, >= 0, px; 0 leaves the map as it is.
    """
    if floor == 0:
        return sigma
    t = np.clip(sigma / np.float32(1.5 * floor) - 1, 0, 1)
    return sigma * (t * t * (3 - 2 * t))


@dataclasses.dataclass(frozen=True)
class Kept:
    """What the results keep of a photograph, beside its pixels.

    Attributes:
        exif: Of images.read_exif.
        profile: The ICC profile that the pixels are in; None: sRGB.
    """

    exif: Image.Exif = dataclasses.field(default_factory=Image.Exif)
    profile: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A photograph with its map.

    Attributes:
        path: Of its file.
        image: [h, w, 3] in [0, 255], uint8 or float32.
        sigma: [h, w], float32, px.
        kept: What its results keep of it.
    """

    path: pathlib.Path
    image: np.ndarray
    sigma: np.ndarray
    kept: Kept


def run(arguments: Collection[str],
        suffixes: Callable[[jobs.Job], Collection[str]],
        work: Callable[[Photograph], Any],
        write: Callable[[jobs.Job, Any], Any], settings: Collection[str],
        possible: Collection[str]) -> int:
    """What every command does with the photographs it is called with.

    Args:
        arguments: Files, folders and lists, see jobs.find_jobs.
        suffixes: Job -> those of its results.
        work: Photograph -> result.
        write: Writes a job's result; returns what to print.
        settings: Names of the flags that change a result.
        possible: All suffixes that results can have.

    Returns:
        The exit status.
    """
    jobs.value_range()  # A wrong one is said before anything is read.
    found, failed = jobs.from_flags(
        arguments, lambda job: _made_of(job, possible))
    if (flags.FLAGS.sigma and len(found) > 1
            and not pathlib.Path(flags.FLAGS.sigma).is_dir()):
        raise command.UsageError(
            '--sigma is the map of one photograph; of several name a folder '
            f'of maps. Received: {len(found)} photographs.')
    found = _with_settings(found, settings)
    todo = [job for job in found if flags.FLAGS.overwrite
            or jobs.unfinished([job], suffixes(job))]
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
    """The photograph in its own colours, what to keep, and its map.

    Where --sigma has no map, instead of it the photograph as models see it.
    """
    image, profile = images.read_in_own_colors(
        job.photograph, jobs.value_range(), flags.FLAGS.develop)
    kept = Kept(images.read_exif(job.photograph), profile)
    if flags.FLAGS.sigma:
        return image, kept, sigma_files.read_sigma(_map_of(job))
    if profile is None:
        return image, kept, image
    return image, kept, jobs.read(job.photograph)


def _with_sigma(job, image, kept, seen, sigma_of):
    sigma = sigma_of(seen) if sigma_of else seen
    return Photograph(job.photograph, image,
                      check_sigma(sigma, image.shape[:2]), kept)


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


def steps_shown(steps: Iterable, total: int) -> Iterable:
    """The progress inside of a photograph, below that of the photographs."""
    return files.progress(steps, total=total, unit='part', leave=False)


def comparison_suffixes(name: str, kind: str) -> tuple[str, str]:
    """Suffixes of a result and of the picture that compares it.

    Args:
        name: Of the result, such as 'deblurred'.
        kind: One of KINDS.
    """
    return f'_{name}{kind}', f'_{name}_before_after{kind}'


def compare(arguments: Collection[str], name: str,
            work: Callable[[Photograph], np.ndarray],
            settings: Collection[str]) -> int:
    """run() of a command whose results are pictures like the photographs.

    Args:
        arguments, settings: As of run.
        name: Of the result.
        work: Photograph -> picture, [h, w, 3] in [0, 255].

    Returns:
        The exit status.
    """
    return run(
        arguments, lambda job: comparison_suffixes(name, kind_of(job)),
        lambda photograph: (photograph, work(photograph)),
        lambda job, both: write_before_after(
            both[0].image, both[1], job, name, both[0].kept),
        settings,
        [suffix for kind in KINDS
         for suffix in comparison_suffixes(name, kind)])


def kind_of(job: jobs.Job) -> str:
    """Of KINDS, what a photograph's results are: its own, or the nearest."""
    suffix = job.photograph.suffix.lower()
    return next((kind for kind, suffixes in KINDS.items()
                 if suffix in suffixes), '.png')


def write_before_after(before: np.ndarray, after: np.ndarray, job: jobs.Job,
                       name: str, kept: Kept) -> pathlib.Path:
    """Writes a result and, beside it, what it came from.

    Args:
        before, after: [h, w, 3] in [0, 255].
        job: Whose result it is.
        name: Of the result, such as 'deblurred'.
        kept: What both keep of the photograph.

    Returns:
        Path of the result.
    """
    path, both = map(job.path, comparison_suffixes(name, kind_of(job)))
    write_picture(after, path, kept, job.settings)
    write_picture(np.hstack([before, after]), both, kept, job.settings)
    return path


def write_picture(picture: np.ndarray, path: str | pathlib.Path, kept: Kept,
                  said: str | None = None) -> None:
    """Writes [0, 255] as 8 bits, whole or not at all.

    Args:
        picture: [h, w, 3].
        path: Of the file; its suffix is one of KINDS.
        kept: What it keeps of the photograph.
        said: What it was made with, see made_with.
    """
    codes = np.round(np.clip(picture, 0, 255)).astype(np.uint8)
    with files.atomic_path(path) as temporary:
        Image.fromarray(codes).save(
            temporary, icc_profile=kept.profile,
            **_HOW[temporary.suffix](kept.exif, said))


def _as_jpeg(exif, said):
    content = exif.tobytes()
    if len(content) > _JPEG_EXIF:
        logging.warning('%d kB of EXIF are left out: a JPEG holds 65.',
                        len(content) // 1000)
        content = b''
    # Colour at every pixel; 95 is the most that Pillow calls useful.
    return {'quality': 95, 'subsampling': 0, 'exif': content,
            **({'comment': said} if said else {})}


def _as_tiff(exif, said):
    # Not compressed: libtiff, which does that for Pillow, takes no EXIF.
    own = Image.Exif()
    own.load(exif.tobytes())
    if said:
        own[ExifTags.Base.Software] = said
    return {'exif': own}


def _as_png(exif, said):
    return {'exif': exif, 'pnginfo': made_with.png_info(said)}


_HOW = {'.jpg': _as_jpeg, '.tiff': _as_tiff, '.png': _as_png}
