"""Which photographs are compared with each other: folders, bursts."""

import dataclasses
import datetime
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

# Photographs of a burst are alike: their small grey copies correlate by more.
ALIKE = 0.8
_THUMBNAIL = (16, 16)


@dataclasses.dataclass(frozen=True)
class Shot:
    """What tells whether two photographs are of one burst.

    Attributes:
        taken: When, by EXIF; None where it is not said.
        thumbnail: [16, 16] float, mean 0.
    """

    taken: datetime.datetime | None
    thumbnail: npt.NDArray[np.float64]


# Of what belongs to no burst.
NOTHING = Shot(None, np.zeros(_THUMBNAIL))


def read_shot(path: pathlib.Path, image: np.ndarray) -> Shot:
    """The Shot of a photograph.

    Args:
        path: Of its file.
        image: [h, w, 3] uint8, what is in it.
    """
    grey = Image.fromarray(image).convert('L').resize(
        _THUMBNAIL, Image.Resampling.BOX)
    thumbnail = np.asarray(grey, np.float64)
    return Shot(_taken(path), thumbnail - thumbnail.mean())


def _taken(path):
    try:
        with Image.open(path) as picture:
            exif = picture.getexif().get_ifd(ExifTags.IFD.Exif)
        time = datetime.datetime.strptime(
            exif[ExifTags.Base.DateTimeOriginal].strip('\0 '),
            '%Y:%m:%d %H:%M:%S')
        part = str(exif.get(ExifTags.Base.SubsecTimeOriginal, '')).strip('\0 ')
        return time + datetime.timedelta(seconds=float(f'0.{part or 0}'))
    except Exception:  # No EXIF, or an odd one; then nothing is said.
        return None


def by_folder(paths: Sequence[pathlib.Path]) -> list[str]:
    """The group of each photograph: its folder."""
    return [str(path.parent) for path in paths]


def by_burst(paths: Sequence[pathlib.Path], shots: Sequence[Shot],
             seconds: float) -> list[str]:
    """The group of each photograph: the first one of its burst.

    A photograph belongs to the burst of the one taken before it in its folder
    if that was at most `seconds` earlier and both look alike. One without a
    time is a burst of its own.

    Args:
        paths, shots: Of the photographs.
        seconds: Between two photographs of a burst.
    """
    groups = [str(path) for path in paths]
    timed = [i for i, shot in enumerate(shots) if shot.taken is not None]
    timed.sort(key=lambda i: (paths[i].parent, shots[i].taken, paths[i]))
    for before, after in zip(timed, timed[1:], strict=False):
        gap = shots[after].taken - shots[before].taken
        if (paths[before].parent == paths[after].parent
                and gap.total_seconds() <= seconds
                and _correlation(shots[before].thumbnail,
                                 shots[after].thumbnail) > ALIKE):
            groups[after] = groups[before]
    return groups


def _correlation(a, b):
    """Of two arrays of mean 0; even pictures are alike if both are."""
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / norm) if norm else float(np.allclose(a, b))
