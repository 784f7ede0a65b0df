"""What is done with photographs by their rank: put elsewhere, rated."""

import errno
import filecmp
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable

from dmenet_tf import files

# Stars 5, 4, 3, 2 up to these sigma of the sharpest square, px of a longer
# side of 1,000; 1 beyond.
STARS = (0.75, 1.4, 2.5, 4.0)
_SIDECAR = '\n'.join([
    '<?xpacket begin="\N{BYTE ORDER MARK}" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    '  <rdf:Description rdf:about=""',
    '   xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/>',
    ' </rdf:RDF>', '</x:xmpmeta>', '<?xpacket end="w"?>', ''])


def move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Moves a file, and its sidecar where none is there.

    To another file system it is copied, and whole there, before it is removed
    here.
    """
    _move(source, target)
    sidecar, beside = _sidecar(source), _sidecar(target)
    if sidecar.is_file() and not os.path.lexists(beside):
        _move(sidecar, beside)


def _sidecar(path):
    return path.with_name(f'{path.name}.xmp')


def _move(source, target):
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, target)
        source.unlink()


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies a file with its times, whole or not at all."""
    with files.atomic_path(target) as temporary:
        shutil.copy2(source, temporary)


def link(source: pathlib.Path, target: pathlib.Path) -> None:
    """Makes a symbolic link."""
    target.symlink_to(source.resolve())


def place(paths: Iterable[pathlib.Path], folder: str | pathlib.Path,
          how: Callable[[pathlib.Path, pathlib.Path], None]) -> list[str]:
    """Puts photographs into a folder under their own names.

    Nothing that is there is overwritten. What is copied or linked there
    already, byte for byte, is done: a call that was killed goes on.

    Args:
        paths: The photographs.
        folder: Made if missing.
        how: move, copy or link.

    Returns:
        One line for each that could not be put there.
    """
    folder, failed = pathlib.Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        target = folder / path.name
        if how is not move and target.is_file() and filecmp.cmp(
                path, target, shallow=False):
            continue
        if os.path.lexists(target):
            failed.append(f'{path}: {target} is there already; nothing was '
                          'overwritten.')
            continue
        try:
            how(path, target)
        except OSError as error:
            failed.append(f'{path}: {error.strerror or error}: {target}.')
    return failed


def stars(sharpest_px: float) -> int:
    """1 to 5 by Score.sharpest_px."""
    return 5 - sum(sharpest_px > bound for bound in STARS)


def write_sidecar(path: pathlib.Path, rating: int) -> str | None:
    """Writes photo.jpg.xmp with a rating, as photo managers read it.

    Args:
        path: Of the photograph.
        rating: 1 to 5.

    Returns:
        None, or one line if another is there already: it is left as it is.
    """
    sidecar = _sidecar(path)
    said = _SIDECAR.format(rating)
    if sidecar.is_file() and sidecar.read_bytes() == said.encode():
        return None
    if os.path.lexists(sidecar):
        return f'{sidecar}: is there already; it was left as it is.'
    with files.atomic_path(sidecar) as temporary:
        temporary.write_bytes(said.encode())
    return None
