"""ONERA's indoor scenes as a table for `python -m dmenet_tf.syndof --camera=`.

    python experiments/onera.py ONERA TABLE.csv
    python -m dmenet_tf.syndof --camera=TABLE.csv --split=train --output_dir=...

ONERA holds f2.8/NNN.JPG, f8/NNN.JPG and depth/NNN.png [Carvalho et al. 2018].
Depth is of another camera and does not lie on the photographs; nor does one
aperture on the other. Both are measured here: the shift between the apertures
by phase correlation of their edges, and that of the depth map as the peak of
the correlation of its edges with those of both photographs, each scene's own
plus the mean of all scenes, which holds where a scene has few edges.
"""

import csv
import pathlib
import sys

import numpy as np
from PIL import Image
from scipy import fft, ndimage
from skimage import registration

REACH = 16  # px
FOCUS_M = 1.7
COC_FACTOR_PX = {'f2.8': 7.24, 'f8': 2.53}
FLOOR_PX = 0.5
FIRST_VALIDATION = 60
APERTURES = tuple(COC_FACTOR_PX)


def edges(picture: np.ndarray) -> np.ndarray:
    """Size of the gradient at 2 px; the strongest percent counts alike."""
    size = ndimage.gaussian_gradient_magnitude(picture.astype(np.float32), 2)
    return np.minimum(size, np.percentile(size, 99))


def correlations(depth_edges: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """[2 REACH + 1] twice: correlation with depth moved by (dy, dx) - REACH."""
    inside = depth_edges[REACH:-REACH, REACH:-REACH]
    window = np.zeros_like(depth_edges)
    window[REACH:-REACH, REACH:-REACH] = (
        (inside - inside.mean()) / inside.std() / inside.size)
    picture = (picture - picture.mean()) / picture.std()
    found = fft.irfft2(np.conj(fft.rfft2(window)) * fft.rfft2(picture),
                       s=picture.shape)
    return np.roll(found, (REACH, REACH), (0, 1))[:2 * REACH + 1,
                                                  :2 * REACH + 1]


def measure(root: pathlib.Path, scene: str) -> tuple[np.ndarray, np.ndarray]:
    """Shift of f8 against f2.8, px; correlations of depth with f8."""
    wide, small = (edges(np.asarray(Image.open(
        root / aperture / f'{scene}.JPG').convert('L'))) for aperture in
        APERTURES)
    depth = edges(np.log(np.asarray(Image.open(
        root / 'depth' / f'{scene}.png')).astype(np.float32)))
    shift = registration.phase_cross_correlation(small, wide,
                                                 upsample_factor=10)[0]
    both = correlations(depth, small) + ndimage.shift(
        correlations(depth, wide), shift, order=1, mode='nearest')
    return shift, both / 2


def main(root: str, table: str) -> None:
    """Measures all scenes and writes the table."""
    root = pathlib.Path(root).resolve()
    scenes = sorted(path.stem for path in (root / 'depth').glob('*.png'))
    shifts, maps = zip(*(measure(root, scene) for scene in scenes),
                       strict=True)
    mean = np.mean(maps, axis=0)
    with open(table, 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['name', 'image', 'depth', 'depth_unit', 'source',
                         'type', 'split', 'scene', 'focus_m', 'coc_factor_px',
                         'floor_px', 'dy', 'dx'])
        for scene, shift, own in zip(scenes, shifts, maps, strict=True):
            place = np.array(np.unravel_index((own + mean).argmax(),
                                              own.shape)) - REACH
            for aperture in APERTURES:
                dy, dx = place - shift * (aperture == 'f2.8')
                validates = int(scene) >= FIRST_VALIDATION
                split = f'val_{aperture}' if validates else 'train'
                writer.writerow([
                    f'{scene}_{aperture}', root / aperture / f'{scene}.JPG',
                    root / 'depth' / f'{scene}.png', 'mm', 'ONERA', 'real',
                    split, scene, FOCUS_M, COC_FACTOR_PX[aperture], FLOOR_PX,
                    round(dy), round(dx)])


if __name__ == '__main__':
    main(*sys.argv[1:])
