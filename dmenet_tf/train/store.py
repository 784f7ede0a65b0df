"""Pictures at the size of use: read once, and kept where told."""

import hashlib
import json
import pathlib

import numpy as np
from absl import logging
from PIL import Image
from scipy import ndimage

from dmenet_tf import files, images, sigma_files
from dmenet_tf.train import augment

MAX_SIDE = 800  # px; larger photographs are reduced
# Sizes of a photograph and its mask may differ by this much (CUHK's do), px.
_SIZE_SLACK = 2
_SIGMA_PER_CODE = 1 / sigma_files.CODES_PER_PX  # px
_ENLARGING = 0.44  # px of the smaller picture, see _scaled.


def fitted_size(height, width, crop, max_side=MAX_SIDE):
    """The size at which a picture is used.

    Longest side at most max_side, then shortest side at least crop.

    Returns:
        (height, width), px.
    """
    ratio = min(1.0, max_side / max(height, width))
    ratio = max(ratio, crop / min(height, width))
    return tuple(max(round(side * ratio), crop) for side in (height, width))


def _label_of_size(label, height, width, path):
    """A label that fits its image, which CUHK's miss by a pixel."""
    h, w = label.shape[:2]
    if max(abs(h - height), abs(w - width)) > _SIZE_SLACK:
        raise ValueError(f'{path}: the label is {w} x {h} px, its image '
                         f'{width} x {height} px.')
    return _resize_nearest(label, height, width)


def _resize_nearest(array, height, width):
    rows = (np.arange(height) + 0.5) * array.shape[0] / height
    columns = (np.arange(width) + 0.5) * array.shape[1] / width
    return array[rows.astype(int)[:, None], columns.astype(int)]


def prepare(dataset, index, crop):
    """Reads one picture and its label at the size of use.

    Args:
        dataset: Dataset.
        index: Which one.
        crop: Shortest side that is needed, px.

    Returns:
        image uint8 [h, w, 3]; label uint16 [h, w]: sigma of the resized image
        in thousandths of a px, or 1 where blurred; None for 'real'.

    Raises:
        ValueError, OSError: One line that names the file.
    """
    image = images.read_image(dataset.images[index])
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    height, width = image.shape[:2]
    size = fitted_size(height, width, crop)
    label = None
    if dataset.labels:
        path = dataset.labels[index]
        label = _label_of_size(dataset.read_label(path), height, width, path)
        label = _resize_nearest(label, *size)
        if dataset.name == 'synthetic':
            # Blur is measured in px: it shrinks and grows with the image.
            label = label * size[1] / width / _SIGMA_PER_CODE
        label = np.clip(np.rint(label), 0, 65535).astype(np.uint16)
    if size != (height, width):
        image = np.asarray(Image.fromarray(image).resize(
            size[::-1], Image.Resampling.BICUBIC))
    return image, label


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

    def __init__(self, dataset, crop, cache='none', skip_corrupt=False):
        self.dataset, self.crop = dataset, crop
        self.skip_corrupt = skip_corrupt
        self.error = None
        self._ram = {} if cache == 'ram' else None
        self._corrupt = set()
        self._folder = None
        if cache not in ('none', 'ram'):
            self._folder = pathlib.Path(cache) / self._key()
            self._folder.mkdir(parents=True, exist_ok=True)

    def _key(self):
        """Changes with the files, so that no stale picture is used."""
        read_label = self.dataset.read_label
        facts = [self.crop, MAX_SIDE, getattr(read_label, 'keywords', {})]
        for path in (*self.dataset.images, *self.dataset.labels):
            stat = path.stat()
            facts.append((str(path.resolve()), stat.st_size, stat.st_mtime_ns))
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        return f'{self.dataset.name}-{digest[:16]}'

    def picture(self, index):
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
        return loaded if self.dataset.labels else (*loaded, None)

    def readable(self, index):
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

    def window(self, index, size, draws, turns, zoom=1.0, blur=0.0):
        """A random square: cut, scaled, blurred, flipped, turned by quarters.

        Args:
            index: Of the picture.
            size: Side, px.
            draws: Random numbers in [0, 1): flip, top, left.
            turns: Quarter turns.
            zoom: Scale of the picture, and so of its sigma.
            blur: Sigma of one more Gaussian, px.

        Returns:
            [size, size]: pixels (three bytes as one number, which moves
            them three times as fast), and uint16 labels or None.
        """
        image, label = self.readable(int(index))
        flip, top, left = draws
        side = round(size / zoom)
        image, label = (None if array is None
                        else augment.cut(array, side, top, left)
                        for array in (_pixels(image), label))
        if side != size:
            image, label = _scaled(image, label, size)
        if blur:
            image, label = _blurred(image, label, blur)
        return tuple(None if array is None
                     else augment.flip_and_turn(array, flip < 0.5, turns)
                     for array in (image, label))


def _pixels(image):
    """uint8 [h, w, 3], contiguous -> the same memory as [h, w] pixels."""
    return image.view('V3')[..., 0]


def _colours(image):
    """_pixels [h, w] of any strides -> uint8 [h, w, 3]."""
    picture = np.ascontiguousarray(image).view(np.uint8)
    return picture.reshape(*image.shape, 3)


def _scaled(image, label, size):
    """A square of _pixels and its sigma codes at another size.

    Enlarging shows what lies between pixels as blur. Shrunk photographs
    (Kodak) that are enlarged 1.25, 1.5 or 2 times look like the originals at
    that size after a Gaussian of 0.54, 0.65 or 0.87 px: 0.44 px of the smaller
    picture.
    """
    ratio = size / image.shape[0]
    picture = np.asarray(Image.fromarray(_colours(image)).resize(
        (size, size), Image.Resampling.BICUBIC))
    label = _resize_nearest(label, size, size)
    if ratio > 1.0:
        label = np.hypot(label, _ENLARGING / _SIGMA_PER_CODE)
    label = np.rint(label * ratio)
    return _pixels(picture), np.minimum(label, 65535).astype(np.uint16)


def _blurred(image, label, blur):
    """_pixels and sigma codes after a Gaussian; variances add up."""
    picture = np.rint(ndimage.gaussian_filter(
        _colours(image).astype(np.float32), (blur, blur, 0)))
    label = np.rint(np.hypot(label, blur / _SIGMA_PER_CODE, dtype=np.float32))
    return (_pixels(picture.astype(np.uint8)),
            np.minimum(label, 65535).astype(np.uint16))
