"""Damaged files of every format through every reader.

    python tests/campaigns/fuzz.py --count=10000 --seed=1

A file is read, or refused by one line that begins with its path. Findings:

    escaped    an exception that is neither ValueError nor OSError
    unnamed    a refusal that does not begin with the path
    lines      a refusal of several lines
    printed    a decoder wrote to the terminal
    slow       more than 5 s of the processor
    memory     the process took more than 2 GiB
    crashed    the process ended; it is started again behind that file
    hung       two minutes for one file

File k depends on the seed and on k alone; findings are printed with k.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import time

import children
import corpus
import numpy as np
import pytest
from absl import logging

SLOW_S, HUNG_S, MOST_GIB = 5, 120, 2


def readers(suffix):
    """Name -> function of a path, as far as the suffix lets users come."""
    from dmenet_tf import (
        foreign_weights,
        images,
        sigma_files,
        variables,
        weights,
    )
    from dmenet_tf.evaluate import options, protocols
    from dmenet_tf.syndof import apertures, rgbd
    settings = options.Settings('sigma')
    if suffix == 'txt':
        return {'calibration': lambda path: rgbd.read_calibration(
            path.parent)}
    found = {'sigma': sigma_files.read_sigma, 'mask': sigma_files.read_mask,
             'truth': lambda path: protocols.read_truth(path, settings),
             'map': lambda path: protocols.read_prediction(path, settings,
                                                           'score')}
    if suffix not in ('exr', 'dpt', 'pfm', 'hdf5', 'h5', 'mat', 'npy', 'npz'):
        found |= {'photograph': images.read_image,
                  'pages': images.pages}
    if suffix in (*(s[1:] for s in rgbd.DEPTH_SUFFIXES), 'mat'):
        found |= {'depth': lambda path: rgbd.read_depth(path, 'm')}
    if suffix in ('mat', 'hdf5', 'h5'):
        found |= {'scene': rgbd.read_image}
    if suffix in ('npy', 'npz'):
        found |= {'aperture': apertures.read_stack}
    if suffix in ('h5', 'npy', 'npz'):
        found |= {'vgg': lambda path: foreign_weights.read_vgg(
            str(path), 'VGG19')}
    if suffix == 'npz':
        found |= {'arrays': variables.read_npz, 'weights': weights.load_model}
    return found


def read(function, path):
    """What became of one file: 'read', 'refused' or a finding, and why."""
    try:
        function(path)
        return 'read', ''
    except (ValueError, OSError) as error:
        said = str(error)
        if not said.startswith(str(path)):
            return 'unnamed', said
        return ('lines' if '\n' in said else 'refused'), said
    except Exception as error:
        return 'escaped', f'{type(error).__name__}: {error}'


def work(folder, begin, end, seed):
    """The child: goes through files begin .. end - 1, a line for each."""
    from dmenet_tf import command
    command.quieten_libraries()  # As every command does.
    logging.set_verbosity('error')  # What is doubtful is warned of.
    sources = pathlib.Path(folder, 'sound')
    sources.mkdir(exist_ok=True)
    contents = corpus.sound(sources)
    log = os.open(pathlib.Path(folder, 'printed'),
                  os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 2)
    for k in range(begin, end):
        rng = np.random.default_rng((seed, k))
        name = sorted(contents)[rng.integers(len(contents))]
        path = pathlib.Path(folder, name)
        path.write_bytes(corpus.damaged(name, contents[name], rng))
        for reader, function in readers(name.rpartition('.')[2]).items():
            _report(k, f'{name} {reader}', function, path, log)
        path.unlink()
        print(json.dumps([k, name, 'file', '']), flush=True)


def _report(k, what, function, path, log):
    start, before = time.process_time(), os.fstat(log).st_size
    took = memory_gib()
    kind, why = read(function, path)
    found = [(kind, why)]
    if time.process_time() - start > SLOW_S:
        found.append(('slow', f'{time.process_time() - start:.1f} s'))
    if os.fstat(log).st_size > before:
        found.append(('printed', os.pread(log, 300, before).decode(
            errors='replace')))
    if memory_gib() > max(took, MOST_GIB):
        found.append(('memory', f'{memory_gib():.2f} GiB'))
    for kind, why in found:
        print(json.dumps([k, what, kind, why[:300]]), flush=True)


def memory_gib():
    """The most that this process ever took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def campaign(count, seed, folder, begin=0):
    """Counts by kind, and findings [k, what, kind, why]."""
    counts, findings = collections.Counter(), []
    while begin < count:
        child = children.start(
            [__file__, '--work', str(folder), f'--begin={begin}',
             f'--count={count}', f'--seed={seed}'], gib=4,
            stdout=subprocess.PIPE, text=True)
        begin = _follow(child, begin, counts, findings)
        if child.wait() and begin < count:
            kind = 'hung' if child.returncode == -9 else 'crashed'
            findings.append([begin, '', kind, f'status {child.returncode}'])
            counts[kind] += 1
            begin += 1
    return counts, findings


def _follow(child, begin, counts, findings):
    """Takes its lines; returns the file that it was at when it ended."""
    watch = threading.Timer(HUNG_S, child.kill)
    watch.start()
    for line in child.stdout:
        k, what, kind, why = json.loads(line)
        counts[kind] += 1
        if kind not in ('read', 'refused', 'file'):
            findings.append([k, what, kind, why])
        if kind == 'file':
            begin = k + 1
            watch.cancel()
            watch = threading.Timer(HUNG_S, child.kill)
            watch.start()
    watch.cancel()
    return begin


@pytest.mark.slow
def test_every_damaged_file_is_read_or_refused_in_a_line(tmp_path):
    counts, findings = campaign(300, 0, tmp_path)
    assert not findings
    assert counts['file'] == 300 and counts['read'] and counts['refused']


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--count', type=int, default=1000)
    parser.add_argument('--begin', type=int, default=0)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--work', help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.work, asked.begin, asked.count, asked.seed)
        print(f'{memory_gib():.2f} GiB', file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        counts, findings = campaign(asked.count, asked.seed,
                                    pathlib.Path(folder), asked.begin)
        said = pathlib.Path(folder, 'printed').read_text(errors='replace')
    for finding in findings:
        print(*finding)
    print(dict(counts), said.splitlines()[-1:])
    sys.exit(1 if findings else 0)


if __name__ == '__main__':
    main()
