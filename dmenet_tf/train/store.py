"""Pictures at the size of use: read once, and kept where told."""

import hashlib
import json
import pathlib

import numpy as np
import numpy.typing as npt
from absl import logging

from dmenet_tf import files, images, sigma_files
from dmenet_tf.train import augment
from dmenet_tf.train.folders import Dataset

MAX_SIDE = 800  # px; larger photographs are reduced
# Sizes of a photograph and its mask may differ by this much (CUHK's do), px.
_SIZE_SLACK = 2
# Of what `prepare` makes of a file: raised whenever that changes, so that no
# cache on a disk still holds what an earlier version made.
_VERSION = 3
Prepared = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16] | None]


def fitted_size(height: int, width: int, crop: int,
                max_side: int = MAX_SIDE) -> tuple[int, int]:
    """The size at which a picture is used.

    Longest side at most max_side, then shortest side at least crop.

    Returns:
        (height, width), px.
    """
    ratio = min(1.0, max_side / max(height, width))
    ratio = max(ratio, crop / min(height, width))
    return tuple(max(round(side * ratio), crop) for side in (height, width))


def prepare(dataset: Dataset, index: int, crop: int) -> Prepared:
    """Reads one picture and its label at the size of use.

    Pictures of 16 bits are rounded to 8, of which batches are made.

    Args:
        dataset: Dataset.
        index: Which of its pictures.
        crop: Shortest side that is needed, px.

    Returns:
        image uint8 [h, w, 3], contiguous; label uint16 [h, w]: the codes
        (sigma_files.codes_from_sigma) of the resized image's sigma, LEFT_OUT
        where it does not count, or 1 where blurred and 0 where sharp; None
        for 'real'.

    Raises:
        ValueError, OSError: One line that names the file.
    """
    image = images.read_image(dataset.images[index])
    image = np.ascontiguousarray(
        np.clip(np.rint(image), 0, 255).astype(np.uint8))
    before = image.shape[:2]
    size = fitted_size(*before, crop)
    label = _read_label(dataset, index, before)
    if size != before:
        if dataset.name == 'synthetic':
            image, label = augment.resize_with_sigma(image, label, size)
        else:
            image = augment.resize(image, size)
            label = None if label is None else augment.resize_nearest(label,
                                                                      size)
    if dataset.name == 'synthetic':
        label = sigma_files.codes_from_sigma(label)
    return image, None if label is None else label.astype(np.uint16)


def _read_label(dataset, index, size):
    """A label that fits its image, which CUHK's miss by a pixel; or None."""
    if not dataset.labels:
        return None
    path = dataset.labels[index]
    label = dataset.read_label(path)
    if dataset.valid and dataset.valid[index]:
        valid = sigma_files.read_valid(dataset.valid[index], label.shape)
        label = np.where(valid, label, np.float32(np.nan))
    (h, w), (height, width) = label.shape, size
    if max(abs(h - height), abs(w - width)) > _SIZE_SLACK:
        raise ValueError(f'{path}: the label is {w} x {h} px, its image '
                         f'{width} x {height} px.')
    return augment.resize_nearest(label, size)


class Store:
    """Prepared pictures of one dataset, read once and kept where told.

    Args:
        dataset: Dataset.
        crop: See prepare.
        cache: 'none' prepares a picture each time; 'ram' keeps it in memory;
            a folder keeps it there as .npy files, memory-mapped, for this and
            later runs and for all workers.
        skip_corrupt: Use the next picture in place of one that cannot be
            read, and say so once; otherwise the error is kept in `error`.
    """

    def __init__(self, dataset: Dataset, crop: int, cache: str = 'none',
                 skip_corrupt: bool = False):
        self.dataset, self.crop = dataset, crop
        self.skip_corrupt = skip_corrupt
        self.error: Exception | None = None
        self._ram = {} if cache == 'ram' else None
        self._corrupt = set()
        self._folder = None
        if cache not in ('none', 'ram'):
            self._folder = pathlib.Path(cache) / self._key()
            self._folder.mkdir(parents=True, exist_ok=True)

    def _key(self):
        """Changes with the files, so that no stale picture is used."""
        read_label = self.dataset.read_label
        facts = [_VERSION, self.crop, MAX_SIDE,
                 getattr(read_label, 'keywords', {})]
        for path in self.dataset.files:
            stat = path.stat()
            facts.append((str(path.resolve()), stat.st_size, stat.st_mtime_ns))
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        return f'{self.dataset.name}-{digest[:16]}'

    def picture(self, index: int) -> Prepared:
        """(image, label) of prepare, from the cache if it is there."""
        if self._ram is not None:
            if index not in self._ram:
                self._ram[index] = prepare(self.dataset, index, self.crop)
            return self._ram[index]
        if self._folder is not None:
            return self._from_folder(index)
        return prepare(self.dataset, index, self.crop)

    def _from_folder(self, index):
        paths = [self._folder / f'{index:06d}.{kind}.npy'
                 for kind in ('image', 'label')]
        if not self.dataset.labels:
            paths.pop()
        if not all(path.is_file() for path in paths):
            arrays = prepare(self.dataset, index, self.crop)
            for path, array in zip(paths, arrays, strict=False):
                with files.atomic_path(path) as temporary:
                    files.save_npy(temporary, array)
        loaded = [np.load(path, mmap_mode='r') for path in paths]
        return tuple(loaded) if self.dataset.labels else (*loaded, None)

    def readable(self, index: int) -> Prepared:
        """Like picture; with skip_corrupt, the next one that can be read.

        Raises:
            ValueError, OSError: A picture, or with skip_corrupt all of them,
                cannot be read.
        """
        n = len(self.dataset)
        for i in range(index, index + n):
            if i % n in self._corrupt:
                continue
            try:
                return self.picture(i % n)
            except (ValueError, OSError) as error:
                if not self.skip_corrupt:
                    self.error = error
                    raise
                self._corrupt.add(i % n)
                logging.warning('Skipped: %s', error)
        self.error = ValueError(
            f'No picture of the {self.dataset.name} dataset can be read.')
        raise self.error
