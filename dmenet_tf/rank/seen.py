"""Photographs and the frames of videos, read and scored."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dmenet_tf import files, images, jobs, video
from dmenet_tf.rank import groups, scores

if TYPE_CHECKING:  # TensorFlow takes seconds to import.
    from dmenet_tf.estimation import Model, Runner

    Network = tuple[Model, Runner]


class Seen(NamedTuple):
    """A photograph, or a frame of a video, time_s seconds after its start."""

    photograph: pathlib.Path
    score: scores.Score
    shot: groups.Shot | None = None
    time_s: float | None = None

    def __str__(self):
        time = '' if self.time_s is None else f', {self.time_s:.2f} s'
        return f'{self.photograph}{time}'


@dataclasses.dataclass(frozen=True)
class Reading:
    """How they are read.

    Attributes:
        value_range, develop: See images.read_image.
        shots: Whether to find what tells bursts, see groups.
        every: Seconds from one frame of a video to the next.
    """

    value_range: tuple[float, float] | None = None
    develop: bool = False
    shots: bool = False
    every: float = 1.0


def photographs(todo: Sequence[jobs.Job], network: 'Network',
                how: Reading) -> Iterator[jobs.Outcome]:
    """Scores photographs; `made` of an outcome is a list of one Seen.

    Args:
        todo: A job for each.
        network: As network_flags.load returns it.
        how: Reading.
    """
    def read(job):
        image = images.read_image(job.photograph, how.value_range,
                                  develop=how.develop)
        reduced = scores.reduced(image)
        shot = (groups.read_shot(job.photograph, reduced) if how.shots
                else None)
        return image.shape[:2], reduced, shot

    def work(job, photograph):
        shape, reduced, shot = photograph
        return [Seen(job.photograph,
                     scores.of_reduced(reduced, shape, *network), shot)]

    return jobs.process(todo, read, work, lambda job, result: result)


def frames(job: jobs.Job, network: 'Network', how: Reading) -> jobs.Outcome:
    """Scores frames of a video; `made` is a list of Seen."""
    path, found = job.photograph, []
    try:
        for time, frame in files.progress(video.frames(path, how.every),
                                          unit='frame', desc=path.name):
            found.append(Seen(path, scores.score(frame, *network),
                              time_s=round(time, 3)))
    except (ValueError, OSError) as error:
        return jobs.Outcome(job, str(error))
    return jobs.Outcome(job, made=found)


def one(job: jobs.Job, network: 'Network', how: Reading) -> jobs.Outcome:
    """The outcome of a job of either kind."""
    if video.is_video(job.photograph):
        return frames(job, network, how)
    return next(photographs([job], network, how))
