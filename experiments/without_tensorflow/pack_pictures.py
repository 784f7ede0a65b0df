"""Pictures of train.py, small enough to be carried to another machine.

    python experiments/without_tensorflow/pack_pictures.py \\
        program/meta.json WORK PACKED

looks in WORK, where models.sh has put them, for the pictures that a program of
export_step.py wants, and writes PACKED/FOLDER/NAME.jpg (rendered ones in
quality 95 without subsampling; photographs that are JPEGs as they are) and
NAME.png (sigma in 1/32 px, 255 where it is not known; or the mask).
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from PIL import Image

from dmenet_tf import files, sigma_files

STEPS_PER_PX = 32
UNKNOWN = 255


def find(folder: pathlib.Path, part: str, stem: str) -> pathlib.Path:
    """FOLDER/PART/STEM.*, or FOLDER/STEM.* for photographs alone.

    Raises:
        FileNotFoundError: There is none.
    """
    place = folder / part if (folder / part).is_dir() else folder
    for path in sorted(place.glob(f'{stem}.*')):
        return path
    raise FileNotFoundError(f'{place}/{stem}.*: no such picture.')


def pack_image(path: pathlib.Path, target: pathlib.Path,
               rendered: bool) -> None:
    """Writes target.jpg."""
    target = target.with_name(f'{target.name}.jpg')
    if path.suffix == '.jpg' and not rendered:
        target.write_bytes(path.read_bytes())
        return
    quality = ({'quality': 95, 'subsampling': 0} if rendered
               else {'quality': 92})
    Image.open(path).convert('RGB').save(target, optimize=True, **quality)


def pack_sigma(folder: pathlib.Path, stem: str,
               target: pathlib.Path) -> None:
    """Writes target.png of a picture with sigma."""
    sigma = sigma_files.read_sigma(folder / 'sigma' / f'{stem}.png')
    valid = folder / 'valid' / f'{stem}.png'
    if valid.is_file():
        sigma = np.where(sigma_files.read_valid(valid, sigma.shape), sigma,
                         np.nan)
    steps = np.clip(np.rint(STEPS_PER_PX * sigma), 0, UNKNOWN - 1)
    save_label(np.nan_to_num(steps, nan=UNKNOWN).astype(np.uint8), target)


def read_packed_sigma(path: pathlib.Path) -> np.ndarray:
    """What pack_sigma wrote: sigma, px, nan where it is not known."""
    steps = np.asarray(Image.open(path), np.float32)
    return np.where(steps == UNKNOWN, np.float32(np.nan),
                    steps / STEPS_PER_PX)


def pack_mask(folder: pathlib.Path, stem: str,
              target: pathlib.Path) -> None:
    """Writes target.png of a photograph with a mask."""
    save_label(sigma_files.read_mask(find(folder, 'gt', stem)), target)


def save_label(label: np.ndarray, target: pathlib.Path) -> None:
    """Writes target.png."""
    Image.fromarray(label).save(target.with_name(f'{target.name}.png'),
                                optimize=True)


def main() -> None:
    """Packs all that the program wants."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('meta', 'work', 'packed'):
        parser.add_argument(name, type=pathlib.Path)
    options = parser.parse_args()
    datasets = json.loads(options.meta.read_text())['datasets']
    wanted = sorted({(name, picture) for name, pictures in datasets.items()
                     for picture in pictures})
    for name, picture in files.progress(wanted, unit='picture'):
        folder, stem = picture.split('/')
        folder, target = options.work / folder, options.packed / picture
        target.parent.mkdir(parents=True, exist_ok=True)
        pack_image(find(folder, 'image', stem), target, name == 'synthetic')
        if name == 'synthetic':
            pack_sigma(folder, stem, target)
        elif name == 'binary':
            pack_mask(folder, stem, target)


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
