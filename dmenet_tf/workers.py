"""Photographs shared out among processes, or the machines of a cluster.

    --workers=N             N processes of this machine
    --scheduler=HOST:PORT   the workers of a dask cluster; they see the same
                            files under the same paths, and have this library

Each process has its own network, and computes by the engine that was chosen
once, by the command. It writes whole files, so what is made, and gone on with,
is what one process makes: byte for byte where the processors are alike. All of
them use as many threads as one process would: with fewer, sums of float32 are
made in another order, and maps differ in their last bits.
"""

import atexit
import contextlib
import dataclasses
import functools
import gc
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags
from PIL import Image

from dmenet_tf import command, engines, jobs, network_flags

if TYPE_CHECKING:  # They take seconds to import.
    import numpy as np
    from distributed import Client
    from keras import Model

    Network = tuple[Model, Callable[[np.ndarray], np.ndarray]]


class Setup(NamedTuple):
    """What every process has to know.

    Attributes:
        model: As weights.load_model takes it.
        engine: What runs it.
        max_pixels: Of a photograph; None: any number.
    """

    model: str
    engine: engines.Engine
    max_pixels: int | None


def define_flags(sees: str = 'the files') -> None:
    """Defines the flags.

    Args:
        sees: What the workers of a cluster must see.
    """
    flags.DEFINE_integer('workers', 1, 'Processes; for several the extra data '
                         'is needed.', lower_bound=1)
    flags.DEFINE_string(
        'scheduler', None, 'A dask cluster to use instead, tcp://HOST:PORT; '
        f'its workers must see {sees}.')


def asked() -> bool:
    """Whether the flags want more than this process."""
    return flags.FLAGS.workers > 1 or flags.FLAGS.scheduler is not None


def connect() -> 'contextlib.AbstractContextManager[Client | None]':
    """A context with a dask client by the flags, or None without one.

    Raises:
        ImportError: dask.distributed is not installed.
    """
    if not asked():
        return contextlib.nullcontext()
    command.require('dask.distributed', 'data')
    from dmenet_tf import cluster
    return cluster.connect(flags.FLAGS.workers, flags.FLAGS.scheduler)


def check_flags() -> None:
    """Before anything is read: is there what --workers needs?

    Raises:
        ImportError: dask.distributed is not installed.
        UsageError: A flag is for one process alone.
    """
    if not asked():
        return
    if flags.FLAGS.runtime == 'openvino_int8':
        raise command.UsageError(
            '--runtime=openvino_int8 is calibrated in one process: take '
            'another runtime, or neither --workers nor --scheduler.')
    command.require('dask.distributed', 'data')


def results(function: Callable[..., Any], todo: Sequence[jobs.Job],
            *shared: Any) -> Iterator[tuple[jobs.Job, Any]]:
    """Yields (job, function(job, network, *shared)), in the order they end.

    Args:
        function: Of a module, so that it can be sent; gets the job with
            absolute paths, and the network as network_flags.load returns it.
        todo: The jobs.
        shared: What else it needs.

    Raises:
        ImportError, OSError: See connect; or what function raises.
    """
    from dmenet_tf import cluster
    name = flags.FLAGS.model
    setup = Setup(os.path.abspath(name) if os.path.isfile(name) else name,
                  network_flags.engine(), Image.MAX_IMAGE_PIXELS)
    tasks = [(function, setup, number, _absolute(job), shared)
             for number, job in enumerate(todo)]
    with connect() as client:
        for number, result in cluster.unordered(client, _run, tasks):
            yield todo[number], result


def _absolute(job):
    return dataclasses.replace(job, photograph=job.photograph.absolute(),
                               target=job.target.absolute())


def _run(function, setup, number, job, shared):
    """In a worker."""
    Image.MAX_IMAGE_PIXELS = setup.max_pixels
    return number, function(job, _load(setup), *shared)


@functools.lru_cache(maxsize=1)
def _load(setup):
    from dmenet_tf import runtimes, weights
    command.quieten_libraries()
    atexit.register(_forget)
    model = weights.load_model(setup.model)
    return model, runtimes.make_runner(model, *setup.engine)


def _forget():
    """Before TensorFlow ends: its functions complain when they outlive it."""
    _load.cache_clear()
    gc.collect()
