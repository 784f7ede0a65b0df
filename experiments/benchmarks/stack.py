"""A focus stack of a rendered scene: how near is the joined picture to it?

    python experiments/benchmarks/stack.py --scenes=RGBD_FOLDER --split=val

Each scene is photographed at --frames focal distances, at equal steps of
1 / distance from its farthest to its nearest depth, with one aperture that
keeps every circle of confusion within the paper's bound, and with noise. The
table has the PSNR, dB, against the sharp scene: of the best single frame, of
the picture that takes each pixel where the Laplacian is largest, and of
stack.merge by the maps of --model and by the true maps.
"""

import numpy as np
from absl import flags
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio as psnr

from dmenet_tf import command, optics, stack
from dmenet_tf.syndof import capture, check, generate, pairs, render


def define_flags():
    flags.DEFINE_string('scenes', None, 'Folder of RGB-D scenes.',
                        required=True)
    flags.DEFINE_string('split', None, 'train, val or test.')
    flags.DEFINE_integer('count', 3, 'Scenes, at most.')
    flags.DEFINE_integer('frames', 11, 'Of each stack.')
    flags.DEFINE_integer('max_size', 640, 'Longest side, px.')
    flags.DEFINE_float('noise', 0.01, 'Standard deviation, of 1.')
    flags.DEFINE_string('model', 'small', 'As load_model takes it.')


def main(arguments):
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    found, _ = pairs.find_pairs(flags.FLAGS.scenes, split=flags.FLAGS.split)
    estimate = estimator()
    rows = []
    print('scene | best frame | Laplacian | ours, estimated | ours, true maps')
    for k, pair in enumerate(found[:flags.FLAGS.count]):
        truth, depth_m = generate.shrink(*check.read_pair(pair),
                                         flags.FLAGS.max_size)
        frames, sigmas = sweep(truth, depth_m, flags.FLAGS.frames,
                               flags.FLAGS.noise, k)
        results = [by_laplacian(frames)] + [
            stack.merge(frames, stack.weights(maps))
            for maps in (map(estimate, frames), sigmas)]
        rows.append([max(psnr(truth, f / 255, data_range=1) for f in frames),
                     *(psnr(truth, r / 255, data_range=1) for r in results)])
        print(f'{pair.name} | ' + ' | '.join(f'{x:.2f}' for x in rows[-1]),
              flush=True)
    print('mean | ' + ' | '.join(f'{x:.2f}' for x in np.mean(rows, 0)))


def sweep(truth, depth_m, count, noise, seed):
    """Frames [h, w, 3] in [0, 255] and their sigma, far to near."""
    layer, depths = capture.depth_layers(depth_m)
    focuses = 1 / np.linspace(1 / depths[0], 1 / depths[-1],
                              count)
    alpha = min(optics.alpha_upper_bound(depths[-1], depths[0], focus)
                for focus in focuses)
    random = np.random.default_rng(seed)
    frames, sigmas = [], []
    for focus in focuses:
        sigma = optics.sigma_from_coc(
            optics.circle_of_confusion(depths, focus, alpha))
        image = render.blend_layers(truth, layer, sigma.astype(np.float32))
        image += random.normal(0, noise, image.shape)
        frames.append(np.rint(np.clip(image, 0, 1) * 255).astype(np.float32))
        sigmas.append(sigma[layer])
    return frames, sigmas


def by_laplacian(frames):
    """Each pixel from the frame whose Laplacian is largest there."""
    sharpness = [ndimage.gaussian_filter(
        np.abs(ndimage.laplace(frame.mean(-1))), 2) for frame in frames]
    chosen = np.argmax(sharpness, 0)
    return np.take_along_axis(np.stack(frames), chosen[None, ..., None], 0)[0]


def estimator():
    from dmenet_tf import estimation, inference, weights
    model = inference.fold(weights.load_model(flags.FLAGS.model))
    return lambda image: estimation.estimate(image, model)


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
