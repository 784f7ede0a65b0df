"""One training on several devices or machines: who does what."""

from collections.abc import Iterator

import tensorflow as tf

from dmenet_tf.train import batches
from dmenet_tf.train.config import Config
from dmenet_tf.train.store import Store

# Batches that statistics are measured on are not those of the steps.
_OTHER_SEED = 1_000_003


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The tf.distribute strategy of --distribute."""
    if name == 'mirrored':
        return tf.distribute.MirroredStrategy()
    if name == 'multi_worker':
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the run's files; one of a cluster does.

    It is the task `chief` of TF_CONFIG, or without one the first worker.
    """
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    if 'chief' in resolver.cluster_spec().jobs:
        return resolver.task_type == 'chief'
    return resolver.task_type == 'worker' and resolver.task_id == 0


def scratch_name(strategy: tf.distribute.Strategy) -> str | None:
    """A folder name of this process's own, such as worker_1; None: chief."""
    if is_chief(strategy):
        return None
    resolver = strategy.cluster_resolver
    return f'{resolver.task_type}_{resolver.task_id}'


@tf.function
def _any_replica(strategy, flag):
    def replica():
        return tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, tf.cast(flag, tf.int32))
    return strategy.experimental_local_results(strategy.run(replica))[0] > 0


def any_worker(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Whether `flag` holds in any process; all of them have to ask."""
    if not strategy.extended._in_multi_worker_mode():
        return flag
    return bool(_any_replica(strategy, tf.constant(flag)))


def make_input(strategy: tf.distribute.Strategy, stores: dict[str, Store],
               config: Config, first_step: int, last_step: int) -> Iterator:
    """An iterator over the strategy's batches after `first_step`.

    Raises:
        ValueError: The replicas cannot share a batch evenly.
    """
    if config.batch % strategy.num_replicas_in_sync:
        raise ValueError(
            f'--batch={config.batch} cannot be shared by '
            f'{strategy.num_replicas_in_sync} replicas evenly.')

    def batches_of_worker(context):
        local = config.batch // context.num_input_pipelines
        shard = batches.Shard(
            config.batch, config.batch // context.num_replicas_in_sync, local,
            context.input_pipeline_id * local)
        return _batches(stores, config, shard, config.seed, first_step,
                        last_step)
    return iter(strategy.distribute_datasets_from_function(batches_of_worker))


def statistics_batches(stores: dict[str, Store], config: Config,
                       replicas: int) -> tf.data.Dataset:
    """Batches of one replica's size, always the same: see normalisation.py.

    Args:
        stores: Of the datasets that statistics are measured on.
        config: Resolved.
        replicas: In all; a batch is one replica's share.

    Returns:
        Endless dataset of steps.make_train_step's batches.
    """
    share = config.batch // replicas
    return _batches(stores, config,
                    batches.Shard(config.batch, share, share, 0),
                    config.seed + _OTHER_SEED)


def _batches(stores, config, shard, seed, first_step=0, last_step=None):
    return batches.make_batches(
        stores, config.crop, shard, seed, first_step, last_step,
        config.any_angle, config.augment, config.convention or 'sigma7')
