"""Several processes that train one model together.

All start the command, as users do, and take minutes.
"""

import json
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import weights
from dmenet_tf.train.initialise import build_networks

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parents[2]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(('127.0.0.1', 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture
def start_cluster(start):
    """Function of a Config and names such as chief_0 to their processes."""
    def start_all(config, *names):
        cluster = {}
        tasks = [name.split('_') for name in names]
        for (kind, _), port in zip(tasks, free_ports(len(names)), strict=True):
            cluster.setdefault(kind, []).append(f'127.0.0.1:{port}')
        return [start(config, TF_CONFIG=json.dumps({
            'cluster': cluster, 'task': {'type': kind, 'index': int(i)}}))
            for kind, i in tasks]
    return start_all


def finish_all(processes):
    """What they printed, after all have ended."""
    try:
        return [process.communicate(timeout=1200)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()


def wait_for_checkpoint(process, workdir, step):
    """Returns once the checkpoint counts: its name is in the list."""
    path = pathlib.Path(workdir) / 'checkpoints/checkpoint'
    while process.poll() is None and not (
            path.is_file() and f'ckpt-{step}"' in path.read_text()):
        time.sleep(0.01)


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


@pytest.fixture
def frozen(of_all_four, tmp_path):
    """Function of (workdir, **changes) to a Config without batch statistics.

    Those are each replica's own, so replicas differ from one process by them;
    D and S always have them, so B is alone.
    """
    alone = {'lambda_adv': 0.0, 'lambda_S': 0.0, 'lambda_C': 0.0}
    start_from = tmp_path / 'first.npz'
    weights.save(start_from, build_networks(of_all_four(tmp_path, **alone)),
                 {'convention': 'sigma7'})
    return lambda workdir, **changes: of_all_four(workdir, **{
        'batch_norm': 'frozen', 'init_weights': start_from,
        'validate_every': 100, 'deterministic': True, **alone, **changes})


def assert_same_losses(a, b, steps):
    a, b = losses_of(a), losses_of(b)
    assert sorted(a) == sorted(b) == list(range(1, steps + 1))
    np.testing.assert_allclose([b[i] for i in sorted(a)],
                               [a[i] for i in sorted(a)], atol=1e-3)


def test_two_workers_follow_one_and_survive_a_restart(
        start, start_cluster, frozen, tmp_path):
    settings = {'steps': 10, 'checkpoint_every': 5, 'batch': 4}
    alone = start(frozen(tmp_path / 'one', **settings))
    finish_all([alone])
    assert alone.returncode == 0
    two = frozen(tmp_path / 'two', distribute='multi_worker', **settings)
    workers = start_cluster(two, 'worker_0', 'worker_1')
    wait_for_checkpoint(workers[0], tmp_path / 'two', 5)
    workers[1].kill()
    output = finish_all(workers)[0]
    assert workers[0].returncode == 1, output
    assert 'Start all workers again' in output.splitlines()[-1], output
    workers = start_cluster(two, 'worker_0', 'worker_1')
    outputs = finish_all(workers)
    assert [w.returncode for w in workers] == [0, 0], outputs
    assert_same_losses(tmp_path / 'one', tmp_path / 'two', steps=10)
    weights.load(tmp_path / 'two/weights.npz')


def test_a_chief_and_two_workers_are_one_training(start_cluster, of_all_four,
                                                  tmp_path):
    """The chief alone writes; workers have scratch folders of their own."""
    config = of_all_four(tmp_path, steps=4, batch=3, validate_every=100,
                         distribute='multi_worker')
    processes = start_cluster(config, 'chief_0', 'worker_0', 'worker_1')
    outputs = finish_all(processes)
    assert [p.returncode for p in processes] == [0, 0, 0], outputs
    assert ['Wrote ' in output for output in outputs] == [True, False, False]
    assert len(list((tmp_path / 'events').iterdir())) == 1
    states = tmp_path / 'checkpoints'
    assert {p.stem for p in states.glob('*.index')} == {'ckpt-2', 'ckpt-4'}
    assert {path.name: {p.stem for p in path.glob('*.index')}
            for path in (states / 'other_workers').iterdir()} == {
                'worker_0': {'ckpt-4'}, 'worker_1': {'ckpt-4'}}
    assert sorted(losses_of(tmp_path)) == [1, 2, 3, 4]


_TWO_REPLICAS = """
import keras
import numpy as np
import tensorflow as tf

from dmenet_tf import networks
from dmenet_tf.train import steps

cpu, = tf.config.list_physical_devices('CPU')
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
draw = np.random.default_rng(0).random
batch = {'synthetic': {'image': draw((2, 32, 32, 3), np.float32),
                       'defocus': draw((2, 32, 32, 1), np.float32)},
         'binary': {'image': draw((2, 32, 32, 3), np.float32),
                    'blurred': np.round(draw((2, 32, 32, 1), np.float32))},
         'real': {'image': draw((2, 32, 32, 3), np.float32)}}


def losses_of(devices):
    strategy = tf.distribute.MirroredStrategy(devices)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        nets = networks.Networks(networks.build_blur_estimator(4, 0),
                                 networks.build_discriminator(4, 4),
                                 networks.build_sharpness(4))
        for layer in (layer for net in nets for layer in net.layers):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        trainer = steps.Trainer(nets, networks.build_content(4),
                                lambda _: 1e-6)  # Adam enlarges rounding.
    share = 2 // len(devices)
    mine = [tf.nest.map_structure(
        lambda x: tf.constant(x[i * share:(i + 1) * share]), batch)
        for i in range(len(devices))]
    step = steps.make_train_step(trainer, steps.Weights(), strategy)
    distributed = strategy.experimental_distribute_values_from_function(
        lambda context: mine[context.replica_id_in_sync_group])
    return [{name: float(value) for name, value in step(distributed).items()
             if name.startswith('L_')} for _ in range(2)]


one, two = (losses_of(devices) for devices in (['CPU:0'], ['CPU:0', 'CPU:1']))
print(max(abs(a[name] - b[name]) / max(abs(a[name]), 1.0)
          for a, b in zip(one, two) for name in a))
"""


def test_two_replicas_of_one_process_equal_one():
    """Losses of the first steps, without batch statistics."""
    process = subprocess.run([sys.executable, '-c', _TWO_REPLICAS],
                             capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 0, process.stderr
    assert float(process.stdout.splitlines()[-1]) < 5e-7
