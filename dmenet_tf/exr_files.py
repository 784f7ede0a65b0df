"""OpenEXR files: their channels, read without more memory than they declare."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from dmenet_tf import budgets

_SILENT = threading.Lock()


def read_parts(path: str | os.PathLike) -> list[dict[str, np.ndarray]]:
    """Channel -> pixels of each part, but for deep ones.

    Raises:
        ImportError: OpenEXR is not installed.
        ValueError: A part is damaged, or declares more than the file holds.
        Exception: Whatever OpenEXR says of a damaged file.
    """
    try:
        import OpenEXR
    except ImportError:
        raise ImportError('reading .exr needs the OpenEXR package: pip install '
                          'OpenEXR') from None
    with _silence(), OpenEXR.File(str(path), header_only=True) as file:
        budgets.check(sum(_declared(part.header) for part in file.parts),
                      budgets.length(path))
    deep, said = (OpenEXR.deepscanline, OpenEXR.deeptile), io.StringIO()
    # Where a part is damaged it is left out, and a line is printed.
    with _silence(), contextlib.redirect_stdout(said), OpenEXR.File(
            str(path), separate_channels=True) as file:
        flat = [{name: channel.pixels
                 for name, channel in part.channels.items()}
                for part in file.parts if part.type() not in deep]
    if said.getvalue():
        raise ValueError(said.getvalue())
    return flat


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What OpenEXR writes to stderr, beside its errors, is lost."""
    with _SILENT, open(os.devnull, 'w') as nothing:
        kept = os.dup(2)
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _declared(header: dict[str, Any]) -> int:
    """Bytes of a part of an EXR, 4 for each value."""
    low, high = (end.tolist() for end in header['dataWindow'])
    return 4 * len(header['channels']) * (high[0] - low[0] + 1) * (
        high[1] - low[1] + 1)
