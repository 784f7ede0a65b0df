"""Finds the images of a folder and the depth map of each.

What layouts.LAYOUTS knows is found first. Of the rest, four layouts are known:

* a .csv file with columns image, depth and, if wanted, name, source, type,
  depth_unit, depth_scale (paths from the folder of the file);
* folders `image/` and `depth/` (RGB, color, disparity, ... in any case), with
  the same tree under both, in the folder or in one below it: the authors'
  synthetic_datasets/;
* one folder a scene, with `image.*` (im0, rgb, left, ...) and `depth.*` (disp0,
  disp0GT, ...): Middlebury;
* a flat folder of NAME.png or NAME_image.png beside NAME_depth.png.

A `scenes.json` in the folder may say what the depth maps hold: `depth_unit`,
`depth_scale` (or a sentence `metres = code * 0.0002` in `depth_png`), and, in
`scenes`, a list of {scene, source, split, type, depth_unit, depth_scale}.
"""

import csv
import dataclasses
import pathlib
import re
from collections import defaultdict

from dmenet_tf import images as image_files
from dmenet_tf.syndof import descriptions, layout_search, layouts, rgbd

IMAGE_STEMS = ('image', 'im0', 'rgb', 'color', 'colour', 'left', 'img')
DEPTH_STEMS = ('depth', 'disp0', 'disp0gt', 'disparity', 'disp', 'disp1')
IMAGE_FOLDERS = IMAGE_STEMS + ('images', 'clean', 'final')
DEPTH_FOLDERS = DEPTH_STEMS + ('depths', 'disparities')
_TYPES = {'mpi': 'synthetic', 'synthia': 'synthetic', 'middleb': 'real'}


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image, its depth map, and how they are read.

    Attributes:
        name: Unique among the pairs of a folder.
        image, depth: Paths.
        source, type, split: What Table 1 and scenes.json call it.
        depth_unit, depth_scale: As rgbd.read_depth takes them.
        layout: Key of layouts.LAYOUTS, or '' for none.
        index: Which picture of a file that holds several.
        mask: Path of a mask; depth counts where it is not 0.
        sky_depth: All from here on is sky, m; None: rgbd.SKY_M.
    """

    name: str
    image: str
    depth: str
    source: str = ''
    type: str = ''
    split: str = ''
    depth_unit: str = 'auto'
    depth_scale: float | None = None
    layout: str = ''
    index: int | None = None
    mask: str = ''
    sky_depth: float | None = None


def find_pairs(root: str | pathlib.Path, unit: str = 'auto',
               scale: float | None = None, split: str | None = None,
               layout: str | None = None, sky_depth: float | None = None
               ) -> tuple[list[Pair], list[str]]:
    """Lists the RGB-D pairs of a folder or a file, sorted by name.

    Args:
        root: Folder, .csv file, or .mat file of NYUv2 or iBims-1.
        unit, scale: Unless 'auto' and None, used for all of them, whatever
            scenes.json or the layout says.
        split: Keep the pairs that scenes.json marks so; None keeps all.
        layout: Key of layouts.LAYOUTS: look for this one alone, or, where it
            lies as any folder may, read it so. None: whatever is found.
        sky_depth: All from here on is sky, m; None: rgbd.SKY_M.

    Returns:
        List of Pair, and a list of lines on images that have no depth map.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No such layout; the folder holds no pair, or none of that
            split; or two files have one name, or two images one depth map:
            both are named.
    """
    # Absolute: the processes that read them may stand elsewhere.
    root = pathlib.Path(root).absolute()
    if not root.exists():
        raise FileNotFoundError(f'{root}: no such folder.')
    if layout not in (None, *layouts.LAYOUTS):
        raise ValueError(f'layout must be one of {", ".join(layouts.LAYOUTS)}.'
                         f' Received: {layout!r}.')
    found, missing = _find(root, layout)
    if unit != 'auto' or scale is not None:
        found = [dataclasses.replace(pair, depth_unit=unit, depth_scale=scale)
                 for pair in found]
    if not found:
        raise ValueError(' '.join([_nothing(root, layout), *missing[:1]]))
    kept = [dataclasses.replace(pair, sky_depth=sky_depth) for pair in found
            if split in (None, pair.split)]
    if not kept:
        raise ValueError(f'No pair in {root} is marked split={split!r} in '
                         'scenes.json.')
    return _sorted_by_name(kept), missing


def _find(root, layout):
    """Pairs as the folder has them, and lines on images without depth."""
    if root.is_file() and root.suffix.lower() != '.mat':
        found, missing = _read_csv(root), []
    else:
        names = layouts.LAYOUTS if layout is None else {layout}
        matches, missing = layout_search.search(root, names)
        found = [_pair_of(root, match) for match in matches]
        if root.is_dir() and (layout is None or layout in layouts.UNSEARCHED):
            others, lines = _search(root, _folders_of(found))
            found, missing = found + others, missing + lines
        found = descriptions.described(found, root / 'scenes.json')
    if layout in layouts.UNSEARCHED:
        found = [_read_as(pair, layout) for pair in found]
    return found, missing


def _nothing(root, layout):
    if layout is not None and layouts.LAYOUTS[layout].expected:
        return (f'No image in {root} has a depth map as --layout={layout} has '
                f'it: {layouts.LAYOUTS[layout].expected}.')
    return (f'No image in {root} has a depth map. Known layouts: image/ and '
            'depth/ with the same names; SCENE/image.png and SCENE/depth.png; '
            'NAME.png beside NAME_depth.png; a .csv with columns image, depth; '
            f'and those of {", ".join(layouts.LAYOUTS)}.')


def _pair_of(root, match):
    layout = layouts.LAYOUTS[match.layout]
    base = root if root.is_dir() else root.parent
    name = str(pathlib.PurePosixPath(match.image).with_suffix(''))
    if match.index is not None:
        name = f'{name}/{match.index:04d}'
    return Pair(name, str(base / match.image), str(base / match.depth),
                layout.title, layout.type, '', layout.unit, layout.scale,
                match.layout, match.index,
                str(base / match.mask) if match.mask else '')


def _read_as(pair, name):
    """A pair without unit of its own, as a layout has it."""
    layout = layouts.LAYOUTS[name]
    if pair.depth_unit != 'auto' or pair.depth_scale is not None:
        return dataclasses.replace(pair, layout=name)
    return dataclasses.replace(pair, layout=name, depth_unit=layout.unit,
                               depth_scale=layout.scale,
                               type=pair.type or layout.type)


def _folders_of(found):
    """The folders that hold files of pairs."""
    return {pathlib.Path(path).parent for pair in found
            for path in (pair.image, pair.depth)}


def _sorted_by_name(found):
    found = sorted(found, key=lambda pair: pair.name)
    for one, other in zip(found, found[1:], strict=False):
        if one.name == other.name:
            raise ValueError(f'{one.image} and {other.image} are both named '
                             f'{one.name}: name them apart.')
    return found


def _search(root, taken):
    """Goes through the layouts; what one has found, the next leaves alone.

    Args:
        root: Folder.
        taken: Folders that hold pairs already.
    """
    found, missing = [], []
    trees = []
    for base in [root, *_folders(root)]:
        images = _folders_named(base, IMAGE_FOLDERS)
        depths = _folders_named(base, DEPTH_FOLDERS)
        if images and depths and not any(
                folder.is_relative_to(images[0]) for folder in taken):
            trees.append(base)
            _match_trees(root, images, depths[0], found, missing)
    if root not in trees:
        _match_scene_folders(root, trees, taken, found, missing)
    if not found and not taken:
        missing = []
        _match_suffixes(root, found, missing)
    return found, missing


def _match_trees(root, images, depths, found, missing):
    """The same relative path below image/ and below depth/."""
    by_key = defaultdict(list)
    for path in _files(depths, rgbd.DEPTH_SUFFIXES):
        by_key[_key(path.relative_to(depths), DEPTH_STEMS)].append(path)
    prefix = images[0].parent.relative_to(root)
    for path in _files(images[0], rgbd.IMAGE_SUFFIXES):
        relative = path.relative_to(images[0])
        key = _depth_key(relative, by_key)
        if key is None:
            missing.append(f'{path}: has no depth map in {depths}')
            continue
        source = relative.parts[0] if len(relative.parts) > 1 else \
            depths.parent.resolve().name
        found.append(_pair(prefix / relative.with_suffix(''), path,
                           _only(by_key[key]), source))
    _check_other_folders(images, by_key)


def _check_other_folders(images, by_key):
    """Refuses another folder of pictures that the depth maps fit as well.

    Sintel's clean/ and final/ show the same: the first is taken.
    """
    for folder in images[1:]:
        if {folder.name.lower(), images[0].name.lower()} <= {'clean', 'final'}:
            continue
        for path in _files(folder, rgbd.IMAGE_SUFFIXES):
            relative = path.relative_to(folder)
            key = _depth_key(relative, by_key)
            other = images[0] / relative
            if key is not None:
                raise ValueError(layout_search.both(other, path,
                                                    by_key[key][0]))


def _depth_key(relative, depths):
    """The key of `depths` that a picture has, as it is or less its role."""
    keys = (relative.with_suffix(''), _key(relative, IMAGE_STEMS))
    return next((key for key in keys if key in depths), None)


def _key(relative, stems):
    """What both files of a pair share: the path, less suffix and role."""
    stem = relative.stem
    if stem.lower() in stems:
        return relative.parent / '*'
    for role in stems:
        stem = re.sub(rf'[-_]{role}$', '', stem, flags=re.IGNORECASE)
    return relative.parent / stem


def _match_scene_folders(root, trees, taken, found, missing):
    """image.* beside depth.*, in any folder outside `trees` and `taken`."""
    for folder in _folders_below(root):
        if folder in taken or any(map(folder.is_relative_to, trees)):
            continue
        images = _files_named(folder, IMAGE_STEMS, rgbd.IMAGE_SUFFIXES)
        depths = _files_named(folder, DEPTH_STEMS, rgbd.DEPTH_SUFFIXES)
        if images and depths:
            name = folder.relative_to(root)
            depth = _only(next(iter(depths.values())))
            found.append(_pair(name if name.parts else folder.resolve().name,
                               _one_picture(images, depth), depth,
                               root.resolve().name))
        else:
            missing += [f'{path}: has no depth map beside it'
                        for paths in images.values() for path in paths]


def _one_picture(images, depth):
    """The picture of a scene's folder, which must be one."""
    paths = [path for paths in images.values() for path in paths]
    if len(paths) > 1:
        raise ValueError(layout_search.both(paths[0], paths[1], depth))
    return paths[0]


def _match_suffixes(root, found, missing):
    """NAME.png or NAME_image.png beside NAME_depth.png or NAME.dpt."""
    depths, images = defaultdict(list), []
    for path in _files(root, {*rgbd.DEPTH_SUFFIXES, *rgbd.IMAGE_SUFFIXES}):
        relative = path.relative_to(root)
        key = _key(relative, DEPTH_STEMS)
        if (key != relative.with_suffix('')
                or path.suffix.lower() not in rgbd.IMAGE_SUFFIXES):
            depths[key].append(path)
        else:
            images.append(path)
    pictures = {}
    for path in images:
        key = _depth_key(path.relative_to(root), depths)
        if key is None:
            missing.append(f'{path}: has no depth map beside it')
            continue
        depth, other = _only(depths[key]), pictures.setdefault(key, path)
        if other != path:
            raise ValueError(layout_search.both(other, path, depth))
        found.append(_pair(key, path, depth, root.resolve().name))


def _read_csv(path):
    found = []
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f'{path}: not a .csv in UTF-8: '
                         f'{image_files.one_line(error)}.') from None
    for row in rows:
        if not row.get('image') or not row.get('depth'):
            raise ValueError(f'{path}: it needs columns image and depth; a row '
                             f'holds {row}.')
        name = str(pathlib.Path(row['image']).with_suffix(''))
        found.append(Pair(
            row.get('name') or name,
            str(path.parent / row['image']),
            str(path.parent / row['depth']),
            row.get('source') or path.stem, row.get('type') or '',
            row.get('split') or '', row.get('depth_unit') or 'auto',
            _scale_of(path, row)))
    return found


def _scale_of(path, row):
    try:
        return float(row['depth_scale']) if row.get('depth_scale') else None
    except ValueError:
        raise ValueError(f'{path}: depth_scale must be a number; a row holds '
                         f'{row}.') from None


def _pair(name, image, depth, source):
    kinds = [kind for prefix, kind in _TYPES.items()
             if source.lower().startswith(prefix)]
    return Pair(pathlib.PurePath(name).as_posix(), str(image), str(depth),
                source, kinds[0] if kinds else '')


def _only(paths):
    """The file of a name, which must be one."""
    if len(paths) > 1:
        raise ValueError(f'{paths[0]} and {paths[1]} have the same name; '
                         'remove or rename one of them.')
    return paths[0]


def _folders(root):
    return sorted(path for path in root.iterdir()
                  if path.is_dir() and not path.name.startswith('.'))


def _folders_below(root):
    """The folder and those in it, at any depth, without hidden ones."""
    return [root, *sorted(
        path for path in root.rglob('*') if path.is_dir() and not any(
            part.startswith('.') for part in path.relative_to(root).parts))]


def _folders_named(base, names):
    """The folders of these names, in the order of the names."""
    found = defaultdict(list)
    for path in _folders(base):
        found[path.name.lower()].append(path)
    return [path for name in names for path in found[name]]


def _files_named(folder, stems, suffixes):
    """{stem: its files}, of the stems that the folder has, in their order."""
    found = defaultdict(list)
    for path in image_files.find_images(folder, suffixes=suffixes):
        found[path.stem.lower()].append(path)
    return {stem: found[stem] for stem in stems if stem in found}


def _files(folder, suffixes):
    return image_files.find_images(folder, recursive=True, suffixes=suffixes)
