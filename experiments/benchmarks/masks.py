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


def white(photograph, model, runner):
    """Where the default's mask and the threshold's are white, and everywhere.

    Returns:
        Two masks [h, w], bool; whether the photograph is sharp as a whole.
    """
    sigma = dmenet_tf.estimate(photograph, model, runner=runner)
    default, plain = (maps.picture(sigma, 'mask', given) == 255
                      for given in (photograph, None))
    return default, plain, focus.everywhere(sigma, photograph)


def say(what, shares, whole):
    shares = np.array(shares)
    for name, column in zip(('default', 'threshold alone'), shares.T,
                            strict=True):
        print(f'{what}, {name}: mean {column.mean():.4f}, median '
              f'{np.median(column):.4f}, at least 95 % in '
              f'{(column >= 0.95).sum()} of {len(column)}; in focus as a '
              f'whole: {sum(whole)}', flush=True)


def main(_):
    flag = flags.FLAGS
    model = dmenet_tf.load_model(flag.model)
    runner = runtimes.make_runner(model)
    for blur in (0, flag.blur) if flag.sharp else ():
        shares, whole = [], []
        for path in files.progress(images.find_images(flag.sharp)):
            photograph = ndimage.gaussian_filter(
                images.read_image(path), (blur, blur, 0))
            default, plain, sharp = white(photograph, model, runner)
            shares.append([(mask != bool(blur)).mean()
                           for mask in (default, plain)])
            whole.append(sharp)
        say(f'sharp, blurred by {blur:g} px', shares, whole)
    if flag.blur_masks:
        folder, shares, whole = pathlib.Path(flag.blur_masks), [], []
        for path in files.progress(images.find_images(folder / 'image')):
            truth = sigma_files.read_mask(
                folder / 'gt' / f'{path.stem}.png')
            default, plain, sharp = white(images.read_image(path), model,
                                          runner)
            shares.append([(mask != truth).mean()
                           for mask in (default, plain)])
            whole.append(sharp)
        say('blur masks', shares, whole)


if __name__ == '__main__':
    app.run(main)
