"""Makes a SYNDOF folder from RGB-D scenes or from procedural ones.

    python -m dmenet_tf.syndof --source=procedural --count=100 --output_dir=OUT
    python -m dmenet_tf.syndof --input_dir=DIR --count=8231 --output_dir=OUT
    python -m dmenet_tf.syndof --input_dir=DIR --check
    python -m dmenet_tf.syndof --input_dir=DIR --preview=6 --output_dir=OUT

The same command again goes on where it was stopped. DIR may be

    DIR/image/... and DIR/depth/...     the same names below both (the authors'
                                        synthetic_datasets, SYNTHIA, Sintel)
    DIR/SCENE/image.png and depth.png   or im0.png and disp0.pfm: Middlebury
    DIR/NAME.png and NAME_depth.png     or NAME.dpt
    LIST.csv                            columns image, depth, and, if wanted,
                                        name, source, depth_unit, depth_scale

Depth: .dpt, .pfm (with calib.txt beside it), 8- and 16-bit .png, grey or RGB,
.npy, .npz, .tif, .exr. A scenes.json in DIR may give depth_unit, depth_scale
and the split of each scene. Check a new folder first.
"""

import contextlib
import os
import sys

# One thread a process: the work is divided by images. Before NumPy loads.
for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS',
              'NUMBA_NUM_THREADS'):
    os.environ.setdefault(_name, '1')

import numpy as np  # noqa: E402
from absl import app, flags, logging  # noqa: E402

from dmenet_tf.syndof import (  # noqa: E402
    capture,
    check,
    generate,
    pairs,
    rgbd,
    scenes,
)

_INPUT_DIR = flags.DEFINE_string(
    'input_dir', None, 'Folder, or .csv, of RGB-D scenes; the layouts are in '
    'syndof/pairs.py.')
_SOURCE = flags.DEFINE_enum(
    'source', None, [generate.PROCEDURAL],
    'Scenes that need no input: procedural.')
_OUTPUT_DIR = flags.DEFINE_string('output_dir', None, 'Folder to write.')
_COUNT = flags.DEFINE_integer('count', 100, 'Images to make.', lower_bound=1)
_SEED = flags.DEFINE_integer(
    'seed', 0, 'Image k depends on the seed and on k alone.', lower_bound=0)
_WORKERS = flags.DEFINE_integer('workers', 1, 'Processes.', lower_bound=1)
_SCHEDULER = flags.DEFINE_string(
    'scheduler', None, 'A dask cluster to use instead, tcp://HOST:PORT; its '
    'workers must see input_dir and output_dir.')
_CHECK = flags.DEFINE_bool(
    'check', False, 'Read every scene, print what is wrong, make nothing.')
_PREVIEW = flags.DEFINE_integer(
    'preview', 0, 'Write a contact sheet of that many scenes to '
    'output_dir/preview.png, make nothing.', lower_bound=0)

_SAMPLER = flags.DEFINE_enum(
    'sampler', 'paper', capture.SAMPLERS,
    'How S1 and alpha are drawn; see syndof/capture.py.')
_MAX_COC = flags.DEFINE_float(
    'max_coc', 28.0, 'c_max, px; sigma <= c_max / 4.', lower_bound=0.4,
    upper_bound=200.0)
_MAX_SIZE = flags.DEFINE_integer(
    'max_size', 1280, 'Longest side, px; larger scenes are made smaller; 0: '
    'none is.', lower_bound=0)
_TEXTURES = flags.DEFINE_string(
    'textures', None, 'Folder of photographs that procedural scenes are '
    'textured with; without it, noise.')
_SHAPES = flags.DEFINE_integer(
    'shapes', scenes.SHAPES[1], 'The most shapes in a procedural scene; 0: the '
    'background alone, such as one whole photograph.', lower_bound=0)
_KERNEL = flags.DEFINE_enum(
    'kernel', 'gaussian', generate.KERNELS, 'What a point becomes: gaussian '
    '(the paper), the disc that blurs alike, or mixed: one of them an image.')
_LINEAR_LIGHT = flags.DEFINE_bool(
    'linear_light', False, 'Blur in linear light, as lenses do.')
_NOISE = flags.DEFINE_float(
    'noise', 0.0, 'Largest deviation of sensor noise, codes of 255; each '
    'image draws its own.', lower_bound=0.0, upper_bound=128.0)
_JPEG_QUALITY = flags.DEFINE_integer(
    'jpeg_quality', 0, 'Compress each image with a quality drawn from '
    '[jpeg_quality, 100]; 0: do not.', lower_bound=0, upper_bound=100)

_DEPTH_UNIT = flags.DEFINE_enum(
    'depth_unit', 'auto', rgbd.UNITS, 'What depth maps hold: m, cm, mm, px '
    '(disparity), relative; auto: by format, see syndof/rgbd.py.')
_DEPTH_SCALE = flags.DEFINE_float(
    'depth_scale', None, 'What one code of a depth map is worth, in '
    'depth_unit (auto: m), such as 0.0002.')
_SPLIT = flags.DEFINE_string(
    'split', None, 'Keep the scenes that scenes.json marks so, such as train.')
_MAX_SSIM = flags.DEFINE_float(
    'max_ssim', None, 'Drop a frame whose SSIM with a kept one of its sequence '
    'is above this.', lower_bound=-1.0, upper_bound=1.0)
_MIN_PSNR_GAP = flags.DEFINE_float(
    'min_psnr_gap', None, 'Drop a frame whose distance from a kept one of its '
    'sequence is less than this: PSNR above it, dB.', lower_bound=0.0)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected arguments: {argv[1:]}.')
    if (_INPUT_DIR.value is None) == (_SOURCE.value is None):
        raise app.UsageError('Pass --input_dir=DIR or --source=procedural.')
    if _CHECK.value and _INPUT_DIR.value is None:
        raise app.UsageError('--check needs --input_dir.')
    if _OUTPUT_DIR.value is None and not _CHECK.value:
        raise app.UsageError('Pass --output_dir.')
    try:
        sys.exit(_run())
    except (ValueError, OSError, RuntimeError) as error:
        logging.error('%s', error)
        sys.exit(1)
    except KeyboardInterrupt:
        logging.error('Stopped. The same command goes on from here.')
        sys.exit(130)


def _run():
    """Returns the exit status."""
    with _client() as client:
        found, problems = None, []
        if _INPUT_DIR.value is not None:
            found, problems = _usable_scenes(client)
        if _PREVIEW.value:
            _write_preview(found)
        elif not _CHECK.value:
            problems += _generate(found, client)
    if problems:
        print(f'{len(problems)} problems, each in a line above.')
    return 1 if problems else 0


def _client():
    if _WORKERS.value == 1 and _SCHEDULER.value is None:
        return contextlib.nullcontext()
    from dmenet_tf.syndof import cluster
    return cluster.connect(_WORKERS.value, _SCHEDULER.value)


def _usable_scenes(client):
    """Finds, checks and sifts the scenes; returns them, and problem lines."""
    found, problems = pairs.find_pairs(
        _INPUT_DIR.value, _DEPTH_UNIT.value, _DEPTH_SCALE.value, _SPLIT.value)
    for text in problems:
        logging.error('%s', text)
    reports = generate.survey(found, client)
    _print_reports(reports)
    problems = problems + [r.problem for r in reports if r.problem]
    good = [pair for pair, report in zip(found, reports, strict=True)
            if not report.problem]
    if not good:
        raise ValueError(f'No scene of {_INPUT_DIR.value} can be used.')
    return _distinct(good, client), problems


def _print_reports(reports):
    for report in reports:
        if _CHECK.value:
            print(check.line(report))
        elif report.problem:
            logging.error('%s', report.problem)
    hint = '' if _CHECK.value else ' (--check prints them)'
    print(f'{len(reports)} scenes: '
          f'{sum(bool(r.problem) for r in reports)} cannot be used, '
          f'{sum(bool(r.warnings) for r in reports)} with warnings{hint}.')


def _distinct(found, client):
    if _MAX_SSIM.value is None and _MIN_PSNR_GAP.value is None:
        return found
    from dmenet_tf.syndof import distinct
    kept, drops = distinct.drop_similar(
        found, generate.thumbnails(found, client),
        np.inf if _MIN_PSNR_GAP.value is None else _MIN_PSNR_GAP.value,
        1.0 if _MAX_SSIM.value is None else _MAX_SSIM.value)
    for drop in drops:
        print(drop)
    print(f'{len(kept)} of {len(found)} scenes are distinct.')
    return kept


def _write_preview(found):
    from dmenet_tf.syndof import preview
    count = min(_PREVIEW.value, len(found)) if found else _PREVIEW.value
    places = np.linspace(0, len(found or []) - 1, count).round().astype(int)
    chosen = [found[place] for place in places] if found else [None] * count
    path = os.path.join(_OUTPUT_DIR.value, 'preview.png')
    preview.write_preview(path, _recipe(), chosen)
    print(f'Wrote {path}.')


def _generate(found, client):
    """Makes the set, prints its table; returns problem lines."""
    records, errors = generate.generate(_OUTPUT_DIR.value, _COUNT.value,
                                        _recipe(), found, client)
    print(_table(generate.totals(records, found)))
    print(f'{_OUTPUT_DIR.value} holds {len(records)} images.')
    return errors


def _recipe():
    return generate.Recipe(
        seed=_SEED.value, sampler=_SAMPLER.value, max_coc=_MAX_COC.value,
        max_size=_MAX_SIZE.value,
        textures=_TEXTURES.value and os.path.abspath(_TEXTURES.value),
        shapes=_SHAPES.value, kernel=_KERNEL.value,
        linear_light=_LINEAR_LIGHT.value, noise=_NOISE.value,
        jpeg_quality=_JPEG_QUALITY.value)


def _table(totals):
    """The paper's Table 1."""
    rows = [('Datasets', '# samples', '# outputs', 'Type')]
    rows += [(source or '-', row['samples'], row['outputs'],
              row['type'] or '-') for source, row in totals.items()]
    rows.append(('Total', sum(row['samples'] for row in totals.values()),
                 sum(row['outputs'] for row in totals.values()), ''))
    width = max(len(row[0]) for row in rows)
    return '\n'.join(f'{name:<{width}}  {samples:>9}  {outputs:>9}  {kind}'
                     .rstrip() for name, samples, outputs, kind in rows)


if __name__ == '__main__':
    app.run(main)
