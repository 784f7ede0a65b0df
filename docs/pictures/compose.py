"""Puts what make.sh has made into the few JPEGs that the pages show.

    python docs/pictures/compose.py FOLDER_OF_RESULTS
"""

import json
import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = pathlib.Path(__file__).parent
PHOTOGRAPH = HERE.parents[1] / 'data/samples/photographs/chelsea.jpg'
HEIGHT, GAP, CAPTION = 300, 8, 26  # px


def panel(picture, caption):
    """A picture, or that of a path, HEIGHT px high below a line of text."""
    if not isinstance(picture, Image.Image):
        picture = Image.open(picture).convert('RGB')
    width = round(picture.width * HEIGHT / picture.height)
    made = Image.new('RGB', (width, HEIGHT + CAPTION), 'white')
    made.paste(picture.resize((width, HEIGHT), Image.LANCZOS), (0, CAPTION))
    ImageDraw.Draw(made).text((2, 3), caption, 'black',
                              ImageFont.load_default(16))
    return made


def sheet(rows):
    """Rows of panels on white."""
    width = max(sum(p.width + GAP for p in row) for row in rows) - GAP
    made = Image.new('RGB', (width, len(rows) * (HEIGHT + CAPTION + GAP) - GAP),
                     'white')
    for i, row in enumerate(rows):
        x = 0
        for one in row:
            made.paste(one, (x, i * (HEIGHT + CAPTION + GAP)))
            x += one.width + GAP
    return made


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
    write(sheet([panels[:2], panels[2:]]), 'rank.jpg')
    write(sheet([
        [panel(PHOTOGRAPH, 'photograph'),
         panel(folder / 'chelsea_sigma.png', 'its defocus map')],
        [panel(folder / 'chelsea_mask.png', 'mask'),
         panel(folder / 'soft/chelsea_mask.png', '--mask_soft=1,4')]]),
        'masks.jpg')
    frames = sorted((folder / 'sweep').iterdir())
    write(sheet([
        [panel(frames[0], 'focused on the far end'),
         panel(frames[-1], 'focused on the near end')],
        [panel(folder / 'sweep_all_in_focus.png', 'all five frames joined'),
         panel(numbered(folder / 'sweep_index.png'), 'which frame: the far '
               'end is dark')]]), 'stack.jpg')


def write(picture, name, quality=86):
    path = HERE / name
    picture.save(path, quality=quality, optimize=True)
    print(f'{path}: {path.stat().st_size // 1000} kB')


def main(folder):
    folder = pathlib.Path(folder)
    write(sheet([
        [panel(PHOTOGRAPH, 'photograph'),
         panel(folder / 'chelsea_sigma.png', 'its defocus map')],
        [panel(folder / 'chelsea_magnified.jpg', 'refocused: the rest softer'),
         panel(folder / 'chelsea_deblurred.jpg', 'sharpened')]]), 'four.jpg')
    preview = Image.open(folder / 'preview.png').convert('RGB')
    preview.thumbnail((1400, 1400), Image.LANCZOS)
    write(preview, 'preview.jpg')
    write_uses(folder)


if __name__ == '__main__':
    main(sys.argv[1])
