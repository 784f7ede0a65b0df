"""Maps the blur of photographs: files in, maps out, named after their inputs.

    python -m dmenet_tf.predict photo.jpg holiday/ --output_dir=maps

writes for each photograph
    maps/photo.npy         sigma, float32 [h, w], px of the photograph
    maps/photo_sigma.png   the same in colour, with a bar in px

Arguments are photographs, folders (--recursive keeps their tree), .txt files
with one path a line, relative to the list, or `-` for such a list on standard
input, relative to the working directory. What is there already is skipped, so
a call that was interrupted goes on where it stopped, unless it was made with
another model or other settings, which the files tell; maps that lie among the
photographs are not mapped themselves.
A photograph that cannot be read costs one line on the terminal; the others
are still mapped, and the exit status is 1.
"""

import csv
import dataclasses
import io
import itertools
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from absl import flags
from PIL import Image

from dmenet_tf import command, files, images, jobs, maps

if TYPE_CHECKING:
    import keras


def map_photographs(todo: Iterable[jobs.Job], model: 'keras.Model',
                    kinds: Collection[str],
                    scales: int | str = 'auto', tile: int | None = None,
                    max_sigma: float | None = None,
                    on_summary: Callable[[jobs.Job, maps.Summary],
                                         None] | None = None,
                    runner: Callable[[np.ndarray], np.ndarray] | None = None,
                    value_range: tuple[float, float] | None = None
                    ) -> Iterator[jobs.Outcome]:
    """Reads, estimates and writes at the same time; a bad file costs a line.

    Args:
        todo: The jobs.
        model: A public model, see weights.load_model.
        kinds: Formats to write, of maps.FORMATS.
        scales, tile: See estimation.estimate; tile None: as needed.
        max_sigma: See maps.write.
        on_summary: Called with (job, maps.Summary) of every map, if given.
        runner: See runtimes.make_runner; None: TensorFlow.
        value_range: See images.read_image.

    Yields:
        jobs.Outcome of each photograph; `made` is the path to look at.

    Raises:
        OSError: The output folder cannot be written to, or the disk is full.
    """
    from dmenet_tf import estimation
    tile = estimation.AUTO if tile is None else tile

    def read(job):
        return images.read_image(job.photograph, value_range)

    def work(job, photograph):
        sigma = estimation.estimate(photograph, model, scales, tile, runner)
        return photograph, sigma

    def write(job, result):
        photograph, sigma = result
        for kind in kinds:
            maps.write(sigma, kind, job.path(maps.FORMATS[kind]), photograph,
                       max_sigma, job.settings)
        if on_summary:
            on_summary(job, maps.summarise(sigma, str(job.photograph)))
        return job.path(maps.FORMATS[_shown(kinds)])

    return jobs.process(todo, read, work, write)


def _shown(kinds):
    """The format that is for looking at, if one is."""
    return next(kind for kind in ('color', 'overlay', *kinds)
                if kind in kinds)


# Of a name that is not UTF-8 the table is, for others to read.
_ENCODING = {'encoding': 'utf-8', 'errors': 'backslashreplace'}


class SummaryFile:
    """The rows of --summary, kept beside it until all are there.

    Rows are appended to FILE.part as maps are made, so that an interrupted
    call loses none; finish() puts them in the order of the photographs. What
    is not UTF-8 in a name stands there as \\udcff.
    """

    def __init__(self, path: str | pathlib.Path):
        self.path = pathlib.Path(path)
        self.part = self.path.with_name(self.path.name + '.part')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = {}
        for file in (self.path, self.part):
            if file.exists():
                with file.open(newline='', **_ENCODING) as opened:
                    self.rows |= {_key(row[0]): row
                                  for row in csv.reader(opened)
                                  if len(row) == len(self._header())}

    @staticmethod
    def _header():
        return [field.name for field in dataclasses.fields(maps.Summary)]

    def has(self, job: jobs.Job) -> bool:
        return _key(job.photograph) in self.rows

    def add(self, job: jobs.Job, summary: maps.Summary) -> None:
        row = [str(value) for value in dataclasses.astuple(summary)]
        self.rows[_key(job.photograph)] = row
        line = io.StringIO()
        csv.writer(line).writerow(row)
        with self.part.open('a', newline='', **_ENCODING) as file:
            file.write(line.getvalue())

    def finish(self, found: Iterable[jobs.Job]) -> None:
        rows = [[str(job.photograph), *self.rows[_key(job.photograph)][1:]]
                for job in found if self.has(job)]
        with (files.atomic_path(self.path) as temporary,
              temporary.open('w', newline='', **_ENCODING) as file):
            csv.writer(file).writerows([self._header(), *rows])
        self.part.unlink(missing_ok=True)


def _key(photograph):
    """One for every way to write the path of a photograph, and its row."""
    place = str(jobs.place(pathlib.Path(photograph)))
    return place.encode(**_ENCODING).decode('utf-8')


def possible_maps(job: jobs.Job) -> list[pathlib.Path]:
    """Where the maps of a job are, in whatever format."""
    return [job.path(suffix) for suffix in maps.FORMATS.values()]


def unmapped(found: Iterable[jobs.Job], kinds: Collection[str],
             summary: SummaryFile | None = None) -> list[jobs.Job]:
    """The jobs that lack a map or their row."""
    lacking = set(jobs.unfinished(found, [maps.FORMATS[k] for k in kinds]))
    return [job for job in found
            if job in lacking or (summary and not summary.has(job))]


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        'model', 'small', 'A bundled model (small is the newest of its '
        'versions, small-v1 is that one), a weights file (.npz) made by '
        "dmenet_tf.train, or the authors' checkpoint DMENet_BDCS.npz.")
    jobs.define_flags('defocus_maps')
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


def main(arguments: list[str]) -> int:
    """Maps what the command line names; returns the exit status."""
    flag = flags.FLAGS
    if flag.allow_huge:
        Image.MAX_IMAGE_PIXELS = None
    jobs.value_range()  # A wrong one is said before anything is read.
    found, failed = jobs.from_flags(arguments, possible_maps)
    found = jobs.with_model(found, _settings())
    summary = SummaryFile(flag.summary) if flag.summary else None
    todo = found if flag.overwrite else unmapped(found, flag.format, summary)
    outcomes = _map(found, todo, summary) if todo else ()
    status = jobs.complete(outcomes, len(todo), len(found) - len(todo),
                           failed)
    if summary:
        summary.finish(found)
    return status


def _settings():
    """Names of the flags that change a map, besides those of all commands."""
    int8 = flags.FLAGS.runtime == 'openvino_int8'
    return ['max_sigma', 'runtime', *(['calibration'] if int8 else [])]


def _map(found, todo, summary):
    """Outcomes of what is to be done."""
    # Here, because it takes seconds that --help must not wait.
    from dmenet_tf import inference, runtimes, weights
    flag = flags.FLAGS
    model = inference.fold(weights.load_model(flag.model))
    runner = runtimes.make_runner(model, flag.runtime,
                                  _calibration_photographs(found))
    return map_photographs(todo, model, flag.format, jobs.scales(), flag.tile,
                           flag.max_sigma, summary and summary.add, runner,
                           jobs.value_range())


def _calibration_photographs(found):
    """What openvino_int8 is calibrated on: --calibration, or the jobs.

    All jobs, not those that are left, so that a call that goes on calibrates
    as the first one did.
    """
    from dmenet_tf import runtimes
    if flags.FLAGS.runtime != 'openvino_int8':
        return ()
    folder = flags.FLAGS.calibration
    paths = (images.find_images(folder) if folder
             else [job.photograph for job in found])
    return list(itertools.islice(
        (runtimes.middle(photograph, runtimes.CALIBRATION_SIDE)
         for photograph in _readable(paths)),
        runtimes.CALIBRATION_PHOTOGRAPHS))


def _readable(paths):
    """Yields the photographs that can be read."""
    for path in paths:
        try:
            yield images.read_image(path, jobs.value_range())
        except (ValueError, OSError):
            continue  # Mapping it will say why.


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
