"""Photographs -> named results: the way of predict and of every application.

A command names photographs (files, folders, lists) and a folder for its
results. find_jobs makes a Job of each photograph: the file, and the name of
its results without what each of them adds to it. unfinished leaves out what
has its results, process goes through the rest, and complete shows what
happens and counts it:

    photo.jpg, --output_dir=maps -> maps/photo + .npy, _sigma.png, ...
"""

import concurrent.futures
import dataclasses
import errno
import itertools
import pathlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from absl import flags

from dmenet_tf import command, files, images

# Of these nothing is wrong with the photograph, and the next will fail too.
_DISK_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT)


@dataclasses.dataclass(frozen=True)
class Job:
    """A photograph and where its results go.

    Attributes:
        photograph: Of its file.
        target: Path of the results without their suffixes.
    """

    photograph: pathlib.Path
    target: pathlib.Path

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
        arguments: Files, folders, .txt lists of one path a line, '-' for
            such a list on standard input.
        output_dir: Folder of the results.
        recursive: Whether to look into folders of folders; the results then
            lie in the same tree.
        results: A job -> paths of what is, or might be, made of it.

    Returns:
        (jobs, failed): the jobs; one line for each photograph that cannot be
        one: a folder or list that is empty, or results that would overwrite
        those of another photograph, which is named too.
    """
    found, failed = [], []
    for argument in arguments:
        pairs = _photographs(str(argument), recursive)
        found += [Job(path, pathlib.Path(output_dir) / place.with_suffix(''))
                  for path, place in pairs]
        if not pairs:
            kind = 'folder' if pathlib.Path(argument).is_dir() else 'list'
            failed.append(f'{argument}: a {kind} without pictures.')
    if results:
        found = _without_results(found, results)
    owners = {}
    for job in found:
        owner = owners.setdefault(job.target, job)
        if _place(owner.photograph) != _place(job.photograph):
            failed.append(
                f'{job.photograph}: its results would overwrite those of '
                f'{owner.photograph}; give it another --output_dir.')
    return list(owners.values()), failed


def _without_results(found, results):
    made = {_place(path) for job in found for path in results(job)}
    return [job for job in found if _place(job.photograph) not in made]


def _photographs(argument, recursive):
    """Pairs of a path and its place below the output folder."""
    path = pathlib.Path(argument)
    if argument == '-':
        return _listed(sys.stdin)
    if path.is_dir():
        return [(p, p.relative_to(path))
                for p in images.find_images(path, recursive)]
    if path.suffix.lower() == '.txt' and path.is_file():
        with path.open() as file:
            return _listed(file)
    return [(path, pathlib.Path(path.name))]


def _listed(lines):
    paths = [pathlib.Path(line.strip()) for line in lines if line.strip()]
    return [(path, pathlib.Path(path.name)) for path in paths]


def _place(path):
    """One path for every way to name a file; links are files of their own."""
    return path.parent.resolve() / path.name


def unfinished(jobs: Iterable[Job], suffixes: Collection[str]) -> list[Job]:
    """The jobs that lack a result of one of these suffixes."""
    return [job for job in jobs
            if not all(job.path(suffix).exists() for suffix in suffixes)]


def process(jobs: Iterable[Job], read: Callable[[Job], Any],
            work: Callable[[Job, Any], Any],
            write: Callable[[Job, Any], Any]) -> Iterator[Outcome]:
    """Reads ahead, works, and writes meanwhile; a bad file costs a line.

    Args:
        jobs: Job by job, in this order.
        read: Job -> what work needs of it. Its ValueError and OSError are
            outcomes.
        work: Job, what was read -> the result. Its ValueError is an outcome.
        write: Job, the result -> Outcome.made.

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
    except OSError as error:
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
    flags.DEFINE_bool(
        'recursive', False, 'Look into folders of folders; --output_dir gets '
        'the same tree.')
    flags.DEFINE_bool(
        'overwrite', False, 'Make results again that are there; otherwise '
        'their photographs are skipped.')


def from_flags(arguments: Collection[str],
               results: Callable[[Job], Iterable[pathlib.Path]]
               ) -> tuple[list[Job], list[str]]:
    """find_jobs by the flags; what failed is printed.

    Raises:
        UsageError: No photograph is named.
    """
    if not arguments:
        raise command.UsageError('Name at least one photograph or folder.')
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
