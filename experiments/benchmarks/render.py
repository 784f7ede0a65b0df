"""Times the renderer against whole-frame filtering, and on two processes.

    python experiments/benchmarks/render.py --image=FRAME.png --depth=FRAME.dpt

Prints the largest difference of the two, the median seconds of each and their
ratio, and how many images a second two processes render for every one that one
does. One thread each; CPU seconds, so that other work on the machine counts
little, but for the processes, which need it idle. Without --image, a procedural
scene of 1024 x 436.
"""

import multiprocessing
import os
import statistics
import time

for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NUMBA_NUM_THREADS'):
    os.environ.setdefault(_name, '1')

import numpy as np  # noqa: E402
from absl import app, flags  # noqa: E402

from dmenet_tf import optics  # noqa: E402
from dmenet_tf.syndof import capture, render, rgbd, scenes  # noqa: E402

_IMAGE = flags.DEFINE_string('image', None, 'A sharp image.')
_DEPTH = flags.DEFINE_string('depth', None, 'Its depth map.')
_LAYERS = flags.DEFINE_integer('layers', 350, 'Most layers.')
_FOCUS = flags.DEFINE_float('focus', 15.0, 'S1, m.')
_REPEATS = flags.DEFINE_integer('repeats', 5, 'Of the renderer.')
_REFERENCES = flags.DEFINE_integer('references', 3, 'Of the reference.')
_PROCESSES = flags.DEFINE_bool('processes', True, 'Time two processes too.')


def main(argv):
    del argv
    image, layer, sigma = scene()
    print(f'{image.shape[1]} x {image.shape[0]}, {len(sigma)} layers, sigma '
          f'up to {sigma.max():.2f} px, mean {sigma[layer].mean():.2f} px')
    for kernel in render.KERNELS:
        render.blend_layers(image, layer, sigma, kernel)  # compiles
        times = [seconds(render.blend_layers, image, layer, sigma, kernel)
                 for _ in range(_REPEATS.value)]
        print(f'{kernel}: {statistics.median(times):.3f} s')
    compare(image, layer, sigma)
    if _PROCESSES.value:
        scaling(image, layer, sigma)


def scene():
    """The image, its layers, all used, and their sigma up to 7 px."""
    if _IMAGE.value:
        image = rgbd.read_image(_IMAGE.value)
        depth_m = rgbd.fill_unknown(rgbd.read_depth(_DEPTH.value))
    else:
        image, depth_m = scenes.draw_scene(scenes.scene_rng(0, 0), None, 436,
                                           1024)
    layer, depths = capture.depth_layers(depth_m, _LAYERS.value)
    alpha = optics.alpha_upper_bound(depths[-1], depths[0], _FOCUS.value)
    coc = optics.circle_of_confusion(depths, _FOCUS.value, alpha)
    return image, layer, optics.sigma_from_coc(coc).astype(np.float32)


def compare(image, layer, sigma):
    """Interleaves the two, so that a busy machine slows both."""
    ours, theirs = [], []
    for _ in range(_REFERENCES.value):
        theirs.append(seconds(render.blend_layers_reference, image, layer,
                              sigma))
        ours.append(seconds(render.blend_layers, image, layer, sigma))
    difference = np.abs(
        render.blend_layers(image, layer, sigma)
        - render.blend_layers_reference(image, layer, sigma)).max()
    fast, slow = statistics.median(ours), statistics.median(theirs)
    print(f'reference: {slow:.2f} s; blend_layers: {fast:.3f} s; '
          f'{slow / fast:.0f} times as fast; largest difference '
          f'{difference:.1e}')


def scaling(image, layer, sigma):
    """Images a second of two processes and of one, as they alternate."""
    task = (image, layer, sigma, 10)
    by_clock, by_cpu = [], []
    with multiprocessing.get_context('spawn').Pool(2) as pool:
        pool.map(work, [(image, layer, sigma, 1)] * 4, chunksize=1)
        for _ in range(_REPEATS.value):
            start = time.perf_counter()
            cpu_alone = pool.apply(work, (task,))
            alone = time.perf_counter() - start
            start = time.perf_counter()
            cpu_both = pool.map(work, [task] * 2, chunksize=1)
            both = time.perf_counter() - start
            by_clock.append(alone / both)
            by_cpu.append(2 * cpu_alone / sum(cpu_both))
    print('two processes, of perfect scaling: '
          f'{statistics.median(by_clock):.0%} by the clock, '
          f'{statistics.median(by_cpu):.0%} by CPU seconds; by the clock '
          f'{", ".join(f"{ratio:.2f}" for ratio in sorted(by_clock))}')


def work(task):
    """Renders some times; returns the CPU seconds that this took."""
    image, layer, sigma, repeats = task
    start = time.process_time()
    for _ in range(repeats):
        render.blend_layers(image, layer, sigma)
    return time.process_time() - start


def seconds(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


if __name__ == '__main__':
    app.run(main)
