"""Crops per second that the input pipeline alone delivers, cache warm.

    python experiments/benchmarks/input.py [--cache=ram]

Three datasets at once (synthetic, masks, unlabelled), 240 px crops with all
rotations, from 800 x 600 px pictures that it makes itself.
"""

import pathlib
import statistics
import sys
import tempfile
import time

import imageio.v3 as iio
import numpy as np

from dmenet_tf import sigma_files
from dmenet_tf.train import batches, folders, store

CROP, BATCH, PICTURES, STEPS, ROUNDS = 240, 4, 12, 60, 5


def make_pictures(root):
    """Smooth random pictures in the three layouts."""
    random = np.random.default_rng(0)
    for name in ('syn/image', 'syn/sigma', 'bin/image', 'bin/gt', 'real'):
        (root / name).mkdir(parents=True)
    for i in range(PICTURES):
        small = random.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        picture = np.kron(small, np.ones((20, 20, 1), np.uint8))
        for name in ('syn/image', 'bin/image', 'real'):
            iio.imwrite(root / name / f'{i}.png', picture)
        sigma_files.write_png(root / f'syn/sigma/{i}.png',
                              picture[..., 0] / 50)
        iio.imwrite(root / f'bin/gt/{i}.png', picture[..., 0] // 128 * 255)


def main():
    cache = sys.argv[1].removeprefix('--cache=') if sys.argv[1:] else 'folder'
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        make_pictures(root)
        where = str(root / 'cache') if cache == 'folder' else cache
        datasets = {'synthetic': folders.synthetic_dataset([root / 'syn']),
                    'binary': folders.binary_dataset([root / 'bin']),
                    'real': folders.real_dataset([root / 'real'])}
        stores = {name: store.Store(dataset, CROP, where)
                  for name, dataset in datasets.items()}
        for kept in stores.values():
            for i in range(PICTURES):
                kept.picture(i)
        shard = batches.Shard(BATCH, BATCH, BATCH, 0)
        data = iter(batches.make_batches(stores, CROP, shard, seed=0,
                                         last_step=1 + ROUNDS * STEPS))
        next(data)
        rates, cpu = [], time.process_time()
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(STEPS):
                next(data)
            rates.append(STEPS * BATCH / (time.perf_counter() - began))
        cpu = (time.process_time() - cpu) / (ROUNDS * STEPS * BATCH)
    print(f'cache {cache}: {statistics.median(rates):.0f} crops/s from each of '
          f'{len(stores)} datasets (rounds: '
          f'{", ".join(f"{rate:.0f}" for rate in rates)}); '
          f'{cpu * 1e3:.1f} ms of CPU for one of each')


if __name__ == '__main__':
    main()
