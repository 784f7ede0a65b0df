"""Folders of pictures and labels -> the datasets that training draws from.

    synthetic  image/NAME.* + sigma/NAME.png (ours) or blur_map/NAME.png (the
               authors'); sigma_files.py reads both
    binary     image/NAME.* + gt/NAME.* (a mask, 255 = blurred)
    real       any photographs
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
from typing import Any

from dmenet_tf import images, sigma_files

NAMES = ('synthetic', 'binary', 'real')


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The pictures of one dataset.

    Attributes:
        name: One of NAMES.
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


def _pairs(folder, label_folder):
    """Pictures of folder/image with their labels.

    Raises:
        FileNotFoundError: Some have none; the message names the first.
    """
    folder = pathlib.Path(folder)
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
    """The scene of each picture, from manifest.jsonl; else its own name."""
    manifest = pathlib.Path(folder) / 'manifest.jsonl'
    scenes = {}
    if manifest.is_file():
        for line in manifest.read_text().splitlines():
            entry = json.loads(line)
            stem = pathlib.Path(entry.get('name', '')).stem
            scenes[stem] = str(entry.get('scene', stem))
    return [scenes.get(stem, stem) for stem in stems]


def synthetic_dataset(folders, convention=None):
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
    read_label = sigma_files.read_sigma
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
    return Dataset('synthetic', tuple(pictures), tuple(labels),
                      tuple(groups), read_label)


def _authors_reader(folder, convention):
    if convention is None:
        raise ValueError(
            f"{folder}/blur_map is the authors' layout, and its files do not "
            'say what they store: --convention=sigma7 for 10 sigma (their '
            'later generator), --convention=legacy15 for 10 (2 sigma + 1) '
            '(their SYNDOF.zip).')
    return functools.partial(sigma_files.read_authors_label,
                             convention=convention)


def binary_dataset(folders):
    """Finds photographs with binary blur masks: image/ and gt/.

    Args:
        folders: Each with image/ and gt/; sigma_files.read_mask says what a
            mask is.

    Raises:
        FileNotFoundError: Missing or empty folders, missing masks.
        ValueError: Two pictures of a folder have one name.
    """
    pictures, labels = [], []
    for folder in folders:
        _, images_, labels_ = _pairs(folder, 'gt')
        pictures, labels = pictures + images_, labels + labels_
    return Dataset('binary', tuple(pictures), tuple(labels),
                      tuple(path.stem for path in pictures),
                      sigma_files.read_mask)


def real_dataset(folders):
    """Finds photographs without labels.

    Raises:
        FileNotFoundError: A folder is missing or empty.
    """
    pictures = [path for folder in folders
                for path in sorted(images.images_by_stem(folder).values())]
    return Dataset('real', tuple(pictures),
                      groups=tuple(path.stem for path in pictures))


def find_datasets(config):
    """The datasets to train on and those held out.

    Args:
        config: train.Config, resolved.

    Returns:
        ({'synthetic': Dataset, ...}, likewise held out): what the losses of
        `config` need, and for validation what there is.
    """
    found = {'synthetic': synthetic_dataset(config.synthetic,
                                            config.convention)}
    if config.binary:
        found['binary'] = binary_dataset(config.binary)
    train, held_out = {}, {}
    for name, dataset in found.items():
        train[name], held_out[name] = dataset.split(config.hold_out)
    if config.validate_synthetic:
        train['synthetic'] = found['synthetic']
        held_out['synthetic'] = synthetic_dataset(
            config.validate_synthetic, config.convention)
    if config.validate_binary:
        train['binary'] = found.get('binary', ())
        held_out['binary'] = binary_dataset(config.validate_binary)
    if not (config.lambda_S or config.lambda_adv):
        train.pop('binary', None)
    if config.real and config.lambda_adv:
        train['real'] = real_dataset(config.real)
    return train, {name: s for name, s in held_out.items() if len(s)}
