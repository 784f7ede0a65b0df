"""The training loop: exactly resumable, written for a tf.distribute strategy.

The working directory of a run holds

    flags.json        its settings; resuming under others is refused
    checkpoints/      the last few, each whole or absent
    events/           TensorBoard: losses under the paper's letters, pictures
    best.npz          the best weights on held-out pictures, and
    best.json         what they reached
    weights.npz       the weights at the end
    model_card.md     what they were made of

Everything random is a function of (seed, step), and the checkpoint holds
every other number that training depends on, so a run that is killed and
started again ends with the same weights as one that was not.
"""

import contextlib
import dataclasses
import math
import pathlib
import signal
import time

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from dmenet_tf import files, weights
from dmenet_tf.train import batches, folders, records, steps, store, validation
from dmenet_tf.train.checkpoints import Checkpoints, save_or_check_flags
from dmenet_tf.train.config import Augment
from dmenet_tf.train.initialise import build_content, build_networks

STOPPED = 143  # Exit status after SIGTERM, as shells report it: 128 + 15.


def make_strategy(name):
    """The tf.distribute strategy of --distribute."""
    if name == 'mirrored':
        return tf.distribute.MirroredStrategy()
    if name == 'multi_worker':
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy):
    """Whether this process writes the run's files."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type in ('chief', 'worker') and resolver.task_id == 0


def total_steps(config, steps_per_epoch):
    """--steps, or --epochs in steps."""
    if config.steps is not None:
        return config.steps
    return round(config.epochs * steps_per_epoch)


def learning_rate(config, steps_per_epoch, total):
    """The schedule: step -> learning rate."""
    schedules = keras.optimizers.schedules
    if config.schedule == 'exponential':
        return schedules.ExponentialDecay(
            config.learning_rate, max(config.decay_epochs * steps_per_epoch, 1),
            config.decay_rate, staircase=True)
    if config.schedule == 'cosine':
        return schedules.CosineDecay(config.learning_rate, max(total, 1))
    return lambda step: config.learning_rate


def loss_weights(config):
    """The lambdas of a Config as steps.Weights."""
    return steps.Weights(**{name: getattr(config, name)
                            for name in steps.Weights._fields})


def make_input(strategy, stores, config, first_step, last_step):
    """An iterator over the strategy's batches after `first_step`."""
    if config.batch % strategy.num_replicas_in_sync:
        raise ValueError(
            f'--batch={config.batch} cannot be shared by '
            f'{strategy.num_replicas_in_sync} replicas evenly.')

    def batches_of_worker(context):
        replica = config.batch // context.num_replicas_in_sync
        local = config.batch // context.num_input_pipelines
        shard = batches.Shard(config.batch, replica, local,
                               context.input_pipeline_id * local)
        changes = Augment(**{
            field.name: getattr(config, field.name)
            for field in dataclasses.fields(Augment)})
        return batches.make_batches(
            stores, config.crop, shard, config.seed, first_step, last_step,
            config.rotate == 'any', changes, convention(config))
    return iter(strategy.distribute_datasets_from_function(batches_of_worker))


def convention(config):
    """What the trained map means."""
    return config.convention or 'sigma7'


class Average(tf.Module):
    """The exponential moving average of B's trainable weights.

    Its decay grows to `decay` with the steps, so that the first weights are
    soon forgotten. Batch normalisation's statistics are averages already and
    are taken as they are.
    """

    def __init__(self, model, decay):
        super().__init__(name='average')
        self._model, self._decay = model, decay
        self.values = [tf.Variable(tf.convert_to_tensor(v), trainable=False)
                       for v in model.trainable_variables]

    @tf.function
    def update(self, step):
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for value, variable in zip(self.values, self._model.trainable_variables,
                                   strict=True):
            value.assign(decay * value
                         + (1.0 - decay) * tf.convert_to_tensor(variable))


class Losses:
    """The losses since the last look: kept on the device, checked together."""

    def __init__(self):
        self._pending = []

    def add(self, step, terms):
        self._pending.append((step, terms))

    def flush(self, checkpoint):
        """Returns the means since the last flush.

        Args:
            checkpoint: Callable that names the last good one.

        Raises:
            FloatingPointError: One is NaN or infinite: names step and term.
        """
        table = [(step, {k: float(v) for k, v in terms.items()})
                 for step, terms in self._pending]
        self._pending = []
        for step, terms in table:
            bad = [k for k, v in terms.items() if not np.isfinite(v)]
            if bad:
                raise FloatingPointError(
                    f'Training stopped at step {step}: {", ".join(bad)} is '
                    f'not finite ({terms[bad[0]]}). The last good checkpoint '
                    f'is {checkpoint()}.')
        if not table:
            return {}
        return {name: float(np.mean([terms[name] for _, terms in table
                                     if name in terms]))
                for name in table[-1][1]}


@contextlib.contextmanager
def stop_signal():
    """Yields a list that SIGTERM and SIGINT fill instead of ending Python."""
    received = []
    old = {s: signal.signal(s, lambda number, _: received.append(number))
           for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for s, handler in old.items():
            signal.signal(s, handler)


@tf.function
def _any_replica(strategy, flag):
    def replica():
        return tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, tf.cast(flag, tf.int32))
    return strategy.experimental_local_results(strategy.run(replica))[0] > 0


class Clock:
    """Wall time, and the part of it that the step waited for data."""

    def __init__(self):
        self.start()

    def start(self):
        self.began, self.waited, self.count = time.perf_counter(), 0.0, 0

    @contextlib.contextmanager
    def waiting(self):
        began = time.perf_counter()
        yield
        self.waited += time.perf_counter() - began
        self.count += 1

    def read(self, batch, sets):
        """Rates since start; starts again."""
        elapsed = max(time.perf_counter() - self.began, 1e-9)
        rates = {'steps_per_s': self.count / elapsed,
                 'images_per_s': self.count * batch * sets / elapsed,
                 'data_wait_share': self.waited / elapsed}
        self.start()
        return rates


class Run:
    """All parts of one training, put together.

    Args:
        config: train.Config, resolved.
    """

    def __init__(self, config):
        self.config, self.workdir = config, pathlib.Path(config.workdir)
        self.strategy = make_strategy(config.distribute)
        self.chief = is_chief(self.strategy)
        train, held_out = folders.find_datasets(config)
        self.pictures = train
        self.stores = {name: self._store(s) for name, s in train.items()}
        self.steps_per_epoch = max(len(train['synthetic']) / config.batch, 1)
        self.total = total_steps(config, self.steps_per_epoch)
        self.weights = loss_weights(config)
        self._build()
        self.checkpoints = Checkpoints(self.trainer, self.average,
                                       self.workdir, config.keep_checkpoints,
                                       self.chief)
        self.held_out = {name: self._store(s) for name, s in held_out.items()}
        self.validate_every = (config.validate_every
                               or math.ceil(self.steps_per_epoch))
        self.events = (records.EventFile(self.workdir / 'events')
                       if self.chief else None)
        self.validator = validation.Validator(
            self.published.B, self.held_out, loss_weights(config),
            convention(config))

    def _store(self, pictures):
        return store.Store(pictures, self.config.crop, self.config.cache,
                              self.config.skip_corrupt)

    def _build(self):
        """Trained networks under the strategy, published ones outside it."""
        config = self.config
        schedule = learning_rate(config, self.steps_per_epoch, self.total)
        with self.strategy.scope():
            self.trainer = steps.Trainer(
                build_networks(config), build_content(config), schedule,
                float16=config.precision == 'mixed_float16',
                averages='synthetic' if config.batch_norm == 'synthetic'
                else 'all')
        empty = dataclasses.replace(config, init_weights=[], vgg19='none')
        self.published = build_networks(empty)
        self.average = (Average(self.trainer.networks.B, config.ema)
                        if config.ema else None)

    def make_steps(self):
        """(the step of the warm-up, the step of all losses)."""
        make = lambda w: steps.make_train_step(  # noqa: E731
            self.trainer, w, self.strategy, self.config.xla)
        return make(self.weights.warm_up()), make(self.weights)

    def publish(self):
        """Copies the (averaged) weights into plain networks, and returns them.
        """
        for ours, trained in zip(self.published, self.trainer.networks,
                                 strict=True):
            if ours is not None:
                ours.set_weights(trained.get_weights())
        if self.average is not None:
            for variable, value in zip(self.published.B.trainable_variables,
                                       self.average.values, strict=True):
                variable.assign(value)
        return self.published

    def agree(self, stop):
        """Whether any worker was told to stop: all have to do it together."""
        if self.config.distribute != 'multi_worker':
            return stop
        return bool(_any_replica(self.strategy, tf.constant(stop)))

    def log(self, step, bar, clock, pending):
        """Checks the losses; writes them, and shows how fast it goes.

        Raises:
            FloatingPointError: A loss is not finite.
        """
        terms = pending.flush(lambda: self.checkpoints.latest)
        rates = clock.read(self.config.batch, len(self.stores))
        rates['learning_rate'] = float(self.trainer.rate(None))
        bar.set_postfix(
            L_g=f'{terms["L_g"]:.4f}', wait=f'{rates["data_wait_share"]:.0%}',
            images_s=f'{rates["images_per_s"]:.1f}', refresh=False)
        if self.chief:
            self.events.scalars(terms | rates, step)

    def validate(self, step):
        """Writes held-out metrics and pictures; keeps the best weights."""
        nets = self.publish()
        if not self.chief:
            return
        metrics = self.validator.evaluate()
        self.events.scalars({f'held_out/{k}': v for k, v in metrics.items()},
                            step)
        for tag, picture in self.panels():
            self.events.picture(tag, picture, step)
        self.events.flush()
        if metrics:
            logging.info('Step %d, held out: %s.', step, ', '.join(
                f'{k} {v:.4f}' for k, v in metrics.items()))
            if step:
                records.keep_best(self.workdir, nets, self.metadata(),
                                  metrics, self.config.best_by)

    def panels(self, count=2):
        """(tag, picture) of the first pictures of each set, held out or not.
        """
        for name, kept in (self.stores | self.held_out).items():
            for i in range(min(count, len(kept.dataset))):
                yield (f'{name}/{i}',
                       self.validator.panel(name, *kept.readable(i)))

    def metadata(self):
        """What a weights file tells about how it was trained."""
        return {'convention': convention(self.config),
                'trained': {'steps': self.trainer.steps_done,
                            'flags': dataclasses.asdict(self.config),
                            'pictures': {name: len(pictures) for name, pictures
                                         in self.pictures.items()}}}

    def finish(self, hours):
        """Writes the last weights and the model card."""
        nets = self.publish()  # Mirrored variables are read by all workers.
        if self.chief:
            self._write_results(nets, hours)
        self.agree(False)  # The others stay until the chief is done.

    def _write_results(self, nets, hours):
        path = self.workdir / 'weights.npz'
        metadata = self.metadata()
        metadata['trained']['hours'] = round(hours, 3)
        metadata['trained']['commit'] = records.commit()
        best = records.read_best(self.workdir)
        weights.save(path, nets, metadata)
        records.write_model_card(self.workdir, metadata, best)
        written = [path, self.workdir / 'model_card.md']
        written += [self.workdir / 'best.npz'] if best else []
        print(f'Wrote {", ".join(map(str, written))}.')


def train_and_evaluate(config):
    """Trains from the last checkpoint, or from the start, to the end.

    Args:
        config: train.Config, resolved.

    Returns:
        0, or STOPPED after SIGTERM or SIGINT, with a checkpoint saved.

    Raises:
        ValueError, OSError, FloatingPointError: One line: flags, pictures,
            disk, another worker, or a loss that is not finite.
    """
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(config.precision)
    run = Run(config)
    save_or_check_flags(config, run.workdir)
    if run.checkpoints.restore():
        logging.info('Going on from %s.', run.checkpoints.latest)
    began = time.perf_counter()
    try:
        stopped = train_loop(run)
    except tf.errors.OpError as error:
        raise _plain_error(run, error) from error
    if stopped:
        logging.info('Stopped at step %d; run again with the same flags to '
                     'go on.', run.trainer.steps_done)
        return STOPPED
    run.finish((time.perf_counter() - began) / 3600)
    return 0


def _plain_error(run, error):
    """What lies behind an error of the TensorFlow runtime, in one line."""
    for kept in (*run.stores.values(), *run.held_out.values()):
        if kept.error is not None:
            return kept.error
    line = (error.message or repr(error)).splitlines()[0]
    if run.strategy.extended._in_multi_worker_mode():
        return OSError(
            f'Step {run.trainer.steps_done + 1} failed, perhaps because '
            f'another worker was lost ({line}). Start all workers again with '
            f'the same flags: they go on from {run.checkpoints.latest}.')
    return error


def train_loop(run):
    """Steps until the end or a signal; returns whether it was stopped."""
    config = run.config
    first = run.trainer.steps_done
    batches = make_input(run.strategy, run.stores, config, first, run.total)
    warm_up, full = run.make_steps()
    clock, pending = Clock(), Losses()
    with (files.progress(total=run.total, initial=first, unit='step') as bar,
          stop_signal() as received):
        if first == 0:
            run.validate(0)
        for step in range(first + 1, run.total + 1):
            with clock.waiting():
                batch = next(batches)
            train_step = warm_up if step <= config.warm_up_steps else full
            pending.add(step, train_step(batch))
            if run.average is not None:
                run.average.update(run.trainer.step)
            bar.update()
            stop = run.agree(bool(received))
            last = step == run.total or stop
            save = last or step % config.checkpoint_every == 0
            if save or step % config.log_every == 0:
                run.log(step, bar, clock, pending)
            if save:
                run.checkpoints.save()
            if step % run.validate_every == 0 or step == run.total:
                run.validate(step)
                clock.start()
            if stop:
                return True
    return False
