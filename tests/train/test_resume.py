"""Runs that are killed, told to stop, or meet a damaged photograph.

All start the command, as users do, and take minutes.
"""

import dataclasses
import pathlib
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from dmenet_tf.train import loop

pytestmark = pytest.mark.slow


def arrays(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files
                if name != 'metadata'}


def finish(process, seconds=1200):
    """(what it printed, exit status); kills what does not end by itself."""
    try:
        return process.communicate(timeout=seconds)[0], process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0]
        pytest.fail(f'It did not end within {seconds} s: {output}')


def interrupt(process, workdir, step, number):
    """Signals it once the checkpoint of `step` counts: its name is listed."""
    path = pathlib.Path(workdir) / 'checkpoints/checkpoint'
    while process.poll() is None and not (
            path.is_file() and f'ckpt-{step}"' in path.read_text()):
        time.sleep(0.01)
    process.send_signal(number)
    return finish(process)


@pytest.fixture
def whole(start, of_all_four, tmp_path):
    """The Config of a deterministic run that was never stopped."""
    config = of_all_four(tmp_path / 'whole', steps=20, deterministic=True,
                         checkpoint_every=10, validate_every=10, ema=0.9)
    output, status = finish(start(config))
    assert status == 0, output
    return config


@pytest.mark.parametrize('number, status', [
    (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, loop.STOPPED)])
def test_a_resumed_run_ends_with_the_same_bits(whole, start, tmp_path, number,
                                               status):
    parts = dataclasses.replace(whole, workdir=str(tmp_path / 'parts'))
    assert interrupt(start(parts), parts.workdir, 10, number)[1] == status
    output, returned = finish(start(parts))
    assert returned == 0 and 'Going on from' in output, output
    for name in ('weights.npz', 'best.npz'):
        a, b = (arrays(tmp_path / run / name) for run in ('whole', 'parts'))
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@pytest.fixture
def damaged(coded_folders, of_all_four, tmp_path):
    """The Config of a run on two datasets, of which one has a bad picture."""
    shutil.copytree(coded_folders, tmp_path / 'data')
    (tmp_path / 'data/syn/image/3.png').write_bytes(b'\x89PNG no more')
    return of_all_four(
        tmp_path / 'run', synthetic=tmp_path / 'data/syn', hold_out=0.0,
        lambda_adv=0.0, lambda_C=0.0, lambda_aux=0.0, steps=30)


def test_a_damaged_picture_is_one_clear_line_and_the_end(damaged, start):
    """Five times: what it waited for at Python's end is a race."""
    for _ in range(5):
        shutil.rmtree(damaged.workdir, ignore_errors=True)
        output, status = finish(start(damaged), seconds=300)
        assert status == 1, output
        assert output.splitlines()[-1].startswith('error: '), output
        assert '3.png' in output.splitlines()[-1]
        assert 'Traceback' not in output


def test_a_damaged_picture_can_be_skipped(damaged, start):
    output, status = finish(start(dataclasses.replace(
        damaged, skip_corrupt=True)))
    assert status == 0 and 'Skipped' in output, output
