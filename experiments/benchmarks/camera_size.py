"""Maps of photographs as cameras make them: are they right, are they quick?

    python experiments/benchmarks/camera_size.py --photographs=SHARP \\
        --scenes=RGBD [--split=val] [--model=small]

Three questions of `estimate` as users call it, at several scales:

Enlarged: sharp photographs are blurred by --blurs and enlarged --times times,
by cubic splines, which blur by .44 px of the photograph themselves. The median
of each map, over that of its truth, times * sqrt(blur^2 + .44^2).

Sharp: 12 megapixels pasted from sharp photographs, row by row, each picture
from another one on. Median sigma.

Scenes: RGB-D scenes enlarged to 4000 px, blurred as SYNDOF does by sigma up to
25 px. Their truth is sqrt(sigma^2 + (.44 r)^2), r the enlargement. MAE at
several scales, MAE at one scale, their ratio, and that of the seconds.
"""

import time

import dmenet_tf  # noqa: F401  Before TensorFlow: it chooses oneDNN.

# isort: split
import numpy as np
from absl import flags
from scipy import ndimage
from skimage import transform

from dmenet_tf import command, estimation, images, optics
from dmenet_tf.syndof import capture, check, large, pairs

_ENLARGING = 0.44  # sigma that enlarging adds, px of what is enlarged
_HEIGHT, _WIDTH = 3000, 4000
_LIMIT_PX = 25.0


def define_flags():
    """Defines the flags of this command."""
    flags.DEFINE_string('model', 'small', 'As of predict.')
    flags.DEFINE_string('photographs', None, 'Folder of sharp photographs.')
    flags.DEFINE_string('scenes', None, 'Folder of RGB-D scenes.')
    flags.DEFINE_string('split', None, 'Of scenes.json.')
    flags.DEFINE_multi_float('blurs', [1, 2, 4, 6], 'sigma, px.')
    flags.DEFINE_integer('times', 4, 'Enlargement of photographs.')
    flags.DEFINE_integer('count', 3, 'Photographs, mosaics and scenes.')


def main(arguments):
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    if flags.FLAGS.photographs:
        photographs = [images.read_image(path) for path in
                       images.find_images(flags.FLAGS.photographs)]
        print('enlarged: blur | medians over truth')
        for blur in flags.FLAGS.blurs:
            print(f'  {blur:g} |', *(
                f'{enlarged(photograph, blur):.2f}'
                for photograph in photographs[:flags.FLAGS.count]), flush=True)
        print('sharp: medians, px |', *(
            f'{np.median(estimate(mosaic(photographs, k))):.2f}'
            for k in range(flags.FLAGS.count)), flush=True)
    if flags.FLAGS.scenes:
        print('scene | MAE, several scales | MAE, one | ratio | seconds | '
              'seconds, one | ratio')
        found, _ = pairs.find_pairs(flags.FLAGS.scenes,
                                    split=flags.FLAGS.split)
        for pair in found[:flags.FLAGS.count]:
            image, sigma = scene(pair)
            (several, took), (one, took_one) = (
                scored(image, sigma, scales) for scales in ('auto', 1))
            print(f'{pair.name} | {several:.3f} | {one:.3f} | '
                  f'{several / one:.2f} | {took:.1f} | {took_one:.1f} | '
                  f'{took / took_one:.3f}', flush=True)


def estimate(image, scales='auto'):
    return estimation.estimate(image, flags.FLAGS.model, scales=scales)


def enlarged(photograph, blur):
    """Median sigma of a photograph blurred and enlarged, over its truth."""
    times = flags.FLAGS.times
    blurred = ndimage.gaussian_filter(photograph.astype(np.float32),
                                      (blur, blur, 0))
    large = resized(blurred, [times * n for n in photograph.shape[:2]])
    return np.median(estimate(large)) / (times * np.hypot(blur, _ENLARGING))


def mosaic(photographs, first):
    """[3000, 4000, 3] of whole photographs and parts, uint8."""
    canvas = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
    height, width = photographs[0].shape[:2]
    corners = [(y, x) for y in range(0, _HEIGHT, height)
               for x in range(0, _WIDTH, width)]
    for k, (y, x) in enumerate(corners, first):
        photograph = photographs[k % len(photographs)]
        if photograph.shape[:2] != (height, width):
            photograph = photograph.swapaxes(0, 1)
        part = canvas[y:y + height, x:x + width]
        part[...] = photograph[:part.shape[0], :part.shape[1]]
    return canvas


def scene(pair):
    """A scene at 4000 px, focused at its nearest point, and its sigma."""
    image, depth_m = check.read_pair(pair)
    times = _WIDTH / image.shape[1]
    size = round(times * image.shape[0]), _WIDTH
    layer, depths = capture.depth_layers(depth_m)
    alpha = optics.coc_from_sigma(_LIMIT_PX) / (1 - depths[-1] / depths[0])
    sigma = optics.sigma_from_coc(
        optics.circle_of_confusion(depths, depths[-1], alpha))
    layer = transform.resize(layer, size, order=0, preserve_range=True,
                             anti_aliasing=False).astype(np.int32)
    photo = large.blend_large(resized(255 * image, size), layer,
                              sigma.astype(np.float32))
    photo = np.rint(np.clip(photo, 0, 255)).astype(np.uint8)
    return photo, np.hypot(sigma, _ENLARGING * times)[layer]


def resized(image, size):
    """By cubic splines, [0, 255]."""
    return np.clip(transform.resize(image, size, order=3, preserve_range=True),
                   0, 255).astype(np.float32)


def scored(image, sigma, scales):
    """(MAE in px, seconds) of one estimate."""
    began = time.perf_counter()
    found = estimate(image, scales)
    return np.mean(np.abs(found - sigma)), time.perf_counter() - began


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
