"""The training batches, as a pure function of (seed, index).

Sample i of a set is picture p(i mod n) of epoch i // n, where p is that
epoch's index permutation, cut and turned by random numbers of (seed, set, i).
Nothing is remembered from one sample to the next, so training continues at
any step as if it had never stopped, and any number of workers sees the same
pictures as one.
"""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf

from dmenet_tf import optics
from dmenet_tf.train import augment
from dmenet_tf.train.config import Augment
from dmenet_tf.train.folders import NAMES
from dmenet_tf.train.store import _SIGMA_PER_CODE, _pixels

_DRAWS = 15  # Random numbers per sample: Store.window, _cut_batch, _finish.
_NO_CHANGES = Augment()
_FREE_TURNS = 0.5  # Part of the photographs that are turned by any angle.


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


def _scale(changes, draw):
    """draw in [0, 1) -> scale."""
    return changes.zoom ** (2 * draw - 1)


def _sigma(changes, draw):
    """draw in [0, 1) -> sigma of the Gaussian, px; 0 for none."""
    u = max((draw - 1) / changes.blur_share + 1, 0.0)
    return changes.blur * u**changes.blur_power


def _photometric(image, draws, seeds, strength):
    """Changes a batch by draws [b, 9] in [0, 1); see Augment."""
    if strength.exposure or strength.gamma:
        image = augment.change_exposure(
            image, (2 * draws[:, 0] - 1) * strength.exposure,
            (2 * draws[:, 1] - 1) * strength.gamma)
    if strength.noise:
        std = draws[:, 2]**strength.noise_power * strength.noise / 255.0
        # 5 and 6 are zoom and blur.
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


def _draws(dataset_seed, index):
    """The random numbers of a sample, [_DRAWS] in [0, 1).

    Philox is a function of key and counter: a stateless generator. TensorFlow
    has one too, but an op per sample costs more than cutting the crop.
    """
    bits = np.random.Philox(key=dataset_seed, counter=index)
    return np.random.Generator(bits).random(_DRAWS, np.float32)


def _cut_batch(store, crop, turn, changes, dataset_seed, indices, pictures):
    """The NumPy half of a batch.

    Args:
        store: Store.
        crop: Side, px.
        turn: Whether some are to be turned by any angle.
        changes: Augment.
        dataset_seed: Seed of this set's random numbers.
        indices, pictures: int64 [b]: sample indices, and what they show.

    Returns:
        images uint8 [b, crop, crop, 3], labels uint16 [b, crop, crop, 1],
        draws float32 [b, _DRAWS], and for those to be turned: their places in
        the batch int32 [k], images [k, n, n, 3] and labels [k, n, n, 1], n =
        augment.window_size(crop).
    """
    draws = np.stack([_draws(dataset_seed, int(i)) for i in indices])
    turned = np.flatnonzero((draws[:, 4] < _FREE_TURNS) & turn)

    def cut(places, size):
        images_ = np.zeros((len(places), size, size, 3), np.uint8)
        labels = np.zeros((len(places), size, size, 1), np.uint16)
        for row, i in enumerate(places):
            if size == crop and i in turned:
                continue
            turns = int(draws[i, 3] * 4) if size == crop else 0
            image, label = store.window(pictures[i], size, draws[i, :3],
                                        turns, _scale(changes, draws[i, 11]),
                                        _sigma(changes, draws[i, 12]))
            _pixels(images_[row])[:] = image
            if label is not None:
                labels[row, ..., 0] = label
        return images_, labels
    crops = cut(range(len(indices)), crop)
    windows = cut(turned, augment.window_size(crop))
    return (*crops, draws, turned.astype(np.int32), *windows)


def _finish(image, label, draws, places, windows, window_labels, indices, name,
            crop, strength, convention, dataset_seed):
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
    seeds = tf.stack([tf.fill([b], tf.constant(dataset_seed, tf.int64)),
                      indices], axis=1)
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
                 any_angle=True, changes=_NO_CHANGES, convention='sigma7'):
    """The training batches of one worker, from `first_step` on.

    Args:
        stores: {'synthetic': Store, ...}; the sets that training uses.
        crop: Side of the crops, px, a multiple of 16.
        shard: Shard.
        seed: Of everything random.
        first_step: Steps already done.
        last_step: Where the batches end; None: never.
        any_angle: Turn half of the photographs without a sigma label by any
            angle, not by quarters. Only half, because turning resamples: D
            must not take that for the mark of a real photograph.
        changes: Augment; those that change sigma are made to the synthetic
            dataset alone.
        convention: What the network's map means, see optics.

    Returns:
        tf.data.Dataset of steps.make_train_step's batches.
    """
    replicas = shard.local // shard.per_replica
    end = tf.int64.max if last_step is None else last_step * replicas

    def one_dataset(name, store):
        dataset_seed = len(NAMES) * seed + NAMES.index(name)
        synthetic = name == 'synthetic'
        turn = any_angle and not synthetic
        optical = changes if synthetic else Augment()
        types = (tf.uint8, tf.uint16, tf.float32, tf.int32, tf.uint8,
                 tf.uint16)

        def load(batch):
            indices = shard.indices(batch)
            pictures = permuted(indices, len(store.dataset),
                                tf.constant(dataset_seed, tf.int64))
            return *tf.numpy_function(
                functools.partial(_cut_batch, store, crop, turn, optical,
                                  dataset_seed),
                [indices, pictures], types), indices

        def finish(image, label, draws, places, windows, labels, indices):
            if not turn:
                windows = None
            return _finish(
                image, label, draws, places, windows, labels, indices, name,
                crop, changes, convention, dataset_seed)
        batches = tf.data.Dataset.range(first_step * replicas, end)
        return batches.map(
            lambda batch: finish(*load(batch)),
            num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    sets = {name: one_dataset(name, store) for name, store in stores.items()}
    return tf.data.Dataset.zip(sets).prefetch(2)
