"""A sheet of photographs beside their maps: black is sharp, white 7 px.

    python experiments/sheet.py PHOTOS SHEET.png [MODEL...]

PHOTOS is a folder; MODEL is as of `predict --model`, `small` without one.
`evaluate` draws such a sheet where there is a truth.
"""

import pathlib
import sys

from dmenet_tf import estimation, images, optics
from dmenet_tf.evaluate import figures


def main(folder: str, path: str, *models: str) -> None:
    """Draws the sheet."""
    models, rows = models or ('small',), []
    for name, file in sorted(images.images_by_stem(
            pathlib.Path(folder)).items()):
        photograph = images.read_image(file)
        maps = [figures.in_range(estimation.estimate(photograph, model), 0,
                                 optics.MAX_SIGMA) for model in models]
        rows.append((name, [photograph, *maps]))
    figures.save(figures.sheet(rows, ['photograph', *models]),
                 pathlib.Path(path))


if __name__ == '__main__':
    main(*sys.argv[1:])
