"""Magnified blur and depth from blur, on scenes whose truth is known.

    python experiments/benchmarks/applications.py --scenes=RGBD --split=val

Magnify: a scene as `paper` photographs it, its blur at most LIMIT_PX, is
magnified M times and compared with the same scene rendered with M times the
blur: PSNR of both kernels, and how far pixels move that are sharp and far from
any blur.

Depth: sigma of the scene focused at its near or far end through a 50 mm lens,
rounded as SYNDOF stores it, back to depth: rank correlation without camera,
relative error with it where sigma is above 0.5 px.
"""

import numpy as np
from absl import flags
from scipy import ndimage, stats
from skimage import metrics

from dmenet_tf import command, optics, sigma_files
from dmenet_tf.applications import depth, magnify
from dmenet_tf.syndof import capture, check, pairs, render

M = 3.0
LIMIT_PX = 7.0 / M
_REACH = int(render.KERNEL_SIGMAS * M * LIMIT_PX) + 1  # px, of the blur
_FOCAL_MM, _SENSOR_MM = 50.0, 36.0


def main(arguments):
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    found, _ = pairs.find_pairs(flags.FLAGS.scenes, split=flags.FLAGS.split)
    print('scene | exact dB | paper dB | sharp pixels move | near: rank, '
          'error | far: rank, error')
    rows = []
    for k in range(flags.FLAGS.count):
        pair = found[k % len(found)]
        image, depth_m = check.read_pair(pair)
        rows.append([*magnified(image, depth_m, k),
                     *from_depth(depth_m, 'near'), *from_depth(depth_m, 'far')])
        print(pair.name, *(f'{value:.5f}' for value in rows[-1]), sep=' | ',
              flush=True)
    # A camera that sees all in focus has nothing to magnify: its PSNR is inf.
    finite = np.where(np.isinf(rows), np.nan, rows)
    print('mean', *(f'{value:.5f}' for value in np.nanmean(finite, axis=0)),
          sep=' | ')
    print('worst: sharp pixels', f'{np.nanmax(rows, axis=0)[2]:.5f}, rank '
          f'{np.min(rows, axis=0)[[3, 5]].min():.5f}, error '
          f'{np.nanmax(rows, axis=0)[[4, 6]].max():.5f}')


def magnified(image, depth_m, k):
    """PSNR of exact and paper, and the largest change of sharp pixels."""
    shot = capture.sample('paper', depth_m,
                          capture.capture_rng(flags.FLAGS.seed, k),
                          max_coc=optics.coc_from_sigma(LIMIT_PX))
    sigma = shot.sigma[shot.layer]
    photo = render.blend_layers(image, shot.layer, shot.sigma)
    truth = render.blend_layers(image, shot.layer, M * shot.sigma)
    results = {kernel: magnify.magnify(255 * photo, sigma, M, kernel) / 255
               for kernel in magnify.KERNELS}
    blurred = ndimage.maximum_filter(sigma >= 0.1, 2 * _REACH + 1)
    moved = np.abs(results['exact'] - photo)[~blurred]
    return (*(metrics.peak_signal_noise_ratio(truth, results[kernel],
                                              data_range=1)
              for kernel in ('exact', 'paper')),
            moved.max() if moved.size else np.nan)


def from_depth(depth_m, focus):
    """Rank correlation and largest relative error of depth from sigma."""
    near, far = float(depth_m.min()), float(depth_m.max())
    s1 = near if focus == 'near' else far
    alpha = optics.alpha_upper_bound(near, far, s1, optics.MAX_COC)
    sigma = optics.sigma_from_coc(
        optics.circle_of_confusion(depth_m, s1, alpha))
    sigma = sigma_files.sigma_from_codes(sigma_files.codes_from_sigma(sigma))
    width = depth_m.shape[1]
    camera = depth.Camera(_FOCAL_MM, float(optics.aperture_constant(
        _FOCAL_MM, 1.0, 1000 * s1, _SENSOR_MM, width) / alpha), s1, _SENSOR_MM)
    rank = stats.spearmanr(depth.depth(sigma, focus).ravel(),
                           depth_m.ravel()).statistic
    error = np.abs(depth.depth(sigma, focus, camera) / depth_m - 1)
    return rank, error[sigma > 0.5].max()


def define_flags():
    """Defines the flags of this command."""
    flags.DEFINE_string('scenes', None, 'RGB-D scenes.', required=True)
    flags.DEFINE_string('split', None, 'Of scenes.json.')
    flags.DEFINE_integer('count', 10, 'Images.')
    flags.DEFINE_integer('seed', 0, 'Of the cameras.')


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
