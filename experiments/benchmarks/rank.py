"""Does a score put sharp photographs first? Ours beside two that are in use.

    python rank.py --sharp=KODAK --soft_backgrounds=PORTRAITS \
        --wide_open=ONERA/f2.8 --stopped_down=ONERA/f8

Three tasks with a truth, and what motion looks like:
  blur      photographs in focus, blurred by Gaussians of --blurs px under noise
            of --noises codes each: of all pairs of versions of one photograph
            with different blur, the share that comes in the right order.
  bokeh     portraits before a soft background, against the same pictures
            blurred whole by 2 px: the share of portraits that come first.
  motion    the photographs in focus, moved along a straight line of --motions
            px in a direction of their own while the shutter was open: their
            median sharpest_px, which no network has learnt.
  aperture  one scene at two apertures: the share where the smaller one comes
            first, by the share in focus (ours) or the score (the others).

The others are skimage.measure.blur_effect [Crete 2007] and the variance of the
Laplacian [Pech-Pacheco 2000] of grey codes, at full size.
"""

import itertools

import numpy as np
from absl import app, flags
from scipy import ndimage
from skimage import measure

import dmenet_tf
from dmenet_tf import files, images, rank

flags.DEFINE_string('sharp', None, 'Folder of photographs in focus.')
flags.DEFINE_string('soft_backgrounds', None, 'Folder of portraits.')
flags.DEFINE_string('wide_open', None, 'Folder of scenes at a large aperture.')
flags.DEFINE_string('stopped_down', None, 'The same at a small one.')
flags.DEFINE_string('model', 'small', 'As load_model takes it.')
flags.DEFINE_list('blurs', ['0', '1', '2', '4'], 'px.')
flags.DEFINE_list('motions', ['0', '5', '10', '20'], 'px.')
flags.DEFINE_list('noises', ['0', '5', '10'], 'Standard deviations, codes.')
flags.DEFINE_integer('count', None, 'Photographs of each folder, at most.')


def grey(image):
    return image @ np.float32([0.299, 0.587, 0.114])


def make_methods(model):
    """Name -> function of a photograph to a score, small where it is sharp."""
    kept = {}  # Both of ours are of one score.

    def score(image):
        if kept.get('image') is not image:
            kept.update(image=image, score=rank.score(image, model))
        return kept['score']

    return {
        'ours': lambda image: score(image).sharpest_px,
        'ours, share in focus': lambda image: -score(image).in_focus_share,
        'blur_effect': lambda image: measure.blur_effect(grey(image)),
        'Laplacian': lambda image: -ndimage.laplace(grey(image)).var()}


def blurred(image, sigma):
    if not sigma:
        return image
    return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode='reflect')


def noisy(image, noise, seed):
    random = np.random.default_rng(seed)
    image = image + random.normal(0, noise, image.shape) if noise else image
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def moved(image, length, seed):
    """Blurred by a straight line of `length` px, of any direction."""
    if not length:
        return image
    angle = np.random.default_rng(seed).uniform(0, np.pi)
    n = 8 * int(length)
    line = np.zeros((int(length) + 3,) * 2, np.float32)
    for t in np.linspace(-0.5, 0.5, n) * length:
        y, x = (len(line) // 2 + t * f(angle) for f in (np.sin, np.cos))
        line[round(y), round(x)] += 1 / n
    return np.stack([ndimage.convolve(image[..., c], line, mode='reflect')
                     for c in range(3)], -1)


def print_motions(model):
    for length in map(float, flags.FLAGS.motions):
        found = [rank.score(noisy(moved(read(path), length, k), 0, 0), model)
                 for k, path in enumerate(chosen(flags.FLAGS.sharp))]
        values = [one.sharpest_px for one in found]
        print(f'motion of {length:g} px: {np.median(values):.2f} px in the '
              f'median, {min(values):.2f} to {max(values):.2f}')


def chosen(folder):
    return images.find_images(folder)[:flags.FLAGS.count]


def read(path):
    return images.read_image(path).astype(np.float32)


def order_of_blurs(methods):
    """Method -> right or wrong, of all pairs."""
    found = {name: [] for name in methods}
    blurs = [float(b) for b in flags.FLAGS.blurs]
    noises = [float(n) for n in flags.FLAGS.noises]
    for k, path in enumerate(files.progress(chosen(flags.FLAGS.sharp))):
        versions = [(b, noisy(blurred(read(path), b), n, [k, i]))
                    for i, (b, n) in enumerate(
                        itertools.product(blurs, noises))]
        scores = [(b, {name: method(image) for name, method in
                       methods.items()}) for b, image in versions]
        for (a, ours), (b, theirs) in itertools.combinations(scores, 2):
            for name in methods if a != b else ():
                found[name].append((a < b) == (ours[name] < theirs[name]))
    return found


def portraits_first(methods):
    found = {name: [] for name in methods}
    paths = chosen(flags.FLAGS.soft_backgrounds)
    for path in files.progress(paths):
        image = read(path)
        sharp, soft = noisy(image, 0, 0), noisy(blurred(image, 2), 0, 0)
        compare(methods, found, sharp, soft)
    return found


def apertures(methods):
    found = {name: [] for name in methods}
    wide, small = (images.images_by_stem(folder) for folder in (
        flags.FLAGS.wide_open, flags.FLAGS.stopped_down))
    for name in files.progress(sorted(wide.keys() & small.keys())):
        compare(methods, found, images.read_image(small[name]),
                images.read_image(wide[name]))
    return found


def compare(methods, found, sharper, other):
    """Adds to found[name] whether the sharper one comes first."""
    first = {name: method(sharper) for name, method in methods.items()}
    for name, method in methods.items():
        found[name].append(first[name] < method(other))


def main(_):
    flag = flags.FLAGS
    model = dmenet_tf.load_model(flag.model)
    methods = make_methods(model)
    for name, task, folder in (
            ('blur', order_of_blurs, flag.sharp),
            ('bokeh', portraits_first, flag.soft_backgrounds),
            ('aperture', apertures, flag.wide_open and flag.stopped_down)):
        if folder:
            for method, right in task(methods).items():
                print(f'{name:10}{method:22}{np.mean(right):7.1%} of '
                      f'{len(right)}')
    if flag.sharp:
        print_motions(model)


if __name__ == '__main__':
    app.run(main)
