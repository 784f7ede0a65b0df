"""Work on several processes: what is said when a task kills them."""

import contextlib

import pytest
from dask import distributed

from dmenet_tf import cluster


class Client:
    """Maps like dask's, and has nothing to do it with."""

    def map(self, function, *columns, pure):
        return [(function, *row) for row in zip(*columns, strict=True)]


def test_without_a_client_tasks_are_done_here_in_order():
    assert list(cluster.unordered(None, pow, [(2, 3), (3, 2)])) == [8, 9]


def test_processes_that_end_late_are_no_error(monkeypatch):
    class Local:
        closed = False

        def __init__(self, **_):
            pass

        def close(self):
            Local.closed = True
            raise TimeoutError
    monkeypatch.setattr(distributed, 'LocalCluster', Local)
    monkeypatch.setattr(distributed, 'Client', contextlib.nullcontext)
    with cluster.connect(2) as client:
        assert isinstance(client, Local)
    assert Local.closed
    with pytest.raises(KeyError), cluster.connect(2):
        raise KeyError


def test_a_task_that_kills_its_workers_is_an_error_in_one_line(monkeypatch):
    def lose(futures, with_results):
        raise distributed.scheduler.KilledWorker('task', None, 10)
    monkeypatch.setattr(distributed, 'as_completed', lose)
    with pytest.raises(ChildProcessError, match='lost with 10 workers.*'
                       'run again with fewer workers.') as caught:
        list(cluster.unordered(Client(), pow, [(2, 3)]))
    assert '\n' not in str(caught.value)
