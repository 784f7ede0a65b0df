"""Photographs -> named results: the way of predict and of every application.

A command names photographs (files, folders, lists) and a folder for its
results. find_jobs makes a Job of each photograph: the file, and the name of
its results without what each of them adds to it. unfinished leaves out what
has its results, made with the same settings, process goes through the rest,
and complete shows what happens and counts it:

    photo.jpg, --output_dir=maps -> maps/photo + .npy, _sigma.png, ...
"""

import concurrent.futures
import dataclasses
import errno
import itertools
import os
import pathlib
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
)
from typing import Any

import numpy as np
from absl import flags

from dmenet_tf import command, files, images, made_with, sources

# Of these nothing is wrong with the photograph, and the next will fail too.
_DISK_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT)
# Of these only the name of the photograph's results is wrong: too long, or
# not in the code of the file system.
_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)


@dataclasses.dataclass(frozen=True)
class Job:
    """A photograph and where its results go.

    Attributes:
        photograph: Of its file.
        target: Path of the results without their suffixes.
        settings: What its results are made with, see with_settings; None is
            not said.
        alike: Settings whose results are as good as its own.
    """

    photograph: pathlib.Path
    target: pathlib.Path
    settings: str | None = None
    alike: frozenset[str] = frozenset()

    def path(self, suffix: str) -> pathlib.Path:
        """The result of a suffix, such as '_sigma.png'."""
        return self.target.with_name(self.target.name + suffix)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: Job.
        error: One line if it failed, or None.
        made: What `write` of process() returned.
    """

    job: Job
    error: str | None = None
    made: Any = None


def find_jobs(arguments: Iterable[str], output_dir: str | pathlib.Path,
              recursive: bool = False,
              results: Callable[[Job], Iterable[pathlib.Path]] | None = None
              ) -> tuple[list[Job], list[str]]:
    """Finds the photographs and gives each the name of its results.

    Pictures that are results of other photographs are left out, so that a
    folder that holds both can be gone through again. A name alone hides
    nothing: only what lies where a result of another photograph of this call
    would be written.

    Args:
        arguments: Files, folders, .txt lists of one path a line, relative to
            the list; '-' for such a list on standard input, relative to the
            working directory.
        output_dir: Folder of the results.
        recursive: Whether to look into folders of folders; the results then
            lie in the same tree.
        results: A job -> paths of what is, or might be, made of it.

    Returns:
        (jobs, failed): the jobs; one line for each photograph that cannot be
        one: a folder or list that is empty or cannot be read, a line of a
        list that is no path, or results that would overwrite those of another
        photograph, which is named too.
    """
    pairs, failed = sources.find_photographs(arguments, recursive)
    found = [Job(path, pathlib.Path(output_dir) / below.with_suffix(''))
             for path, below in pairs]
    if results:
        found = _without_results(found, results)
    owners = {}
    for job in found:
        owner = owners.setdefault(job.target, job)
        if sources.place(owner.photograph) != sources.place(job.photograph):
            failed.append(
                f'{job.photograph}: its results would overwrite those of '
                f'{owner.photograph}; give it another --output_dir.')
    return list(owners.values()), failed


def _without_results(found, results):
    made = {sources.place(path) for job in found for path in results(job)}
    return [job for job in found if sources.place(job.photograph) not in made]


def unfinished(jobs: Iterable[Job], suffixes: Collection[str]) -> list[Job]:
    """The jobs that lack a result of one of these suffixes.

    What was made with other settings than the job's, and none that are alike,
    is lacking too; what does not say how it was made is taken as it is.
    """
    return [job for job in jobs
            if not all(is_made(job, job.path(suffix))
                       for suffix in suffixes)]


def is_made(job: Job, result: pathlib.Path) -> bool:
    """Whether a result is there, made with the job's settings."""
    # Not Path.exists: it fails for a name that is too long.
    return os.path.exists(result) and (
        made_with.read(result) in (None, job.settings, *job.alike))


def with_settings(job: Job, names: Iterable[str], **more: Any) -> Job:
    """The job, and what its results are made with.

    Args:
        job: Job.
        names: Of the flags that change a result; --range and --develop are
            two always.
        more: What else does; JSON values.
    """
    said = {name: flags.FLAGS[name].value for name in ('range', *names)}
    if flags.FLAGS.develop:
        more['develop'] = True
    return dataclasses.replace(job, settings=made_with.text(said | more))


def process(jobs: Iterable[Job], read: Callable[[Job], Any],
            work: Callable[[Job, Any], Any],
            write: Callable[[Job, Any], Any]) -> Iterator[Outcome]:
    """Reads ahead, works, and writes meanwhile; a bad file costs a line.

    Args:
        jobs: Job by job, in this order.
        read: Job -> what work needs of it. Its ValueError and OSError are
            outcomes.
        work: Job, what was read -> the result. Its ValueError is an outcome.
        write: Job, the result -> Outcome.made. What it cannot write under
            that name is an outcome.

    Yields:
        Outcome of each job, in order.

    Raises:
        OSError: The output folder cannot be written to, or the disk is full.
    """
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        writing = None
        for job, found in _read_ahead(jobs, read, pool):
            result = _worked(work, job, found)
            if writing:
                yield writing.result()
                writing = None
            if isinstance(result, Exception):
                yield Outcome(job, _line(job, result))
            else:
                writing = pool.submit(_written, write, job, result)
        if writing:
            yield writing.result()


def _read_ahead(jobs, read, pool):
    """Yields (job, what was read, or error), reading the next meanwhile."""
    jobs = iter(jobs)
    waiting = [(job, pool.submit(_read, read, job))
               for job in itertools.islice(jobs, 1)]
    while waiting:
        job, reading = waiting.pop()
        found = reading.result()
        waiting = [(following, pool.submit(_read, read, following))
                   for following in itertools.islice(jobs, 1)]
        yield job, found


def _read(read, job):
    try:
        return read(job)
    except (ValueError, OSError) as error:
        return error


def _worked(work, job, found):
    if isinstance(found, Exception):
        return found
    try:
        return work(job, found)
    except ValueError as error:
        return error


def _written(write, job, result):
    try:
        return Outcome(job, made=write(job, result))
    except (ValueError, OSError) as error:
        # Without a number it is of an encoder, not of the disk.
        if getattr(error, 'errno', None) is None:
            return Outcome(job, _line(job, error))
        if error.errno in _NAME_ERRORS:
            return Outcome(job, _line(job, f'{error.strerror}: '
                                           f'{error.filename}'))
        if error.errno not in _DISK_ERRORS:
            raise
        raise OSError(
            f'{error.strerror}: {job.target.parent}. No result is '
            'half-written; the same command goes on from here.') from error


def _line(job, error):
    """One line that names the photograph."""
    name, line = str(job.photograph), ' '.join(str(error).split())
    return line if name in line else f'{name}: {line}'


def define_flags(output_dir: str) -> None:
    """Defines the flags that every command of photographs has.

    Args:
        output_dir: Where its results go unless told.
    """
    flags.DEFINE_string('output_dir', output_dir,
                        'Folder for the results; made if missing.')
    define_input_flags(' --output_dir gets the same tree.')
    flags.DEFINE_bool(
        'overwrite', False, 'Make results again that are there; otherwise '
        'their photographs are skipped, unless they were made with other '
        'settings.')
    flags.DEFINE_enum(
        'scales', 'auto', ['auto', '1'], 'auto: estimate photographs of more '
        'than 1.5 megapixels at several scales: faster, and blur beyond the '
        "network's 7 px is measured too. 1: at full size alone, as in the "
        'paper.')


def define_input_flags(tree: str = '') -> None:
    """Defines the flags of how photographs are found and read.

    Args:
        tree: What --recursive means for the results.
    """
    flags.DEFINE_bool('recursive', False,
                      f'Look into folders of folders.{tree}')
    flags.DEFINE_string(
        'range', None, 'LOW,HIGH: the codes of black and white, for pictures '
        'whose type has no range of its own (floats, integers of 32 bits or '
        'with a sign), or that look dark because they use 10 or 12 bits of 16 '
        'and do not say so (0,4095). Pictures of 8 bits stay as they are.')
    flags.DEFINE_bool(
        'develop', False, 'Of raw files, map what the sensor measured in place '
        'of the preview that the camera made of it.')


def read(path: pathlib.Path) -> np.ndarray:
    """images.read_image by the flags."""
    return images.read_image(path, value_range(), develop=flags.FLAGS.develop)


def value_range() -> tuple[float, float] | None:
    """(low, high) of --range, see images.read_image; None without it.

    Raises:
        UsageError: It is not two numbers, the smaller one first.
    """
    return command.low_high('range', 'the codes of black and white')


def scales() -> str | int:
    """--scales as estimation.estimate takes it."""
    return 1 if flags.FLAGS.scales == '1' else flags.FLAGS.scales


def require_names(arguments: Collection[str]) -> None:
    """Raises UsageError where no photograph is named."""
    if not arguments:
        raise command.UsageError('Name at least one photograph or folder.')


def from_flags(arguments: Collection[str],
               results: Callable[[Job], Iterable[pathlib.Path]]
               ) -> tuple[list[Job], list[str]]:
    """find_jobs by the flags; what failed is printed.

    Raises:
        UsageError: No photograph is named.
    """
    require_names(arguments)
    found, failed = find_jobs(arguments, flags.FLAGS.output_dir,
                              flags.FLAGS.recursive, results)
    for line in failed:
        files.complain(line)
    return found, failed


def complete(outcomes: Iterable[Outcome], todo: int, kept: int,
             failed: Collection[str]) -> int:
    """Goes through the outcomes and prints what was done.

    Args:
        outcomes: Of process(); `made` is what is shown of each.
        todo: How many there will be.
        kept: How many photographs were skipped.
        failed: Lines of find_jobs, already printed.

    Returns:
        The exit status: 1 if anything failed.
    """
    done, failures = [], len(failed)
    for outcome in files.progress(outcomes, total=todo, unit='photo'):
        if outcome.error is None:
            done.append(outcome.made)
        else:
            failures += 1
            files.complain(outcome.error)
    print(f'{len(done)} photograph{"" if len(done) == 1 else "s"} done, '
          f'results in {flags.FLAGS.output_dir}'
          + (f'; {kept} had theirs already (--overwrite makes them again)'
             if kept else '')
          + (f'; {failures} failed' if failures else '') + '.')
    for made in done[:10]:
        print(f'  {made}')
    if len(done) > 10:
        print(f'  and {len(done) - 10} more')
    return 1 if failures else 0
