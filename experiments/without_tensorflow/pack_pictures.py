"""Pictures of train.py, small enough to be carried to another machine.

    python experiments/without_tensorflow/pack_pictures.py \\
        program/meta.json WORK PACKED

looks in WORK, where models.sh has put them, for the pictures that a program of
export_step.py wants, and writes PACKED/FOLDER/NAME.jpg (rendered ones in
quality 95 without subsampling; photographs that are JPEGs as they are) and
NAME.png (sigma in 1/32 px, 255 where it is not known; or the mask).
"""

import json
import pathlib
import sys

import numpy as np
import tqdm
from PIL import Image

from dmenet_tf import sigma_files

STEPS_PER_PX = 32
UNKNOWN = 255


def find(folder: pathlib.Path, part: str, stem: str) -> pathlib.Path | None:
    """FOLDER/PART/STEM.*, FOLDER/STEM.* for photographs alone, or None."""
    place = folder / part if (folder / part).is_dir() else folder
    return next(iter(sorted(place.glob(f'{stem}.*'))), None)


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
    codes = np.asarray(Image.open(folder / 'sigma' / f'{stem}.png'))
    sigma = sigma_files.sigma_from_codes(codes)
    unknown = np.isnan(sigma)
    valid = folder / 'valid' / f'{stem}.png'
    if valid.is_file():
        unknown |= np.asarray(Image.open(valid)) == 0
    small = np.clip(np.rint(np.nan_to_num(sigma) * STEPS_PER_PX), 0,
                    UNKNOWN - 1)
    Image.fromarray(np.where(unknown, UNKNOWN, small).astype(np.uint8)).save(
        target.with_name(f'{target.name}.png'), optimize=True)


def pack_mask(folder: pathlib.Path, stem: str,
              target: pathlib.Path) -> None:
    """Writes target.png of a photograph with a mask."""
    mask = sigma_files.read_mask(find(folder, 'gt', stem))
    Image.fromarray(mask).save(target.with_name(f'{target.name}.png'),
                               optimize=True)


def main(meta: str, work: str, packed: str) -> None:
    """Packs all that the program wants."""
    datasets = json.loads(pathlib.Path(meta).read_text())['datasets']
    wanted = sorted({(name, picture) for name, pictures in datasets.items()
                     for picture in pictures})
    for name, picture in tqdm.tqdm(wanted):
        folder, stem = picture.split('/')
        folder, target = pathlib.Path(work, folder), pathlib.Path(packed,
                                                                  picture)
        target.parent.mkdir(parents=True, exist_ok=True)
        pack_image(find(folder, 'image', stem), target, name == 'synthetic')
        if name == 'synthetic':
            pack_sigma(folder, stem, target)
        elif name == 'binary':
            pack_mask(folder, stem, target)


if __name__ == '__main__':
    main(*sys.argv[1:])
