"""A SYNDOF folder: begun, filled, gone on with, and finished.

    OUT/image/NAME.png    8-bit RGB
    OUT/sigma/NAME.png    16 bits, see sigma_files
    OUT/valid/NAME.png    of photographs: where sigma counts
    OUT/manifest.jsonl    one line an image: scene, S1, alpha, ...
    OUT/dataset.json      version, recipe, totals by source

The record of an image is kept in OUT/.records until all are there, and is
written last: a record says that its pictures are complete. A second run makes
what has no record.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from absl import logging

from dmenet_tf import files, images, sigma_files
from dmenet_tf.syndof import pairs

if TYPE_CHECKING:  # It takes half a second to import.
    from distributed import Client

Record = dict[str, Any]
VERSION = 3  # of what is drawn: a change of any pixel raises it
PROCEDURAL = 'procedural'
_PNG_LEVEL = 4  # 3 % larger than 6, in half the time


def fill(output_dir: pathlib.Path, recipe: Any,
         found: Sequence[pairs.Pair] | None,
         function: Callable[..., Record], tasks: Sequence[tuple],
         client: Client | None = None) -> tuple[list[Record], list[str]]:
    """Makes what a folder lacks, and its manifest.

    Args:
        output_dir: Absolute.
        recipe: A dataclass of JSON values: all that the images depend on,
            besides `found`.
        found: As generate takes them.
        function: (*tasks[k]) -> the record of image k, or {'error': line}.
        tasks: One an image.
        client: As generate takes it.

    Returns, raises: As generate.
    """
    identity = start_folder(output_dir, recipe, found)
    records, count = read_records(output_dir), len(tasks)
    if len(records) > count:
        raise ValueError(f'{output_dir} holds {len(records)} images already. '
                         f'Received: count={count}.')
    todo = [k for k in range(count) if k not in records]
    if records:
        logging.info('%d of %d images are there; making %d.', len(records),
                     count, len(todo))
    made, errors = _make(function, [tasks[k] for k in todo], client)
    records.update((record['index'], record) for record in made)
    ordered = [records[k] for k in sorted(records)]
    finish_folder(output_dir, identity, found, ordered, complete=not errors)
    return ordered, errors


def _make(function, tasks, client):
    """Makes images; returns records and error lines, printed."""
    made, errors = [], []
    with files.progress(total=len(tasks), unit='image', desc='SYNDOF') as bar:
        for record in unordered(client, function, tasks):
            bar.update()
            if 'error' in record:
                errors.append(record['error'])
                files.complain(record['error'])
            else:
                made.append(record)
    return made, errors


def unordered(client: Client | None, function: Callable[..., Any],
              tasks: Sequence[tuple]) -> Iterable[Any]:
    """Results of function(*task), in the order they end; see cluster."""
    if client is None:
        return (function(*task) for task in tasks)
    from dmenet_tf import cluster
    return cluster.unordered(client, function, tasks)


def write_image(output_dir: pathlib.Path, record: Record,
                picture: npt.NDArray[np.uint8],
                sigma: npt.NDArray[np.float32],
                valid: npt.NDArray[np.bool_] | None = None) -> None:
    """Writes the pictures, then the record that says they are complete."""
    name = record['name'] + '.png'
    with files.atomic_path(output_dir / 'image' / name) as path:
        iio.imwrite(path, picture, compress_level=_PNG_LEVEL)
    sigma_files.write_png(output_dir / 'sigma' / name, sigma, _PNG_LEVEL)
    if valid is not None:
        sigma_files.write_valid(output_dir / 'valid' / name, valid, _PNG_LEVEL)
    with files.atomic_path(_record_path(output_dir, record['name'])) as path:
        path.write_text(json.dumps(record))


def start_folder(output_dir: pathlib.Path, recipe: Any,
                 found: Sequence[pairs.Pair] | None) -> dict[str, Any]:
    """Notes the recipe in a new folder, or checks that of an old one.

    Returns:
        What was noted.
    """
    path = output_dir / 'dataset.json'
    _remove_torn(output_dir)
    ours = _identity(recipe, found)
    if not path.exists():
        _write_json(path, {**ours, 'complete': False})
        return ours
    # What a recipe did not have when the folder was begun is as unasked.
    unasked = {field.name: field.default
               for field in dataclasses.fields(recipe)
               if field.default is not dataclasses.MISSING}
    theirs = {**unasked, 'files': ours['files'],
              **_flat(json.loads(path.read_text()))}
    if theirs['files'] != ours['files']:
        raise ValueError(
            f'{output_dir} was begun with other contents of the scenes, '
            'textures or kernel; choose another folder.')
    for key, value in _flat(ours).items():
        if theirs.get(key) != value:
            raise ValueError(
                f'{output_dir} was begun with {key}={theirs.get(key)!r}; go on '
                'with that, or choose another folder. Received: '
                f'{key}={value!r}.')
    return ours


def finish_folder(output_dir: pathlib.Path, identity: Mapping[str, Any],
                  found: Sequence[pairs.Pair] | None,
                  records: Sequence[Record], complete: bool) -> None:
    """Writes the manifest and the totals; removes the single records."""
    with files.atomic_path(output_dir / 'manifest.jsonl') as path:
        path.write_text(''.join(json.dumps(r) + '\n' for r in records))
    _write_json(output_dir / 'dataset.json', {
        **identity, 'complete': complete,
        'count': len(records), 'sources': totals(records, found)})
    for record in records:
        _record_path(output_dir, record['name']).unlink(missing_ok=True)
    _remove_torn(output_dir)
    with contextlib.suppress(OSError):  # there is none, or it is not empty
        (output_dir / '.records').rmdir()


def _remove_torn(output_dir):
    """Removes what killed processes were writing; see files.atomic_path."""
    for folder in ('image', 'sigma', 'valid', '.records'):
        files.remove_leftovers(output_dir / folder)


def read_records(output_dir: pathlib.Path) -> dict[int, Record]:
    """The records of all complete images, by index."""
    lines = [path.read_text()
             for path in (output_dir / '.records').glob('*.json')
             if not path.name.startswith('.')]
    manifest = output_dir / 'manifest.jsonl'
    if manifest.exists():
        lines += manifest.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return {record['index']: record for record in records
            if all((output_dir / kind / f"{record['name']}.png").exists()
                   for kind in ('image', 'sigma', 'valid')
                   if kind != 'valid' or 'valid' in record)}


def totals(records: Sequence[Record], found: Sequence[pairs.Pair] | None
           ) -> dict[str, Mapping[str, Any]]:
    """Samples and outputs by source, as the paper's Table 1."""
    rows = {}
    for pair in found or []:
        row = rows.setdefault(pair.source, {'samples': 0, 'outputs': 0,
                                            'type': pair.type})
        row['samples'] += 1
    for record in records:
        row = rows.setdefault(record['source'], {
            'samples': 0, 'outputs': 0, 'type': 'synthetic'})
        row['outputs'] += 1
        if found is None:
            row['samples'] += 1
    return dict(sorted(rows.items()))


def _identity(recipe, found):
    """What must be the same for a run to go on.

    Scenes count by name and by how they are read, so a folder may move.
    """
    listed = json.dumps([
        [pair.name, pair.depth_unit, pair.depth_scale,
         *filter(None, (pair.layout, pair.sky_depth))]
        for pair in found or []])
    digest = hashlib.sha256(listed.encode()).hexdigest()[:16]
    return {'version': VERSION, 'convention': 'sigma7',
            'sigma_codes_per_px': sigma_files.CODES_PER_PX,
            'recipe': dataclasses.asdict(recipe),
            'files': _digest_of_files(recipe, found),
            'scenes': f'{len(found)} listed {digest}' if found else PROCEDURAL}


def _digest_of_files(recipe, found):
    """Of the sizes of scenes and textures, and of a kernel's file itself."""
    digest = hashlib.sha256()
    for pair in found or []:
        digest.update(repr([_size(path) for path in (
            pair.image, pair.depth, pair.mask) if path]).encode())
    textures = getattr(recipe, 'textures', None)
    for path in images.find_images(textures, recursive=True) if (
            textures) else ():
        digest.update(repr((path.name, path.stat().st_size)).encode())
    kernel = pathlib.Path(getattr(recipe, 'kernel', ''))
    if kernel.is_absolute():
        digest.update(kernel.read_bytes())
    return digest.hexdigest()[:16]


def _size(path):
    """In bytes; None where there is no file, which reading it will say."""
    with contextlib.suppress(OSError):
        return os.path.getsize(path)


def _flat(content):
    return {**content, **content.get('recipe', {}), 'recipe': None}


def _record_path(output_dir, name):
    return output_dir / '.records' / f'{name}.json'


def _write_json(path, content):
    with files.atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + '\n')
