"""What the paper's rivals say of known Gaussians.

    python experiments/benchmarks/rivals.py --sharp=KODAK

The middle of each photograph, --side px, is blurred by Gaussians of --blurs px.
The table has, of each method whose map is in px, the medians of its maps: their
median over the photographs, the least and the largest, and how many lie within
a third. Of a method with a score it has the share of pairs (any two pictures
blurred differently) that come in the right order.
"""

import concurrent.futures
import itertools
import pathlib

import numpy as np
from absl import app, flags
from scipy import ndimage

from dmenet_tf import baselines, files, images

flags.DEFINE_string('sharp', None, 'Folder of photographs in focus.',
                    required=True)
flags.DEFINE_list('blurs', ['1', '2'], 'px.')
flags.DEFINE_list('methods', None, 'Names; without it all but the constant.')
flags.DEFINE_integer('side', 320, 'Of the middle, px.')
flags.DEFINE_integer('count', None, 'Photographs, at most.')
flags.DEFINE_integer('workers', 2, 'Processes.')


def middle(path, side):
    image = images.read_image(path).astype(np.float32)
    top, left = (max((n - side) // 2, 0) for n in image.shape[:2])
    return image[top:top + side, left:left + side]


def median(name, path, side, blur):
    """Of the map of a method of one blurred photograph."""
    image = ndimage.gaussian_filter(middle(path, side), (blur, blur, 0))
    found = baselines.load(name).estimate(np.rint(image).astype(np.uint8))
    return float(np.median(found))


def row(name, found, blurs):
    """One line of the table."""
    if baselines.load(name).UNIT != 'px':
        pairs = [(low, high) for i, j in itertools.combinations(
            range(len(blurs)), 2) for low in found[i] for high in found[j]]
        right = np.mean([low < high for low, high in pairs])
        return f'| {name} | score: {right:.1%} of pairs in order |'
    cells = [f'{np.median(values):.2f} ({min(values):.2f} to '
             f'{max(values):.2f}), {np.sum(np.abs(values / blur - 1) <= 1 / 3)}'
             f' of {len(values)}' for blur, values in zip(blurs, found,
                                                         strict=True)]
    return f'| {name} | {" | ".join(cells)} |'


def main(_):
    flag = flags.FLAGS
    blurs = [float(blur) for blur in flag.blurs]
    paths = list(images.images_by_stem(pathlib.Path(flag.sharp)).values())[
        :flag.count]
    names = flag.methods or [name for name in baselines.NAMES
                             if name != 'constant']
    print('| method |', ' | '.join(f'{blur:g} px' for blur in blurs), '|',
          flush=True)
    with concurrent.futures.ProcessPoolExecutor(flag.workers) as pool:
        for name in names:
            todo = [(blur, path) for blur in blurs for path in paths]
            medians = list(files.progress(pool.map(
                median, *zip(*((name, path, flag.side, blur)
                               for blur, path in todo), strict=True)),
                total=len(todo), desc=name))
            found = np.reshape(medians, (len(blurs), len(paths)))
            print(row(name, found, blurs), flush=True)


if __name__ == '__main__':
    app.run(main)
