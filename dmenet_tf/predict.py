"""Maps the blur of photographs: files in, maps out, named after their inputs.

    python -m dmenet_tf.predict photo.jpg holiday/ --output_dir=maps

writes for each photograph
    maps/photo.npy         sigma, float32 [h, w], px of the photograph
    maps/photo_sigma.png   the same in colour, with a bar in px

Arguments are photographs, folders (--recursive keeps their tree), .txt files
with one path a line, or `-` for such a list on standard input. What is there
already is skipped, so a call that was interrupted goes on where it stopped.
A photograph that cannot be read costs one line on the terminal; the others
are still mapped, and the exit status is 1.
"""

import concurrent.futures
import csv
import dataclasses
import errno
import io
import itertools
import pathlib
import sys

from absl import app, flags
from PIL import Image

from dmenet_tf import files, images, maps

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Job:
    """A photograph and where its maps go: `target` and a format's suffix."""

    photograph: pathlib.Path
    target: pathlib.Path

    def path(self, kind):
        return self.target.with_name(self.target.name + maps.FORMATS[kind])


def find_jobs(arguments, output_dir, recursive=False, listed=()):
    """Finds the photographs and gives each the name of its maps.

    Args:
        arguments: Files, folders, .txt lists, '-'.
        output_dir: pathlib.Path.
        recursive: Whether to look into folders of folders.
        listed: The lines of standard input, for '-'.

    Returns:
        (jobs, failed): list of Job; one line for each that cannot be one: a
        folder or list without pictures, or maps that would overwrite those
        of another photograph.
    """
    owners, failed = {}, []
    for argument in arguments:
        found = _photographs(argument, recursive, listed)
        if isinstance(found, str):
            failed.append(found)
            continue
        for path, relative in found:
            target = output_dir / relative.parent / relative.stem
            owner = owners.setdefault(target, path)
            if owner != path:
                failed.append(f'{path}: its maps would overwrite those of '
                              f'{owner}; map it into another --output_dir.')
    return [Job(path, target) for target, path in owners.items()], failed


def _photographs(argument, recursive, listed):
    """Pairs (path, path below the output folder), or what is wrong."""
    path = pathlib.Path(argument)
    if argument == '-':
        return [(pathlib.Path(p), pathlib.Path(pathlib.Path(p).name))
                for p in listed]
    if path.is_dir():
        found = [(p, p.relative_to(path))
                 for p in images.find_images(path, recursive)]
        return found or f'{path}: a folder without pictures.'
    if path.suffix.lower() == '.txt' and path.is_file():
        return _photographs('-', recursive, _lines(path.open()))
    return [(path, pathlib.Path(path.name))]


def _lines(file):
    return [line.strip() for line in file if line.strip()]


def map_photographs(jobs, model, kinds, max_side=None, tile=None,
                    max_sigma=None, on_summary=None, runner=None):
    """Reads, estimates and writes at the same time; a bad file costs a line.

    Args:
        jobs: List of Job.
        model: A public model, see weights.load_model.
        kinds: Formats to write.
        max_side, tile: See estimation.estimate; tile None: as needed.
        max_sigma: See maps.write.
        on_summary: Called with (job, maps.Summary) of every map, if given.
        runner: See runtimes.make_runner; None: TensorFlow.

    Yields:
        (job, None) for each photograph that has its maps, (job, line) for
        each that failed.

    Raises:
        OSError: The output folder cannot be written to, or the disk is full.
    """
    from dmenet_tf import estimation
    tile = estimation.AUTO if tile is None else tile
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        writing = None
        for job, photograph in _read_ahead(jobs, pool):
            if writing:
                yield writing.result()
                writing = None
            if isinstance(photograph, Exception):
                yield job, str(photograph)
                continue
            sigma = estimation.estimate(photograph, model, max_side, tile,
                                        runner)
            writing = pool.submit(_write, job, photograph, sigma, kinds,
                                  max_sigma, on_summary)
        if writing:
            yield writing.result()


def _read_ahead(jobs, pool):
    """Yields (job, photograph or error), reading the next one meanwhile."""
    jobs = iter(jobs)
    waiting = [(job, pool.submit(_read, job))
               for job in itertools.islice(jobs, 1)]
    while waiting:
        job, reading = waiting.pop()
        photograph = reading.result()
        waiting = [(following, pool.submit(_read, following))
                   for following in itertools.islice(jobs, 1)]
        yield job, photograph


def _read(job):
    try:
        return images.read_image(job.photograph)
    except (ValueError, OSError) as error:
        return error


def _write(job, photograph, sigma, kinds, max_sigma, on_summary):
    for kind in kinds:
        maps.write(sigma, kind, job.path(kind), photograph, max_sigma)
    if on_summary:
        on_summary(job, maps.summarise(sigma, str(job.photograph)))
    return job, None


class SummaryFile:
    """The rows of --summary, kept beside it until all are there.

    Rows are appended to FILE.part as maps are made, so that an interrupted
    call loses none; finish() puts them in the order of the photographs.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.part = self.path.with_name(self.path.name + '.part')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = {}
        for file in (self.path, self.part):
            if file.exists():
                with file.open(newline='') as opened:
                    self.rows |= {row[0]: row for row in csv.reader(opened)
                                  if len(row) == len(self._header())}

    @staticmethod
    def _header():
        return [field.name for field in dataclasses.fields(maps.Summary)]

    def has(self, job):
        return str(job.photograph) in self.rows

    def add(self, job, summary):
        row = [str(value) for value in dataclasses.astuple(summary)]
        self.rows[str(job.photograph)] = row
        line = io.StringIO()
        csv.writer(line).writerow(row)
        with self.part.open('a', newline='') as file:
            file.write(line.getvalue())

    def finish(self, jobs):
        rows = [self.rows[str(job.photograph)] for job in jobs
                if self.has(job)]
        with (files.atomic_path(self.path) as temporary,
              temporary.open('w', newline='') as file):
            csv.writer(file).writerows([self._header(), *rows])
        self.part.unlink(missing_ok=True)


def unmapped(jobs, kinds, summary=None):
    """The jobs that lack a map or their row."""
    return [job for job in jobs
            if not all(job.path(kind).exists() for kind in kinds)
            or (summary and not summary.has(job))]


def define_flags():
    """Defines the flags of this command."""
    flags.DEFINE_string(
        'model', 'small', 'A bundled model, a weights file (.npz) made by '
        "dmenet_tf.train, or the authors' checkpoint DMENet_BDCS.npz.")
    flags.DEFINE_string(
        'output_dir', 'defocus_maps', 'Folder for the maps; made if missing.')
    flags.DEFINE_list(
        'format', ['npy', 'color'], 'One or several, such as npy,overlay. '
        'npy: float32 px. png16: 16 bits, px = code / 1000. tiff: float32 px. '
        'color: with a bar in px. overlay: colours over the photograph. '
        "normalized: the paper's [0, 1] (sigma / 7 px) in 8 bits. binary: "
        '255 = blurred, above 0.3 max + 0.7 min.')
    flags.register_validator(
        'format',
        lambda kinds: bool(kinds) and set(kinds) <= set(maps.FORMATS),
        f'must be of {", ".join(maps.FORMATS)}, separated by commas.')
    flags.DEFINE_string(
        'summary', None, 'A .csv of one row a photograph: mean, median and '
        '95th percentile of sigma, share of sharp pixels, box of the sharpest '
        'region, one sharpness score.')
    flags.DEFINE_bool(
        'recursive', False, 'Look into folders of folders; --output_dir gets '
        'the same tree.')
    flags.DEFINE_bool('overwrite', False, 'Map again what has maps.')
    flags.DEFINE_integer(
        'max_side', None, 'Estimate at this longest side, px, and enlarge the '
        'map and its sigma: faster.', lower_bound=16)
    flags.DEFINE_integer(
        'tile', None, 'Side of the tiles that large photographs go through '
        'in, px; 0: in one pass. By default as memory demands. The map is the '
        'same.', lower_bound=0)
    flags.DEFINE_enum(
        'runtime', 'tensorflow', ['tensorflow', 'openvino', 'openvino_int8'],
        'What runs the network; OpenVINO is faster on most CPUs '
        "(pip install 'dmenet_tf[openvino]'). int8: fastest, sigma off by "
        'hundredths of a px.')
    flags.DEFINE_string(
        'calibration', None, 'Folder of photographs that openvino_int8 is '
        'calibrated on. By default the first of those to be mapped.')
    flags.DEFINE_float(
        'max_sigma', None, 'sigma in px at the bright end of the colours. By '
        "default each map's own largest value, at least 1 px.",
        lower_bound=0.1)
    flags.DEFINE_bool(
        'allow_huge', False, 'Read pictures above '
        f'{2 * Image.MAX_IMAGE_PIXELS} pixels, which otherwise count as '
        'decompression bombs.')


def main(argv):
    if not argv[1:]:
        raise app.UsageError('Name at least one photograph or folder.')
    if FLAGS.allow_huge:
        Image.MAX_IMAGE_PIXELS = None
    try:
        sys.exit(_run(argv[1:]))
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f'error: {_explained(error)}')
    except KeyboardInterrupt:
        sys.exit('Interrupted; the same call goes on from here.')


def _explained(error):
    if getattr(error, 'errno', None) in (errno.ENOSPC, errno.EROFS,
                                         errno.EACCES, errno.EDQUOT):
        return (f'{error.strerror}: {error.filename or FLAGS.output_dir}. '
                'No map is half-written; the same call goes on from here.')
    return error


def _run(arguments):
    """Returns the exit status."""
    output_dir = pathlib.Path(FLAGS.output_dir)
    listed = _lines(sys.stdin) if '-' in arguments else ()
    jobs, failed = find_jobs(arguments, output_dir, FLAGS.recursive, listed)
    for line in failed:
        files.complain(line)
    summary = SummaryFile(FLAGS.summary) if FLAGS.summary else None
    todo = jobs if FLAGS.overwrite else unmapped(jobs, FLAGS.format, summary)
    done = []
    if todo:
        done, bad = _map(jobs, todo, summary)
        failed += bad
    if summary:
        summary.finish(jobs)
    _report(jobs, todo, done, failed)
    return 1 if failed else 0


def _map(jobs, todo, summary):
    """Maps what is to be done; returns the jobs done and the failures."""
    # Here, because it takes seconds that --help must not wait.
    from dmenet_tf import inference, runtimes, weights
    model = inference.fold(weights.load_model(FLAGS.model))
    runner = runtimes.make_runner(model, FLAGS.runtime,
                                  _calibration_photographs(jobs))
    done, failed = [], []
    results = map_photographs(todo, model, FLAGS.format, FLAGS.max_side,
                              FLAGS.tile, FLAGS.max_sigma,
                              summary and summary.add, runner)
    for job, line in files.progress(results, total=len(todo), unit='photo'):
        if line is None:
            done.append(job)
        else:
            failed.append(line)
            files.complain(line)
    return done, failed


def _calibration_photographs(jobs):
    """What openvino_int8 is calibrated on: --calibration, or the jobs.

    All jobs, not those that are left, so that a call that goes on calibrates
    as the first one did.
    """
    from dmenet_tf import runtimes
    if FLAGS.runtime != 'openvino_int8':
        return ()
    paths = (images.find_images(FLAGS.calibration) if FLAGS.calibration
             else [job.photograph for job in jobs])
    found = (_read(Job(path, path)) for path in paths)
    good = (p for p in found if not isinstance(p, Exception))
    return [runtimes.middle(p, runtimes.CALIBRATION_SIDE) for p in
            itertools.islice(good, runtimes.CALIBRATION_PHOTOGRAPHS)]


def _report(jobs, todo, done, failed):
    kept = len(jobs) - len(todo)
    print(f'{len(done)} photograph{"" if len(done) == 1 else "s"} mapped into '
          f'{FLAGS.output_dir}'
          + (f', {kept} had their maps already' if kept else '')
          + (f', {len(failed)} failed' if failed else '') + '.')
    shown = next(kind for kind in ('color', 'overlay', *FLAGS.format)
                 if kind in FLAGS.format)
    for job in done[:10]:
        print(f'  {job.path(shown)}')
    if len(done) > 10:
        print(f'  and {len(done) - 10} more')


if __name__ == '__main__':
    define_flags()
    app.run(main)
