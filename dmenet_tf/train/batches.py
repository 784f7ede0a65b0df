"""The training batches, as a pure function of (seed, index).

Sample i of a dataset is picture p(i mod n) of epoch i // n, where p is that
epoch's permutation of the pictures, changed by random numbers of (seed,
dataset, i). Nothing is remembered from one sample to the next, so training
continues at any step as if it had never stopped, and any number of workers
sees the same pictures as one.
"""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from dmenet_tf import optics, sigma_files
from dmenet_tf.train import augment
from dmenet_tf.train.changes import Augment
from dmenet_tf.train.folders import NAMES, Dataset
from dmenet_tf.train.store import Store

_NO_CHANGES = Augment()


def permuted(index: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
    """Which pictures samples show: each of `count` once an epoch.

    Args:
        index: int64 [b], >= 0.
        count: Pictures in the dataset.
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

    def indices(self, batch: tf.Tensor) -> tf.Tensor:
        """Global sample indices of this worker's batch `batch`, int64 [b].

        Its replicas take batches in turn.
        """
        replicas = self.local // self.per_replica
        first = ((batch // replicas) * self.batch + self.offset
                 + (batch % replicas) * self.per_replica)
        return first + tf.range(self.per_replica, dtype=tf.int64)


def labels(dataset: Dataset, codes: tf.Tensor | None,
           convention: str) -> dict[str, tf.Tensor]:
    """What the losses compare with.

    Args:
        dataset: Whose labels they are.
        codes: Of Store.readable, uint16 [b, h, w, 1]; of 'real' not looked
            at.
        convention: What the network's map means, see optics.

    Returns:
        float32 [b, h, w, 1]: `defocus`, and `valid` where some labels have
        holes; or `blurred`; or nothing.
    """
    if dataset.name == 'real':
        return {}
    codes = tf.cast(codes, tf.float32)
    if dataset.name == 'binary':
        return {'blurred': codes}
    # Enlarging a small picture can push sigma beyond the map's range.
    y = tf.minimum(optics.defocus_from_sigma(
        codes / sigma_files.CODES_PER_PX, convention), 1.0)
    if not any(dataset.valid):
        return {'defocus': y}
    valid = tf.cast(codes != sigma_files.LEFT_OUT, tf.float32)
    return {'defocus': y * valid, 'valid': valid}


@dataclasses.dataclass(frozen=True)
class _Sampler:
    """Sample indices -> samples of one dataset.

    Attributes:
        store: Store.
        crop: Side of the crops, px.
        any_angle: Whether some are rotated by any angle.
        changes: Augment, as far as it fits the dataset.
        convention: What the network's map means.
        seed: The dataset's own, of everything random.
    """
    store: Store
    crop: int
    any_angle: bool
    changes: Augment
    convention: str
    seed: int

    def cut(self, indices, pictures):
        """The NumPy half of a batch.

        Args:
            indices, pictures: int64 [b]: of samples; what they show.

        Returns:
            images uint8 [b, crop, crop, 3], labels uint16 [b, crop, crop, 1],
            draws float32 [b, n], in the order of augment.Draws, and of those
            to be rotated by any angle, for which the first two are empty:
            places in the batch int32 [k], images [k, n, n, 3] and labels
            [k, n, n, 1], n = augment.window_size(crop).
        """
        draws = [augment.random_draws(self.seed, int(i)) for i in indices]
        rotated = [i for i, drawn in enumerate(draws)
                   if self.any_angle and drawn.any_angle < augment.ROTATED]
        crops = _empty(len(indices), self.crop)
        windows = _empty(len(rotated), augment.window_size(self.crop))
        for i, picture in enumerate(pictures):
            (into, labels), row = ((windows, rotated.index(i)) if i in rotated
                                   else (crops, i))
            image, label = augment.random_crop(
                *self.store.readable(int(picture)), into.shape[1], draws[i],
                self.changes)
            into[row] = image
            if label is not None:
                labels[row, ..., 0] = label
        return (*crops, np.array(draws, np.float32),
                np.array(rotated, np.int32), *windows)

    def __call__(self, indices):
        """Samples: int64 [b] -> tensors of steps.make_train_step's batches."""
        pictures = permuted(indices, len(self.store.dataset),
                            tf.constant(self.seed, tf.int64))
        image, label, draws, *rotated = tf.numpy_function(
            self.cut, [indices, pictures], (
                tf.uint8, tf.uint16, tf.float32, tf.int32, tf.uint8,
                tf.uint16))
        b, side = indices.shape[0], self.crop
        image = tf.cast(tf.ensure_shape(image, [b, side, side, 3]), tf.float32)
        label = tf.ensure_shape(label, [b, side, side, 1])
        draws = augment.Draws(*tf.unstack(
            tf.ensure_shape(draws, [b, len(augment.Draws._fields)]), axis=1))
        if self.any_angle:
            image, label = self._rotate(image, label, draws, *rotated)
        seeds = tf.stack([tf.fill([b], tf.constant(self.seed, tf.int64)),
                          indices], axis=1)
        image = augment.change_photometry(image / 255.0, draws, seeds,
                                          self.changes)
        return {'image': image} | labels(self.store.dataset, label,
                                         self.convention)

    def _rotate(self, image, label, draws, places, windows, window_labels):
        """Puts those that are rotated by any angle into their places."""
        n = augment.window_size(self.crop)
        places = tf.ensure_shape(places, [None])[:, None]
        angles = tf.gather_nd(draws.angle, places) * (2.0 * math.pi)
        rotated = augment.rotate_and_crop(
            tf.cast(tf.ensure_shape(windows, [None, n, n, 3]), tf.float32),
            angles, self.crop)
        image = tf.tensor_scatter_nd_update(image, places, rotated)
        if self.store.dataset.labels:
            masks = augment.rotate_and_crop(
                tf.cast(tf.ensure_shape(window_labels, [None, n, n, 1]),
                        tf.uint8), angles, self.crop, 'nearest')
            label = tf.tensor_scatter_nd_update(
                label, places, tf.cast(masks, tf.uint16))
        return image, label


def _empty(count, side):
    """(images, labels) to be filled."""
    return (np.zeros((count, side, side, 3), np.uint8),
            np.zeros((count, side, side, 1), np.uint16))


def make_batches(stores: Mapping[str, Store], crop: int, shard: Shard,
                 seed: int, first_step: int = 0, last_step: int | None = None,
                 any_angle: bool = True, changes: Augment = _NO_CHANGES,
                 convention: str = 'sigma7') -> tf.data.Dataset:
    """The training batches of one worker, from `first_step` on.

    Args:
        stores: {'synthetic': Store, ...}; the datasets that training uses.
        crop: Side of the crops, px, a multiple of 16.
        shard: Shard.
        seed: Of everything random, >= 0.
        first_step: Steps already done.
        last_step: Where the batches end; None: never.
        any_angle: Whether augment.ROTATED of the photographs without sigma
            are rotated by any angle; the others are by quarters.
        changes: The random changes; the photometric ones alone are made to
            photographs without sigma.
        convention: What the network's map means, see optics.

    Returns:
        tf.data.Dataset of steps.make_train_step's batches.
    """
    replicas = shard.local // shard.per_replica
    end = tf.int64.max if last_step is None else last_step * replicas

    def samples(name, store):
        synthetic = name == 'synthetic'
        sampler = _Sampler(
            store, crop, any_angle and not synthetic,
            changes if synthetic else augment.photometric(changes), convention,
            len(NAMES) * seed + NAMES.index(name))
        return tf.data.Dataset.range(first_step * replicas, end).map(
            lambda batch: sampler(shard.indices(batch)),
            num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return tf.data.Dataset.zip({
        name: samples(name, store)
        for name, store in stores.items()}).prefetch(2)
