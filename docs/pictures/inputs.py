"""Makes what make.sh maps and no file holds.

    python docs/pictures/inputs.py FOLDER

FOLDER/sweep    a focus sweep, rendered of the RGB-D sample
FOLDER/ranked   photographs to rank: the samples, and one of them blurred
"""

import pathlib
import shutil
import sys

import numpy as np
from PIL import Image, ImageFilter

from dmenet_tf.syndof import check, pairs

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / 'experiments/benchmarks'))
import stack  # noqa: E402

FRAMES, NOISE, BLUR = 5, 0.01, 3  # px


def write_sweep(folder):
    folder.mkdir()
    [pair] = pairs.find_pairs(ROOT / 'data/samples/rgbd')[0]
    frames, _ = stack.sweep(*check.read_pair(pair), FRAMES, NOISE, 0)
    for i, frame in enumerate(frames):
        Image.fromarray(frame.astype(np.uint8)).save(folder / f'{i}.png')


def write_ranked(folder):
    folder.mkdir()
    for path in (ROOT / 'data/samples/photographs').iterdir():
        shutil.copy(path, folder)
    with Image.open(folder / 'astronaut.jpg') as picture:
        picture.filter(ImageFilter.GaussianBlur(BLUR)).save(
            folder / 'astronaut_blurred.png')


if __name__ == '__main__':
    write_sweep(pathlib.Path(sys.argv[1]) / 'sweep')
    write_ranked(pathlib.Path(sys.argv[1]) / 'ranked')
