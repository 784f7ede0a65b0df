"""Is sigma in px what it says? Sharp photographs, blurred by known Gaussians.

    python experiments/benchmarks/calibration.py PHOTOGRAPHS [--model=small]

Every photograph as it is, blurred by s = 1, 2, 4, 6 px, and, blurred by 2 px,
enlarged twice: the medians over photographs of each map's median. A model
without fault gives nearly 0, s, and a ratio of 2.
"""

import dmenet_tf  # noqa: F401  Before TensorFlow: it chooses oneDNN.

# isort: split
import numpy as np
from absl import flags
from scipy import ndimage
from skimage import transform

from dmenet_tf import command, estimation, files, images, inference, weights

_SIGMAS = (0, 1, 2, 4, 6)


def main(arguments):
    if len(arguments) != 1:
        raise command.UsageError('Name one folder of sharp photographs.')
    model = inference.fold(weights.load_model(flags.FLAGS.model))
    medians, ratios = [], []
    for path in files.progress(images.find_images(arguments[0]), unit='photo'):
        photograph = images.read_image(path).astype(np.float32)
        maps = [estimation.estimate(blurred(photograph, s), model)
                for s in _SIGMAS]
        medians.append([np.median(sigma) for sigma in maps])
        ratios.append(enlarged_ratio(photograph, maps[2], model))
    print('s px | median sigma px | from | to | off by')
    for s, column in zip(_SIGMAS, np.transpose(medians), strict=True):
        off = f'{np.median(column) / s - 1:+.0%}' if s else ''
        print(f'{s} | {np.median(column):.2f} | {column.min():.2f} | '
              f'{column.max():.2f} | {off}')
    print(f'enlarged twice: sigma x {np.median(ratios):.2f} '
          f'({min(ratios):.2f} to {max(ratios):.2f})')


def blurred(photograph, s):
    """Rounded to 8 bits, as a camera would."""
    if s:
        photograph = ndimage.gaussian_filter(photograph, (s, s, 0))
    return np.rint(photograph).astype(np.uint8)


def enlarged_ratio(photograph, sigma, model):
    """Sigma of the middle quarter, blurred by 2 px, enlarged, over sigma."""
    height, width = (n // 2 for n in photograph.shape[:2])
    middle = np.s_[height // 2:height // 2 + height,
                   width // 2:width // 2 + width]
    large = transform.resize(blurred(photograph, 2)[middle].astype(np.float32),
                             (2 * height, 2 * width), order=3)
    seen = estimation.estimate(np.clip(large, 0, 255), model)
    return float(np.median(seen) / np.median(sigma[middle]))


def define_flags():
    """Defines the flags of this command."""
    flags.DEFINE_string('model', 'small', 'As of predict.')


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
