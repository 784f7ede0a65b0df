"""The table of --summary: one row a photograph, kept while it grows."""

import csv
import dataclasses
import hashlib
import io
import pathlib
from collections.abc import Iterable

from dmenet_tf import files, jobs, maps, sources

# Of a name that is not UTF-8 the table is, for others to read.
_ENCODING = {'encoding': 'utf-8', 'errors': 'backslashreplace'}


def _key(photograph):
    """One for every way to write the path of a photograph, and its row."""
    place = str(sources.place(pathlib.Path(photograph)))
    return place.encode(**_ENCODING).decode('utf-8')


def _digest(settings):
    """What a row is made with, see made_with; '' where it is not said."""
    return settings and hashlib.sha256(settings.encode()).hexdigest()[:12] or ''


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
                                  if len(row) == len(self._header())
                                  and row != self._header()}

    @staticmethod
    def _header():
        return [*(field.name for field in dataclasses.fields(maps.Summary)),
                'made_with']

    def has(self, job: jobs.Job) -> bool:
        """Whether the row is there, of a map as the job would make it."""
        row = self.rows.get(_key(job.photograph))
        return bool(row) and row[-1] in map(_digest,
                                            (job.settings, *job.alike))

    def add(self, job: jobs.Job, summary: maps.Summary) -> None:
        row = [*map(str, dataclasses.astuple(summary)), _digest(job.settings)]
        self.rows[_key(job.photograph)] = row
        line = io.StringIO()
        csv.writer(line).writerow(row)
        with self.part.open('a', newline='', **_ENCODING) as file:
            file.write(line.getvalue())

    def finish(self, found: Iterable[jobs.Job]) -> None:
        """Writes the table: the photographs of this call, then all others."""
        found = list(found)
        rows = [[str(job.photograph), *self.rows[_key(job.photograph)][1:]]
                for job in found if self.has(job)]
        others = self.rows.keys() - {_key(job.photograph) for job in found}
        rows += [row for key, row in self.rows.items() if key in others]
        with (files.atomic_path(self.path) as temporary,
              temporary.open('w', newline='', **_ENCODING) as file):
            csv.writer(file).writerows([self._header(), *rows])
        self.part.unlink(missing_ok=True)
