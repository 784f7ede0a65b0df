"""Many processes or machines, by dask.distributed."""

import contextlib
import logging

import dask
from dask import distributed

from dmenet_tf import files

# A task that loses its worker is tried by others; one that ends that many
# workers is at fault itself.
ALLOWED_FAILURES = 10


@contextlib.contextmanager
def connect(workers=1, scheduler=None):
    """Yields a client of the cluster at `scheduler`, or of a local one."""
    for name in ('distributed', 'bokeh', 'tornado'):
        # absl sends everything from INFO on to the terminal.
        logging.getLogger(name).setLevel(logging.WARNING)
    if scheduler is not None:
        with distributed.Client(scheduler) as client:
            yield client
        return
    with dask.config.set({
            'distributed.scheduler.allowed-failures': ALLOWED_FAILURES,
            'distributed.worker.multiprocessing-method': 'spawn',
    }), distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True,
            dashboard_address=None) as local, \
            distributed.Client(local) as client:
        yield client


def unordered(function, tasks, workers=1, scheduler=None):
    """Yields function(*task) of every task, in the order they end.

    A worker that dies gives its tasks back; a task whose function raises
    raises here.
    """
    with connect(workers, scheduler) as client:
        futures = [client.submit(function, *task, pure=False)
                   for task in tasks]
        ended = distributed.as_completed(futures, with_results=True)
        bar = files.progress(ended, total=len(tasks), unit='image',
                             desc='SYNDOF')
        for _, result in bar:
            yield result
