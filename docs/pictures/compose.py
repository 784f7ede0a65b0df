"""Puts what make.sh has made into the few JPEGs that the pages show.

    python docs/pictures/compose.py FOLDER_OF_RESULTS
"""

import json
import pathlib
import sys

import numpy as np
from panels import PHOTOGRAPH, panel, sheet, shrunk, write
from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).parent


def boxed(row):
    """A photograph with its sharpest region, of a line of rank."""
    picture = Image.open(row['photograph']).convert('RGB')
    left, top, side = row['left'], row['top'], row['side']
    ImageDraw.Draw(picture).rectangle(
        (left, top, left + side, top + side), outline='red', width=4)
    return picture


def numbered(path):
    """Numbers of frames as shades, the first one black."""
    codes = np.asarray(Image.open(path)).astype(float)
    return Image.fromarray(np.uint8(codes / codes.max() * 255)).convert('RGB')


def write_uses(folder):
    rows = map(json.loads, (folder / 'ranked.jsonl').read_text().splitlines())
    panels = [panel(boxed(row), f"{row['rank']}: {row['sharpest_px']:.2f} px, "
                    f"{row['in_focus_share']:.0%} in focus") for row in rows]
    write(sheet([panels[:2], panels[2:]]), HERE / 'rank.jpg')
    write(sheet([
        [panel(PHOTOGRAPH, 'photograph'),
         panel(folder / 'chelsea_sigma.png', 'its defocus map')],
        [panel(folder / 'chelsea_mask.png', 'mask'),
         panel(folder / 'soft/chelsea_mask.png', '--mask_soft=1,4')]]),
        HERE / 'masks.jpg')
    frames = sorted((folder / 'sweep').iterdir())
    write(sheet([
        [panel(frames[0], 'focused on the far end'),
         panel(frames[-1], 'focused on the near end')],
        [panel(folder / 'sweep_all_in_focus.png', 'all five frames joined'),
         panel(numbered(folder / 'sweep_index.png'), 'which frame: the far '
               'end is dark')]]), HERE / 'stack.jpg')


def main(folder):
    folder = pathlib.Path(folder)
    write(sheet([
        [panel(PHOTOGRAPH, 'photograph'),
         panel(folder / 'chelsea_magnified.jpg', 'softer background')],
        [panel(folder / 'chelsea_deblurred.jpg', 'everything in focus'),
         panel(folder / 'chelsea_depth.png', 'depth: near is bright')]]),
        HERE / 'applications.jpg')
    write(shrunk(Image.open(folder / 'preview.png').convert('RGB')),
          HERE / 'preview.jpg')
    write(shrunk(sheet([
        [panel(path, path.stem),
         panel(folder / f'{path.stem}_sigma.png', 'sigma, px'),
         panel(folder / f'{path.stem}_mask.png', 'in focus'),
         panel(folder / f'softer/{path.stem}_magnified.jpg',
               'blurred three times as much')]
        for path in sorted(PHOTOGRAPH.parent.iterdir())])),
        HERE / 'samples.jpg')
    write_uses(folder)


if __name__ == '__main__':
    main(sys.argv[1])
