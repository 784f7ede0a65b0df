"""From scenes to a SYNDOF folder: which picture is made, and how it is kept.

    OUT/image/NAME.png    8-bit RGB
    OUT/sigma/NAME.png    uint16, sigma = code / 1000 px
    OUT/manifest.jsonl    one line an image: scene, S1, alpha, layers, ...
    OUT/dataset.json      version, recipe, totals by source

Image k depends on the recipe and on k alone, so any number of workers, and
any number of interruptions, gives the same bytes. Its record is kept in
OUT/.records until all are there, and is written last: a record says that both
pictures are complete. A second run makes what has no record.
"""

import dataclasses
import hashlib
import json
import pathlib

import imageio.v3 as iio
import numpy as np
from absl import logging
from PIL import Image

from dmenet_tf import files, optics
from dmenet_tf.syndof import capture, render, rgbd, scenes

VERSION = 1  # of what is drawn: a change of any pixel raises it
SIGMA_CODES = 1000  # a px
PROCEDURAL = 'procedural'
KERNELS = ('gaussian', 'disc', 'mixed')


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that image k is made from, besides k and the scenes.

    Attributes:
        seed: Of everything that is drawn.
        sampler: One of capture.SAMPLERS.
        max_coc: c_max, px.
        max_size: Longest side, px; larger scenes are made smaller.
        textures: Folder of photographs for procedural scenes, or None.
    """

    seed: int = 0
    sampler: str = 'paper'
    max_coc: float = optics.MAX_COC
    max_size: int = 1280
    textures: str | None = None


def generate(output_dir, count, recipe, found=None, workers=1,
             scheduler=None):
    """Makes images 0 to count - 1 of a SYNDOF folder.

    Args:
        output_dir: Folder; what it holds of the same recipe is kept.
        count: Images it shall hold in the end.
        recipe: Recipe.
        found: List of pairs.Pair, or None for procedural scenes.
        workers: Processes.
        scheduler: Address of a dask cluster to use instead, or None.

    Returns:
        The records, in order, and a list of error lines of failed images.

    Raises:
        ValueError: The folder holds images of another recipe, or more.
    """
    output_dir = pathlib.Path(output_dir).resolve()
    start_folder(output_dir, recipe, found)
    records = read_records(output_dir)
    if len(records) > count:
        raise ValueError(f'{output_dir} holds {len(records)} images already. '
                         f'Received: count={count}.')
    todo = [k for k in range(count) if k not in records]
    if records:
        logging.info('%d of %d images are there; making %d.', len(records),
                     count, len(todo))
    tasks = [(recipe, k, _pair_of(recipe, k, found), str(output_dir))
             for k in todo]
    errors = []
    for record in _map(tasks, workers, scheduler):
        if 'error' in record:
            errors.append(record['error'])
            logging.error('%s', record['error'])
        else:
            records[record['index']] = record
    ordered = [records[k] for k in sorted(records)]
    finish_folder(output_dir, recipe, found, ordered, complete=not errors)
    return ordered, errors


def make_image(recipe, index, pair, output_dir):
    """Makes image `index`: reads or draws, samples, renders, writes.

    Returns:
        Its record, or {'error': line}.
    """
    try:
        image, depth_m = load_scene(recipe, index, pair)
        shot = capture.sample(recipe.sampler, depth_m,
                              capture.capture_rng(recipe.seed, index),
                              recipe.max_coc)
        picture = photograph(image, shot, recipe)
    except (OSError, ValueError) as error:
        name = pair.name if pair else PROCEDURAL
        return {'error': f'image {index} ({name}): {error}'}
    record = {
        'name': f'{index:06d}', 'index': index, 'seed': recipe.seed,
        'scene': pair.name if pair else f'{PROCEDURAL}/{index:06d}',
        'source': pair.source if pair else PROCEDURAL,
        'sampler': recipe.sampler, **shot.settings}
    write_image(pathlib.Path(output_dir), record, picture,
                shot.sigma[shot.layer])
    return record


def load_scene(recipe, index, pair):
    """The sharp image [h, w, 3] in [0, 1] and its depth [h, w] in metres."""
    if pair is None:
        height, width = _limited(scenes.HEIGHT, scenes.WIDTH, recipe.max_size)
        return scenes.draw_scene(scenes.scene_rng(recipe.seed, index),
                                 recipe.textures, height, width)
    return read_pair(pair, recipe.max_size)


def read_pair(pair, max_size=0):
    """Reads a pair: image [h, w, 3] in [0, 1], depth [h, w] m, filled.

    Raises:
        ValueError: One line that names the file and what is wrong with it.
    """
    image = rgbd.read_image(pair.image)
    depth_m = rgbd.read_depth(pair.depth, pair.depth_unit, pair.depth_scale)
    if image.shape[:2] != depth_m.shape:
        raise ValueError(
            f'{pair.depth} is {_size(depth_m)} but {pair.image} is '
            f'{_size(image)}: they must show the same pixels.')
    try:
        depth_m = rgbd.fill_unknown(depth_m)
    except ValueError as error:
        raise ValueError(f'{pair.depth}: {error}.') from error
    if depth_m.min() == depth_m.max():
        raise ValueError(f'{pair.depth}: the depth is constant, '
                         f'{depth_m.min():g} m; nothing can be out of focus.')
    return shrink(image, depth_m, max_size)


def shrink(image, depth_m, max_size):
    """Makes a scene fit into max_size px a side (0: no limit).

    The image by area, the depth by the nearest pixel: a mean over a depth
    edge would be a depth that nothing has.
    """
    height, width = _limited(*depth_m.shape, max_size)
    if (height, width) == depth_m.shape:
        return image, depth_m
    picture = Image.fromarray(_to_bytes(image)).resize(
        (width, height), Image.Resampling.BOX)
    rows = (np.arange(height) + 0.5) * depth_m.shape[0] / height
    columns = (np.arange(width) + 0.5) * depth_m.shape[1] / width
    return (np.asarray(picture, np.float32) / 255,
            depth_m[np.ix_(rows.astype(int), columns.astype(int))])


def photograph(image, shot, recipe):
    """Renders a capture; returns 8-bit RGB."""
    kernels = [render.gaussian_kernel(sigma) for sigma in shot.sigma]
    canvas = render.new_canvas(shot.layer.shape)
    render.blend_onto(canvas, image, shot.layer, kernels)
    return _to_bytes(render.flatten(canvas, shot.layer.shape))


def write_image(output_dir, record, picture, sigma):
    """Writes both pictures, then the record that says they are complete."""
    name = record['name'] + '.png'
    codes = np.rint(sigma * SIGMA_CODES).astype(np.uint16)
    with files.atomic_path(output_dir / 'image' / name) as path:
        iio.imwrite(path, picture, compress_level=4)
    with files.atomic_path(output_dir / 'sigma' / name) as path:
        iio.imwrite(path, codes, compress_level=4)
    with files.atomic_path(_record_path(output_dir, record['name'])) as path:
        path.write_text(json.dumps(record))


def start_folder(output_dir, recipe, found):
    """Notes the recipe in a new folder, or checks that of an old one."""
    path = output_dir / 'dataset.json'
    ours = _identity(recipe, found)
    if not path.exists():
        _write_json(path, {**ours, 'complete': False})
        return
    theirs = json.loads(path.read_text())
    for key in ours:
        if theirs.get(key) != ours[key]:
            raise ValueError(
                f'{output_dir} was begun with {key}={theirs.get(key)!r}; '
                f'choose another folder. Received: {key}={ours[key]!r}.')


def finish_folder(output_dir, recipe, found, records, complete):
    """Writes the manifest and the totals; removes the single records."""
    with files.atomic_path(output_dir / 'manifest.jsonl') as path:
        path.write_text(''.join(json.dumps(r) + '\n' for r in records))
    _write_json(output_dir / 'dataset.json', {
        **_identity(recipe, found), 'complete': complete,
        'count': len(records), 'sources': totals(records, found)})
    for record in records:
        _record_path(output_dir, record['name']).unlink(missing_ok=True)


def read_records(output_dir):
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
                   for kind in ('image', 'sigma'))}


def totals(records, found):
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


def _map(tasks, workers, scheduler):
    if workers == 1 and scheduler is None:
        bar = files.progress(tasks, unit='image', desc='SYNDOF')
        yield from (make_image(*task) for task in bar)
        return
    from dmenet_tf.syndof import cluster
    yield from cluster.unordered(make_image, tasks, workers, scheduler)


def _pair_of(recipe, index, found):
    """A random scene, as the paper repeats it [Lee 2019, Section 3.1]."""
    if found is None:
        return None
    rng = np.random.default_rng([recipe.seed, index, 0])
    return found[int(rng.integers(len(found)))]


def _identity(recipe, found):
    """What must be the same for a run to go on."""
    listed = json.dumps([dataclasses.asdict(pair) | {'image': '', 'depth': ''}
                         for pair in found or []])
    return {'version': VERSION, 'convention': 'sigma7',
            'sigma_codes_per_px': SIGMA_CODES,
            'recipe': dataclasses.asdict(recipe),
            'scenes': hashlib.sha256(listed.encode()).hexdigest()[:16]
            if found else PROCEDURAL}


def _limited(height, width, max_size):
    if not max_size or max(height, width) <= max_size:
        return height, width
    ratio = max_size / max(height, width)
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def _record_path(output_dir, name):
    return output_dir / '.records' / f'{name}.json'


def _write_json(path, content):
    with files.atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + '\n')


def _to_bytes(image):
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _size(array):
    return f'{array.shape[1]} x {array.shape[0]}'
