"""Trains by a program of export_step.py, without TensorFlow and Keras.

    python experiments/without_tensorflow/train.py program PACKED result \\
        [--workers=8] [--steps=N | --seconds=S] [--start=WEIGHTS.npz]

It needs JAX and OpenCV, and what dmenet_tf reads pictures with. PACKED is what
pack_pictures.py made. Samples are changed as dmenet_tf.train.batches does it,
by other random numbers: noise and permutations are NumPy's. It writes

    result/weights.npz   B (its average, where there is one), S and D; kernels
                         in 16 bits
    result/terms.csv     the losses
    result/seconds.json  how long the steps took

With --seconds it times the first steps and takes as many as will fit, for a
cosine schedule that ends with them. With --start, B's weights are those of a
file that this has written.
"""

import argparse
import collections
import concurrent.futures
import csv
import functools
import gzip
import itertools
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

from pack_pictures import read_packed_sigma  # noqa: E402

from dmenet_tf import sigma_files  # noqa: E402
from dmenet_tf.train import augment, folders, store  # noqa: E402
from dmenet_tf.train.changes import Augment  # noqa: E402

# How a packed label is read, in sigma or as blurred or not.
READERS = {'synthetic': read_packed_sigma, 'binary': sigma_files.read_mask,
           'real': None}
MEASURED = 100  # Steps that --seconds is reckoned from; as many before them.


def read_all(meta: dict, folder: str) -> dict:
    """All pictures: {(dataset, name): (image, label), of store.prepare}.

    Raises:
        ValueError, OSError: One line that names the file.
    """
    def read(of):
        name, picture = of
        path, reader = pathlib.Path(folder, picture), READERS[name]
        # Names of pictures may hold dots.
        image, label = (path.with_name(path.name + suffix)
                        for suffix in ('.jpg', '.png'))
        return store.prepare(folders.Dataset(
            name, (image,), (label,) if reader else (), read_label=reader),
            0, meta['crop'])
    wanted = sorted({(name, picture)
                     for name, pictures in meta['datasets'].items()
                     for picture in pictures})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(wanted, pool.map(read, wanted), strict=True))


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
        seed = (len(folders.NAMES) * self.meta['seed']
                + folders.NAMES.index(name))
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


def batches_in_order(batches: Batches, workers: int) -> Iterator[list]:
    """Batches of steps 0, 1, 2 ..., made ahead by processes.

    These are forked here: before JAX is there, whose threads a fork would
    break. What fails in one of them is raised with its batch.
    """
    cv2.setNumThreads(1)
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context('fork'), _keep, (batches,))
    ahead = collections.deque(pool.submit(_make, step)
                              for step in range(2 * workers))

    def in_order():
        for step in itertools.count(len(ahead)):
            yield ahead.popleft().result()
            ahead.append(pool.submit(_make, step))
    return in_order()


def _keep(batches):
    _make.batches = batches


def _make(step):
    return _make.batches(step)


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
        self.put = functools.partial(jax.device_put, device=self.device)
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
        batch = map(self.put, batch)
        results = self.executable.execute_sharded([*batch, *self.state])
        results = [result[0] for result in
                   results.disassemble_into_single_device_arrays()]
        for out, parameter in self.meta['aliases']:
            self.state[parameter - len(self.meta['inputs'])] = results[out]
        return results[:len(self.meta['terms'])]


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
    batches = batches_in_order(
        Batches(meta, read_all(meta, options.pictures)), options.workers)
    program = Program(meta, options.program, options.start)
    rows, seconds = train(program, batches, options.steps or meta['total'],
                          options.seconds)
    options.result.mkdir(parents=True, exist_ok=True)
    np.savez(options.result / 'weights.npz', **last_weights(meta,
                                                            program.state))
    with (options.result / 'terms.csv').open('w', newline='') as file:
        csv.writer(file).writerows([['step', *meta['terms']], *rows])
    (options.result / 'seconds.json').write_text(json.dumps(seconds))
    print(f'Wrote {options.result}.', flush=True)


if __name__ == '__main__':
    try:
        main()
    except (OSError, EOFError, ValueError, FloatingPointError) as error:
        sys.exit(f'error: {error}')
