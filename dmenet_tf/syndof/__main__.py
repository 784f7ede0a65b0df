"""Makes a SYNDOF folder from RGB-D scenes or from procedural ones.

    python -m dmenet_tf.syndof --source=procedural --count=100 --output_dir=OUT
    python -m dmenet_tf.syndof --input_dir=DIR --count=8231 --output_dir=OUT
    python -m dmenet_tf.syndof --input_dir=DIR --check
    python -m dmenet_tf.syndof --input_dir=DIR --preview=6 --output_dir=OUT
    python -m dmenet_tf.syndof --camera=TABLE.csv --output_dir=OUT

The same command again goes on where it was stopped. DIR may be

    DIR/image/... and DIR/depth/...     the same names below both (the authors'
                                        synthetic_datasets, SYNTHIA, Sintel)
    DIR/SCENE/image.png and depth.png   or im0.png and disp0.pfm: Middlebury
    DIR/NAME.png and NAME_depth.png     or NAME.dpt
    LIST.csv                            columns image, depth, and, if wanted,
                                        name, source, depth_unit, depth_scale
    a dataset as it is published        NYUv2, iBims-1, Hypersim, TUM RGB-D,
                                        ScanNet, 7-Scenes, KITTI, Virtual KITTI
                                        2, TartanAir, DIODE, Sintel, SYNTHIA

Depth: .dpt, .pfm (with calib.txt beside it), 8- and 16-bit .png, grey or RGB,
.npy, .npz, .tif, .exr, .hdf5. A scenes.json in DIR may give depth_unit,
depth_scale and the split of each scene. Check a new folder first.

--camera takes the pictures as photographs that are defocused already: nothing
is rendered, sigma follows from their depth and from how they were taken, and
valid/ says where it is known. A .json holds for all of DIR:

    {"focus_m": 1.7, "focal_mm": 35, "f_number": 2.8, "pitch_um": 6.1}

In a .csv each row is a photograph; it can be the LIST.csv too. More columns:
coc_factor_px in place of the last three, floor_px, dy, dx, edge_px, edge_jump,
scene; see dmenet_tf/syndof/cameras.py.
"""

import os

# One thread a process: the work is divided by images. Before NumPy loads.
for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS',
              'NUMBA_NUM_THREADS'):
    os.environ.setdefault(_name, '1')

import numpy as np  # noqa: E402
from absl import flags  # noqa: E402

from dmenet_tf import command, files, workers  # noqa: E402
from dmenet_tf.syndof import (  # noqa: E402
    apertures,
    cameras,
    capture,
    check,
    generate,
    layouts,
    outputs,
    pairs,
    photographs,
    rgbd,
    scenes,
)

FLAGS = flags.FLAGS
GROUPS = {
    'Scenes': ('input_dir', 'source', 'camera', 'check', 'preview',
               'layout', 'depth_unit', 'depth_scale', 'sky_depth', 'split',
               'max_ssim', 'min_psnr_gap'),
    'What is made': ('output_dir', 'count', 'seed', 'workers', 'scheduler')}


def define_flags() -> None:
    """Defines the flags of this command."""
    _define_scenes()
    flags.DEFINE_string('output_dir', None, 'Folder to write.')
    flags.DEFINE_integer('count', 100, 'Images to make.', lower_bound=1)
    flags.DEFINE_integer(
        'seed', 0, 'Image k depends on the seed and on k alone.',
        lower_bound=0)
    workers.define_flags('input_dir and output_dir')
    _define_recipe()


def _define_scenes():
    flags.DEFINE_string(
        'input_dir', None, 'Folder, .csv or .mat of RGB-D scenes, in one of '
        'the layouts above.')
    flags.DEFINE_enum(
        'source', None, [outputs.PROCEDURAL], 'Scenes that need no input.')
    flags.DEFINE_string(
        'camera', None, 'A .json or .csv of how the pictures were taken, which '
        'are photographs that are defocused already: label them.')
    flags.DEFINE_bool(
        'check', False, 'Read every scene, print what is wrong, make nothing.')
    flags.DEFINE_integer(
        'preview', 0, 'Write a contact sheet of that many scenes to '
        'output_dir/preview.png, make nothing.', lower_bound=0)
    flags.DEFINE_string(
        'layout', None, 'Look for this dataset alone; without it, for all of '
        f'them: {", ".join(layouts.LAYOUTS)}. plain is none; middlebury and '
        'airsim lie as any folder may, and depth is read as theirs.')
    flags.DEFINE_enum(
        'depth_unit', 'auto', rgbd.UNITS, 'What depth maps hold; px is '
        'disparity; auto goes by the format.')
    flags.DEFINE_float(
        'depth_scale', None, 'What one code of a depth map is worth, in '
        'depth_unit (auto: m), such as 0.0002.')
    flags.DEFINE_float(
        'sky_depth', None, 'All from this depth on is sky, m; without it, '
        f'from {rgbd.SKY_M:g} m on, and what is known to stand for sky.',
        lower_bound=0.0)
    flags.DEFINE_string(
        'split', None, 'Keep the scenes that scenes.json marks so, such as '
        'train.')
    flags.DEFINE_float(
        'max_ssim', None, 'Drop a frame whose SSIM with a kept one of its '
        'sequence is above this.', lower_bound=-1.0, upper_bound=1.0)
    flags.DEFINE_float(
        'min_psnr_gap', None, 'Drop a frame whose distance from a kept one of '
        'its sequence is less than this: PSNR above it, dB.', lower_bound=0.0)


def _define_recipe():
    flags.DEFINE_enum(
        'sampler', 'paper', capture.SAMPLERS, 'How the camera is drawn: as the '
        'paper says, or as the generator that its authors released.')
    flags.DEFINE_float(
        'max_coc', 28.0, 'c_max, px; sigma <= c_max / 4.', lower_bound=0.4,
        upper_bound=200.0)
    flags.DEFINE_integer(
        'max_size', 1280, 'Longest side, px; larger scenes are made smaller; '
        '0: none is.', lower_bound=0)
    flags.DEFINE_string(
        'textures', None, 'Folder of photographs that procedural scenes are '
        'textured with; without it, noise.')
    flags.DEFINE_integer(
        'shapes', scenes.SHAPES[1], 'The most shapes in a procedural scene; '
        '0: the background alone, such as one whole photograph.',
        lower_bound=0)
    flags.DEFINE_string(
        'kernel', 'gaussian', "What a point becomes: the paper's gaussian, the "
        'disc that blurs alike, a polygon of 5 to 9 blades, a cats_eye that '
        'narrows towards the corners; mixed: gaussian or disc, drawn for each '
        'image; any: one of the four; or a FILE.npz of measured point spread '
        'functions, psf [n, k, k] and, if wanted, sigma [n], px.')
    flags.DEFINE_bool(
        'linear_light', False, 'Blur in linear light, as lenses do.')
    flags.DEFINE_float(
        'highlights', 0.0, 'Lift clipped spots in the dark by up to so many '
        'stops beyond white before blurring, so that lights become discs; each '
        'image draws its own; with --linear_light.', lower_bound=0.0,
        upper_bound=16.0)
    flags.DEFINE_float(
        'noise', 0.0, 'Largest deviation of sensor noise, codes of 255; each '
        'image draws its own.', lower_bound=0.0, upper_bound=128.0)
    flags.DEFINE_integer(
        'jpeg_quality', 0, 'Compress each image with a quality drawn from '
        '[jpeg_quality, 100]; 0: do not.', lower_bound=0, upper_bound=100)


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit status."""
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    known = None if FLAGS.camera is None else cameras.read(FLAGS.camera)
    if isinstance(known, dict) and FLAGS.input_dir is None:
        FLAGS.input_dir = FLAGS.camera
    if (FLAGS.input_dir is None) == (FLAGS.source is None):
        raise command.UsageError(
            'Pass --input_dir=DIR or --source=procedural.')
    if FLAGS.source is not None and known is not None:
        raise command.UsageError('--camera is of photographs, not of --source.')
    if FLAGS.check and FLAGS.input_dir is None:
        raise command.UsageError('--check needs --input_dir.')
    if FLAGS.highlights and not FLAGS.linear_light:
        raise command.UsageError('--highlights needs --linear_light.')
    if FLAGS.kernel not in generate.KERNELS:
        FLAGS.kernel = _measured(FLAGS.kernel)
    if FLAGS.output_dir is None and not FLAGS.check:
        raise command.UsageError('Pass --output_dir.')
    if not FLAGS.check and known is None:
        command.require('numba', 'data')
    with workers.connect() as client:
        found, problems = None, []
        if FLAGS.input_dir is not None:
            found, problems = _usable_scenes(client)
        taken = (None if known is None
                 else photographs.cameras_of(found or [], known))
        if FLAGS.preview:
            _write_preview(found, taken)
        elif not FLAGS.check:
            problems += _generate(found, taken, client)
    if problems:
        print(f'{len(problems)} problems, each in a line above.')
    return 1 if problems else 0


def _measured(path):
    """The absolute path of measured kernels, once they could be read."""
    if os.path.splitext(path)[1].lower() not in apertures.SUFFIXES:
        raise command.UsageError(
            f'--kernel must be one of {", ".join(generate.KERNELS)}, or a .npz '
            f'or .npy file. Received: {path}.')
    apertures.read_stack(path)
    return os.path.abspath(path)


def _usable_scenes(client):
    """Finds, checks and sifts the scenes; returns them, and problem lines."""
    found, problems = pairs.find_pairs(
        FLAGS.input_dir, FLAGS.depth_unit, FLAGS.depth_scale, FLAGS.split,
        FLAGS.layout, FLAGS.sky_depth)
    for text in problems:
        files.complain(text)
    reports = generate.survey(found, client)
    _print_reports(reports)
    problems = problems + [r.problem for r in reports if r.problem]
    good = [pair for pair, report in zip(found, reports, strict=True)
            if not report.problem]
    if not good:
        raise ValueError(f'No scene of {FLAGS.input_dir} can be used.')
    return _distinct(good, client), problems


def _print_reports(reports):
    for report in reports:
        if FLAGS.check:
            print(check.line(report))
        elif report.problem:
            files.complain(report.problem)
    hint = '' if FLAGS.check else ' (--check prints them)'
    print(f'Scenes: {len(reports)}; '
          f'{sum(bool(r.problem) for r in reports)} cannot be used, '
          f'{sum(bool(r.warnings) for r in reports)} with warnings{hint}.')


def _distinct(found, client):
    if FLAGS.max_ssim is None and FLAGS.min_psnr_gap is None:
        return found
    from dmenet_tf.syndof import distinct
    kept, drops = distinct.drop_similar(
        found, generate.thumbnails(found, client),
        np.inf if FLAGS.min_psnr_gap is None else FLAGS.min_psnr_gap,
        1.0 if FLAGS.max_ssim is None else FLAGS.max_ssim)
    for drop in drops:
        print(drop)
    print(f'{len(kept)} of {len(found)} scenes are distinct.')
    return kept


def _write_preview(found, taken):
    from dmenet_tf.syndof import preview
    count = min(FLAGS.preview, len(found)) if found else FLAGS.preview
    places = np.linspace(0, len(found or []) - 1, count).round().astype(int)
    chosen = [found[place] for place in places] if found else [None] * count
    path = os.path.join(FLAGS.output_dir, 'preview.png')
    if taken is not None:
        preview.write_photographs(path, chosen, [taken[i] for i in places])
    else:
        preview.write_preview(path, _recipe(), chosen)
    print(f'Wrote {path}.')


def _generate(found, taken, client):
    """Makes the images, prints their table; returns problem lines."""
    if taken is not None:
        records, errors = photographs.label(FLAGS.output_dir, found, taken,
                                            client)
    else:
        records, errors = generate.generate(FLAGS.output_dir, FLAGS.count,
                                            _recipe(), found, client)
    print(_table(outputs.totals(records, found)))
    print(f'{FLAGS.output_dir} holds {len(records)} images.')
    return errors


def _recipe():
    return generate.Recipe(
        seed=FLAGS.seed, sampler=FLAGS.sampler, max_coc=FLAGS.max_coc,
        max_size=FLAGS.max_size,
        textures=FLAGS.textures and os.path.abspath(FLAGS.textures),
        shapes=FLAGS.shapes, kernel=FLAGS.kernel,
        linear_light=FLAGS.linear_light, noise=FLAGS.noise,
        jpeg_quality=FLAGS.jpeg_quality, highlights=FLAGS.highlights)


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
    command.run(main, define_flags, __doc__, GROUPS)
