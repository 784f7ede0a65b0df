"""Commands start without TensorFlow's notes about itself.

TensorFlow 2.21 writes, whatever its log level is, that it uses oneDNN and
finds no GPU, before anything can be set. Users of a command see its own lines
alone; in a program of theirs this is not installed.
"""

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType

from dmenet_tf import import_hooks

# Google's log lines below the level of an error, and their first line.
_NOTE = re.compile(rb'[IW]\d{4} |WARNING: All log messages before absl')


def _quietly(exec_module):
    def execute(module: ModuleType) -> None:
        with _without_notes():
            exec_module(module)
    return execute


@contextlib.contextmanager
def _without_notes() -> Iterator[None]:
    """Passes on what is written to file descriptor 2, without the notes."""
    sys.stderr.flush()
    stderr = os.dup(2)
    # A crash loses what was held back, but not where it was.
    faulthandler.enable(stderr)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            faulthandler.disable()
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _NOTE.match(line):
                    os.write(2, line)


def install() -> None:
    """Silences the first import of TensorFlow in this process."""
    import_hooks.Hook('tensorflow', _quietly).install()
