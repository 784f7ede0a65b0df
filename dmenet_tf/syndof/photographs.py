"""Photographs that are defocused already, with sigma by depth and camera.

No rendering: the picture is what a real lens made of a real scene, and Eq. 1
gives its blur where depth is known. It is not in the paper, all of whose
labels are of renders. See cameras.py for what a camera is, outputs.py for the
folder; its image k is of pair k and has that pair's name.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dmenet_tf.syndof import cameras, check, develop, outputs, pairs

if TYPE_CHECKING:
    from distributed import Client


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a folder of photographs was made from, besides the photographs.

    Attributes:
        cameras: Digest of all of them.
    """

    cameras: str


def cameras_of(found: Sequence[pairs.Pair],
               known: Mapping[str, cameras.Camera] | cameras.Camera
               ) -> list[cameras.Camera]:
    """The camera of each pair.

    Args:
        found: Pairs.
        known: Of cameras.read.

    Raises:
        ValueError: Some have none; the first is named.
    """
    if isinstance(known, cameras.Camera):
        return [known] * len(found)
    missing = [pair.name for pair in found if pair.name not in known]
    if missing:
        raise ValueError(
            f'{len(missing)} of {len(found)} photographs have no row in the '
            f'table of cameras; the first is {missing[0]}. Its `name`, or its '
            '`image` without suffix, must be that.')
    return [known[pair.name] for pair in found]


def label(output_dir: str | pathlib.Path, found: Sequence[pairs.Pair],
          taken: Sequence[cameras.Camera], client: 'Client | None' = None
          ) -> tuple[list[outputs.Record], list[str]]:
    """Makes a folder of image/, sigma/ and valid/; a second run goes on.

    Args:
        output_dir: Folder.
        found: Pairs that check.inspect has no problem with.
        taken: The camera of each.
        client: From cluster.connect, or None.

    Returns:
        The records, in order, and the error lines of those that failed.

    Raises:
        ValueError: The folder holds others; or two would have one name.
    """
    output_dir = pathlib.Path(output_dir).absolute()
    names = [pair.name.replace('/', '_') for pair in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'Two photographs would be named {twice}; give them '
                         'names in a .csv.')
    listed = json.dumps([dataclasses.asdict(camera) for camera in taken])
    recipe = Recipe(hashlib.sha256(listed.encode()).hexdigest()[:16])
    tasks = [(k, *task, str(output_dir)) for k, task in enumerate(
        zip(names, found, taken, strict=True))]
    return outputs.fill(output_dir, recipe, found, label_one, tasks, client)


def label_one(index: int, name: str, pair: pairs.Pair, camera: cameras.Camera,
              output_dir: str) -> outputs.Record:
    """Reads one photograph and its depth, writes it with sigma and valid.

    Returns:
        Its record, or {'error': line}.
    """
    try:
        scene = check.read_scene(pair)
        sigma, valid = cameras.label(scene.depth_m, camera)
        if not valid.any():
            raise ValueError(f'{pair.depth}: no pixel of it is known and away '
                             'from edges of depth')
        record = {'name': name, 'index': index,
                  'scene': camera.scene or pair.name, 'source': pair.source,
                  'S1': camera.focus_m, 'alpha': camera.coc_factor_px,
                  'floor': camera.floor_px, 'dy': camera.dy, 'dx': camera.dx,
                  'valid': round(float(valid.mean()), 4),
                  'max_sigma': round(float(sigma[valid].max()), 3)}
        outputs.write_image(pathlib.Path(output_dir), record,
                             develop.to_bytes(scene.image), sigma, valid)
    except (OSError, ValueError) as error:
        return {'error': f'photograph {name}: {error}'}
    return record
