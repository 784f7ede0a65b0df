"""Deblurs rendered scenes whose truth is known, beside other methods.

    python experiments/benchmarks/deblur.py --scenes=RGBD_FOLDER --split=val

Each image is a scene as `paper` photographs it (capture.py), with noise. The
table has one line an image: its mean sigma, the PSNR of the photograph against
the sharp scene, and by how much each method raises it; then the means, and the
gains by range of sigma over the pixels of all images. All methods get the same
sigma map and the same layers; Richardson-Lucy and the unsupervised Wiener
filter are scikit-image's. With --model the map is estimated instead. At the end
magnify and deblur are timed, up to the size of a camera.
"""

import resource
import time

import numpy as np
from absl import flags
from skimage import restoration
from skimage.metrics import peak_signal_noise_ratio as psnr

from dmenet_tf import command
from dmenet_tf.applications import deblur, magnify, sharpening
from dmenet_tf.syndof import capture, check, pairs, render

_RANGES = ((0, 0.3), (0.3, 1), (1, 2), (2, 4), (4, 7.01))


def main(arguments):
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    methods = {'ours': lambda image, sigma: deblur.deblur(255 * image,
                                                          sigma) / 255}
    if flags.FLAGS.others:
        methods['R.-Lucy'] = lambda *pair: by_layers(richardson_lucy, *pair)
        methods['unsup. W.'] = lambda *pair: by_layers(wiener, *pair)
    estimate = estimator()
    gains, errors = [], {name: [] for name in ('input', *methods)}
    print('image | mean sigma px | input dB | '
          + ' | '.join(f'{name}, gain dB' for name in methods))
    for name, truth, sigma, image in photographs():
        seen = sigma if estimate is None else estimate(image)
        results = {key: method(image, seen)
                   for key, method in methods.items()}
        gains.append([psnr(truth, x) - psnr(truth, image)
                      for x in results.values()])
        for key, x in {'input': image, **results}.items():
            errors[key].append(by_range(x, truth, sigma))
        print(f'{name} | {sigma.mean():.2f} | {psnr(truth, image):.2f} | '
              + ' | '.join(f'{gain:+.2f}' for gain in gains[-1]), flush=True)
    report(list(methods), np.array(gains), errors)
    if flags.FLAGS.speed:
        speed()


def photographs():
    """Yields name, sharp scene, sigma px, photograph with noise."""
    found, _ = pairs.find_pairs(flags.FLAGS.scenes, split=flags.FLAGS.split)
    for k in range(flags.FLAGS.count):
        pair = found[k % len(found)]
        truth, depth_m = check.read_pair(pair)
        shot = capture.sample('paper', depth_m,
                              capture.capture_rng(flags.FLAGS.seed, k))
        image = render.blend_layers(truth, shot.layer, shot.sigma)
        rng = np.random.default_rng([flags.FLAGS.seed, k, 9])
        noise = rng.standard_normal(image.shape, np.float32)
        image = np.clip(image + flags.FLAGS.noise * noise, 0, 1)
        yield pair.name, truth, shot.sigma[shot.layer], image


def estimator():
    """estimate() by --model, or None for the true maps."""
    if not flags.FLAGS.model:
        return None
    from dmenet_tf import estimation, inference, weights
    model = inference.fold(weights.load_model(flags.FLAGS.model))
    return lambda image: estimation.estimate(image * 255, model)


def by_layers(method, image, sigma):
    """Composes a method's layers as deblur() does, from the plain image."""
    spread = sharpening.spread_sharper(sigma)
    steps = deblur.layer_sigmas(spread)
    place = np.interp(spread, steps, np.arange(len(steps)))
    out = np.maximum(1 - place, 0)[..., None] * image
    for layer in range(1, len(steps)):
        weight = np.maximum(1 - abs(place - layer), 0)[..., None]
        out += weight * method(image, steps[layer])
    return np.clip(out, 0, 1)


def padded(image, sigma):
    """With a mirrored border, which both methods lack, and the kernel."""
    kernel = render.gaussian_kernel(sigma)
    border = min(4 * len(kernel), *image.shape[:2])
    wide = np.pad(image, ((border, border),) * 2 + ((0, 0),), mode='symmetric')
    inner = (slice(border, -border),) * 2
    return wide, np.outer(kernel, kernel), inner


def richardson_lucy(image, sigma):
    wide, psf, inner = padded(image, sigma)
    return np.stack([restoration.richardson_lucy(
        wide[..., c], psf, num_iter=flags.FLAGS.iterations)[inner]
        for c in range(3)], axis=-1)


def wiener(image, sigma):
    wide, psf, inner = padded(image, sigma)
    return np.stack([restoration.unsupervised_wiener(
        wide[..., c], psf, clip=False, rng=0)[0][inner]
        for c in range(3)], axis=-1)


def by_range(image, truth, sigma):
    """Sum of squared errors and pixels of each range, [ranges, 2]."""
    error = np.square(image - truth).mean(-1)
    chosen = [(low <= sigma) & (sigma < high) for low, high in _RANGES]
    return [(error[mask].sum(dtype=np.float64), mask.sum()) for mask in chosen]


def report(names, gains, errors):
    """Prints means, worst, and gains by range of sigma."""
    for name, column in zip(names, gains.T, strict=True):
        print(f'{name}: mean gain {column.mean():+.2f} dB, least '
              f'{column.min():+.2f} dB over {len(column)} images')
    total = {key: np.sum(value, axis=0) for key, value in errors.items()}
    for i, (low, high) in enumerate(_RANGES):
        if total['input'][i, 1]:
            print(f'sigma {low} to {high:.1f} px: ' + ', '.join(
                f'{name} {gain(total, name, i):+.2f} dB' for name in names))


def gain(total, name, i):
    return 10 * np.log10(total['input'][i, 0] / total[name][i, 0])


def speed():
    """At 1024 x 768 and 4000 x 3000, after one call that compiles."""
    photographed(96, 128)
    for height, width in ((768, 1024), (3000, 4000)):
        photographed(height, width)


def photographed(height, width):
    """Prints what a noisy photograph of sigma 0 to 20 px takes."""
    rng = np.random.default_rng(0)
    sigma = np.tile(np.linspace(0, 20, width, dtype=np.float32), (height, 1))
    image = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    image = np.kron(image, np.ones((8, 8, 1), np.uint8))
    image = np.uint8(magnify.magnify(image, sigma / 8**0.5))
    for work in (magnify.magnify, deblur.deblur):
        start, cpu = time.perf_counter(), time.process_time()
        work(image, sigma)
        print(f'{work.__name__}, {width} x {height}: '
              f'{time.perf_counter() - start:.1f} s '
              f'({time.process_time() - cpu:.1f} s of CPU)', flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f'peak so far {peak / 2**20:.2f} GiB')


def define_flags():
    """Defines the flags of this command."""
    flags.DEFINE_string('scenes', None, 'RGB-D scenes.', required=True)
    flags.DEFINE_string('split', None, 'Of scenes.json.')
    flags.DEFINE_integer('count', 20, 'Images.')
    flags.DEFINE_integer('seed', 0, 'Of the cameras and the noise.')
    flags.DEFINE_float('noise', 0.01, 'Standard deviation, of 1.')
    flags.DEFINE_string('model', None, 'Estimates the maps.')
    flags.DEFINE_bool('others', True, 'Run scikit-image too.')
    flags.DEFINE_integer('iterations', 10, 'Of Richardson-Lucy.')
    flags.DEFINE_bool('speed', True, 'Time it, and magnify, too.')


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
