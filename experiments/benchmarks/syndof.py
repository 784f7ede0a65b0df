"""Times `python -m dmenet_tf.syndof` as users run it, and compares bytes.

    python experiments/benchmarks/syndof.py --count=100 [-- --input_dir=DIR]

Runs it with one worker and with two, prints images a second of both, start-up
included, and whether all files are the same. What follows `--` goes to the
command; without it, procedural scenes.
"""

import filecmp
import pathlib
import subprocess
import sys
import tempfile
import time

from absl import app, flags

_COUNT = flags.DEFINE_integer('count', 100, 'Images.')


def main(argv):
    options = argv[1:] or ['--source=procedural']
    with tempfile.TemporaryDirectory() as folder:
        outputs = [pathlib.Path(folder) / str(n) for n in (1, 2)]
        for workers, output in enumerate(outputs, start=1):
            duration = run(output, workers, options)
            print(f'{workers} worker(s): {duration:.1f} s, '
                  f'{_COUNT.value / duration:.2f} images/s', flush=True)
        print('same bytes' if same(*outputs) else 'DIFFERENT BYTES')


def run(output, workers, options):
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, '-m', 'dmenet_tf.syndof', f'--output_dir={output}',
         f'--count={_COUNT.value}', f'--workers={workers}', *options],
        check=True, capture_output=True)
    return time.perf_counter() - start


def same(one, other):
    """Whether two folders hold the same files with the same bytes."""
    files = [sorted(str(path.relative_to(folder))
                    for path in folder.rglob('*') if path.is_file())
             for folder in (one, other)]
    if files[0] != files[1]:
        return False
    return not any(filecmp.cmpfiles(one, other, files[0], shallow=False)[1:])


if __name__ == '__main__':
    app.run(main)
