"""The same work in this process, on several, or on a cluster of machines."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dask
from dask import distributed

# A task that loses its worker is redone by others; one that has ended so many
# of them is at fault itself.
ALLOWED_FAILURES = 10


@contextlib.contextmanager
def connect(workers: int, scheduler: str | None = None
            ) -> Iterator[distributed.Client]:
    """Yields a dask client.

    Args:
        workers: Processes of a local cluster, one thread each.
        scheduler: Address of an existing cluster to use instead.

    Raises:
        OSError: Nothing answers at that address.
    """
    for name in ('distributed', 'bokeh', 'tornado'):
        # absl sends everything from INFO on to the terminal.
        logging.getLogger(name).setLevel(logging.WARNING)
    if scheduler is not None:
        with distributed.Client(scheduler) as client:
            yield client
        return
    with dask.config.set({
            'distributed.scheduler.allowed-failures': ALLOWED_FAILURES}):
        local = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True,
            dashboard_address=None)
        try:
            with distributed.Client(local) as client:
                yield client
        finally:
            # The work is done; on a busy machine its processes end late.
            with contextlib.suppress(TimeoutError):
                local.close()


def unordered(client: distributed.Client | None,
              function: Callable[..., Any],
              tasks: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Yields function(*task) of every task, in the order they end.

    Args:
        client: From connect, or None for this process.
        function: Of a module, so that it can be sent.
        tasks: List of tuples of arguments.

    Raises:
        ChildProcessError: A task has ended too many workers.
    """
    if client is None:
        for task in tasks:
            yield function(*task)
        return
    if not tasks:
        return
    futures = client.map(function, *zip(*tasks, strict=True), pure=False)
    try:
        for _, result in distributed.as_completed(futures, with_results=True):
            yield result
    except distributed.scheduler.KilledWorker as error:
        raise ChildProcessError(
            f'A task was lost with {ALLOWED_FAILURES} workers, as when memory '
            'runs out. What is finished is kept; run again with fewer '
            'workers.') from error
