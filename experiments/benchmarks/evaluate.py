"""Time and memory of scoring maps: 704 pairs of 640x640 px, as CUHK has.

    python experiments/benchmarks/evaluate.py [maps ...] [--structure]

One line per number of maps (default 88 and 704): seconds on the clock and of
all processes' own time, and the largest memory of any process. Nearly the same
memory for both means that it hardly grows. --structure is passed on: E- and
S-measure too.
"""

import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

SIZE = 640  # px
WORKERS = 2


def make(folder, count):
    """Writes masks and maps, 8 different ones over and over, as links."""
    rng = np.random.default_rng(0)
    for part in ('gt', 'maps'):
        (folder / part).mkdir(exist_ok=True)
    x = np.linspace(0, 1, SIZE)
    for k in range(8):
        mask = np.add.outer(x, (k + 1) / 4 * x) > 0.7
        blur = mask + rng.normal(0, 0.4, mask.shape)
        blur = 255 * np.clip((blur + 1) / 3, 0, 1)
        for part, values in (('gt', 255 * mask), ('maps', blur)):
            Image.fromarray(values.astype(np.uint8)).save(
                folder / f'{part}_{k}.png')
    for i in range(count):
        for part in ('gt', 'maps'):
            link = folder / part / f'out_of_focus{i:04d}.png'
            link.symlink_to(folder / f'{part}_{i % 8}.png')


def measure(count, flags):
    """(seconds, seconds of the processes, MiB) of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make(folder, count)
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, '-m', 'dmenet_tf.evaluate', '--protocol=cuhk',
             '--split=all', f'--ground_truth={folder}/gt',
             f'--predictions={folder}/maps', '--prediction_scale=0.03',
             f'--output_dir={folder}/out', f'--workers={WORKERS}',
             '--sheet_images=0', *flags], check=True, capture_output=True)
        seconds = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = (usage.ru_utime + usage.ru_stime
           - before.ru_utime - before.ru_stime)
    return seconds, own, usage.ru_maxrss / 1024


def main():
    flags = [word for word in sys.argv[1:] if word.startswith('--')]
    counts = [int(word) for word in sys.argv[1:] if word not in flags]
    for count in counts or [88, 704]:
        seconds, own, mebibytes = measure(count, flags)
        print(f'{count} maps of {SIZE} px, {WORKERS} processes: '
              f'{seconds:.1f} s, {own:.1f} s of their own, at most '
              f'{mebibytes:.0f} MiB a process', flush=True)


if __name__ == '__main__':
    main()
