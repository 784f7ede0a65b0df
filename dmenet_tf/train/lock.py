"""One training for each working directory.

The lock is the operating system's, on the file `.lock`: it is gone with the
process, however that ends. What the file says is for the one who is refused.
"""

import os
import pathlib
import socket
from typing import IO

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None


def hold(workdir: str | pathlib.Path) -> IO[str]:
    """Takes the lock of a working directory until what it returns is closed.

    Where the file system has no locks nothing is held.

    Args:
        workdir: Made if missing.

    Raises:
        ValueError: Another process holds it; says which.
    """
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    file = (workdir / '.lock').open('a+', encoding='utf-8')
    try:
        _lock(file)
    except BlockingIOError:
        file.seek(0)
        holder = ' '.join(file.read().split()) or 'another process'
        file.close()
        raise ValueError(
            f'{workdir}: {holder} is training here. Wait for it, or choose '
            'another --workdir.') from None
    file.truncate(0)
    file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
    file.flush()
    return file


def _lock(file):
    """Raises BlockingIOError if another process has it."""
    if fcntl is None:
        import msvcrt
        file.seek(4096)  # Windows lets nobody read what is locked.
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # Some network file systems have none.
        pass
