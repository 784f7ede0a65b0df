"""Finds the images of a folder and the depth map of each.

Four layouts are known:

* a .csv file with columns image, depth and, if wanted, name, source, type,
  depth_unit, depth_scale (paths from the folder of the file);
* folders `image/` and `depth/` (RGB, color, disparity, ... in any case), with
  the same tree under both, in the folder or in one below it: the authors'
  synthetic_datasets/, SYNTHIA;
* one folder a scene, with `image.*` (im0, rgb, left, ...) and `depth.*` (disp0,
  disp0GT, ...): Middlebury;
* a flat folder of NAME.png or NAME_image.png beside NAME_depth.png.

A `scenes.json` in the folder may say what the depth maps hold: `depth_unit`,
`depth_scale` (or a sentence `metres = code * 0.0002` in `depth_png`), and, in
`scenes`, a list of {scene, source, split, type, depth_unit, depth_scale}.
"""

import csv
import dataclasses
import json
import pathlib
import re
from collections import defaultdict

from dmenet_tf import images as image_files
from dmenet_tf.syndof import rgbd

IMAGE_STEMS = ('image', 'im0', 'rgb', 'color', 'colour', 'left', 'img')
DEPTH_STEMS = ('depth', 'disp0', 'disp0gt', 'disparity', 'disp', 'disp1')
IMAGE_FOLDERS = IMAGE_STEMS + ('images', 'clean', 'final')
DEPTH_FOLDERS = DEPTH_STEMS + ('depths', 'disparities')
_TYPES = {'mpi': 'synthetic', 'synthia': 'synthetic', 'middleb': 'real'}


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image, its depth map, and what the user says of them."""

    name: str
    image: str
    depth: str
    source: str = ''
    type: str = ''
    split: str = ''
    depth_unit: str = 'auto'
    depth_scale: float | None = None


def find_pairs(root: str | pathlib.Path, unit: str = 'auto',
               scale: float | None = None, split: str | None = None
               ) -> tuple[list[Pair], list[str]]:
    """Lists the RGB-D pairs of a folder or a .csv file, sorted by name.

    Args:
        root: Folder, or .csv file.
        unit, scale: Unless 'auto' and None, used for all of them, whatever
            scenes.json says.
        split: Keep the pairs that scenes.json marks so; None keeps all.

    Returns:
        List of Pair, and a list of lines on images that have no depth map.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no pair, or none of that split; or two files have
            the name of one image or depth map; both are named.
    """
    # Absolute: the processes that read them may stand elsewhere.
    root = pathlib.Path(root).absolute()
    if not root.exists():
        raise FileNotFoundError(f'There is no {root}.')
    if root.is_file():
        found, missing = _read_csv(root), []
    else:
        found, missing = _search(root)
        found = _described(found, root / 'scenes.json')
    if unit != 'auto' or scale is not None:
        found = [dataclasses.replace(pair, depth_unit=unit, depth_scale=scale)
                 for pair in found]
    if not found:
        raise ValueError(
            f'No image in {root} has a depth map. Known layouts: image/ and '
            'depth/ with the same names; SCENE/image.png and SCENE/depth.png; '
            'NAME.png beside NAME_depth.png; a .csv with columns image, depth.')
    kept = [pair for pair in found if split in (None, pair.split)]
    if not kept:
        raise ValueError(f'No pair in {root} is marked split={split!r} in '
                         'scenes.json.')
    return _sorted_by_name(kept), missing


def _sorted_by_name(found):
    found = sorted(found, key=lambda pair: pair.name)
    for one, other in zip(found, found[1:], strict=False):
        if one.name == other.name:
            raise ValueError(f'{one.image} and {other.image} are both named '
                             f'{one.name}: name them apart.')
    return found


def _search(root):
    """Goes through the layouts; what one has found, the next leaves alone."""
    found, missing = [], []
    trees = []
    for base in [root, *_folders(root)]:
        images = _folder_named(base, IMAGE_FOLDERS)
        depths = _folder_named(base, DEPTH_FOLDERS)
        if images and depths:
            trees.append(base)
            _match_trees(root, images, depths, found, missing)
    if root not in trees:
        _match_scene_folders(root, trees, found, missing)
    if not found:
        missing = []
        _match_suffixes(root, found, missing)
    return found, missing


def _match_trees(root, images, depths, found, missing):
    """The same relative path below image/ and below depth/."""
    by_key = defaultdict(list)
    for path in _files(depths, rgbd.DEPTH_SUFFIXES):
        by_key[_key(path.relative_to(depths), DEPTH_STEMS)].append(path)
    prefix = images.parent.relative_to(root)
    for path in _files(images, rgbd.IMAGE_SUFFIXES):
        relative = path.relative_to(images)
        key = _key(relative, IMAGE_STEMS)
        if key not in by_key:
            missing.append(f'{path} has no depth map in {depths}')
            continue
        source = relative.parts[0] if len(relative.parts) > 1 else \
            images.parent.resolve().name
        found.append(_pair(prefix / relative.with_suffix(''), path,
                           _only(by_key[key]), source))


def _key(relative, stems):
    """What both files of a pair share: the path, less suffix and role."""
    stem = relative.stem
    if stem.lower() in stems:
        return relative.parent / '*'
    for role in stems:
        stem = re.sub(rf'[-_]{role}$', '', stem, flags=re.IGNORECASE)
    return relative.parent / stem


def _match_scene_folders(root, trees, found, missing):
    """image.* beside depth.*, in any folder outside `trees`."""
    for folder in _folders_below(root):
        if any(folder.is_relative_to(tree) for tree in trees):
            continue
        image = _file_named(folder, IMAGE_STEMS, rgbd.IMAGE_SUFFIXES)
        depth = _file_named(folder, DEPTH_STEMS, rgbd.DEPTH_SUFFIXES)
        if image and depth:
            name = folder.relative_to(root)
            found.append(_pair(name if name.parts else folder.resolve().name,
                               _only(image), _only(depth),
                               root.resolve().name))
        else:
            missing += [f'{path} has no depth map beside it' for path in image]


def _match_suffixes(root, found, missing):
    """NAME.png or NAME_image.png beside NAME_depth.png or NAME.dpt."""
    depths, images = defaultdict(list), defaultdict(list)
    for path in _files(root, set(rgbd.DEPTH_SUFFIXES + rgbd.IMAGE_SUFFIXES)):
        relative = path.relative_to(root)
        key = _key(relative, DEPTH_STEMS)
        is_depth = (key != relative.with_suffix('')
                    or path.suffix.lower() not in rgbd.IMAGE_SUFFIXES)
        if is_depth:
            depths[key].append(path)
        else:
            images[_key(relative, IMAGE_STEMS)].append(path)
    for key, paths in images.items():
        if key in depths:
            found.append(_pair(key, _only(paths), _only(depths[key]),
                               root.resolve().name))
        else:
            missing += [f'{path} has no depth map beside it' for path in paths]


def _read_csv(path):
    found = []
    with path.open(newline='') as file:
        for row in csv.DictReader(file):
            if not row.get('image') or not row.get('depth'):
                raise ValueError(f'{path} needs columns image and depth; a row '
                                 f'holds {row}.')
            scale = row.get('depth_scale')
            name = str(pathlib.Path(row['image']).with_suffix(''))
            found.append(Pair(
                row.get('name') or name,
                str(path.parent / row['image']),
                str(path.parent / row['depth']),
                row.get('source') or path.stem, row.get('type') or '',
                row.get('split') or '', row.get('depth_unit') or 'auto',
                float(scale) if scale else None))
    return found


def _described(found, path):
    """Adds what scenes.json says."""
    if not path.exists():
        return found
    try:
        content = json.loads(path.read_text())
        common = _depth_fields(content)
        scenes = {scene['scene']: scene for scene in content.get('scenes', [])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path} is not as syndof/pairs.py says: '
                         f'{error!r}') from error
    return [_with_scene(pair, scenes.get(pair.name, {}), common)
            for pair in found]


def _with_scene(pair, scene, common):
    source = scene.get('source', pair.source)
    return dataclasses.replace(
        pair, source=source, split=scene.get('split', ''),
        type=scene.get('type') or pair.type,
        **{**common, **_depth_fields(scene)})


def _depth_fields(entry):
    fields = {}
    if 'depth_unit' in entry:
        fields['depth_unit'] = entry['depth_unit']
    said = re.search(r'metres = code \* ([\d.e-]+)', entry.get('depth_png', ''))
    if 'depth_scale' in entry or said:
        fields['depth_scale'] = float(entry.get('depth_scale')
                                      or said.group(1).rstrip('.'))
    return fields


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


def _folder_named(base, names):
    found = {path.name.lower(): path for path in _folders(base)}
    return next((found[name] for name in names if name in found), None)


def _file_named(folder, stems, suffixes):
    """The files of the first of these stems that the folder has."""
    found = defaultdict(list)
    for path in image_files.find_images(folder, suffixes=suffixes):
        found[path.stem.lower()].append(path)
    return next((found[stem] for stem in stems if stem in found), [])


def _files(folder, suffixes):
    return image_files.find_images(folder, recursive=True, suffixes=suffixes)
