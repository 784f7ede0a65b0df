"""Which file a model's name means: bundled, of the hub, or a path."""

import hashlib
import os
import pathlib
import shutil

from dmenet_tf import hub

_BUNDLED = pathlib.Path(__file__).parent / 'bundled'
_SEPARATORS = {os.sep, os.altsep}


def bundled_models() -> list[str]:
    """Names of the models that come with the package.

    One with a version, such as small-v1, is the same file in every release
    that has it; small is the newest of them.
    """
    return sorted(_bundled())


def _bundled():
    """Name -> file; without its version a name is the newest's."""
    found = {}
    for file in sorted(_BUNDLED.glob('*-v*.npz'), key=_version):
        found[file.stem] = found[file.stem.rpartition('-v')[0]] = file
    return found


def _version(file):
    return int(file.stem.rpartition('-v')[2])


def find(source: str | pathlib.Path) -> pathlib.Path:
    """The file of a bundled model's name or of the hub's, or the path itself.

    A bundled name wins over what is called so in the working directory. What
    has a suffix or a separator is a path, and so is a pathlib.Path.

    Args:
        source: As of weights.load_model.

    Returns:
        Path; whether a file is there is for its reader to see.

    Raises:
        FileNotFoundError: The name is neither a bundled model nor a file.
        ImportError, OSError, ValueError: Of a model of the hub, see hub.
        IsADirectoryError: It is a folder.
    """
    if isinstance(source, str) and source.startswith(hub.PREFIX):
        return hub.fetch(source)
    path = pathlib.Path(source)
    if not isinstance(source, str) or path.suffix or set(source) & _SEPARATORS:
        return _no_folder(path)
    bundled = _bundled().get(source)
    if bundled:
        return bundled
    if path.exists():
        return _no_folder(path)
    raise FileNotFoundError(
        f'{source!r} is neither a weights file nor a bundled model. '
        f'Bundled: {", ".join(bundled_models()) or "none yet"}. '
        'python -m dmenet_tf.train makes weights files.')


def _no_folder(path):
    if path.is_dir():
        found = ', '.join(sorted(file.name for file in path.glob('*.npz')))
        raise IsADirectoryError(
            f'{path}: is a folder; name a weights file (.npz), such as '
            f'dmenet_tf.train writes. It has {found or "none"}.')
    return path


def digest(source: str | pathlib.Path) -> str:
    """SHA-256 of a model's file, hexadecimal: which weights these are.

    Args:
        source: As of weights.load_model.

    Raises:
        FileNotFoundError: There is no such file.
    """
    path = find(source)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such weights file.')
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copy_licence(source: str | pathlib.Path, folder: pathlib.Path) -> None:
    """Copies WEIGHTS_LICENSE that lies beside a weights file, if it does.

    Args:
        source: As of weights.load_model.
        folder: Where to.
    """
    licence = find(source).with_name('WEIGHTS_LICENSE')
    if licence.is_file():
        shutil.copy(licence, folder)
