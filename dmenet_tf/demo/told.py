"""What visitors are shown of the server: names, not where its files are."""

import pathlib
import re
import shutil

from dmenet_tf import images

_SAMPLES = pathlib.Path(__file__).parents[2] / 'data' / 'samples'


def copy_samples(folder: pathlib.Path) -> list[pathlib.Path]:
    """Copies of the repository's photographs; a package has none.

    So no answer tells where the repository is.
    """
    folder.mkdir()
    originals = _SAMPLES / 'photographs'
    return [pathlib.Path(shutil.copy(path, folder)) for path in
            (images.find_images(originals) if originals.is_dir() else ())]


def said(error: BaseException) -> str:
    """What a visitor is told: files by their names, without their folders."""
    return re.sub(r"(?<![\w.:/])/(?:[^/\s:']+/)+", '', images.one_line(error))
