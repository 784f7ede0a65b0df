"""Photographs with their sigma maps, for the applications' commands."""

import dataclasses
import pathlib
import sys

import numpy as np
from absl import app, flags
from PIL import Image
from skimage import transform
from tqdm import tqdm

from dmenet_tf import files, images
from dmenet_tf.syndof import rgbd

# A map may differ from its photograph by what cropping and rounding leave.
_ASPECT_TOLERANCE = 0.02


def define_flags(output_dir):
    """Defines the flags that every application has.

    Args:
        output_dir: Where its results go unless told.
    """
    flags.DEFINE_string(
        'sigma', None, 'A sigma map (.npy, px; .png of 16 bits, sigma = code '
        '/ 1000 px; .tiff) for one photograph, or a folder of maps named '
        'after their photographs. Without it, --model estimates.')
    flags.DEFINE_string('model', 'small', 'As of dmenet_tf.predict.')
    flags.DEFINE_string('output_dir', output_dir,
                        'Folder for the results; made if missing.')


def read_sigma(path):
    """Reads a sigma map in a format that dmenet_tf.predict writes.

    Args:
        path: .npy, .tiff (px) or 16-bit .png (sigma = code / 1000 px).

    Returns:
        [h, w], float32, px.

    Raises:
        ValueError, OSError: One line with the file's name.
    """
    path = pathlib.Path(path)
    try:
        if path.suffix == '.npy':
            sigma = np.load(path, allow_pickle=False)
        elif path.suffix in ('.tif', '.tiff'):
            import tifffile
            sigma = tifffile.imread(path)
        else:
            with Image.open(path) as picture:
                if not picture.mode.startswith('I'):
                    raise ValueError('needs 16 bits; this one is for looking')
                sigma = np.asarray(picture) / np.float32(1000)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file.') from None
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f'{path}: not a sigma map: {error}.') from error
    try:
        return check_sigma(sigma)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def check_sigma(sigma, shape=None):
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
    bad = ~(sigma >= 0) | ~np.isfinite(sigma)
    if bad.any():
        raise ValueError(
            f'sigma must be finite and not negative; {bad.sum()} pixels are '
            f'not, the first of them {sigma[bad][0]}.')
    if shape is None or sigma.shape == tuple(shape):
        return sigma
    scale = np.array(shape) / sigma.shape
    if abs(scale[0] / scale[1] - 1) > _ASPECT_TOLERANCE:
        raise ValueError(f'the sigma map is of size {sigma.shape}, the '
                         f'photograph of {tuple(shape)}: another aspect.')
    resized = transform.resize(sigma, shape, order=1, anti_aliasing=False)
    return (resized * np.sqrt(scale.prod())).astype(np.float32)


def check_image(image):
    """Returns a photograph as float32 RGB [h, w, 3] in [0, 1].

    Args:
        image: [h, w, 3] or grey [h, w]; uint8, uint16 or float in [0, 1].

    Raises:
        ValueError: Not such an image.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise ValueError('needs an RGB image [h, w, 3] or grey [h, w]. '
                         f'Received shape: {image.shape}.')
    if image.dtype in (np.uint8, np.uint16):
        return image.astype(np.float32) / np.iinfo(image.dtype).max
    image = image.astype(np.float32)
    if not (image.min() >= -1e-3 and image.max() <= 1.001):
        raise ValueError('needs finite values in [0, 1]. Received values from '
                         f'{image.min()} to {image.max()}.')
    return image


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A photograph with its map.

    Attributes:
        path: Of its file.
        image: [h, w, 3], float32 in [0, 1].
        sigma: [h, w], float32, px.
    """

    path: pathlib.Path
    image: np.ndarray
    sigma: np.ndarray


def run(argv, work):
    """The loop of every command: reads, works, prints, exits.

    A photograph that fails costs one line on the terminal, the others go on,
    and the exit status is 1.

    Args:
        argv: Of absl: the command, files and folders.
        work: Takes a Photograph and the path of its results without a suffix,
            writes them and returns the path to print.
    """
    if not argv[1:]:
        raise app.UsageError('Name at least one photograph or folder.')
    try:
        sigma_of, jobs = sigma_source(), find_jobs(argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    failed = 0
    for path, target in files.progress(jobs, unit='photo'):
        try:
            if isinstance(target, ValueError):
                raise target
            image = rgbd.read_image(path)
            sigma = check_sigma(sigma_of(path, image), image.shape[:2])
            tqdm.write(str(work(Photograph(path, image, sigma), target)))
        except (ValueError, OSError) as error:
            failed += 1
            files.complain(error if str(path) in str(error)
                           else f'{path}: {error}')
    sys.exit(1 if failed else 0)


def find_jobs(arguments):
    """Pairs (photograph, path of its results without suffix, or ValueError).

    Raises:
        ValueError: A folder has no pictures.
    """
    jobs, owners = [], {}
    for argument in arguments:
        found = images.find_images(argument)
        if not found:
            raise ValueError(f'{argument}: a folder without pictures.')
        for path in found:
            target = pathlib.Path(flags.FLAGS.output_dir) / path.stem
            owner = owners.setdefault(target, path)
            if owner != path:
                target = ValueError(
                    f'{path}: its results would overwrite those of {owner}; '
                    'give it another --output_dir.')
            jobs.append((path, target))
    return jobs


def sigma_source():
    """Returns a function of a photograph's path and image: its sigma map.

    Raises:
        ValueError, OSError: The model cannot be loaded.
    """
    if flags.FLAGS.sigma:
        source = pathlib.Path(flags.FLAGS.sigma)
        return lambda path, image: read_sigma(_map_of(path, source))
    # TensorFlow takes seconds to import; a map needs none.
    from dmenet_tf import estimation, inference, weights
    model = inference.fold(weights.load_model(flags.FLAGS.model))
    return lambda path, image: estimation.estimate(image * 255, model)


def write_before_after(before, after, target, suffix):
    """Writes a result and, beside it, what it came from.

    Args:
        before, after: [h, w, 3] in [0, 1].
        target: Path without suffix.
        suffix: Of the result, such as 'deblurred'.

    Returns:
        Path of the result.
    """
    path = target.with_name(f'{target.name}_{suffix}.png')
    write_picture(after, path)
    write_picture(np.hstack([before, after]), path.with_name(
        f'{target.name}_{suffix}_before_after.png'))
    return path


def write_picture(picture, path):
    """Writes [0, 1] as 8 bits, whole or not at all."""
    codes = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    with files.atomic_path(path) as temporary:
        Image.fromarray(codes).save(temporary)


def _map_of(path, source):
    """The map of a photograph: the file, or its namesake in the folder."""
    if not source.is_dir():
        return source
    for suffix in ('.npy', '_sigma16.png', '_sigma.tiff', '.tiff', '.png'):
        if (source / f'{path.stem}{suffix}').is_file():
            return source / f'{path.stem}{suffix}'
    raise FileNotFoundError(f'{path}: no map of it in {source}.')
