"""Makes a SYNDOF folder from RGB-D scenes or from procedural ones.

    python -m dmenet_tf.syndof --source=procedural --count=100 --output_dir=OUT
    python -m dmenet_tf.syndof --input_dir=DIR --count=8231 --output_dir=OUT
"""

import sys

from absl import app, flags, logging

from dmenet_tf.syndof import capture, generate, pairs, rgbd

_INPUT_DIR = flags.DEFINE_string(
    'input_dir', None, 'Folder (or .csv) of RGB-D scenes; syndof/pairs.py '
    'describes the layouts.')
_SOURCE = flags.DEFINE_enum(
    'source', None, [generate.PROCEDURAL],
    'Scenes that need no input: procedural.')
_OUTPUT_DIR = flags.DEFINE_string('output_dir', None, 'Folder to write.')
_COUNT = flags.DEFINE_integer('count', 100, 'Images to make.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Image k depends on seed and k alone.',
                             lower_bound=0)
_WORKERS = flags.DEFINE_integer('workers', 1, 'Processes.', lower_bound=1)
_SCHEDULER = flags.DEFINE_string(
    'scheduler', None, 'A dask cluster to use instead, tcp://HOST:PORT; its '
    'workers must see output_dir.')
_SAMPLER = flags.DEFINE_enum(
    'sampler', 'paper', capture.SAMPLERS,
    'How S1 and alpha are drawn; see syndof/capture.py.')
_MAX_COC = flags.DEFINE_float('max_coc', 28.0, 'c_max, px; sigma <= c_max / 4.',
                              lower_bound=0.4, upper_bound=200.0)
_MAX_SIZE = flags.DEFINE_integer(
    'max_size', 1280, 'Longest side, px; larger scenes are made smaller; 0: '
    'as they are.', lower_bound=0)
_TEXTURES = flags.DEFINE_string(
    'textures', None, 'Folder of photographs that procedural scenes are '
    'textured with; without it, noise.')
_DEPTH_UNIT = flags.DEFINE_enum(
    'depth_unit', 'auto', rgbd.UNITS, 'What depth maps hold: m, cm, mm, px '
    '(disparity), relative; auto: by format, see syndof/rgbd.py.')
_DEPTH_SCALE = flags.DEFINE_float(
    'depth_scale', None, 'What one code of a depth map is worth, in '
    'depth_unit (auto: m), such as 0.0002.')
_SPLIT = flags.DEFINE_string(
    'split', None, 'Keep the scenes that scenes.json marks so.')


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected arguments: {argv[1:]}.')
    if (_INPUT_DIR.value is None) == (_SOURCE.value is None):
        raise app.UsageError('Pass --input_dir=DIR or --source=procedural.')
    if _OUTPUT_DIR.value is None:
        raise app.UsageError('Pass --output_dir.')
    try:
        sys.exit(_run())
    except (ValueError, OSError) as error:
        logging.error('%s', error)
        sys.exit(1)


def _run():
    """Returns the exit status."""
    found, problems = None, []
    if _INPUT_DIR.value is not None:
        found, problems = pairs.find_pairs(
            _INPUT_DIR.value, _DEPTH_UNIT.value, _DEPTH_SCALE.value,
            _SPLIT.value)
    recipe = generate.Recipe(
        seed=_SEED.value, sampler=_SAMPLER.value, max_coc=_MAX_COC.value,
        max_size=_MAX_SIZE.value, textures=_TEXTURES.value)
    records, errors = generate.generate(
        _OUTPUT_DIR.value, _COUNT.value, recipe, found, _WORKERS.value,
        _SCHEDULER.value)
    print(_table(generate.totals(records, found)))
    print(f'Wrote {len(records)} images to {_OUTPUT_DIR.value}.')
    for line in problems:
        logging.error('%s', line)
    return 1 if problems or errors else 0


def _table(totals):
    """The paper's Table 1."""
    rows = [('Datasets', '# samples', '# outputs', 'Type')]
    rows += [(source or '-', row['samples'], row['outputs'],
              row['type'] or '-') for source, row in totals.items()]
    rows.append(('Total', sum(row['samples'] for row in totals.values()),
                 sum(row['outputs'] for row in totals.values()), ''))
    width = max(len(row[0]) for row in rows)
    return '\n'.join(f'{name:<{width}}  {samples:>9}  {outputs:>9}  {kind}'
                     for name, samples, outputs, kind in rows)


if __name__ == '__main__':
    app.run(main)
