"""Does sigma follow the size? Photographs blurred by 2 px, enlarged twice.

    python experiments/benchmarks/enlarged.py PHOTOGRAPHS [--model=small]

Of each sharp photograph, blurred by a Gaussian of 2 px, the middle quarter is
enlarged twice: the median sigma there over the median before. A model without
fault gives 2. Whether sigma is right at one size is what
`dmenet_tf.evaluate --protocol=uniform` tells.
"""

import dmenet_tf  # noqa: F401  Before TensorFlow: it chooses oneDNN.

# isort: split
import numpy as np
from absl import flags
from scipy import ndimage
from skimage import transform

from dmenet_tf import command, estimation, files, images, inference, weights

_SIGMA = 2  # px


def main(arguments):
    if len(arguments) != 1:
        raise command.UsageError('Name one folder of sharp photographs.')
    model = inference.fold(weights.load_model(flags.FLAGS.model))
    ratios = [enlarged_ratio(images.read_image(path), model) for path in
              files.progress(images.find_images(arguments[0]), unit='photo')]
    print(f'enlarged twice: sigma x {np.median(ratios):.2f} '
          f'({min(ratios):.2f} to {max(ratios):.2f})')


def enlarged_ratio(photograph, model):
    """Median sigma of the enlarged middle over that of the middle."""
    blurred = ndimage.gaussian_filter(photograph.astype(np.float32),
                                      (_SIGMA, _SIGMA, 0))
    height, width = (n // 2 for n in photograph.shape[:2])
    middle = np.s_[height // 2:height // 2 + height,
                   width // 2:width // 2 + width]
    large = transform.resize(blurred[middle], (2 * height, 2 * width), order=3)
    before = estimation.estimate(blurred, model)[middle]
    after = estimation.estimate(np.clip(large, 0, 255), model)
    return float(np.median(after) / np.median(before))


def define_flags():
    """Defines the flags of this command."""
    flags.DEFINE_string('model', 'small', 'As of predict.')


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
