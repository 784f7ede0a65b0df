"""Which image, which truth and which map belong together: by their names."""

import collections
import dataclasses
import pathlib
import re

from dmenet_tf import images

# Where a folder has a picture under several suffixes, the first is taken:
# numbers before pictures of numbers.
_ARRAYS = ('.npy', '.npz', '.mat')
_NAMED = 5  # So many files are named in one line.


@dataclasses.dataclass(frozen=True)
class Case:
    """One image and its truth.

    Attributes:
        name: What both are called.
        image, truth: pathlib.Path.
    """
    name: str
    image: pathlib.Path
    truth: pathlib.Path


def name_of(path):
    """Stem, without RTF's `image_` and `map_` before it."""
    return re.sub(r'^(image|map)_', '', path.stem)


def listed(names):
    """'a, b, c, d, e and 7 more'."""
    names = list(names)
    rest = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (f' and {rest} more' if rest > 0 else '')


def maps_in(folder):
    """Maps and masks of a folder by name; arrays before pictures.

    Returns:
        (dict name -> path, problems): names with two files of equal rank are
        left out, one line each.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f'{folder}: no such folder.')
    found = collections.defaultdict(list)
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if path.is_file() and suffix in _ARRAYS + images.SUFFIXES:
            rank = _ARRAYS.index(suffix) if suffix in _ARRAYS else len(_ARRAYS)
            found[name_of(path)].append((rank, path))
    problems = []
    for name, ranked in list(found.items()):
        best = min(ranked)[0]
        rivals = [path for rank, path in ranked if rank == best]
        if len(rivals) > 1:
            problems.append(f'{rivals[0]}: {rivals[1].name} has the same name; '
                            'remove one of them.')
            del found[name]
    return {name: min(ranked)[1] for name, ranked in found.items()}, problems


def find_cases(image_folder, truth_folder, names=None):
    """Pairs images with truths.

    Args:
        image_folder, truth_folder: Folders.
        names: Those of a split, in order; None: every image.

    Returns:
        (cases, wanted, problems): wanted is how many there should be.

    Raises:
        NotADirectoryError, ValueError: Nothing can be scored at all.
    """
    image_folder = pathlib.Path(image_folder)
    if not image_folder.is_dir():
        raise NotADirectoryError(f'{image_folder}: no such folder.')
    pictures = {}
    for path in images.find_images(image_folder):
        # RTF keeps images and truths in one folder.
        if not path.stem.startswith('map_'):
            pictures.setdefault(name_of(path), path)
    if not pictures:
        raise ValueError(f'{image_folder}: a folder without pictures.')
    truths, problems = maps_in(truth_folder)
    names = list(pictures) if names is None else names
    absent = [name for name in names if name not in pictures]
    if absent:
        problems.append(f'{image_folder}: lacks {len(absent)} of the '
                        f'{len(names)} images of the split: {listed(absent)}.')
    present = [name for name in names if name in pictures]
    bare = [name for name in present if name not in truths]
    if bare:
        problems.append(f'{truth_folder}: has no truth for {len(bare)} of '
                        f'{len(present)} images: {listed(bare)}.')
    cases = [Case(name, pictures[name], truths[name]) for name in present
             if name in truths]
    if not cases:
        raise ValueError(' '.join(problems))
    return cases, len(names), problems


def match_predictions(folder, names, known):
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
    if extra:
        problems.append(f'{folder}: {len(extra)} maps without an image are '
                        f'not scored: {listed(extra)}.')
    missing = [name for name in names if name not in matches]
    if missing:
        problems.append(f'{folder}: has no map for {len(missing)} of '
                        f'{len(names)} images: {listed(missing)}.')
    return {name: matches[name] for name in names if name in matches}, problems


def _owner(stem, known):
    for end in range(len(stem), 0, -1):
        goes_on = end < len(stem) and stem[end].isalnum()
        if stem[:end] in known and not goes_on:
            return stem[:end]
    return None


def read_split(path):
    """Names, one a line, of files or without suffix; # begins a comment."""
    lines = pathlib.Path(path).read_text().splitlines()
    names = [pathlib.Path(line.split('#')[0].strip()) for line in lines]
    return [name_of(name) if name.suffix.lower() in images.SUFFIXES
            else name.name for name in names if name.name]
