"""Which image, which truth and which map belong together: by their names."""

import collections
import dataclasses
import importlib.resources
import pathlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from dmenet_tf import files, images
from dmenet_tf.evaluate import options

# Where a folder has a map under several suffixes, the first is taken: numbers
# before pictures of numbers.
_ARRAYS = ('.npy', '.npz', '.mat')
_NAMED = 5  # So many files are named in one line.
_SPLITS = {'cuhk': 'cuhk', 'detection': 'cuhk100'}


@dataclasses.dataclass(frozen=True)
class Case:
    """One truth and its photograph.

    Attributes:
        name: What both are called.
        image: pathlib.Path, or None without photographs.
        truth: pathlib.Path.
    """
    name: str
    image: pathlib.Path | None
    truth: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Found:
    """What two folders and a split hold.

    Attributes:
        cases: To be scored.
        wanted: How many there should be.
        names: Of all images, also those outside of the split.
        problems: One line each.
    """
    cases: list[Case]
    wanted: int
    names: frozenset[str]
    problems: list[str]


def name_of(path: pathlib.Path) -> str:
    """Stem, without RTF's `image_` and `map_` before it."""
    return _without_prefix(path.stem)


def _without_prefix(stem):
    return re.sub(r'^(image|map)_', '', stem)


def listed(names: Iterable[str]) -> str:
    """'a, b, c, d, e and 7 more'."""
    names = list(names)
    rest = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (f' and {rest} more' if rest > 0 else '')


def split_names(protocol: str, split: str | None,
                dataset: str = 'cuhk') -> list[str] | None:
    """The names of a split, in its order; None for all.

    Args:
        protocol: One of options.PROTOCOLS.
        split, dataset: See options.Options. Of sets other than CUHK no list
            is kept: their test pictures are a folder of their own.

    Raises:
        ValueError: There is no such split, or a line of it is no text.
    """
    kept = protocol in options.MASKS and dataset == 'cuhk'
    split = split or ('test' if kept else 'all')
    if split == 'all':
        return None
    path = pathlib.Path(split)
    if split in ('test', 'train'):
        if protocol == 'detection' and split == 'train':
            raise ValueError('detection has no list of training pictures: '
                             '--split=test, all or LIST.txt.')
        if dataset != 'cuhk':
            raise ValueError(f'There is no list of {split} pictures of '
                             f'{dataset}: give the folder that holds them, '
                             'or --split=LIST.txt.')
        path = (importlib.resources.files('dmenet_tf') / 'tables'
                / f'{_SPLITS.get(protocol, protocol)}_{split}.txt')
    if not path.is_file():
        raise ValueError(f'{path}: no such list of names; --split takes all, '
                         'or a text file with one name a line.')
    return read_split(files.decode_lines(path.read_bytes(), str(path)))


def read_split(lines: Iterable[str]) -> list[str]:
    """Names, one a line, of files or without suffix; # begins a comment.

    One that is there twice counts once.
    """
    found = [pathlib.Path(line.split('#')[0].strip()) for line in lines]
    return list(dict.fromkeys(
        _without_prefix(name.stem if name.suffix.lower() in images.SUFFIXES
                        else name.name) for name in found if name.name))


def photographs(folder: str | pathlib.Path) -> dict[str, pathlib.Path]:
    """Photographs of a folder by name.

    Raises:
        FileNotFoundError, ValueError: See images.images_by_stem.
    """
    pictures, found = images.images_by_stem(folder), {}
    for stem, path in pictures.items():
        # RTF keeps images and truths in one folder.
        if stem.startswith('map_') and f'image_{name_of(path)}' in pictures:
            continue
        other = found.setdefault(name_of(path), path)
        if other != path:
            raise ValueError(f'{other} and {path.name} are the same image by '
                             'their names; remove or rename one of them.')
    return found


def maps_in(folder: str | pathlib.Path
            ) -> tuple[dict[str, pathlib.Path], list[str]]:
    """Maps and masks of a folder by name; arrays before pictures.

    Returns:
        (dict name -> path, problems): names with two files of equal rank are
        left out, one line each.

    Raises:
        NotADirectoryError: No such folder.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f'{folder}: no such folder.')
    found, chosen, problems = collections.defaultdict(list), {}, []
    paths = images.find_images(folder, suffixes={*_ARRAYS,
                                                *images.SUFFIXES})
    stems = {path.stem for path in paths}
    for path in paths:
        # RTF keeps images and truths in one folder.
        if not (path.stem.startswith('image_')
                and f'map_{name_of(path)}' in stems):
            found[name_of(path)].append(path)
    for name, rivals in found.items():
        best = min(map(_rank, rivals))
        rivals = [path for path in rivals if _rank(path) == best]
        chosen[name] = rivals[0]
        if len(rivals) > 1:
            problems.append(f'{rivals[0]} and {rivals[1].name} have the same '
                            'name; remove or rename one of them.')
            del chosen[name]
    return chosen, problems


def _rank(path):
    suffix = path.suffix.lower()
    return _ARRAYS.index(suffix) if suffix in _ARRAYS else len(_ARRAYS)


def find_cases(image_folder: str | pathlib.Path | None,
               truth_folder: str | pathlib.Path,
               names: Sequence[str] | None = None) -> Found:
    """Pairs photographs with truths.

    Args:
        image_folder: None: every truth is a case.
        truth_folder: Folder.
        names: Those of a split, in order; None: every image.

    Raises:
        OSError, ValueError: Nothing can be scored at all, or two photographs
            have one name.
    """
    truths, problems = maps_in(truth_folder)
    pictures = (_all_truths(truths) if image_folder is None
                else photographs(image_folder))
    names = list(pictures) if names is None else names
    absent = [name for name in names if name not in pictures]
    if absent:
        problems.append(f'{image_folder or truth_folder}: lacks {len(absent)} '
                        f'of the {len(names)} images of the split: '
                        f'{listed(absent)}.')
    present = [name for name in names if name in pictures]
    bare = [name for name in present if name not in truths]
    if bare:
        problems.append(f'{truth_folder}: has no truth for {len(bare)} of '
                        f'{len(present)} images: {listed(bare)}.')
    cases = [Case(name, None if image_folder is None else pictures[name],
                  truths[name]) for name in present if name in truths]
    if not cases:
        raise ValueError(' '.join(problems) or f'{truth_folder}: has no maps.')
    return Found(cases, len(names), frozenset(pictures), problems)


def _all_truths(truths):
    """Of RTF's folder, which has other files too, only its map_NN.mat."""
    return {name: path for name, path in truths.items()
            if path.stem.startswith('map_')} or truths


def match_predictions(folder: str | pathlib.Path, names: Sequence[str],
                      known: Collection[str]
                      ) -> tuple[dict[str, pathlib.Path], list[str]]:
    """Gives each name its map: NAME.*, or NAME and the tool's own suffix.

    `photo_sigma.png` belongs to `photo`, unless there is an image
    `photo_sigma`: the longest name wins. What follows a name must not go on
    with a letter or digit.

    Args:
        folder: Of the maps.
        names: To be scored.
        known: Every image's name, also those outside of the split.

    Returns:
        (dict name -> path, problems).

    Raises:
        NotADirectoryError, ValueError: No such folder, or an empty one.
    """
    found, problems = maps_in(folder)
    if not found:
        raise ValueError(f'{folder}: a folder without maps.')
    matches, extra = _owned(found, known, problems)
    if extra:
        problems.append(f'{folder}: {len(extra)} maps without an image are '
                        f'not scored: {listed(extra)}.')
    missing = [name for name in names if name not in matches]
    if missing:
        problems.append(f'{folder}: has no map for {len(missing)} of '
                        f'{len(names)} images: {listed(missing)}.')
    return {name: matches[name] for name in names if name in matches}, problems


def _owned(found: Mapping[str, pathlib.Path], known, problems):
    """(map of each known name, file names without one); adds to problems."""
    matches, extra = {}, []
    for stem, path in found.items():
        owner = _owner(stem, known)
        if owner is None:
            extra.append(path.name)
        elif stem == owner or owner not in matches:
            matches[owner] = path
        elif name_of(matches[owner]) != owner:
            problems.append(f'{path}: {matches[owner].name} belongs to the '
                            f'image {owner} too; remove one of them.')
    return matches, extra


def _owner(stem, known):
    for end in range(len(stem), 0, -1):
        goes_on = end < len(stem) and stem[end].isalnum()
        if stem[:end] in known and not goes_on:
            return stem[:end]
    return None
