"""scenes.json: what a folder says of its pairs.

`depth_unit`, `depth_scale` (or a sentence `metres = code * 0.0002` in
`depth_png`) for all, and, in `scenes`, a list of {scene, source, split, type,
depth_unit, depth_scale}.
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Sequence
from typing import TypeVar

Pair = TypeVar('Pair')  # pairs.Pair, which is made of what is found here.


def described(found: Sequence[Pair], path: pathlib.Path) -> list[Pair]:
    """Pairs with what a scenes.json says of them, if there is one.

    Args:
        found: pairs.Pair, as the folder has them.
        path: Of the scenes.json.

    Raises:
        ValueError: It is not as above.
    """
    if not path.exists():
        return list(found)
    try:
        content = json.loads(path.read_text())
        common = _depth_fields(content)
        scenes = {scene['scene']: scene for scene in content.get('scenes', [])}
        return [_with_scene(pair, scenes.get(pair.name, {}), common)
                for pair in found]
    except (ValueError, KeyError, TypeError, AttributeError,
            RecursionError) as error:
        raise ValueError(
            f'{path}: it must be {{"depth_unit": ..., "depth_scale": ..., '
            '"scenes": [{"scene": NAME, "split": ..., ...}, ...]}: '
            f'{error!r}.') from error


def _with_scene(pair, scene, common):
    source = scene.get('source', pair.source)
    return dataclasses.replace(
        pair, source=source, split=scene.get('split', ''),
        type=scene.get('type') or pair.type,
        **common | _depth_fields(scene))


def _depth_fields(entry):
    fields = {}
    if 'depth_unit' in entry:
        fields['depth_unit'] = entry['depth_unit']
    said = re.search(r'metres = code \* ([\d.e-]+)', entry.get('depth_png', ''))
    if 'depth_scale' in entry or said:
        fields['depth_scale'] = float(entry.get('depth_scale')
                                      or said.group(1).rstrip('.'))
    return fields
