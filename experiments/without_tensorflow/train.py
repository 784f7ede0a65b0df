"""Trains by a program of export_step.py: JAX, NumPy and OpenCV are enough.

    python experiments/without_tensorflow/train.py program PACKED result \\
        [--workers=8] [--steps=N | --seconds=S] [--start=WEIGHTS.npz]

PACKED is what pack_pictures.py made. Samples are changed as
dmenet_tf.train.batches does it, by other random numbers: noise, permutations
and the arithmetic of blur and JPEG are NumPy's and OpenCV's. It writes

    result/weights.npz   B (its average, where there is one), S and D; kernels
                         in 16 bits
    result/terms.csv     the losses
    result/seconds.json  how long the steps took

With --seconds it times the first steps and takes as many as will fit, for a
cosine schedule that ends with them. With --start, B's weights are those of a
file that this has written.
"""

import argparse
import concurrent.futures
import csv
import gzip
import json
import math
import multiprocessing
import os
import pathlib
import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np


class _Anything(types.ModuleType):
    """Stands for TensorFlow, which augment.py names but needs not here."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return _Anything(name)

    def __or__(self, other):
        return self

    __ror__ = __or__


sys.modules.setdefault('tensorflow', _Anything('tensorflow'))

from dmenet_tf import sigma_files  # noqa: E402
from dmenet_tf.train import augment  # noqa: E402
from dmenet_tf.train.changes import Augment  # noqa: E402

NAMES = ('synthetic', 'binary', 'real')
STEPS_PER_PX, UNKNOWN = 32, 255  # See pack_pictures.py.
MEASURED = 100  # Steps that --seconds is reckoned from; as many before them.


def read(path: str, name: str, crop: int) -> tuple:
    """A packed picture and the codes of its label, at least `crop` large."""
    image = np.ascontiguousarray(cv2.imread(f'{path}.jpg')[..., ::-1])
    label = None
    if name != 'real':
        label = cv2.imread(f'{path}.png', cv2.IMREAD_GRAYSCALE)
    if name == 'binary':
        label = (label > 0).astype(np.uint16)
    elif name == 'synthetic':
        sigma = np.where(label == UNKNOWN, np.nan, label / STEPS_PER_PX)
        label = sigma_files.codes_from_sigma(sigma)
    size = image.shape[:2]
    if label is not None and label.shape != size:
        label = augment.resize_nearest(label, size)
    if min(size) >= crop:
        return image, label
    size = tuple(max(round(side * crop / min(size)), crop) for side in size)
    if name == 'synthetic':
        image, sigma = augment.resize_with_sigma(
            image, sigma_files.sigma_from_codes(label), size)
        return image, sigma_files.codes_from_sigma(sigma)
    return augment.resize(image, size), (
        None if label is None else augment.resize_nearest(label, size))


def read_all(meta: dict, folder: str) -> dict:
    """All pictures: {(dataset, name): (image, label)}."""
    wanted = sorted({(name, picture)
                     for name, pictures in meta['datasets'].items()
                     for picture in pictures})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(wanted, pool.map(
            lambda of: read(f'{folder}/{of[1]}', of[0], meta['crop']), wanted),
            strict=True))


def blurred(image: np.ndarray, sigma: np.ndarray, blur: float) -> tuple:
    """augment.blur_with_sigma, by a faster Gaussian."""
    side = 2 * round(4 * blur) + 1
    image = cv2.GaussianBlur(image.astype(np.float32), (side, side), blur,
                             borderType=cv2.BORDER_REFLECT)
    return np.rint(image).astype(np.uint8), np.hypot(sigma, np.float32(blur))


def photometry(image: np.ndarray, draws: augment.Draws,
               random: np.random.Generator, changes: Augment) -> np.ndarray:
    """augment.change_photometry of one picture, uint8 to uint8."""
    grey = np.arange(256) / 255.0
    grey = np.minimum(
        grey * 2.0**((2 * draws.exposure - 1) * changes.exposure), 1.0)
    grey **= 2.0**((2 * draws.gamma - 1) * changes.gamma)
    x = cv2.LUT(image, grey.astype(np.float32))
    if changes.noise:
        std = draws.noise**changes.noise_power * changes.noise / 255.0
        x = x + std * correlated(
            random.standard_normal(x.shape, np.float32),
            changes.grain * draws.pixel_grain,
            changes.grain * draws.channel_grain)
    if draws.grey < changes.grey:
        x = np.repeat(x @ np.float32([[0.2989], [0.587], [0.114]]), 3, -1)
    image = np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8)
    if changes.jpeg_quality == 100:
        return image
    quality = changes.jpeg_quality + int(
        draws.jpeg * (101 - changes.jpeg_quality))
    _, code = cv2.imencode('.jpg', image[..., ::-1],
                           [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1]


def correlated(noise: np.ndarray, smooth: float, grey: float) -> np.ndarray:
    """White noise of deviation 1 with the correlation of augment.add_noise."""
    side = smooth / 4.0
    kernel = np.float32([side, 1.0 - 2.0 * side, side])
    noise = cv2.sepFilter2D(noise, -1, kernel, kernel)
    common = noise.sum(-1, keepdims=True) / math.sqrt(3.0)
    variance = ((kernel**2).sum())**2 * (
        (1.0 - grey)**2 + grey**2
        + 2.0 * grey * (1.0 - grey) / math.sqrt(3.0))
    return ((1.0 - grey) * noise + grey * common) / math.sqrt(variance)


def rotated(image: np.ndarray, label: np.ndarray | None, angle: float,
            crop: int) -> tuple:
    """augment.rotate_and_crop of one window and its label."""
    cos, sin = math.cos(angle), math.sin(angle)
    before, after = (image.shape[0] - 1) / 2, (crop - 1) / 2
    matrix = np.float32([[cos, -sin, before - after * (cos - sin)],
                         [sin, cos, before - after * (cos + sin)]])
    return tuple(
        None if array is None else cv2.warpAffine(
            array, matrix, (crop, crop), borderMode=cv2.BORDER_REFLECT,
            flags=cv2.WARP_INVERSE_MAP | interpolation)
        for array, interpolation in ((image, cv2.INTER_LINEAR),
                                     (label, cv2.INTER_NEAREST)))


class Batches:
    """Batch of a step, a function of (seed, step).

    Args:
        meta: What export_step.py wrote.
        pictures: Of read_all.
    """

    def __init__(self, meta: dict, pictures: dict):
        self.meta, self.pictures, self._order = meta, pictures, {}
        self.changes = Augment(**meta['augment'])

    def _picture(self, name, seed, index):
        names = self.meta['datasets'][name]
        key = seed, index // len(names)
        if self._order.get(seed, (None,))[0] != key:
            order = np.random.default_rng(key).permutation(len(names))
            self._order[seed] = key, order
        return self.pictures[name, names[self._order[seed][1][
            index % len(names)]]]

    def _sample(self, name, index):
        crop, changes = self.meta['crop'], self.changes
        seed = len(NAMES) * self.meta['seed'] + NAMES.index(name)
        draws, turned = augment.random_draws(seed, index), False
        if name != 'synthetic':
            changes = augment.photometric(changes)
            turned = (self.meta['any_angle']
                      and draws.any_angle < augment.ROTATED)
        image, label = augment.random_crop(
            *self._picture(name, seed, index),
            augment.window_size(crop) if turned else crop, draws, changes)
        if turned:
            image, label = rotated(image, label, 2 * math.pi * draws.angle,
                                   crop)
        random = np.random.default_rng((seed, index))
        return photometry(image, draws, random, changes), label

    def __call__(self, step: int) -> list[np.ndarray]:
        """The inputs of a program, from step 0 on."""
        size = self.meta['batch']
        samples = {name: [self._sample(name, step * size + i)
                          for i in range(size)]
                   for name in self.meta['datasets']}
        return [np.stack([image for image, _ in samples[name]])
                if key == 'image' else
                np.stack([label for _, label in samples[name]])[..., None]
                for name, key in self.meta['inputs']]


def _work(batches, first, stride, queue):
    step = first
    while True:
        queue.put(batches(step))
        step += stride


def start_workers(meta: dict, folder: str, count: int) -> list:
    """Processes that make batches in turn; -> their queues.

    They are forked before JAX is there, whose threads a fork would break.
    """
    cv2.setNumThreads(1)
    augment.blur_with_sigma = blurred
    batches = Batches(meta, read_all(meta, folder))
    context = multiprocessing.get_context('fork')
    queues = [context.Queue(4) for _ in range(count)]
    for i, queue in enumerate(queues):
        context.Process(target=_work, args=(batches, i, count, queue),
                        daemon=True).start()
    return queues


def first_state(meta: dict, program: pathlib.Path,
                start: str | None) -> list[np.ndarray]:
    """The variables that a training begins with, in the program's order."""
    found = dict(np.load(program / 'state.npz'))
    if start:
        given = {name: value for name, value in np.load(start).items()
                 if name.startswith('B/') and name in found}
        found |= given | {f'average/{name[2:]}': value
                          for name, value in given.items()}
    return [found[name].astype(dtype) for name, dtype, _ in meta['parameters']]


def last_weights(meta: dict, state: list) -> dict[str, np.ndarray]:
    """What is brought back, by name."""
    found = {name: np.asarray(value) for (name, _, _), value in
             zip(meta['parameters'], state, strict=True)
             if name == 'step' or name[:2] in ('B/', 'S/', 'D/')
             or name.startswith('average/')}
    for name in [name for name in found if name.startswith('average/')]:
        found[f'B/{name.removeprefix("average/")}'] = found.pop(name)
    return {name: value.astype(np.float16) if value.ndim == 4 else value
            for name, value in found.items()}


class Program:
    """The compiled step and its state on a device.

    Args:
        meta: What export_step.py wrote.
        folder: Of the program.
        start: See first_state.
    """

    def __init__(self, meta: dict, folder: pathlib.Path, start: str | None):
        import jax
        import jax.extend.backend
        from jax._src.lib import xla_client
        from jaxlib import _jax
        jax.config.update('jax_enable_x64', True)
        self.meta, self.device = meta, jax.devices()[0]
        self.put = lambda array: jax.device_put(array, self.device)
        with gzip.open(folder / 'step.hlo.gz') as file:
            module = _jax.mlir.hlo_to_stablehlo(file.read())
        self.executable = jax.extend.backend.get_backend().compile_and_load(
            module, _jax.DeviceList((self.device,)),
            xla_client.CompileOptions())
        self.state = [self.put(value)
                      for value in first_state(meta, folder, start)]

    def set(self, name: str, value: float) -> None:
        """Sets a variable, a float32 scalar."""
        names = [parameter[0] for parameter in self.meta['parameters']]
        if name in names:
            self.state[names.index(name)] = self.put(np.float32(value))

    def __call__(self, batch: list) -> list[Any]:
        """One step; -> its terms, on the device."""
        results = self.executable.execute_sharded([*batch, *self.state])
        results = [result[0] for result in
                   results.disassemble_into_single_device_arrays()]
        for out, parameter in self.meta['aliases']:
            self.state[parameter - len(batch)] = results[out]
        return results[:len(self.meta['terms'])]


def on_device(queues: list, put: Any) -> Iterator[list]:
    """Batches in order, copied to the device ahead of use."""
    def fetch(step):
        return [put(array) for array in queues[step % len(queues)].get()]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ahead = [pool.submit(fetch, step) for step in range(6)]
        step = len(ahead)
        while True:
            yield ahead.pop(0).result()
            ahead.append(pool.submit(fetch, step))
            step += 1


def train(program: Program, batches: Iterator[list], steps: int,
          seconds: float | None) -> tuple[list[list[float]], float]:
    """All steps.

    Returns:
        (rows of step and losses, seconds that the steps took).

    Raises:
        FloatingPointError: A loss is not finite.
    """
    rows, step, began = [], 0, time.time()
    program.set('total', 1e9 if seconds else steps)
    total = steps if not seconds else 2 * MEASURED
    while step < total:
        terms, step = program(next(batches)), step + 1
        if step == 1 or step % program.meta['log_every'] == 0 or step == total:
            rows.append([step, *map(float, terms)])
            if not np.isfinite(rows[-1]).all():
                raise FloatingPointError(f'Step {step}: {rows[-1]}.')
        if seconds and step == MEASURED:
            float(terms[0])
            measured = time.time()
        if seconds and step == 2 * MEASURED:
            float(terms[0])
            each = (time.time() - measured) / MEASURED
            total = step + max(int((began + seconds - time.time()) / each), 0)
            program.set('total', total)
            print(f'{1000 * each:.1f} ms a step, {total} steps.', flush=True)
        if step % 500 == 0 or step == total:
            print(f'{step}/{total}', *(
                f'{name} {value:.4f}' for name, value in zip(
                    program.meta['terms'], rows[-1][1:], strict=True)),
                flush=True)
    return rows, time.time() - began


def main() -> None:
    """Trains, and writes the result."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('program', type=pathlib.Path)
    parser.add_argument('pictures')
    parser.add_argument('result', type=pathlib.Path)
    parser.add_argument('--workers', type=int, default=os.cpu_count())
    parser.add_argument('--steps', type=int)
    parser.add_argument('--seconds', type=float)
    parser.add_argument('--start')
    options = parser.parse_args()
    meta = json.loads((options.program / 'meta.json').read_text())
    queues = start_workers(meta, options.pictures, options.workers)
    program = Program(meta, options.program, options.start)
    rows, seconds = train(program, on_device(queues, program.put),
                          options.steps or meta['total'], options.seconds)
    options.result.mkdir(parents=True, exist_ok=True)
    np.savez(options.result / 'weights.npz', **last_weights(meta,
                                                            program.state))
    with (options.result / 'terms.csv').open('w', newline='') as file:
        csv.writer(file).writerows([['step', *meta['terms']], *rows])
    (options.result / 'seconds.json').write_text(json.dumps(seconds))
    print(f'Wrote {options.result}.', flush=True)
    os._exit(0)  # Threads that wait for batches would keep it.


if __name__ == '__main__':
    main()
