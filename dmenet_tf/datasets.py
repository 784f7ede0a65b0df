"""Folders of pictures -> batches of crops, as a pure function of (seed, index).

    synthetic  image/NAME.* + sigma/NAME.png (ours, sigma = code / 1000 px) or
               blur_map/NAME.png (the authors', see read_authors_label)
    binary     image/NAME.* + gt/NAME.* (a mask, 255 = blurred)
    real       any photographs

Sample i of a set is picture p(i mod n) of epoch i // n, where p is that
epoch's index permutation, cut and turned by random numbers of (seed, set, i).
Nothing is remembered from one sample to the next, so training continues at
any step as if it had never stopped, and any number of workers sees the same
pictures as one.

Pictures are prepared once (decoded, brought to a size of use) and may be kept:
see Store.
"""

import dataclasses
import functools
import hashlib
import json
import math
import pathlib
from typing import Any

import imageio.v3 as iio
import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image
from scipy import ndimage

from dmenet_tf import augment, files, images, optics

SETS = ('synthetic', 'binary', 'real')
MAX_SIDE = 800  # px; larger photographs are reduced
# Sizes of a photograph and its mask may differ by this much (CUHK's do), px.
_SIZE_SLACK = 2
_SIGMA_PER_CODE = 0.001  # px
_ENLARGING = 0.44  # px of the smaller picture, see _scaled.
_DRAWS = 15  # Random numbers per sample: Store.window, _cut_batch, _finish.
_FREE_TURNS = 0.5  # Part of the photographs that are turned by any angle.


@dataclasses.dataclass(frozen=True)
class PictureSet:
    """The pictures of one set.

    Attributes:
        name: One of SETS.
        images, labels: Paths; labels is empty for 'real'.
        groups: What each picture must not be separated from when some are
            held out: its scene.
        read_label: Path -> [h, w]: sigma in px, float32, or 1 where blurred
            and 0 where sharp.
    """
    name: str
    images: tuple
    labels: tuple = ()
    groups: tuple = ()
    read_label: Any = None

    def __len__(self):
        return len(self.images)

    def subset(self, keep):
        """The pictures at the indices `keep`."""
        def pick(values):
            return tuple(values[i] for i in keep) if values else ()
        return dataclasses.replace(
            self, images=pick(self.images), labels=pick(self.labels),
            groups=pick(self.groups))

    def split(self, fraction):
        """Splits off about `fraction` of the groups, chosen by their names.

        Returns:
            (the rest, held out): whole groups on either side, the same ones
            on every machine; at least one is held out if there are two.
        """
        def rank(group):
            return hashlib.sha256(str(group).encode()).hexdigest()
        ranked = sorted(set(self.groups), key=rank)
        count = round(fraction * len(ranked))
        if fraction and len(ranked) > 1:
            count = min(max(count, 1), len(ranked) - 1)
        held = set(ranked[:count])
        indices = range(len(self))
        return (self.subset([i for i in indices if self.groups[i] not in held]),
                self.subset([i for i in indices if self.groups[i] in held]))


def read_sigma(path):
    """Reads sigma/NAME.png: uint16, sigma = code / 1000. -> [h, w] px."""
    return _read_codes(path) * np.float32(_SIGMA_PER_CODE)


def read_authors_label(path, convention):
    """Reads a blur_map/NAME.png of the authors. -> sigma [h, w], px.

    Their later generator stores 10 sigma; their shared SYNDOF.zip stores
    10 (2 sigma + 1), which is 150 times the map of `legacy15`. Nothing in the
    files says which.

    Args:
        path: 8- or 16-bit PNG.
        convention: 'sigma7' or 'legacy15'.
    """
    codes = _read_codes(path)
    if convention == 'sigma7':
        return codes / np.float32(10.0)
    return optics.sigma_from_defocus(codes / np.float32(150.0), convention)


def read_mask(path, polarity=255):
    """Reads a binary blur map. -> [h, w]: 1 where blurred, 0 where sharp.

    Args:
        path: Of a picture.
        polarity: The grey level, 255 or 0, that means blurred.
    """
    grey = images.read_image(path)[..., 0]
    return ((grey > 127) == (polarity == 255)).astype(np.float32)


def _read_codes(path):
    """A one-channel PNG without any conversion of its numbers."""
    try:
        codes = iio.imread(path)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ValueError(f'{path}: damaged label: {error}') from error
    if codes.ndim == 3:
        codes = codes[..., 0]
    return codes.astype(np.float32)


def _find_images(folder):
    """The pictures of a folder, by stem.

    Raises:
        FileNotFoundError: There is no such folder, or it is empty.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder.')
    found = {path.stem: path for path in images.find_images(folder)}
    if not found:
        raise FileNotFoundError(f'{folder}: has no pictures.')
    return found


def _pairs(folder, label_folder):
    """Pictures of folder/image with their labels.

    Raises:
        FileNotFoundError: Some have none; the message names the first.
    """
    folder = pathlib.Path(folder)
    pictures = _find_images(folder / 'image')
    labels = _find_images(folder / label_folder)
    missing = sorted(set(pictures) - set(labels))
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(pictures)} images in {folder}/image have '
            f'no label in {folder}/{label_folder}; the first is {missing[0]}. '
            'data/README.md describes the layout.')
    stems = sorted(pictures)
    return stems, [pictures[s] for s in stems], [labels[s] for s in stems]


def _scenes(folder, stems):
    """The scene of each picture, from manifest.jsonl; else its own name."""
    manifest = pathlib.Path(folder) / 'manifest.jsonl'
    scenes = {}
    if manifest.is_file():
        for line in manifest.read_text().splitlines():
            entry = json.loads(line)
            stem = pathlib.Path(entry.get('name', '')).stem
            scenes[stem] = str(entry.get('scene', stem))
    return [scenes.get(stem, stem) for stem in stems]


def synthetic_set(folders, convention=None):
    """Finds photographs with sigma maps.

    Args:
        folders: Of this library (image/ and sigma/) or of the authors
            (image/ and blur_map/).
        convention: What the authors' labels mean; not needed for ours.

    Raises:
        FileNotFoundError: Missing or empty folders, missing labels.
        ValueError: The authors' tree without a convention.
    """
    pictures, labels, groups = [], [], []
    read_label = read_sigma
    for folder in map(pathlib.Path, folders):
        label_folder = 'sigma'
        if (folder / 'blur_map').is_dir():
            label_folder = 'blur_map'
            read_label = _authors_reader(folder, convention)
        stems, images_, labels_ = _pairs(folder, label_folder)
        pictures, labels = pictures + images_, labels + labels_
        groups += _scenes(folder, stems)
    if len({path.parent.name for path in labels}) > 1:
        raise ValueError('Folders with sigma/ and with blur_map/ cannot be '
                         f'mixed. Received: {[str(f) for f in folders]}.')
    return PictureSet('synthetic', tuple(pictures), tuple(labels),
                      tuple(groups), read_label)


def _authors_reader(folder, convention):
    if convention is None:
        raise ValueError(
            f"{folder}/blur_map is the authors' layout, and its files do not "
            'say what they store: --convention=sigma7 for 10 sigma (their '
            'later generator), --convention=legacy15 for 10 (2 sigma + 1) '
            '(their SYNDOF.zip).')
    return functools.partial(read_authors_label, convention=convention)


def binary_set(folders, polarity=255):
    """Finds photographs with binary blur masks: image/ and gt/.

    Args:
        folders: Each with image/ and gt/.
        polarity: See read_mask.

    Raises:
        FileNotFoundError: Missing or empty folders, missing masks.
    """
    pictures, labels = [], []
    for folder in folders:
        _, images_, labels_ = _pairs(folder, 'gt')
        pictures, labels = pictures + images_, labels + labels_
    return PictureSet('binary', tuple(pictures), tuple(labels),
                      tuple(path.stem for path in pictures),
                      functools.partial(read_mask, polarity=polarity))


def real_set(folders):
    """Finds photographs without labels.

    Raises:
        FileNotFoundError: A folder is missing or empty.
    """
    pictures = [path for folder in folders
                for path in sorted(_find_images(folder).values())]
    return PictureSet('real', tuple(pictures),
                      groups=tuple(path.stem for path in pictures))


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


def prepare(pictures, index, crop):
    """Reads one picture and its label at the size of use.

    Args:
        pictures: PictureSet.
        index: Which one.
        crop: Shortest side that is needed, px.

    Returns:
        image uint8 [h, w, 3]; label uint16 [h, w]: sigma of the resized image
        in thousandths of a px, or 1 where blurred; None for 'real'.

    Raises:
        ValueError, OSError: One line that names the file.
    """
    image = images.read_image(pictures.images[index])
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    height, width = image.shape[:2]
    size = fitted_size(height, width, crop)
    label = None
    if pictures.labels:
        path = pictures.labels[index]
        label = _label_of_size(pictures.read_label(path), height, width, path)
        label = _resize_nearest(label, *size)
        if pictures.name == 'synthetic':
            # Blur is measured in px: it shrinks and grows with the image.
            label = label * size[1] / width / _SIGMA_PER_CODE
        label = np.clip(np.rint(label), 0, 65535).astype(np.uint16)
    if size != (height, width):
        image = np.asarray(Image.fromarray(image).resize(
            size[::-1], Image.Resampling.BICUBIC))
    return image, label


class Store:
    """Prepared pictures of one set, read once and kept where told.

    Args:
        pictures: PictureSet.
        crop: See prepare.
        cache: 'none' prepares a picture each time; 'ram' keeps it in memory;
            a folder keeps it there as .npy files, memory-mapped, for this and
            later runs and for all workers.
        skip_corrupt: Use the next picture in place of one that cannot be
            read, and say so once; otherwise the error is kept in `error`.
    """

    def __init__(self, pictures, crop, cache='none', skip_corrupt=False):
        self.pictures, self.crop = pictures, crop
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
        read_label = self.pictures.read_label
        facts = [self.crop, MAX_SIDE, getattr(read_label, 'keywords', {})]
        for path in (*self.pictures.images, *self.pictures.labels):
            stat = path.stat()
            facts.append((str(path.resolve()), stat.st_size, stat.st_mtime_ns))
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        return f'{self.pictures.name}-{digest[:16]}'

    def picture(self, index):
        """(image, label) of prepare, from the cache if it is there."""
        if self._ram is not None:
            if index not in self._ram:
                self._ram[index] = prepare(self.pictures, index, self.crop)
            return self._ram[index]
        if self._folder is not None:
            return self._from_folder(index)
        return prepare(self.pictures, index, self.crop)

    def _from_folder(self, index):
        paths = [self._folder / f'{index:06d}.{kind}.npy'
                 for kind in ('image', 'label')]
        if not self.pictures.labels:
            paths.pop()
        if not all(path.is_file() for path in paths):
            arrays = prepare(self.pictures, index, self.crop)
            for path, array in zip(paths, arrays, strict=False):
                with files.atomic_path(path) as temporary:
                    files.save_npy(temporary, array)
        loaded = [np.load(path, mmap_mode='r') for path in paths]
        return loaded if self.pictures.labels else (*loaded, None)

    def readable(self, index):
        """Like picture; with skip_corrupt, the next one that can be read.

        Raises:
            ValueError, OSError: A picture, or with skip_corrupt all of them,
                cannot be read.
        """
        n = len(self.pictures)
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
            f'No picture of the {self.pictures.name} set can be read.')
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


def permuted(index, count, seed):
    """Which pictures samples show: each of `count` once an epoch.

    Args:
        index: int64 [b], >= 0.
        count: Pictures in the set.
        seed: int64 scalar.

    Returns:
        int64 [b] in [0, count).
    """
    epoch = index // count
    seeds = tf.stack([tf.fill(tf.shape(index), seed), epoch,
                      tf.zeros_like(epoch)], axis=1)
    # The op itself: tf.random.experimental.index_shuffle pads a table of
    # seeds along the wrong axis.
    return tf.raw_ops.RandomIndexShuffle(
        index=index % count, seed=seeds,
        max_index=tf.fill(tf.shape(index), tf.constant(count - 1, tf.int64)))


@dataclasses.dataclass(frozen=True)
class Photometric:
    """Largest random photometric changes; the defaults change nothing.

    Attributes:
        exposure: Stops up or down.
        gamma: log2 of gamma, up or down.
        noise: Standard deviation, in grey levels of 255.
        noise_power: It is noise * u**noise_power, u even in [0, 1].
        grain: Correlation of the noise, see augment.add_noise.
        jpeg_quality: The lowest; 100 is off.
        grey: Part of the pictures that lose their colours.
    """
    exposure: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    jpeg_quality: int = 100
    grey: float = 0.0
    noise_power: float = 1.0
    grain: float = 0.0


@dataclasses.dataclass(frozen=True)
class Optical:
    """Random changes of pictures with sigma that change their sigma.

    Attributes:
        zoom: Scales are drawn from 1 / zoom to zoom, evenly in their
            logarithm.
        blur: Largest sigma of a Gaussian over the whole picture, px.
        blur_share: Part of the pictures that get one.
        blur_power: Its sigma is blur * u**blur_power, u even in [0, 1].
    """
    zoom: float = 1.0
    blur: float = 0.0
    blur_share: float = 0.5
    blur_power: float = 1.0

    def scale(self, draw):
        """draw in [0, 1) -> scale."""
        return self.zoom ** (2 * draw - 1)

    def sigma(self, draw):
        """draw in [0, 1) -> sigma of the Gaussian, px; 0 for none."""
        u = max((draw - 1) / self.blur_share + 1, 0.0)
        return self.blur * u**self.blur_power


def _photometric(image, draws, seeds, strength):
    """Changes a batch by draws [b, 9] in [0, 1); see Photometric."""
    if strength.exposure or strength.gamma:
        image = augment.change_exposure(
            image, (2 * draws[:, 0] - 1) * strength.exposure,
            (2 * draws[:, 1] - 1) * strength.gamma)
    if strength.noise:
        std = draws[:, 2]**strength.noise_power * strength.noise / 255.0
        # 5 and 6 are Optical's.
        grain = draws[:, 7:9] * strength.grain if strength.grain else None
        image = augment.add_noise(image, std, seeds, grain)
    if strength.grey:
        chosen = tf.reshape(draws[:, 4] < strength.grey, [-1, 1, 1, 1])
        image = tf.where(chosen, tf.image.rgb_to_grayscale(image), image)
    if strength.jpeg_quality < 100:
        span = 101 - strength.jpeg_quality
        quality = strength.jpeg_quality + tf.cast(draws[:, 3] * span, tf.int32)
        image = augment.compress(image, quality)
    return image


def _draws(set_seed, index):
    """The random numbers of a sample, [_DRAWS] in [0, 1).

    Philox is a function of key and counter: a stateless generator. TensorFlow
    has one too, but an op per sample costs more than cutting the crop.
    """
    bits = np.random.Philox(key=set_seed, counter=index)
    return np.random.Generator(bits).random(_DRAWS, np.float32)


def _cut_batch(store, crop, turn, optical, set_seed, indices, pictures):
    """The NumPy half of a batch.

    Args:
        store: Store.
        crop: Side, px.
        turn: Whether some are to be turned by any angle.
        optical: Optical.
        set_seed: Seed of this set's random numbers.
        indices, pictures: int64 [b]: sample indices, and what they show.

    Returns:
        images uint8 [b, crop, crop, 3], labels uint16 [b, crop, crop, 1],
        draws float32 [b, _DRAWS], and for those to be turned: their places in
        the batch int32 [k], images [k, n, n, 3] and labels [k, n, n, 1], n =
        augment.window_size(crop).
    """
    draws = np.stack([_draws(set_seed, int(i)) for i in indices])
    turned = np.flatnonzero((draws[:, 4] < _FREE_TURNS) & turn)

    def cut(places, size):
        images_ = np.zeros((len(places), size, size, 3), np.uint8)
        labels = np.zeros((len(places), size, size, 1), np.uint16)
        for row, i in enumerate(places):
            if size == crop and i in turned:
                continue
            turns = int(draws[i, 3] * 4) if size == crop else 0
            image, label = store.window(pictures[i], size, draws[i, :3],
                                        turns, optical.scale(draws[i, 11]),
                                        optical.sigma(draws[i, 12]))
            _pixels(images_[row])[:] = image
            if label is not None:
                labels[row, ..., 0] = label
        return images_, labels
    crops = cut(range(len(indices)), crop)
    windows = cut(turned, augment.window_size(crop))
    return (*crops, draws, turned.astype(np.int32), *windows)


def _finish(image, label, draws, places, windows, window_labels, indices, name,
            crop, strength, convention, set_seed):
    """The TensorFlow half: turns by any angle, photometry, units."""
    b = indices.shape[0]
    image = tf.cast(tf.ensure_shape(image, [b, crop, crop, 3]), tf.float32)
    label = tf.ensure_shape(label, [b, crop, crop, 1])
    draws = tf.ensure_shape(draws, [b, _DRAWS])
    if windows is not None:
        n, places = augment.window_size(crop), tf.ensure_shape(places, [None])
        angles = tf.gather(draws[:, 5], places) * (2.0 * math.pi)
        turned = augment.rotate_and_crop(
            tf.cast(tf.ensure_shape(windows, [None, n, n, 3]), tf.float32),
            angles, crop)
        image = tf.tensor_scatter_nd_update(image, places[:, None], turned)
    if windows is not None and name == 'binary':
        masks = augment.rotate_and_crop(tf.cast(tf.ensure_shape(
            window_labels, [None, n, n, 1]), tf.uint8), angles, crop,
            'nearest')
        label = tf.tensor_scatter_nd_update(
            label, places[:, None], tf.cast(masks, tf.uint16))
    seeds = tf.stack([tf.fill([b], tf.constant(set_seed, tf.int64)), indices],
                     axis=1)
    image = _photometric(image / 255.0, draws[:, 6:], seeds, strength)
    return {'image': image} | _label(name, label, convention)


def _label(name, label, convention):
    """Codes of prepare -> what the losses compare with."""
    label = tf.cast(label, tf.float32)
    if name == 'synthetic':
        # Enlarging a small picture can push sigma beyond the map's range.
        return {'defocus': tf.minimum(optics.defocus_from_sigma(
            label * _SIGMA_PER_CODE, convention), 1.0)}
    return {'blurred': label} if name == 'binary' else {}


@dataclasses.dataclass(frozen=True)
class Shard:
    """The part of each global batch that one worker makes.

    Attributes:
        batch: Global batch size.
        per_replica: Batch of one replica.
        local: Pictures per step of this worker: its replicas' batches.
        offset: Its first picture within the global batch.
    """
    batch: int
    per_replica: int
    local: int
    offset: int

    def indices(self, batch):
        """Global sample indices of this worker's batch `batch`, int64 [b].

        Its replicas take batches in turn.
        """
        replicas = self.local // self.per_replica
        first = ((batch // replicas) * self.batch + self.offset
                 + (batch % replicas) * self.per_replica)
        return first + tf.range(self.per_replica, dtype=tf.int64)


def make_batches(stores, crop, shard, seed, first_step=0, last_step=None,
                 rotate=True, photometric=None, convention='sigma7',
                 optical=None):
    """The training batches of one worker, from `first_step` on.

    Args:
        stores: {'synthetic': Store, ...}; the sets that training uses.
        crop: Side of the crops, px, a multiple of 16.
        shard: Shard.
        seed: Of everything random.
        first_step: Steps already done.
        last_step: Where the batches end; None: never.
        rotate: Turn half of the photographs without a sigma label by any
            angle, not by quarters. Only half, because turning resamples: D
            must not take that for the mark of a real photograph.
        photometric: Photometric, or None for no changes.
        convention: What the network's map means, see optics.
        optical: Optical, or None for no changes.

    Returns:
        tf.data.Dataset of steps.make_train_step's batches.
    """
    strength = photometric or Photometric()
    replicas = shard.local // shard.per_replica
    end = tf.int64.max if last_step is None else last_step * replicas

    def one_set(name, store):
        set_seed = len(SETS) * seed + SETS.index(name)
        synthetic = name == 'synthetic'
        turn = rotate and not synthetic
        changes = optical if optical and synthetic else Optical()
        types = (tf.uint8, tf.uint16, tf.float32, tf.int32, tf.uint8,
                 tf.uint16)

        def load(batch):
            indices = shard.indices(batch)
            pictures = permuted(indices, len(store.pictures),
                                tf.constant(set_seed, tf.int64))
            return *tf.numpy_function(
                functools.partial(_cut_batch, store, crop, turn, changes,
                                  set_seed),
                [indices, pictures], types), indices

        def finish(image, label, draws, places, windows, labels, indices):
            if not turn:
                windows = None
            return _finish(image, label, draws, places, windows, labels,
                           indices, name, crop, strength, convention, set_seed)
        batches = tf.data.Dataset.range(first_step * replicas, end)
        return batches.map(
            lambda batch: finish(*load(batch)),
            num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    sets = {name: one_set(name, store) for name, store in stores.items()}
    return tf.data.Dataset.zip(sets).prefetch(2)
