"""Folders of pictures and labels -> the datasets that training draws from.

    synthetic  image/NAME.* + sigma/NAME.png (ours) or blur_map/NAME.png (the
               authors'); sigma_files.py reads both. valid/NAME.png, if there
               is one, says which pixels count
    binary     image/NAME.* + gt/NAME.* (a mask; its larger code is blurred)
    real       any photographs

What is held out is nowhere trained on: frames of one scene stay together,
and a photograph that is held out leaves every other folder that has it too.
"""

import collections
import dataclasses
import functools
import hashlib
import json
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from absl import logging

from dmenet_tf import images, sigma_files
from dmenet_tf.train.config import Config

NAMES = ('synthetic', 'binary', 'real')
_DIGEST_BYTES = 4096  # Of a file's start and of its end, see Dataset.digest.
# SCENE_frame_0001, SCENE_0001, frame_0001.
_FRAME = re.compile(r'(?P<scene>.*?)[ _.-]*(?P<word>frame)?[ _.-]*\d+', re.I)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The pictures of one dataset.

    Attributes:
        name: One of NAMES.
        images, labels: Paths; labels is empty for 'real'.
        groups: What each picture must not be separated from when some are
            held out: its scene; empty for 'real'.
        read_label: Path -> [h, w]: sigma in px, float32, or whether blurred,
            bool.
        valid: Of each label the path of what says where it counts, or None:
            it counts everywhere; empty where no picture of a folder has one.
    """
    name: str
    images: tuple[pathlib.Path, ...]
    labels: tuple[pathlib.Path, ...] = ()
    groups: tuple[str, ...] = ()
    read_label: Callable[[pathlib.Path], np.ndarray] | None = None
    valid: tuple[pathlib.Path | None, ...] = ()

    @property
    def files(self) -> list[pathlib.Path]:
        """All that it is read from."""
        return [*self.images, *self.labels, *filter(None, self.valid)]

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, keep: Iterable[int]) -> 'Dataset':
        """The pictures at the indices `keep`."""
        keep = list(keep)

        def pick(values):
            return tuple(values[i] for i in keep) if values else ()
        return dataclasses.replace(
            self, images=pick(self.images), labels=pick(self.labels),
            groups=pick(self.groups), valid=pick(self.valid))

    def split(self, fraction: float) -> tuple['Dataset', 'Dataset']:
        """Splits off about `fraction` of the pictures, in whole groups.

        Args:
            fraction: In [0, 1); 0 holds nothing out.

        Returns:
            (the rest, held out): chosen by the groups' names, so the same
            ones on every machine; neither is empty if there are two groups.
        """
        held = self._held_groups(fraction)
        indices = range(len(self))
        return (self.subset(i for i in indices if self.groups[i] not in held),
                self.subset(i for i in indices if self.groups[i] in held))

    def _held_groups(self, fraction):
        def rank(group):
            return hashlib.sha256(group.encode()).hexdigest()
        sizes = collections.Counter(self.groups)
        smallest = min(sorted(sizes), key=sizes.get)
        wanted, held = fraction * len(self), set()
        for group in sorted(sizes, key=rank):
            if sizes[group] <= 2 * wanted:  # Then it brings us nearer.
                held.add(group)
                wanted -= sizes[group]
        if fraction and len(sizes) > 1:
            held = held or {smallest}
            held -= {smallest} if len(held) == len(sizes) else set()
        return held

    def digest(self) -> dict[str, int | str]:
        """What tells whether this is the dataset that it was.

        Returns:
            {'count': pictures, 'digest': sha256, hex}: of names, sizes, and
            the first and last 4096 bytes of all files; where they are and
            how old does not count.
        """
        digest = hashlib.sha256()
        for path in self.files:
            size = path.stat().st_size
            digest.update(f'{path.name}\n{size}\n'.encode())
            with path.open('rb') as file:
                digest.update(file.read(_DIGEST_BYTES))
                file.seek(max(size - _DIGEST_BYTES, 0))
                digest.update(file.read(_DIGEST_BYTES))
        return {'count': len(self), 'digest': digest.hexdigest()}


def _pairs(folder, label_folder):
    """Pictures of folder/image with their labels: (stems, images, labels).

    Raises:
        FileNotFoundError: Some have none; the message names the first.
        ValueError: Two have one name.
    """
    pictures = images.images_by_stem(folder / 'image')
    labels = images.images_by_stem(folder / label_folder)
    missing = sorted(set(pictures) - set(labels))
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(pictures)} images in {folder}/image have '
            f'no label in {folder}/{label_folder}; the first is {missing[0]}. '
            'data/README.md describes the layout.')
    stems = sorted(pictures)
    return stems, [pictures[s] for s in stems], [labels[s] for s in stems]


def _scenes(folder, stems):
    """The scene of each picture: from manifest.jsonl, else from its name."""
    manifest = folder / 'manifest.jsonl'
    scenes = dict(zip(stems, _scenes_of_names(folder, stems), strict=True))
    if manifest.is_file():
        for line in manifest.read_text().splitlines():
            entry = json.loads(line)
            stem = pathlib.Path(entry.get('name', '')).stem
            scenes[stem] = str(entry.get('scene', stem))
    return [scenes[stem] for stem in stems]


def _scenes_of_names(folder, stems):
    """What stands before the frame's number; else the whole name.

    Sintel's alley_1_frame_0001 is of alley_1. The folder is the scene of
    frame_0001. A number alone is a picture of its own, and so is IMG_0001
    where all names of the folder begin alike: then cameras count.
    """
    matches = [_FRAME.fullmatch(stem) for stem in stems]
    alike = len({match and match['scene'] for match in matches}) == 1

    def scene(stem, match):
        if match is None or (alike and not match['word']):
            return stem
        return match['scene'] or (folder.resolve().name if match['word']
                                  else stem)
    return map(scene, stems, matches)


def synthetic_dataset(folders: Sequence[str | pathlib.Path],
                      convention: str | None = None) -> Dataset:
    """Finds photographs with sigma maps.

    Args:
        folders: Of this library (image/ and sigma/) or of the authors
            (image/ and blur_map/).
        convention: What the authors' labels mean; not needed for ours.

    Raises:
        FileNotFoundError: Missing or empty folders, missing labels.
        ValueError: The authors' tree without a convention; both layouts; two
            pictures of a folder have one name.
    """
    pictures, labels, groups, valid = [], [], [], []
    read_label = sigma_files.read_sigma
    for folder in map(pathlib.Path, folders):
        label_folder = 'sigma'
        if (folder / 'blur_map').is_dir():
            label_folder = 'blur_map'
            read_label = _authors_reader(folder, convention)
        stems, images_, labels_ = _pairs(folder, label_folder)
        pictures, labels = pictures + images_, labels + labels_
        groups += _scenes(folder, stems)
        valid += _valid(folder, stems)
    if len({path.parent.name for path in labels}) > 1:
        raise ValueError('Folders with sigma/ and with blur_map/ cannot be '
                         f'mixed. Received: {[str(f) for f in folders]}.')
    return Dataset('synthetic', tuple(pictures), tuple(labels), tuple(groups),
                   read_label, tuple(valid) if any(valid) else ())


def _valid(folder, stems):
    """What says where each label counts, or None.

    Raises:
        ValueError: It belongs to no picture, or two have one name.
    """
    if not (folder / 'valid').is_dir():
        return [None] * len(stems)
    found = images.images_by_stem(folder / 'valid')
    alone = sorted(set(found) - set(stems))
    if alone:
        raise ValueError(f'{found[alone[0]]}: there is no picture of this name '
                         f'in {folder}/image.')
    return [found.get(stem) for stem in stems]


def _authors_reader(folder, convention):
    if convention is None:
        raise ValueError(
            f"{folder}/blur_map is the authors' layout, and its files do not "
            'say what they store: --convention=sigma7 for 10 sigma (their '
            'later generator), --convention=legacy15 for 10 (2 sigma + 1) '
            '(their SYNDOF.zip).')
    return functools.partial(sigma_files.read_authors_label,
                             convention=convention)


def binary_dataset(folders: Sequence[str | pathlib.Path]) -> Dataset:
    """Finds photographs with binary blur masks: image/ and gt/.

    Args:
        folders: Each with image/ and gt/; sigma_files.read_mask says what a
            mask is.

    Raises:
        FileNotFoundError: Missing or empty folders, missing masks.
        ValueError: Two pictures of a folder have one name.
    """
    pictures, labels = [], []
    for folder in map(pathlib.Path, folders):
        _, images_, labels_ = _pairs(folder, 'gt')
        pictures, labels = pictures + images_, labels + labels_
    return Dataset('binary', tuple(pictures), tuple(labels),
                   tuple(path.stem for path in pictures),
                   sigma_files.read_mask)


def real_dataset(folders: Sequence[str | pathlib.Path]) -> Dataset:
    """Finds photographs without labels; a.jpg and a.png are two.

    Raises:
        FileNotFoundError: A folder is missing or empty.
    """
    pictures = []
    for folder in map(pathlib.Path, folders):
        if not folder.is_dir():
            raise FileNotFoundError(f'{folder}: no such folder.')
        found = images.find_images(folder)
        if not found:
            raise FileNotFoundError(f'{folder}: has no pictures.')
        pictures += found
    return Dataset('real', tuple(pictures))


def without(dataset: Dataset, held_out: Dataset) -> Dataset:
    """The pictures of a dataset that are not among those held out.

    Neither the same files, by whatever path, nor copies of them, under
    whatever name, are left.
    """
    digest = functools.cache(
        lambda path: hashlib.sha256(path.read_bytes()).digest())
    held = {path.resolve() for path in held_out.images}
    by_size = collections.defaultdict(set)
    for path in held:
        by_size[path.stat().st_size].add(path)

    def is_held(path):
        path = path.resolve()
        same_size = by_size.get(path.stat().st_size, ())
        return path in held or bool(same_size) and digest(path) in {
            digest(other) for other in same_size}
    return dataset.subset(i for i, path in enumerate(dataset.images)
                          if not is_held(path))


def find_datasets(
        config: Config) -> tuple[dict[str, Dataset], dict[str, Dataset]]:
    """The datasets to train on and those held out.

    Args:
        config: Resolved.

    Returns:
        ({'synthetic': Dataset, ...}, likewise held out): what the losses of
        `config` need, and for validation what there is.

    Raises:
        FileNotFoundError, ValueError: Folders are not as they should be, or
            what is held out leaves a dataset without pictures.
    """
    found = {'synthetic': synthetic_dataset(config.synthetic,
                                            config.convention)}
    if config.binary:
        found['binary'] = binary_dataset(config.binary)
    train, held_out = dict(found), _validation_datasets(config)
    for name, dataset in found.items():
        if name not in held_out:
            train[name], held = _hold_out(dataset, config.hold_out)
            held_out |= {name: held} if len(held) else {}
    if not (config.lambda_S or config.looks_at_photographs):
        train.pop('binary', None)
    if config.real and config.looks_at_photographs:
        train['real'] = real_dataset(config.real)
    return {name: _without_all(dataset, held_out.values())
            for name, dataset in train.items()}, held_out


def _validation_datasets(config):
    """Those of --validate_synthetic and --validate_binary."""
    held_out = {}
    if config.validate_synthetic:
        held_out['synthetic'] = synthetic_dataset(config.validate_synthetic,
                                                  config.convention)
    if config.validate_binary:
        held_out['binary'] = binary_dataset(config.validate_binary)
    return held_out


def _hold_out(dataset, fraction):
    """Dataset.split, and a word if it cannot.

    Raises:
        ValueError: It leaves nothing to train on.
    """
    rest, held = dataset.split(fraction)
    name, count = dataset.name, len(dataset)
    if not len(rest):
        raise ValueError(
            f'--hold_out={fraction:g} leaves none of the {count} pictures of '
            f'the {name} dataset: they are of one scene. Pass pictures of '
            f'more scenes, --validate_{name} with other pictures, or '
            '--hold_out=0.')
    if fraction and not len(held):
        logging.warning('Nothing of the %s dataset is held out: its %d '
                        'pictures are of one scene.', name, count)
    return rest, held


def _without_all(dataset, held_out):
    """without(), of several datasets; says how many pictures left.

    Raises:
        ValueError: None stays.
    """
    left = functools.reduce(without, held_out, dataset)
    removed = len(dataset) - len(left)
    if not len(left):
        raise ValueError(
            f'--{dataset.name}: all {removed} pictures of the {dataset.name} '
            'dataset are held out for validation; it needs others.')
    if removed:
        logging.info('%d pictures that are held out left the %s dataset.',
                     removed, dataset.name)
    return left
