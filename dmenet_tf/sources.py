"""Which photographs a command line names: files, folders, lists."""

import os
import pathlib
import sys
from collections.abc import Iterable

from dmenet_tf import files, images

_NOT_FETCHED = '{}: nothing is fetched; save it as a file first.'


def find_photographs(arguments: Iterable[str], recursive: bool
                     ) -> tuple[list[tuple[pathlib.Path, pathlib.Path]],
                                list[str]]:
    """The photographs that arguments name, as often as they name them.

    Args:
        arguments: Files, folders, .txt lists of one path a line, relative to
            the list; '-' for such a list on standard input, relative to the
            working directory.
        recursive: Whether to look into folders of folders.

    Returns:
        (pairs, failed): the path of each photograph, and its place below the
        folder or beside the list that named it; one line for each folder or
        list that is empty or cannot be read, and for each line that is no
        path.
    """
    found, failed = [], []
    for argument in arguments:
        pairs, lines = _photographs(str(argument), recursive)
        found += pairs
        failed += lines
        if not pairs and not lines:
            failed.append(f'{argument}: {_empty(argument, recursive)}')
    return found, failed


def _empty(argument, recursive):
    if not os.path.isdir(argument):
        return 'a list without pictures.'
    # One that cannot be read has no folders.
    _, folders, _ = next(os.walk(argument), ('', [], []))
    if recursive or not folders:
        return 'a folder without pictures.'
    return 'a folder without pictures; --recursive looks into its folders.'


def _photographs(argument, recursive):
    """(pairs of a path and its place below the output folder, errors)."""
    if not argument:
        return [], ["'': an empty name."]
    if _is_address(argument):
        return [], [_NOT_FETCHED.format(argument)]
    path = pathlib.Path(argument)
    if argument == '-' or (path.suffix.lower() == '.txt'
                           and os.path.isfile(path)):
        return _listed(argument)
    if os.path.isdir(path):
        return [(p, p.relative_to(path))
                for p in images.find_images(path, recursive)], []
    return [(path, pathlib.Path(path.name))], []


def _listed(argument):
    """_photographs of a list."""
    pairs, failed = [], []
    folder = pathlib.Path(argument).parent
    name = 'standard input' if argument == '-' else argument
    try:
        content = (sys.stdin.buffer.read() if argument == '-'
                   else pathlib.Path(argument).read_bytes())
    except OSError as error:
        return [], [f'{name}: {error.strerror}.']
    for number, line in enumerate(
            files.decode_lines(content, name, failed), 1):
        path = folder / line
        if os.path.isdir(path) and line:
            failed.append(f'{name}, line {number}: {line} is a folder, not a '
                          'picture.')
        elif _is_address(line):
            failed.append(f'{name}, line {number}: {_NOT_FETCHED}'.format(line))
        elif line:
            pairs.append((path, pathlib.Path(path.name)))
    return pairs, failed


def _is_address(text):
    return text.lower().startswith(('http://', 'https://'))


def place(path: pathlib.Path) -> pathlib.Path:
    """One path for every way to name a file; links are files of their own."""
    return path.parent.resolve() / path.name
