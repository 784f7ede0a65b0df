"""What a training watches while it runs: losses, rates and signals."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf


class Losses:
    """The losses since the last look: kept on the device, checked together."""

    def __init__(self):
        self._pending = []

    def add(self, step: int, terms: dict[str, tf.Tensor]) -> None:
        """Keeps the scalars of a step, without waiting for them."""
        self._pending.append((step, terms))

    def flush(self, checkpoint: Callable[[], str | None]) -> dict[str, float]:
        """Returns the means since the last flush.

        Args:
            checkpoint: Names the last good one.

        Raises:
            FloatingPointError: One is NaN or infinite: names step and term.
        """
        table = [(step, {k: float(v) for k, v in terms.items()})
                 for step, terms in self._pending]
        self._pending = []
        for step, terms in table:
            bad = [k for k, v in terms.items() if not np.isfinite(v)]
            if bad:
                raise FloatingPointError(
                    f'Training stopped at step {step}: {", ".join(bad)} is '
                    f'not finite ({terms[bad[0]]}). The last good checkpoint '
                    f'is {checkpoint()}.')
        if not table:
            return {}
        return {name: float(np.mean([terms[name] for _, terms in table
                                     if name in terms]))
                for name in table[-1][1]}


class Clock:
    """Wall time, and the part of it that the step waited for data."""

    def __init__(self):
        self.start()

    def start(self) -> None:
        """Forgets what was; begins to count."""
        self.began, self.waited, self.count = time.perf_counter(), 0.0, 0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts a step, and its block as waiting."""
        began = time.perf_counter()
        yield
        self.waited += time.perf_counter() - began
        self.count += 1

    def read(self, batch: int, datasets: int) -> dict[str, float]:
        """Rates since start; starts again."""
        elapsed = max(time.perf_counter() - self.began, 1e-9)
        rates = {'steps_per_s': self.count / elapsed,
                 'images_per_s': self.count * batch * datasets / elapsed,
                 'data_wait_share': self.waited / elapsed}
        self.start()
        return rates


@contextlib.contextmanager
def stop_signal() -> Iterator[list[int]]:
    """Yields a list that SIGTERM and SIGINT fill instead of ending Python.

    In a thread other than the main one Python lets nobody listen to signals,
    and the list stays empty.
    """
    received = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    old = {s: signal.signal(s, lambda number, _: received.append(number))
           for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for s, handler in old.items():
            signal.signal(s, handler)
