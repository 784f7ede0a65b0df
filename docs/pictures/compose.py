"""Puts what make.sh has made into the few JPEGs that the pages show.

    python docs/pictures/compose.py FOLDER_OF_RESULTS
"""

import pathlib
import sys

from PIL import Image, ImageDraw, ImageFont

HERE = pathlib.Path(__file__).parent
PHOTOGRAPH = HERE.parents[1] / 'data/samples/photographs/chelsea.jpg'
HEIGHT, GAP, CAPTION = 300, 8, 26  # px


def panel(path, caption):
    """A picture HEIGHT px high with a line of text above it."""
    picture = Image.open(path).convert('RGB')
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


if __name__ == '__main__':
    main(sys.argv[1])
