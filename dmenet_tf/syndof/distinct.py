"""Keeps the distinct images of sequences [Lee 2019, Section 3.1].

A video's frames look alike, and a dataset made of them is smaller than it
counts.
Frames are compared as small grey pictures, by PSNR and SSIM, with all frames
of their sequence that were kept before them.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage import metrics

from dmenet_tf.syndof import pairs, rgbd

THUMBNAIL = 128  # px, longer side


@dataclasses.dataclass(frozen=True)
class Drop:
    """A frame that was left out, and the kept one that it resembles."""

    name: str
    like: str
    psnr: float
    ssim: float

    def __str__(self):
        return (f'{self.name}: too like {self.like} (PSNR {self.psnr:.1f} dB, '
                f'SSIM {self.ssim:.3f})')


def thumbnail(pair: pairs.Pair) -> tuple[str, npt.NDArray[np.float32]]:
    """A pair's name, and a small grey copy of its image.

    Returns:
        name; [h, w], float32 in [0, 1], longer side THUMBNAIL px at most.
    """
    image = rgbd.read_image(pair.image, pair.index)
    grey = image @ np.float32([0.299, 0.587, 0.114])
    ratio = min(1.0, THUMBNAIL / max(grey.shape))
    size = [max(8, round(n * ratio)) for n in grey.shape[::-1]]
    small = Image.fromarray(grey).resize(size, Image.Resampling.BOX)
    return pair.name, np.asarray(small)


def drop_similar(found: Sequence[pairs.Pair],
                 thumbnails: Sequence[np.ndarray], max_psnr: float = np.inf,
                 max_ssim: float = 1.0
                 ) -> tuple[list[pairs.Pair], list[Drop]]:
    """Drops the frames that are too like one kept before.

    Args:
        found: List of pairs.Pair, in the order of their names; a sequence is
            a folder of the name.
        thumbnails: The grey copies of their images, in the same order.
        max_psnr: dB; above it two frames are alike.
        max_ssim: Above it two frames are alike.

    Returns:
        The pairs kept, and a list of Drop.
    """
    kept, drops, sequences = [], [], {}
    for pair, small in zip(found, thumbnails, strict=True):
        sequence = sequences.setdefault(
            str(pathlib.PurePosixPath(pair.name).parent), [])
        drop = _first_like(pair, small, sequence, max_psnr, max_ssim)
        if drop is None:
            kept.append(pair)
            sequence.append((pair, small))
        else:
            drops.append(drop)
    return kept, drops


def _first_like(pair, small, sequence, max_psnr, max_ssim):
    # The latest first: it is the most alike.
    for other, seen in reversed(sequence):
        if seen.shape != small.shape:
            continue
        psnr, ssim = similarity(small, seen)
        if psnr > max_psnr or ssim > max_ssim:
            return Drop(pair.name, other.name, psnr, ssim)
    return None


def similarity(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """PSNR (dB, inf if equal) and SSIM of two grey pictures in [0, 1]."""
    error = float(np.mean((a - b) ** 2))
    psnr = -10 * np.log10(error) if error else np.inf
    ssim = metrics.structural_similarity(a, b, data_range=1.0)
    return float(psnr), float(ssim)
