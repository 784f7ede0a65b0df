"""Finds the pictures and depth maps of the datasets in layouts.LAYOUTS."""

import bisect
import pathlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

from absl import logging

from dmenet_tf import deep_images, images
from dmenet_tf.syndof import containers, depth_files, layouts

MAX_SECONDS = 0.02  # TUM RGB-D, between a picture and its depth map
_SLACK = 1e-6  # of time stamps as floats
_SUFFIXES = (images.SUFFIXES | set(depth_files.SUFFIXES)
             | {'.jpg', '.png', '.mat', '.txt'})
_STAMP = re.compile(r'(?P<base>(?:.+/)?)(?P<role>rgb|depth)/'
                    r'(?P<stamp>\d+\.\d+)\.png')


class Match(NamedTuple):
    """A picture and its depth map; paths are relative, with `/`."""

    layout: str
    image: str
    depth: str
    index: int | None = None
    mask: str = ''


def search(root: pathlib.Path, names: Collection[str]
           ) -> tuple[list[Match], list[str]]:
    """Goes through layouts; a picture belongs to the first that has it.

    Args:
        root: Folder, or one file of NYUv2 or iBims-1.
        names: Of the layouts to look for, keys of layouts.LAYOUTS.

    Returns:
        Matches, and a line on each picture that lies where a layout was found
        and has no depth map.
    """
    files = images.find_images(root, recursive=True, suffixes=_SUFFIXES)
    base = root if root.is_dir() else root.parent
    known = {path.relative_to(base).as_posix() for path in files}
    found, missing, taken = [], [], set()
    for name in layouts.LAYOUTS:
        if name in names and name not in layouts.UNSEARCHED:
            matches, lines = _find(name, base, known)
            found += [m for m in matches if m.image not in taken]
            taken.update(match.image for match in matches)
            missing += lines
    return found, missing


def _find(name, base, known):
    if name == 'nyuv2':
        return _nyuv2(base, known)
    if name == 'ibims1':
        return _ibims(base, known), []
    if name == 'tum':
        return _tum(base, known), []
    return _by_patterns(name, layouts.LAYOUTS[name], base, known)


def _by_patterns(name, layout, root, known):
    """Matches, and lines on pictures without depth beside others with it."""
    found, lonely = {}, {}
    for base, path, depth, mask in _candidates(layout, sorted(known)):
        if depth not in known or mask and mask not in known:
            lonely[path] = base
        elif path not in found and _has_its_kind(layout, root / depth):
            found[path] = base, Match(name, path, depth, None, mask)
    folders = {base for base, _ in found.values()}
    lines = [f'{root / path}: has no depth map as {layout.title} has'
             for path, base in lonely.items()
             if base in folders and path not in found]
    return _once(layout, [match for _, match in found.values()], root), lines


def _once(layout, found, root):
    """Keeps one picture of a depth map: that of the first pattern.

    Raises:
        ValueError: Two pictures of one pattern have the same depth map.
    """
    first = {}
    for match in found:
        other = first.setdefault(match.depth, match)
        if other is not match and not layout.renderings:
            raise ValueError(both(root / other.image, root / match.image,
                                  root / match.depth))
    return list(first.values())


def both(one: pathlib.Path, other: pathlib.Path, depth: pathlib.Path) -> str:
    """The line on two pictures that have one depth map."""
    return (f'{one} and {other} are two pictures for one depth map, {depth}: '
            'remove or rename one, or name the pairs in a .csv.')


def _candidates(layout, paths) -> Iterator[tuple[str, str, str, str]]:
    """The base folder of each picture, its path, those of depth and mask."""
    for picture, depth in layout.patterns:
        pattern = re.compile(rf'(?P<base>(?:.+/)?){picture}')
        for path in paths:
            match = pattern.fullmatch(path)
            if match:
                base = match['base']
                mask = layout.mask and base + match.expand(layout.mask)
                yield base, path, base + match.expand(depth), mask


def _has_its_kind(layout, depth):
    """SYNTHIA is known by its depth in 16-bit RGB."""
    return not layout.first_channel or deep_images.is_deep_png(depth)


def _nyuv2(root, known):
    found, lines = [], []
    for path in _matlab(known):
        try:
            count = containers.count_nyu(root / path)
        except Exception as error:  # Whatever h5py says of a damaged file.
            lines.append(f'{root / path}: {images.one_line(error)}.')
            continue
        found += [Match('nyuv2', path, path, index) for index in range(count)]
    return found, lines


def _ibims(root, known):
    """All MATLAB files of folders in which one is as iBims-1 has them.

    Damaged ones too: reading them says so.
    """
    folders = defaultdict(list)
    for path in _matlab(known):
        folders[path.rpartition('/')[0]].append(path)
    return [Match('ibims1', path, path) for paths in folders.values()
            if any(containers.is_ibims(root / path) for path in paths)
            for path in paths]


def _matlab(known):
    return sorted(path for path in known if path.lower().endswith('.mat'))


def _tum(root, known):
    found = []
    sequences = defaultdict(lambda: {'rgb': {}, 'depth': {}})
    for path in known:
        match = _STAMP.fullmatch(path)
        if match:
            sequences[match['base']][match['role']][
                float(match['stamp'])] = path
    for base, roles in sequences.items():
        times = {role: _listed(root, base, role, known) or stamped
                 for role, stamped in roles.items()}
        matches = associate(list(times['rgb']), list(times['depth']))
        found += [Match('tum', times['rgb'][a], times['depth'][b])
                  for a, b in matches]
        left = len(times['rgb']) - len(matches)
        if matches and left:
            logging.warning(
                '%s: %d of %d pictures have no depth map within %g s, or one '
                'that is nearer to another; they are left out.', root / base,
                left, len(times['rgb']), MAX_SECONDS)
    return found


def _listed(root, base, role, known):
    """{time: path} by rgb.txt or depth.txt, lines of `time path`."""
    listing = f'{base}{role}.txt'
    if listing not in known:
        return {}
    lines = (root / listing).read_text(errors='replace').splitlines()
    found = {}
    for line in lines:
        match = re.fullmatch(r'\s*(\d+\.?\d*)\s+(\S+)\s*', line)
        if match and base + match[2] in known:
            found[float(match[1])] = base + match[2]
    return found


def associate(times: list[float], others: list[float],
              limit: float = MAX_SECONDS) -> list[tuple[float, float]]:
    """Pairs of times within `limit` seconds, the nearest first, each once."""
    others, limit = sorted(others), limit + _SLACK
    close = sorted(
        (abs(time - other), time, other) for time in times
        for other in others[bisect.bisect_left(others, time - limit):
                            bisect.bisect_right(others, time + limit)])
    found, used = {}, set()
    for _, time, other in close:
        if time not in found and other not in used:
            found[time] = other
            used.add(other)
    return sorted(found.items())
