"""Atomic writes, lists of names, and progress that is shown where it helps."""

import codecs
import contextlib
import errno
import functools
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
from tqdm import tqdm

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path that becomes `path` if the block succeeds.

    The temporary file lies in the same folder, keeps the suffix (libraries
    choose formats by it) and is removed when the block fails, so `path` is
    either its old self or complete. What killed processes left in that folder
    is removed before.

    Args:
        path: Where the file goes; its folder is made if missing.

    Yields:
        pathlib.Path to write to.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers_once(path.parent)
    handle, temporary = _new_file(path)
    try:
        yield temporary
        _flush_to_disk(temporary)
        # mkstemp made it private; give it the mode of any new file.
        umask = os.umask(0)
        os.umask(umask)
        # Network and FAT file systems may refuse; the file is there.
        with contextlib.suppress(OSError):
            temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        if fcntl:
            os.close(handle)


def _new_file(path):
    """A file beside `path`, locked as long as this process has it open."""
    while True:
        handle, name = tempfile.mkstemp(prefix='.tmp-', suffix=path.suffix,
                                        dir=path.parent)
        if fcntl is None:  # Windows renames no file that is open.
            os.close(handle)
            return None, pathlib.Path(name)
        with contextlib.suppress(OSError):  # Some file systems have none.
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Before it was locked another process may have taken it for left.
        if os.path.exists(name):
            return handle, pathlib.Path(name)
        os.close(handle)


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Removes what killed processes were writing in a folder.

    Not what others are writing now, here or on other machines: the lock on
    that cannot be had. Nothing is removed where there are no such locks.
    """
    for path in pathlib.Path(folder).glob('.tmp-*') if fcntl else ():
        # Already gone, a folder, not ours, or somebody's.
        with contextlib.suppress(OSError), path.open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


_remove_leftovers_once = functools.cache(remove_leftovers)


@contextlib.contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary folder that becomes `path` if the block succeeds.

    Args:
        path: Where it goes; the folder above is made if missing.

    Yields:
        pathlib.Path to write into.

    Raises:
        FileExistsError: Something is there already.
    """
    path = pathlib.Path(path)
    if path.exists():
        raise FileExistsError(f'{path}: exists; remove it, or name a new '
                              'folder.')
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.tmp-',
                                     dir=path.parent) as temporary:
        made = pathlib.Path(temporary) / 'made'  # Not private, as that is.
        made.mkdir()
        yield made
        made.replace(path)


def _flush_folder(folder):
    """fsync of the names in a folder, where the platform has it."""
    with contextlib.suppress(OSError):  # Windows opens no folder.
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _flush_to_disk(path):
    """fsync, where the file system has it.

    Raises:
        OSError: The disk is full, or its quota.
    """
    # For writing: Windows does not flush what was opened for reading.
    with path.open('r+b') as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise


class _Plain:
    """A file that NumPy does not take for one."""

    def __init__(self, file):
        self.write = file.write


def save_npy(path: str | os.PathLike, array: np.ndarray,
             said: str | None = None) -> None:
    """np.save by write(): its errors have the errno that tofile's lack.

    Args:
        path: Of the file.
        array: Any.
        said: Goes behind it as a second array, see made_with.
    """
    with open(path, 'wb') as file:
        np.save(_Plain(file), array)
        if said is not None:
            np.save(_Plain(file), np.array(said.encode()))


def read_lines(path: str | os.PathLike,
               failed: list[str] | None = None) -> list[str]:
    """Lines of a text file in UTF-8, or in UTF-16 with a mark, stripped.

    Args:
        path: Of the file.
        failed: See decode_lines.

    Raises:
        ValueError, OSError: One line that names the file.
    """
    return decode_lines(pathlib.Path(path).read_bytes(), str(path), failed)


def decode_lines(content: bytes, name: str,
                 failed: list[str] | None = None) -> list[str]:
    """read_lines of what was read already.

    Args:
        content: Of the file.
        name: For errors.
        failed: Gets an error for each line that cannot be read, which becomes
            empty; None: the first is raised.

    Raises:
        ValueError: One line with the name and the number of the line.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Zero bytes, for what cannot be decoded is refused like them.
        content = content.decode('utf-16', 'replace').replace(
            '\N{REPLACEMENT CHARACTER}', '\0').encode()
    content, lines = content.removeprefix(codecs.BOM_UTF8), []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            lines.append(_decoded(line))
        except ValueError as error:
            if failed is None:
                raise ValueError(f'{name}, line {number}: {error}') from None
            failed.append(f'{name}, line {number}: {error}')
            lines.append('')
    return lines


def _decoded(line):
    try:
        text = line.decode().strip()
    except UnicodeDecodeError:
        text = '\0'
    if '\0' in text:
        raise ValueError('not text in UTF-8; save the list in UTF-8, or in '
                         'UTF-16 with a byte order mark.')
    return text


class _Lines:
    """A stand-in for a terminal: tqdm's updates become lines on stderr.

    Of one count there is one line: tqdm says the last again when it closes.
    """

    said = None

    def write(self, text):
        text = text.replace('\x1b[A', '').strip('\r\n ')  # Up a line.
        count = text.rpartition(': ')[2].partition('/')[0]
        if text and count != self.said:
            print(text, file=sys.stderr, flush=True)
            self.said = count

    def flush(self):
        pass


def complain(line: object) -> None:
    """Prints one line about one bad file, above a progress bar if there is."""
    tqdm.write(f'error: {line}', file=sys.stderr)


def progress(iterable: Iterable | None = None, total: int | None = None,
             unit: str = 'it', desc: str | None = None,
             initial: int = 0, leave: bool = True) -> tqdm:
    """tqdm's bar when a terminal watches, else a line every half minute.

    Args:
        iterable: What to go through; None to call update() by hand.
        total, unit, desc, initial, leave: As tqdm takes them.

    Returns:
        tqdm, iterable, with update(), set_postfix() and close().
    """
    if sys.stderr.isatty():
        return tqdm(iterable, desc=desc, total=total, unit=unit,
                    initial=initial, smoothing=0.05, dynamic_ncols=True,
                    leave=leave)
    return tqdm(iterable, desc=desc, total=total, unit=unit, initial=initial,
                file=_Lines(), mininterval=30, maxinterval=60, delay=5,
                bar_format='{desc}: {n_fmt}/{total_fmt} {rate_fmt}, '
                           '{remaining} left {postfix}')
