"""Every writer on a disk that is full, read-only, or vanishes meanwhile.

    python tests/campaigns/disk.py

Each writes over an old file. It must raise OSError, or have written all; the
old file must be as it was, and nothing else be left. On a tmpfs of its own,
so it has to be root of Linux; skipped where nothing may be mounted.
"""

import argparse
import contextlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pytest

ARRAY = np.random.default_rng(0).uniform(0, 6, (400, 400)).astype(np.float32)
PICTURE = (ARRAY[..., None] * [40, 20, 10]).astype(np.uint8)
OLD = b'old'


@contextlib.contextmanager
def mounted(kib):
    """A tmpfs of that size; skips the test where none may be mounted."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', f'size={kib}k', 'tmpfs', folder],
            capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f'no tmpfs: {done.stderr.strip()}')
        try:
            yield pathlib.Path(folder)
        finally:
            subprocess.run(['umount', '-l', folder], check=True)


def writers():
    """Suffix -> function of a path."""
    from dmenet_tf import maps, sigma_files
    from dmenet_tf.applications import depth, inputs
    from dmenet_tf.rank import watch
    from dmenet_tf.stack import report
    kept = inputs.Kept()
    curve = [report.Focus('x' * 300, 1.0, 0.5, 0.5, 0.1) for k in range(900)]
    return {
        'a.npy': lambda path: sigma_files.write_npy(path, ARRAY),
        'a.tiff': lambda path: sigma_files.write_tiff(path, ARRAY),
        'a.png': lambda path: sigma_files.write_png(path, ARRAY),
        'valid.png': lambda path: sigma_files.write_valid(path, ARRAY > 3),
        'color.png': lambda path: maps.write(ARRAY, 'color', path, PICTURE),
        'photo.png': lambda path: inputs.write_picture(
            PICTURE, path, kept),
        'photo.jpg': lambda path: inputs.write_picture(
            PICTURE, path, kept),
        'depth.npy': lambda path: depth.write(ARRAY, 'npy', path, False),
        'depth.png': lambda path: depth.write(ARRAY, 'png16', path, False),
        'curve.csv': lambda path: report.write_csv(path, curve),
        'curve.png': lambda path: report.write_plot(path, curve[:9]),
        'reference.json': lambda path: watch.write(path, watch.Reference(
            'x' * 9000, 9, 9, (0, 0, 9, 9), 1.0, 'digest'))}


def attempt(write, path):
    """'written', 'refused', or a finding."""
    before = sorted(path.parent.iterdir())
    try:
        write(path)
    except OSError:
        kind = 'refused'
    except Exception as error:
        return f'escaped: {error!r}'
    else:
        kind = 'written'
    after = sorted(path.parent.iterdir())
    if kind == 'refused' and path.exists() and path.read_bytes() != OLD:
        return 'half-written'
    return kind if after == before else f'left: {set(after) - set(before)}'


def full(name, write):
    with mounted(256) as folder:
        path = folder / name
        path.write_bytes(OLD)
        with contextlib.suppress(OSError):
            (folder / 'filler').write_bytes(bytes(4 << 20))
        return attempt(write, path)


def read_only(name, write):
    with mounted(4096) as folder:
        (folder / name).write_bytes(OLD)
        subprocess.run(['mount', '-o', 'remount,ro', folder], check=True)
        return attempt(write, folder / name)


def vanishing(name, write):
    """Its folder is taken away while it is written to, again and again."""
    with mounted(4096) as folder:
        gone, path = folder / 'gone', folder / 'gone' / name
        stop = threading.Event()

        def take():
            while not stop.is_set():
                time.sleep(0.002)
                shutil.rmtree(gone, ignore_errors=True)
        thread = threading.Thread(target=take)
        thread.start()
        try:
            for _ in range(20):
                try:
                    write(path)
                except OSError:
                    continue
                except Exception as error:
                    return f'escaped: {error!r}'
        finally:
            stop.set()
            thread.join()
        return 'refused'


KINDS = {'full': full, 'read-only': read_only, 'vanishing': vanishing}


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_nothing_is_lost_or_half_written(kind):
    for name, write in writers().items():
        # Even root writes nothing on these.
        assert KINDS[kind](name, write) == 'refused', name


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    found = {}
    for kind, disk in KINDS.items():
        for name, write in writers().items():
            found[kind, name] = disk(name, write)
            print(f'{kind:10} {name:12} {found[kind, name]}')
    sys.exit(set(found.values()) != {'refused'})


if __name__ == '__main__':
    main()
