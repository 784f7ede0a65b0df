"""Whole runs of a toy: what they write, how they resume, how they refuse."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import records, train, training, weights

LIBRARY = pathlib.Path(__file__).parent.parent


def make_folders(root, count=6, size=48):
    """A set whose sigma can be learnt: smooth left, speckled right."""
    random = np.random.default_rng(0)
    for name in ('syn/image', 'syn/sigma', 'bin/image', 'bin/gt', 'real'):
        (root / name).mkdir(parents=True)
    for i in range(count):
        picture = random.integers(0, 255, (size, size, 3), dtype=np.uint8)
        edge = int(random.integers(10, size - 10))
        picture[:, :edge] = 128
        sigma = np.zeros((size, size), np.uint16)
        sigma[:, :edge] = 5000
        for name in ('syn/image', 'bin/image', 'real'):
            iio.imwrite(root / name / f'{i}.png', picture)
        iio.imwrite(root / f'syn/sigma/{i}.png', sigma)
        iio.imwrite(root / f'bin/gt/{i}.png',
                    np.where(sigma > 0, 255, 0).astype(np.uint8))
    return root


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    return make_folders(tmp_path_factory.mktemp('sets'))


def toy(folders, where, **changes):
    """A Config of seconds. B alone unless `changes` say otherwise."""
    settings = {
        'synthetic': [str(folders / 'syn')], 'workdir': str(where),
        'width': 4, 'refine_blocks': 0, 'crop': 32, 'batch': 2, 'steps': 4,
        'vgg19': 'none', 'lambda_adv': 0.0, 'lambda_S': 0.0,
        'lambda_aux': 0.0, 'learning_rate': 1e-3, 'hold_out': 0.2,
        'checkpoint_every': 2, 'log_every': 1, 'validate_every': 2}
    return train.resolve(train.Config(**(settings | changes)))


def joint(folders, workdir, **changes):
    """All four networks."""
    return toy(folders, workdir, **{
        'binary': [str(folders / 'bin')], 'real': [str(folders / 'real')],
        'lambda_adv': 1e-3, 'lambda_S': 2e-2, 'lambda_C': 1e-4,
        'lambda_aux': 1.0, **changes})


def arrays(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files
                if name != 'metadata'}


def assert_same_weights(a, b):
    a, b = arrays(a), arrays(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def event_tags(folder):
    """Tags, and the shapes of the pictures, in an event file."""
    tags, sizes = set(), {}
    for path in pathlib.Path(folder).iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                tags.add(value.tag)
                plugin = value.metadata.plugin_data.plugin_name
                if plugin == 'images':
                    png = value.tensor.string_val[2]
                    sizes[value.tag] = tf.io.decode_png(png).shape
    return tags, sizes


@pytest.fixture(scope='module')
def finished(folders, tmp_path_factory):
    """The working directory of a run of B, with an average."""
    workdir = tmp_path_factory.mktemp('run')
    config = toy(folders, workdir, ema=0.9, warm_up_steps=1,
                 schedule='cosine')
    assert training.train_and_evaluate(config) == 0
    return workdir


def test_a_run_leaves_weights_that_load(finished):
    nets, metadata = weights.load(finished / 'weights.npz')
    assert metadata['convention'] == 'sigma7'
    assert metadata['trained']['steps'] == 4
    assert metadata['trained']['pictures'] == {'synthetic': 5}
    assert nets.D is None and nets.S is None
    weights.load(finished / 'best.npz')


def test_a_run_leaves_a_model_card(finished):
    card = (finished / 'model_card.md').read_text()
    best = json.loads((finished / 'best.json').read_text())
    for words in ('4 steps', '5 synthetic', '--learning_rate=0.001', 'sigma7',
                  f'mse {best["mse"]:.4f}'):
        assert words in card


def test_event_files_hold_losses_and_pictures(finished):
    tags, sizes = event_tags(finished / 'events')
    assert {'L_B', 'L_g', 'held_out/mse', 'held_out/L_B', 'steps_per_s',
            'images_per_s', 'data_wait_share', 'learning_rate'} <= tags
    # Photograph, map and label side by side.
    assert sizes['synthetic/0'] == (48, 3 * 48, 3)


def test_checkpoints_are_the_last_few(finished):
    names = {path.stem for path in (finished / 'checkpoints').glob('*.index')}
    assert names == {'ckpt-2', 'ckpt-4'}


def test_resuming_under_other_flags_is_refused(folders, finished):
    config = toy(folders, finished, ema=0.9, warm_up_steps=1,
                 schedule='cosine', learning_rate=5e-4)
    with pytest.raises(ValueError, match='learning_rate=0.001 then, 0.0005'):
        training.save_or_check_flags(config, finished)


def test_checkpoints_without_flags_are_refused(folders, finished, tmp_path):
    shutil.copytree(finished / 'checkpoints', tmp_path / 'checkpoints')
    with pytest.raises(ValueError, match='has checkpoints but no flags.json'):
        training.save_or_check_flags(toy(folders, tmp_path), tmp_path)
    assert not (tmp_path / 'flags.json').exists()


def test_steps_may_grow_unless_the_schedule_depends_on_them(folders, tmp_path):
    config = toy(folders, tmp_path)
    training.save_or_check_flags(config, tmp_path)
    longer = dataclasses.replace(config, steps=9)
    training.save_or_check_flags(longer, tmp_path)
    (tmp_path / 'flags.json').unlink()
    training.save_or_check_flags(
        dataclasses.replace(config, schedule='cosine'), tmp_path)
    with pytest.raises(ValueError, match='steps=4 then, 9 now'):
        training.save_or_check_flags(
            dataclasses.replace(longer, schedule='cosine'), tmp_path)


def test_a_full_disk_leaves_the_old_checkpoint(folders, tmp_path, monkeypatch):
    class Trainer:
        step, steps_done = tf.Variable(1, dtype=tf.int64), 1
        loss_scale = tf.Module()
        optimizers = {}
        networks = type('None', (), {'_asdict': lambda self: {}})()
    checkpoints = training.Checkpoints(Trainer(), None, tmp_path, keep=1)
    old = checkpoints.save()

    def full(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left')
    monkeypatch.setattr(tf.train.Checkpoint, '_write', full, raising=False)
    monkeypatch.setattr(tf.train.Checkpoint, 'write', full)
    monkeypatch.setattr(tf.train.Checkpoint, 'save', full)
    with pytest.raises(OSError, match='No space left.*ckpt-1'):
        checkpoints.save()
    assert checkpoints.latest == old
    assert tf.train.load_checkpoint(old).get_tensor(
        'step/.ATTRIBUTES/VARIABLE_VALUE') == 1


def test_a_loss_that_is_not_finite_stops_the_run():
    pending = training.Losses()
    pending.add(6, {'L_B': 1.0, 'L_S': 0.5})
    pending.add(7, {'L_B': 1.0, 'L_S': float('nan')})
    with pytest.raises(FloatingPointError, match='step 7: L_S .*ckpt-5'):
        pending.flush(lambda: 'ckpt-5')


def test_losses_are_averaged_between_looks():
    pending = training.Losses()
    pending.add(1, {'L_B': 1.0})
    pending.add(2, {'L_B': 3.0})
    assert pending.flush(str) == {'L_B': 2.0}
    assert pending.flush(str) == {}


def test_learning_rate_falls_by_a_fifth_every_20_epochs(folders, tmp_path):
    config = toy(folders, tmp_path, learning_rate=1e-4)
    rate = training.learning_rate(config, steps_per_epoch=10, total=1000)
    np.testing.assert_allclose(
        [float(rate(step)) for step in (0, 199, 200, 400)],
        [1e-4, 1e-4, 0.8e-4, 0.64e-4], rtol=1e-6)


def test_best_is_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, 'save', lambda *args: None)
    metadata = {'trained': {'steps': 1}}

    def keep(by, **metrics):
        return records.keep_best(tmp_path, None, metadata, metrics, by)
    assert keep('mse', mse=0.5)
    assert not keep('mse', mse=0.6)
    assert keep('mse', mse=0.4)
    assert not keep('accuracy', mse=0.3)
    (tmp_path / 'best.json').unlink()
    assert keep('accuracy', accuracy=0.5)
    assert not keep('accuracy', accuracy=0.4)


def test_average_starts_fast_and_ends_slow():
    model = type('Model', (), {'trainable_variables': [tf.Variable(0.0)]})()
    average = training.Average(model, decay=0.99)
    model.trainable_variables[0].assign(1.0)
    average.update(tf.constant(0, tf.int64))
    assert float(average.values[0]) == pytest.approx(1 - 1 / 10)
    average.values[0].assign(0.0)
    average.update(tf.constant(10**6, tf.int64))
    assert float(average.values[0]) == pytest.approx(0.01)


# What follows starts processes, as users do, and takes minutes.


def command(config):
    """The command line of a Config."""
    line = [sys.executable, '-m', 'dmenet_tf.train']
    for name, value in dataclasses.asdict(config).items():
        if isinstance(value, list):
            value = ','.join(value)
        if value not in (None, ''):
            line.append(f'--{name}={value}')
    return line


def start(config, **environment):
    return subprocess.Popen(
        command(config), cwd=LIBRARY, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, **environment})


def run(config):
    process = start(config)
    return process.communicate()[0], process.returncode


def interrupt(config, step, number):
    """Starts a run and signals it once the checkpoint of `step` is there."""
    process = start(config)
    wait_for_checkpoint(process, config.workdir, step)
    process.send_signal(number)
    return process.communicate()[0], process.returncode


def wait_for_checkpoint(process, workdir, step):
    """Returns once the checkpoint counts: its name is in the list."""
    path = pathlib.Path(workdir) / 'checkpoints/checkpoint'
    while process.poll() is None and not (
            path.is_file() and f'ckpt-{step}"' in path.read_text()):
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize('number, status', [
    (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, training.STOPPED)])
def test_a_resumed_run_ends_with_the_same_bits(folders, tmp_path, number,
                                               status):
    settings = {'steps': 20, 'deterministic': True, 'checkpoint_every': 10,
                'ema': 0.9, 'validate_every': 100}
    whole = joint(folders, tmp_path / 'whole', **settings)
    assert run(whole)[1] == 0
    parts = joint(folders, tmp_path / 'parts', **settings)
    assert interrupt(parts, 10, number)[1] == status
    output, returned = run(parts)
    assert returned == 0 and 'Going on from' in output
    assert_same_weights(tmp_path / 'whole/weights.npz',
                        tmp_path / 'parts/weights.npz')


@pytest.mark.slow
def test_a_corrupt_picture_is_one_clear_line(tmp_path):
    folders = make_folders(tmp_path / 'sets')
    (folders / 'syn/image/3.png').write_bytes(b'\x89PNG no more')
    config = toy(folders, tmp_path / 'run', hold_out=0.0)
    output, returned = run(config)
    assert returned == 1
    assert output.splitlines()[-1].startswith('error: ')
    assert '3.png' in output.splitlines()[-1]
    assert 'Traceback' not in output
    output, returned = run(dataclasses.replace(
        config, skip_corrupt=True, workdir=str(tmp_path / 'skip')))
    assert returned == 0 and 'Skipped' in output


def cluster(ports, index):
    return json.dumps({
        'cluster': {'worker': [f'127.0.0.1:{port}' for port in ports]},
        'task': {'type': 'worker', 'index': index}})


def free_ports(count):
    import socket
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(('127.0.0.1', 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def run_workers(config):
    ports = free_ports(2)
    workers = [start(config, TF_CONFIG=cluster(ports, i)) for i in (0, 1)]
    return workers


def losses_of(workdir):
    """L_g of every step in the event files."""
    found = {}
    for path in sorted((pathlib.Path(workdir) / 'events').iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag == 'L_g':
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return found


@pytest.mark.slow
def test_two_workers_follow_one_and_survive_a_restart(folders, tmp_path):
    settings = {'steps': 10, 'batch_norm': 'frozen', 'checkpoint_every': 5,
                'validate_every': 100, 'deterministic': True, 'batch': 4,
                # Without BN a toy is wild: faster, rounding grows 30-fold a
                # step in D's game.
                'learning_rate': 1e-5, 'lambda_C': 0.0}
    assert run(joint(folders, tmp_path / 'one', **settings))[1] == 0
    two = joint(folders, tmp_path / 'two', distribute='multi_worker',
                **settings)
    workers = run_workers(two)
    wait_for_checkpoint(workers[0], tmp_path / 'two', 5)
    workers[1].kill()
    output = [worker.communicate()[0] for worker in workers][0]
    assert workers[0].returncode == 1, output
    assert 'Start all workers again' in output.splitlines()[-1], output
    workers = run_workers(two)
    outputs = [worker.communicate()[0] for worker in workers]
    assert [w.returncode for w in workers] == [0, 0], outputs
    one, two = (losses_of(tmp_path / name) for name in ('one', 'two'))
    assert sorted(one) == sorted(two) == list(range(1, 11))
    np.testing.assert_allclose([two[i] for i in range(1, 11)],
                               [one[i] for i in range(1, 11)], atol=1e-3)
    weights.load(tmp_path / 'two/weights.npz')


@pytest.mark.slow
def test_the_recipe_of_the_bundled_network_gives_its_recorded_losses(tmp_path):
    (tmp_path / 'rgbd').mkdir()
    for name in 'chair', 'table':
        (tmp_path / 'rgbd' / name).symlink_to(
            LIBRARY / 'data/samples/rgbd/motorcycle')
    (tmp_path / 'rgbd/scenes.json').write_text(json.dumps({'scenes': [
        {'scene': 'chair', 'split': 'train', 'depth_scale': 0.0002},
        {'scene': 'table', 'split': 'val', 'depth_scale': 0.0002}]}))
    (tmp_path / 'experiments').symlink_to(LIBRARY / 'experiments')
    (tmp_path / 'dmenet_tf/bundled').mkdir(parents=True)
    photographs = str(LIBRARY / 'data/samples/photographs')
    # From an empty folder, so that the library is the one that is installed.
    subprocess.run(
        ['sh', 'experiments/small.sh'], cwd=tmp_path, check=True,
        env=os.environ | {
            'PYTHON': sys.executable, 'PYTHONPATH': str(LIBRARY),
            'RGBD': str(tmp_path / 'rgbd'), 'SHARP': photographs,
            'PHOTOGRAPHS': photographs, 'PART': '50', 'STEPS': '100'})
    recorded = json.loads(
        (LIBRARY / 'tests/data/small_losses.json').read_text())
    found = {stage: losses_of(tmp_path / 'runs/small' / stage)
             for stage in recorded}
    print(found)
    assert list(found['b']) == [50, 100]
    for stage, losses in recorded.items():
        # Recorded is the middle of what several runs gave. Rounding differs
        # from run to run, and the stages go on from each other: runs were up
        # to 3 % away after 100 steps of the first stage, up to 9 % in later
        # ones.
        np.testing.assert_allclose(list(found[stage].values()), losses,
                                   rtol=0.05 if stage == 'b' else 0.15,
                                   err_msg=stage)
    assert (tmp_path / 'dmenet_tf/bundled/small.npz').stat().st_size < 8e6
