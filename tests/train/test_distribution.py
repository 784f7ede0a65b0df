"""Which of several processes does what."""

import types

import pytest
import tensorflow as tf

from dmenet_tf.train import distribution
from dmenet_tf.train.store import Store


def strategies(**counts):
    """What the processes of a cluster see of their strategies, by name."""
    cluster = tf.train.ClusterSpec({
        name: [f'127.0.0.1:{1000 + i}' for i in range(count)]
        for name, count in counts.items()})
    return {f'{name}_{i}': types.SimpleNamespace(
        cluster_resolver=tf.distribute.cluster_resolver.SimpleClusterResolver(
            cluster, task_type=name, task_id=i))
        for name, count in counts.items() for i in range(count)}


@pytest.mark.parametrize('counts, chief', [
    ({'chief': 1, 'worker': 2}, 'chief_0'), ({'worker': 3}, 'worker_0')])
def test_one_process_of_a_cluster_is_chief(counts, chief):
    found = [name for name, strategy in strategies(**counts).items()
             if distribution.is_chief(strategy)]
    assert found == [chief]


def test_no_two_processes_share_a_scratch_folder():
    names = {name: distribution.scratch_name(strategy) for name, strategy
             in strategies(chief=1, worker=3).items()}
    assert names.pop('chief_0') is None
    assert all(names[name] == name for name in names) and len(names) == 3


def test_a_process_alone_is_chief():
    strategy = tf.distribute.get_strategy()
    assert distribution.is_chief(strategy)
    assert distribution.any_worker(strategy, True) is True
    assert distribution.any_worker(strategy, False) is False


def test_replicas_that_cannot_share_a_batch_are_refused(settings):
    strategy = types.SimpleNamespace(num_replicas_in_sync=4)
    with pytest.raises(ValueError, match='--batch=6 .* 4 replicas'):
        distribution.make_input(strategy, {}, settings(batch=6), 0, 1)


def test_statistics_are_measured_on_pictures_of_their_own(
        of_all_four, coded_folders, tmp_path):
    """Always the same ones, and not those of the steps."""
    from dmenet_tf.train import folders
    config = of_all_four(tmp_path)
    stores = {'real': Store(folders.real_dataset(config.real), config.crop)}

    def first(batches):
        return next(iter(batches))['real']['image'].numpy()
    a, b = (first(distribution.statistics_batches(stores, config, 1))
            for _ in range(2))
    trained = next(distribution.make_input(
        tf.distribute.get_strategy(), stores, config, 0, 1))
    assert (a == b).all()
    assert (a != trained['real']['image'].numpy()).any()
    half = first(distribution.statistics_batches(stores, config, 2))
    assert (half == a[:1]).all() and len(half) == 1
