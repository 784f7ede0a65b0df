"""What a result was made with, in words that its own file holds.

    .png, .tiff   the text Software
    .jpg          the comment
    .npy          a second array, which np.load and other readers leave alone
    .ply, .mp4    a comment
    .exr          the attribute software

So a command knows which of the results that are there it would make alike.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

_BEGINS = 'dmenet_tf '


def text(settings: Mapping[str, Any]) -> str:
    """One line of ASCII, the same for the same settings.

    Args:
        settings: JSON values.
    """
    return _BEGINS + json.dumps(settings, sort_keys=True)


def png_info(said: str | None = None, **more: str) -> PngInfo:
    """What Image.save takes as pnginfo.

    Args:
        said: Of text(); None: nothing is said.
        more: Further texts by their keywords.
    """
    info = PngInfo()
    for keyword, words in {'Software': said, **more}.items():
        if words is not None:
            info.add_text(keyword, words)
    return info


def read(path: pathlib.Path) -> str | None:
    """What text() said of a result; None where the file does not say."""
    try:
        said = _READERS[path.suffix](path)
    except Exception:  # Not of this library, or damaged.
        return None
    return said if str(said).startswith(_BEGINS) else None


def _of_png(path):
    with Image.open(path) as picture:
        return picture.info.get('Software')


def _of_jpeg(path):
    with Image.open(path) as picture:
        return picture.info['comment'].decode()


def _of_tiff(path):
    with tifffile.TiffFile(path) as file:
        return file.pages[0].software


def _of_npy(path):
    first = np.load(path, mmap_mode='r')
    with path.open('rb') as file:
        file.seek(first.offset + first.nbytes)
        return np.load(file).item().decode()


def _of_ply(path):
    with path.open('rb') as file:
        lines = [file.readline().decode() for _ in range(3)]
    return lines[-1].strip().removeprefix('comment ')


def _of_mp4(path):
    import av
    with av.open(str(path)) as container:
        return container.metadata['comment']


def _of_exr(path):
    import OpenEXR
    with OpenEXR.File(str(path), header_only=True) as file:
        return file.header()['software']


_READERS = {'.png': _of_png, '.jpg': _of_jpeg, '.tiff': _of_tiff,
            '.npy': _of_npy, '.ply': _of_ply, '.mp4': _of_mp4,
            '.exr': _of_exr}
