"""Maps the blur of photographs: files in, maps out, named after their inputs.

    python -m dmenet_tf.predict photo.jpg holiday/ --output_dir=maps

writes for each photograph
    maps/photo.npy         sigma, float32 [h, w], px of the photograph
    maps/photo_sigma.png   the same in colour, with a bar in px

and with --format=mask maps/photo_mask.png, white where it is in focus.

Of a video, --format=color, overlay and mask are made, photo_sigma.mp4 and so
on, with one scale of colours for all of its frames.

Arguments are photographs, videos, folders (--recursive keeps their tree), .txt
files with one path a line, relative to the list, or `-` for such a list on
standard input, relative to the working directory. What is there already is
skipped, so a call that was interrupted goes on where it stopped, unless it was
made with another model or other settings, which the files tell; maps that lie
among the photographs are not mapped themselves.
A photograph that cannot be read costs one line on the terminal; the others
are still mapped, and the exit status is 1.
"""

import itertools
import pathlib
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags
from PIL import Image

from dmenet_tf import (
    command,
    files,
    focus,
    images,
    jobs,
    maps,
    network_flags,
    optics,
    summary_file,
    video,
    workers,
)

if TYPE_CHECKING:
    import keras

_MASKS = 'mask_below', 'mask_soft'


def map_photographs(todo: Iterable[jobs.Job], model: 'keras.Model',
                    kinds: Collection[str],
                    scales: int | str = 'auto', tile: int | None = None,
                    max_sigma: float | None = None,
                    mask_limits: tuple[float, float] | None = None,
                    mask_layout: str = 'beside',
                    on_summary: Callable[[jobs.Job, maps.Summary],
                                         None] | None = None,
                    runner: Callable[[np.ndarray], np.ndarray] | None = None,
                    value_range: tuple[float, float] | None = None,
                    develop: bool = False) -> Iterator[jobs.Outcome]:
    """Reads, estimates and writes at the same time; a bad file costs a line.

    Args:
        todo: The jobs.
        model: A public model, see weights.load_model.
        kinds: Formats to write, of maps.FORMATS.
        scales, tile: See estimation.estimate; tile None: as needed.
        max_sigma, mask_limits: See maps.write.
        mask_layout: See map_path.
        on_summary: Called with (job, maps.Summary) of every map, if given.
        runner: See runtimes.make_runner; None: TensorFlow.
        value_range, develop: See images.read_image.

    Yields:
        jobs.Outcome of each photograph; `made` is the path to look at.

    Raises:
        OSError: The output folder cannot be written to, or the disk is full.
    """
    from dmenet_tf import estimation
    tile = estimation.AUTO if tile is None else tile

    def read(job):
        return images.read_image(job.photograph, value_range,
                                 develop=develop)

    def work(job, photograph):
        sigma = estimation.estimate(photograph, model, scales, tile, runner)
        return photograph, sigma

    def write(job, result):
        photograph, sigma = result
        for kind in kinds:
            maps.write(sigma, kind, map_path(job, kind, mask_layout),
                       photograph, max_sigma, job.settings,
                       mask_limits)
        if on_summary:
            on_summary(job, maps.summarise(sigma, str(job.photograph)))
        return map_path(job, _shown(kinds), mask_layout)

    return jobs.process(todo, read, work, write)


def map_videos(todo: Iterable[jobs.Job], model: 'keras.Model',
               kinds: Collection[str], scales: int | str = 'auto',
               tile: int | None = None, max_sigma: float | None = None,
               mask_limits: tuple[float, float] | None = None,
               runner: Callable[[np.ndarray], np.ndarray] | None = None
               ) -> Iterator[jobs.Outcome]:
    """Maps videos frame by frame; a bad file costs a line.

    Args:
        todo, model, kinds, scales, tile, runner: See map_photographs; of the
            kinds those of VIDEO_FORMATS are made.
        max_sigma: px at the bright end of the colours, of all frames; None:
            the network's largest sigma.
        mask_limits: See maps.write; None: focus.threshold for both in every
            frame, so that masks do not jump.

    Yields, Raises:
        See map_photographs.
    """
    for job in todo:
        kinds = _formats(job, kinds)
        try:
            _map_video(job, model, kinds, scales, tile,
                       max_sigma or optics.MAX_SIGMA, mask_limits, runner)
            yield jobs.Outcome(job, made=map_path(job, _shown(kinds)))
        except (ValueError, FileNotFoundError) as error:
            yield jobs.Outcome(job, str(error))


def _map_video(job, model, kinds, scales, tile, max_sigma, mask_limits,
               runner):
    from dmenet_tf import estimation
    rate, count = video.frame_rate(job.photograph)
    source = job.photograph.stat()
    parts = video.Parts(
        job.target.with_name(f'.{job.target.name}.parts'), kinds,
        job.settings
        and f'{source.st_size} {source.st_mtime_ns} {job.settings}')

    def drawn(frame):
        sigma = estimation.estimate(
            frame, model, scales, estimation.AUTO if tile is None else tile,
            runner)
        for kind in kinds:
            # Without the frame a mask is by sigma alone.
            picture = maps.picture(sigma, kind,
                                   None if kind == 'mask' else frame,
                                   max_sigma, mask_limits)
            yield kind, (np.stack([picture] * 3, -1) if picture.ndim == 2
                         else picture)

    left = itertools.islice(video.frames(job.photograph), parts.done, None)
    shown = files.progress(left, total=count or None, unit='frame',
                           desc=job.photograph.name,
                           initial=min(parts.done, count or parts.done))
    try:
        parts.append((dict(drawn(frame)) for _, frame in shown), rate)
        if not parts.done:
            raise ValueError(f'{job.photograph}: has no frames.')
        for kind in kinds:
            parts.join(kind, map_path(job, kind), job.settings)
    except ValueError:  # With this file it is no better the next time.
        parts.remove()
        raise
    parts.remove()


def map_path(job: jobs.Job, kind: str,
             mask_layout: str = 'beside') -> pathlib.Path:
    """Where the map of a job is in a format of maps.FORMATS.

    Args:
        job: Job.
        kind: Of maps.FORMATS.
        mask_layout: colmap: the mask of photo.jpg is photo.jpg.png, as COLMAP
            looks for it; beside: photo_mask.png.
    """
    if video.is_video(job.photograph):
        return job.path(maps.FORMATS[kind].replace('.png', '.mp4'))
    if kind == 'mask' and mask_layout == 'colmap':
        return job.path(job.photograph.suffix + '.png')
    return job.path(maps.FORMATS[kind])


def _formats(job, kinds):
    """Those of the formats that are made of a photograph, or of a video."""
    if video.is_video(job.photograph):
        return [kind for kind in kinds if kind in VIDEO_FORMATS]
    return kinds


def _shown(kinds):
    """The format that is for looking at, if one is."""
    return next(kind for kind in ('color', 'overlay', *kinds)
                if kind in kinds)


# Formats that are made of videos.
VIDEO_FORMATS = ('color', 'overlay', 'mask')


def possible_maps(job: jobs.Job) -> list[pathlib.Path]:
    """Where the maps of a job are, in whatever format."""
    return [*(map_path(job, kind) for kind in maps.FORMATS),
            map_path(job, 'mask', 'colmap')]


def unmapped(found: Iterable[jobs.Job], kinds: Collection[str],
             summary: summary_file.SummaryFile | None = None,
             mask_layout: str = 'beside') -> list[jobs.Job]:
    """The jobs that lack a map or their row."""
    return [job for job in found
            if not all(jobs.is_made(job, map_path(job, kind, mask_layout))
                       for kind in _formats(job, kinds))
            or (summary and not video.is_video(job.photograph)
                and not summary.has(job))]


def define_flags() -> None:
    """Defines the flags of this command."""
    network_flags.define_flags()
    jobs.define_flags('defocus_maps')
    workers.define_flags()
    flags.DEFINE_list(
        'format', ['npy', 'color'], 'One or several, such as npy,overlay. '
        'npy: float32 px. png16: 16 bits, px = code / 1000. tiff: float32 px. '
        'exr: float32 px, the channels defocus.sigma and defocus.coc. '
        'color: with a bar in px. overlay: colours over the photograph. '
        "normalized: the paper's [0, 1] (sigma / 7 px) in 8 bits. mask: "
        "white = in focus. binary: the paper's, relative to each photograph: "
        '255 = blurred, above 0.3 max + 0.7 min.')
    flags.register_validator(
        'format',
        lambda kinds: bool(kinds) and set(kinds) <= set(maps.FORMATS),
        f'must be of {", ".join(maps.FORMATS)}, separated by commas.')
    flags.DEFINE_float(
        'mask_below', None, 'The mask is white where sigma is at most this, '
        'px of the photograph. By default '
        f'{focus.FOCUS_SIGMA} px for a longer side of 1000 px and '
        'proportionally more or less, at least '
        f'{focus.SHARP_SIGMA} px, and a photograph of which nothing that can '
        'be seen is more blurred than that is white everywhere.',
        lower_bound=0)
    flags.DEFINE_string(
        'mask_soft', None, 'LOW,HIGH: a soft mask, white up to LOW px of '
        'sigma and black from HIGH px on.')
    flags.DEFINE_enum(
        'mask_layout', 'beside', ['beside', 'colmap'], 'beside: '
        'NAME_mask.png. colmap: NAME.jpg.png, in the tree of the photographs '
        'with --recursive, as COLMAP and 3-D Gaussian splatting take masks.')
    flags.DEFINE_string(
        'summary', None, 'A .csv of one row a photograph: mean, median and '
        '95th percentile of sigma, share of sharp pixels, box of the sharpest '
        'region, one sharpness score.')
    flags.DEFINE_integer(
        'tile', None, 'Side of the tiles that large photographs go through '
        'in, px; 0: in one pass. By default as memory demands. The map is the '
        'same.', lower_bound=0)
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
    # What is wrong is said before anything is read.
    jobs.value_range()
    workers.check_flags()
    mask_limits = _mask_limits()
    found, failed = jobs.from_flags(arguments, possible_maps)
    _check_videos(found)
    if 'exr' in flag.format:
        command.require('OpenEXR', 'exr')
    # One that is not given says nothing: maps are alike with or without masks.
    masks = [name for name in _MASKS if flag[name].value is not None]
    found = network_flags.with_model(found, ['max_sigma', *masks])
    summary = summary_file.SummaryFile(flag.summary) if flag.summary else None
    todo = found if flag.overwrite else unmapped(
        found, flag.format, summary, flag.mask_layout)
    outcomes = _map(found, todo, mask_limits, summary) if todo else ()
    status = jobs.complete(outcomes, len(todo), len(found) - len(todo),
                           failed)
    if summary:
        summary.finish(found)
    return status


def _mask_limits():
    """(low, high) of the mask by its flags; None for the default."""
    flag = flags.FLAGS
    soft = command.low_high('mask_soft', 'sigma in px of white and of black')
    given = [name for name in _MASKS if flag[name].value is not None]
    if given and 'mask' not in flag.format:
        raise command.UsageError(f'--{given[0]} needs --format=mask.')
    if len(given) == 2:
        raise command.UsageError(
            '--mask_below is for hard masks, --mask_soft for soft ones: give '
            'one of them.')
    return soft if flag.mask_below is None else 2 * (flag.mask_below,)


def _map(found, todo, mask_limits, summary):
    """Outcomes of what is to be done, photographs first."""
    flag = flags.FLAGS
    how = {'scales': jobs.scales(), 'tile': flag.tile,
           'mask_limits': mask_limits, 'max_sigma': flag.max_sigma}
    reading = {'mask_layout': flag.mask_layout, 'develop': flag.develop,
               'value_range': jobs.value_range()}
    if workers.asked():
        yield from _shared_out(todo, summary, flag.format, how, reading)
        return
    model, runner = network_flags.load(found)
    photographs, videos = ([job for job in todo if wanted is video.is_video(
        job.photograph)] for wanted in (False, True))
    yield from map_photographs(
        photographs, model, flag.format, runner=runner,
        on_summary=summary and summary.add, **how, **reading)
    yield from map_videos(videos, model, flag.format, runner=runner, **how)


def _shared_out(todo, summary, kinds, how, reading):
    # Not of __main__, which workers have another of.
    from dmenet_tf import predict
    for job, (error, rows) in workers.results(predict.map_one, todo, kinds,
                                              how, reading):
        for row in rows if summary else ():
            summary.add(job, row)
        yield jobs.Outcome(job, error, map_path(
            job, _shown(_formats(job, kinds)), reading['mask_layout']))


def map_one(job: jobs.Job, network: 'workers.Network', kinds: Sequence[str],
            how: Mapping[str, Any], reading: Mapping[str, Any]
            ) -> tuple[str | None, list[dict[str, Any]]]:
    """In a worker: (error or None, rows of --summary) of one job.

    Args:
        job: A photograph or a video.
        network: As network_flags.load returns it.
        kinds: Formats.
        how, reading: Arguments of map_photographs, the second not of
            map_videos.
    """
    (model, runner), rows = network, []
    if video.is_video(job.photograph):
        outcomes = map_videos([job], model, kinds, runner=runner, **how)
    else:
        outcomes = map_photographs(
            [job], model, kinds, runner=runner,
            on_summary=lambda _, row: rows.append(row), **how, **reading)
    return next(outcomes).error, rows


def _check_videos(found):
    """Says what is missing for videos before anything is read."""
    named = [job.photograph for job in found
             if video.is_video(job.photograph)]
    if not named:
        return
    command.require('av', 'video')
    if not set(flags.FLAGS.format) & set(VIDEO_FORMATS):
        raise command.UsageError(
            f'{named[0]}: is a video, which needs --format='
            f'{", ".join(VIDEO_FORMATS[:-1])} or {VIDEO_FORMATS[-1]}.')


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
