"""Pictures in rows, each below a line of text."""

import pathlib

from PIL import Image, ImageDraw, ImageFont

PHOTOGRAPH = (pathlib.Path(__file__).parents[2]
              / 'data/samples/photographs/chelsea.jpg')
HEIGHT, GAP, CAPTION = 300, 8, 26  # px


def panel(picture, caption):
    """A picture, or that of a path, HEIGHT px high below a line of text."""
    if not isinstance(picture, Image.Image):
        picture = Image.open(picture).convert('RGB')
    width = round(picture.width * HEIGHT / picture.height)
    made = Image.new('RGB', (width, HEIGHT + CAPTION), 'white')
    made.paste(picture.resize((width, HEIGHT), Image.LANCZOS), (0, CAPTION))
    draw = ImageDraw.Draw(made)
    draw.text((2, 3), caption, 'black', ImageFont.load_default(16))
    # Masks may be white.
    draw.rectangle((0, CAPTION, width - 1, HEIGHT + CAPTION - 1),
                   outline='silver')
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


def shrunk(picture):
    """A picture at most 1300 px wide and high."""
    picture.thumbnail((1300, 1300), Image.LANCZOS)
    return picture


def write(picture, path, quality=86):
    picture.save(path, quality=quality, optimize=True)
    print(f'{path}: {path.stat().st_size // 1000} kB')
