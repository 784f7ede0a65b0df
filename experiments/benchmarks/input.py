"""Crops per second that the input pipeline alone delivers, cache warm.

    python experiments/benchmarks/input.py [--cache=ram]

Three sets at once (synthetic, masks, unlabelled), 240 px crops with all turns,
from 800 x 600 px pictures that it makes itself.
"""

import pathlib
import statistics
import sys
import tempfile
import time

import imageio.v3 as iio
import numpy as np

from dmenet_tf import datasets

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
        iio.imwrite(root / f'syn/sigma/{i}.png',
                    picture[..., 0].astype(np.uint16) * 20)
        iio.imwrite(root / f'bin/gt/{i}.png', picture[..., 0] // 128 * 255)


def main():
    cache = sys.argv[1].removeprefix('--cache=') if sys.argv[1:] else 'folder'
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        make_pictures(root)
        where = str(root / 'cache') if cache == 'folder' else cache
        sets = {'synthetic': datasets.synthetic_set([root / 'syn']),
                'binary': datasets.binary_set([root / 'bin']),
                'real': datasets.real_set([root / 'real'])}
        stores = {name: datasets.Store(pictures, CROP, where)
                  for name, pictures in sets.items()}
        for store in stores.values():
            for i in range(PICTURES):
                store.picture(i)
        shard = datasets.Shard(BATCH, BATCH, BATCH, 0)
        batches = iter(datasets.make_batches(stores, CROP, shard, seed=0,
                                              last_step=1 + ROUNDS * STEPS))
        next(batches)
        rates, cpu = [], time.process_time()
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(STEPS):
                next(batches)
            rates.append(STEPS * BATCH / (time.perf_counter() - began))
        cpu = (time.process_time() - cpu) / (ROUNDS * STEPS * BATCH)
    print(f'cache {cache}: {statistics.median(rates):.0f} crops/s from each of '
          f'{len(stores)} sets (rounds: '
          f'{", ".join(f"{rate:.0f}" for rate in rates)}); '
          f'{cpu * 1e3:.1f} ms of CPU for one of each')


if __name__ == '__main__':
    main()
