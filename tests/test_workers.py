"""Several processes make the files that one makes, and go on with them."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from PIL import Image

from dmenet_tf import command, engines, jobs, network_flags, workers

RNG = np.random.default_rng(0)


@pytest.fixture
def flag():
    before = set(flags.FLAGS)
    network_flags.define_flags()
    workers.define_flags()
    flags.FLAGS(['command'])
    yield flags.FLAGS
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


def test_a_worker_gets_absolute_paths_and_the_engine_of_the_command(
        flag, monkeypatch, tmp_path):
    setups = []
    monkeypatch.setattr(workers, '_load',
                        lambda setup: setups.append(setup) or 'network')
    monkeypatch.setattr(network_flags, 'engine',
                        lambda: engines.Engine('onnx', 'float32'))
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 7)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'own.npz').touch()
    flag.model = 'own.npz'
    job = jobs.Job(pathlib.Path('a.jpg'), pathlib.Path('out/a'), 'said')
    [(same, found)] = workers.results(lambda *given: given, [job], 'shared')
    assert same is job
    assert found == (jobs.Job(tmp_path / 'a.jpg', tmp_path / 'out/a', 'said'),
                     'network', 'shared')
    assert setups == [workers.Setup(str(tmp_path / 'own.npz'),
                                    ('onnx', 'float32'), 7)]


@pytest.mark.parametrize('name, value', [
    ('workers', 2), ('scheduler', 'tcp://x:1')])
def test_what_is_calibrated_runs_in_one_process(flag, name, value):
    flag.runtime = 'openvino_int8'
    workers.check_flags()
    flag[name].value = value
    with pytest.raises(command.UsageError, match='calibrated in one process'):
        workers.check_flags()


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / 'in'
    folder.mkdir()
    for i in range(5):
        Image.fromarray(RNG.integers(0, 256, (40, 50 + i, 3), np.uint8)).save(
            folder / f'{i}.png')
    (folder / '2.png').write_text('no picture')
    return folder


def run(name, *arguments):
    return subprocess.run(
        [sys.executable, '-m', f'dmenet_tf.{name}', *map(str, arguments)],
        capture_output=True, text=True)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def scheduler():
    distributed = pytest.importorskip('distributed')
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1,
                                  dashboard_address=None) as cluster:
        yield f'--scheduler={cluster.scheduler_address}'


@pytest.mark.slow
def test_two_processes_map_what_one_does_byte_for_byte(
        photographs, toy_flag, tmp_path, scheduler):
    def predict(name, *arguments):
        out = tmp_path / name
        done = run('predict', photographs, toy_flag, f'--output_dir={out}',
                   f'--summary={out}/all.csv', *arguments)
        assert done.returncode == 1 and 'Traceback' not in done.stderr
        assert done.stderr.count('2.png: not a picture') == 1
        return done, contents(out)

    done, one = predict('one')
    assert len(one) == 2 * 4 + 1
    done, two = predict('two', '--workers=2')
    assert '4 photographs done' in done.stdout and two == one
    for lost in ('1.npy', '3_sigma.png'):
        (tmp_path / 'two' / lost).unlink()
    done, again = predict('two', '--workers=2')
    assert '2 photographs done' in done.stdout and again == one
    assert predict('cluster', scheduler)[1] == one


@pytest.mark.slow
def test_two_processes_rank_as_one_does(photographs, toy_flag):
    arguments = [photographs, toy_flag, '--format=jsonl']
    one, two = (run('rank', *arguments, f'--workers={n}') for n in (1, 2))
    assert two.stdout == one.stdout
    rows = [json.loads(line) for line in one.stdout.splitlines()]
    assert len(rows) == 4 and rows[0]['photograph'].startswith(
        str(photographs))
    assert one.returncode == two.returncode == 1
