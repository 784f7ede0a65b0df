"""Is a mask white where a photograph is in focus, and black where it is not?

    python masks.py --sharp=KODAK --blur_masks=CUHK54

--sharp: photographs that are in focus everywhere; their masks should be white,
and those of the same pictures blurred whole by --blur px black: the share of
white pixels, of black ones of the blurred, and how many photographs have at
least 95 % of them right.

--blur_masks: image/ and gt/ (255 = blurred) of photographs with a truth: the
share of the pixels that come right.

By the default of predict --format=mask, and by its threshold alone; how many
photographs focus.everywhere calls in focus as a whole.
"""

import pathlib

import numpy as np
from absl import app, flags
from scipy import ndimage

import dmenet_tf
from dmenet_tf import files, focus, images, maps, runtimes, sigma_files

flags.DEFINE_string('sharp', None, 'Folder of photographs in focus.')
flags.DEFINE_string('blur_masks', None, 'Folder of image/ and gt/.')
flags.DEFINE_string('model', 'small', 'As load_model takes it.')
flags.DEFINE_float('blur', 3, 'px.')


def blurred_whole(sigma):
    """Photographs of --sharp, blurred, and whether they should be black."""
    for path in images.find_images(flags.FLAGS.sharp):
        yield ndimage.gaussian_filter(
            images.read_image(path), (sigma, sigma, 0)), sigma > 0


def with_truth():
    """Photographs of --blur_masks, and where they should be black."""
    folder = pathlib.Path(flags.FLAGS.blur_masks)
    for path in images.find_images(folder / 'image'):
        yield images.read_image(path), sigma_files.read_mask(
            folder / 'gt' / f'{path.stem}.png')


def measure(what, pairs, model, runner):
    shares, whole = [], 0
    for photograph, black in files.progress(pairs):
        sigma = dmenet_tf.estimate(photograph, model, runner=runner)
        shares.append([
            ((maps.picture(sigma, 'mask', given) == 0) == black).mean()
            for given in (photograph, None)])
        whole += focus.everywhere(sigma, photograph)
    for name, column in zip(('default', 'threshold alone'),
                            np.transpose(shares), strict=True):
        print(f'{what}, {name}: mean {column.mean():.4f}, median '
              f'{np.median(column):.4f}, at least 95 % in '
              f'{(column >= 0.95).sum()} of {len(column)}; in focus as a '
              f'whole: {whole}', flush=True)


def main(_):
    flag = flags.FLAGS
    model = dmenet_tf.load_model(flag.model)
    runner = runtimes.make_runner(model)
    for sigma in (0, flag.blur) if flag.sharp else ():
        measure(f'sharp, blurred by {sigma:g} px', blurred_whole(sigma),
                model, runner)
    if flag.blur_masks:
        measure('blur masks', with_truth(), model, runner)


if __name__ == '__main__':
    app.run(main)
