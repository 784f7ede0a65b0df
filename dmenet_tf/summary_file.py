"""The table of --summary: one row a photograph, kept while it grows."""

import csv
import dataclasses
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
