"""Raw files of cameras, through LibRaw (extra `raw`: rawpy).

A raw file holds what the sensor measured, and mostly a JPEG that the camera
made of it, its preview. The preview is what the photographer saw, and is read
in a fraction of the time.
"""

import importlib.util
import io
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from dmenet_tf import deep_images

SUFFIXES = frozenset({
    '.3fr', '.arw', '.cr2', '.cr3', '.dcr', '.dng', '.erf', '.iiq', '.kdc',
    '.mef', '.mos', '.mrw', '.nef', '.nrw', '.orf', '.pef', '.raf', '.rw2',
    '.rwl', '.sr2', '.srf', '.srw', '.x3f'})
# A preview with a shorter longer side is a thumbnail, unless the sensor has no
# more pixels.
PREVIEW_SIDE = 1000  # px
# LibRaw's ways to turn a picture, in EXIF's numbers.
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}


def installed() -> bool:
    """Whether the extra is."""
    return importlib.util.find_spec('rawpy') is not None


def without_doubles(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """Leaves out raw files of which there is a picture of the same name.

    Cameras write both; they are one photograph.
    """
    others = {path.with_suffix('') for path in paths if not _is_raw(path)}
    return [path for path in paths
            if not (_is_raw(path) and path.with_suffix('') in others)]


def _is_raw(path):
    return path.suffix.lower() in SUFFIXES


def read(path: pathlib.Path, develop: bool = False
         ) -> Image.Image | npt.NDArray[np.uint16]:
    """Reads a raw file.

    Args:
        path: Of the file.
        develop: Whether to take what the sensor measured although there is a
            preview.

    Returns:
        The preview, of which EXIF says how it is turned; or, where there is
        none, none that can be read, or a thumbnail alone, what the sensor
        measured: [h, w, 3], upright, in sRGB, its white as the camera set it
        and as bright as it was exposed, whatever is in the picture.

    Raises:
        OSError, ValueError: The file cannot be read, or is damaged.
        NoPicture: The extra is not installed.
    """
    with path.open('rb') as file:
        if not installed():
            raise deep_images.NoPicture(
                'a raw file of a camera, which needs an extra: pip install '
                "'dmenet_tf[raw]'")
        import rawpy
        try:
            with rawpy.imread(file) as raw:
                preview = None if develop else _preview(raw)
                return _developed(raw) if preview is None else preview
        except rawpy.LibRawError as error:
            words = error.args[0] if error.args else type(error).__name__
            raise ValueError(words.decode() if isinstance(words, bytes)
                             else words) from None


def _preview(raw):
    import rawpy
    try:
        found = raw.extract_thumb()
    except (rawpy.LibRawNoThumbnailError,
            rawpy.LibRawUnsupportedThumbnailError):
        return None
    preview = (Image.open(io.BytesIO(found.data))
               if found.format == rawpy.ThumbFormat.JPEG
               else Image.fromarray(found.data))
    sensor_side = max(raw.sizes.width, raw.sizes.height)
    if max(preview.size) < min(PREVIEW_SIDE, sensor_side):
        return None
    preview.getexif().setdefault(ExifTags.Base.Orientation,
                                 _ORIENTATIONS.get(raw.sizes.flip, 1))
    return preview


def _developed(raw):
    return raw.postprocess(use_camera_wb=True, output_bps=16,
                           no_auto_bright=True, adjust_maximum_thr=0,
                           gamma=(2.4, 12.92))
