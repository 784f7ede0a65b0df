"""Joins photographs of one scene at several focal distances: a focus stack.

    python -m dmenet_tf.stack sweep/ --output_dir=stacked

takes the photographs of a folder in the order of their names, or those named,
or the pages of a TIFF, and writes
    stacked/sweep_all_in_focus.png   each part of the frame where it is sharpest
    stacked/sweep_index.png          which frame that is, from 0; 16 bits
    stacked/sweep_focus.csv, .png    the focus curve: sigma frame by frame

It prints the sharpest frame: the one with the least mean sigma. The frames have
to lie on each other (a tripod, and a lens that does not breathe; or aligned by
another tool first) and to have one size. A frame that cannot be read costs one
line on the terminal; the others are joined, and the exit status is 1.
"""

import pathlib

import numpy as np
from absl import flags
from PIL import Image

from dmenet_tf import command, files, jobs, network_flags, sources
from dmenet_tf.stack import frames, merging, report


def define_flags() -> None:
    """Defines the flags of this command."""
    network_flags.define_flags()
    flags.DEFINE_string('output_dir', 'stacked',
                        'Folder for the results; made if missing.')
    flags.DEFINE_string('name', None, 'Of the results; by default that of the '
                        'first folder or file.')
    jobs.define_input_flags()


def main(arguments: list[str]) -> int:
    """Joins what the command line names; returns the exit status."""
    jobs.require_names(arguments)
    jobs.value_range()  # A wrong one is said before anything is read.
    pairs, failed = sources.find_photographs(arguments, flags.FLAGS.recursive)
    for line in failed:
        files.complain(line)
    targets = _targets(arguments[0])
    made = set(map(sources.place, targets))
    found = frames.find(path for path, _ in pairs
                        if sources.place(path) not in made)
    kept, sigmas, failures = _estimate(found)
    if len(kept) < 2:
        raise ValueError('A stack needs two frames or more that can be read. '
                         f'Received: {len(kept)}.')
    curve = [report.measure(str(frame), sigma)
             for frame, sigma in zip(kept, sigmas, strict=True)]
    weight = merging.weights(sigmas)
    merged, index = merging.merge(_read_again(kept), weight), merging.index(
        weight)
    _write(targets, merged, index, report.with_taken(curve, index))
    return 1 if failed or failures else 0


def _estimate(found):
    """(frames that could be read, their maps, how many could not)."""
    from dmenet_tf import estimation  # TensorFlow takes seconds to import.
    model, runner = network_flags.load(
        [jobs.Job(frame.path, frame.path) for frame in found])
    kept, sigmas, failures = [], [], 0
    for frame in files.progress(found, unit='frame', desc='Estimate'):
        try:
            image = _read(frame)
            _check_size(frame, image, kept, sigmas)
        except (ValueError, OSError) as error:
            files.complain(error)
            failures += 1
            continue
        sigmas.append(estimation.estimate(image, model, runner=runner))
        kept.append(frame)
    return kept, sigmas, failures


def _check_size(frame, image, kept, sigmas):
    if sigmas and image.shape[:2] != sigmas[0].shape:
        raise ValueError(
            f'{frame}: has {image.shape[1]} x {image.shape[0]} px, {kept[0]} '
            f'has {sigmas[0].shape[1]} x {sigmas[0].shape[0]}; it is left '
            'out.')


def _read_again(kept):
    """The frames, one after the other: together they may be gigabytes."""
    for frame in files.progress(kept, unit='frame', desc='Join'):
        yield _read(frame)


def _read(frame):
    return frame.read(jobs.value_range(), flags.FLAGS.develop)


def _targets(argument):
    """Paths of the results."""
    path = pathlib.Path(argument).absolute()
    name = flags.FLAGS.name or (path.name if path.is_dir() else path.stem)
    target = pathlib.Path(flags.FLAGS.output_dir) / name
    return [target.with_name(f'{target.name}_{kind}') for kind in (
        'all_in_focus.png', 'index.png', 'focus.csv', 'focus.png')]


def _write(paths, merged, index, curve):
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    codes = np.rint(merged).astype(np.uint8)
    for picture, path in ((codes, paths[0]), (index, paths[1])):
        with files.atomic_path(path) as temporary:
            Image.fromarray(picture).save(temporary, format='png')
    report.write_csv(paths[2], curve)
    report.write_plot(paths[3], curve)
    best = report.sharpest(curve)
    print(f'{len(curve)} frames joined; the sharpest is number {best}, '
          f'{curve[best].frame}: mean sigma '
          f'{curve[best].mean_sigma_px:.2f} px.')
    for path in paths:
        print(f'  {path}')


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
