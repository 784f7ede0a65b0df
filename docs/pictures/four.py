"""What a map is for, in one picture: the one of README.md.

    python docs/pictures/four.py FOLDER_OF_RESULTS PICTURE.jpg
"""

import pathlib
import sys

from panels import PHOTOGRAPH, panel, sheet, write


def main(folder, path):
    folder = pathlib.Path(folder)
    write(sheet([
        [panel(PHOTOGRAPH, 'photograph'),
         panel(folder / 'chelsea_sigma.png', 'how blurred it is')],
        [panel(folder / 'chelsea_mask.png', 'what is in focus'),
         panel(folder / 'chelsea_magnified.jpg', 'a softer background')]]),
        pathlib.Path(path))


if __name__ == '__main__':
    main(*sys.argv[1:])
