"""The training loop: resumable at any step, under any tf.distribute strategy.

The working directory of a run holds

    flags.json        its settings and datasets; others are refused on resuming
    checkpoints/      the last three, each whole or absent
    events/           TensorBoard: losses under the paper's letters, pictures
    best.npz          the best weights on held-out pictures, and
    best.json         what they reached
    weights.npz       the weights at the end
    model_card.md     what they were made of

Everything random is a function of (seed, step), and the checkpoint holds
every other number that training depends on. So a run that is killed and
started again sees the same pictures as one that was not; with
--deterministic, on the same machine, it ends with the same weights too.
"""

import contextlib
import gc
import math
import pathlib
import time
import traceback
from collections.abc import Iterator

import keras
import numpy.typing as npt
import tensorflow as tf
import tqdm
from absl import logging

from dmenet_tf import files, networks, weights
from dmenet_tf.train import (
    checkpoints,
    distribution,
    folders,
    lock,
    monitoring,
    published,
    records,
    schedule,
    steps,
    validation,
)
from dmenet_tf.train.config import Config, resolve
from dmenet_tf.train.initialise import (
    build_content,
    build_networks,
    build_teacher,
    mean_label,
)
from dmenet_tf.train.store import Store

STOPPED = 143  # Exit status after SIGTERM, as shells report it: 128 + 15.


class Run:
    """All parts of one training, put together.

    Args:
        config: Resolved.
    """

    def __init__(self, config: Config):
        self.config, self.workdir = config, pathlib.Path(config.workdir)
        self.strategy = distribution.make_strategy(config.distribute)
        self.chief = distribution.is_chief(self.strategy)
        self.lock = lock.hold(self.workdir) if self.chief else None
        train, held_out = folders.find_datasets(config)
        self.digests = checkpoints.digests(train, held_out)
        self.models = records.models(config)
        self.stores, self.held_out = map(self._stores, (train, held_out))
        self.steps_per_epoch = max(len(train['synthetic']) / config.batch, 1)
        self.total = schedule.total_steps(config, self.steps_per_epoch)
        self.validate_every = (config.validate_every
                               or math.ceil(self.steps_per_epoch))
        self.weights = steps.Weights(**{name: getattr(config, name)
                                        for name in steps.Weights._fields})
        self._build()
        self._build_records()
        self._began, self._published = time.perf_counter(), None

    def _stores(self, datasets):
        c = self.config
        return {name: Store(dataset, c.crop, c.cache, c.skip_corrupt)
                for name, dataset in datasets.items()}

    def _build(self):
        """Trained networks under the strategy, published ones outside it."""
        config = self.config
        rate = schedule.learning_rate(config, self.steps_per_epoch, self.total)
        defocus = mean_label(
            self.stores['synthetic'], config.convention or 'sigma7'
            ) if config.starts_at_mean else None
        with self.strategy.scope():
            self.trainer = steps.Trainer(
                build_networks(config, defocus), build_content(config), rate,
                float16=config.precision == 'mixed_float16',
                teacher=build_teacher(config))
        self.average = (
            published.Average(self.trainer.networks.B, config.ema)
            if config.ema else None)
        self.published = published.Published(
            self.trainer, self.average, self.stores, config,
            self.strategy.num_replicas_in_sync)

    def _build_records(self):
        self.checkpoints = checkpoints.Checkpoints(
            self.trainer, self.average, self.workdir,
            distribution.scratch_name(self.strategy))
        self.events = (records.EventFile(self.workdir / 'events')
                       if self.chief else None)
        self.validator = validation.Validator(
            self.published.networks.B, self.held_out, self.weights,
            self.config.convention or 'sigma7')

    def restore(self) -> None:
        """Goes on from the last checkpoint, if there is one."""
        if self.checkpoints.restore():
            logging.info('Going on from %s.', self.checkpoints.restored)
        self._began = time.perf_counter() - self.checkpoints.seconds

    def seconds(self) -> float:
        """Wall time of all sessions until now."""
        return time.perf_counter() - self._began

    def log(self, step: int, bar: tqdm.tqdm, clock: monitoring.Clock,
            pending: monitoring.Losses) -> None:
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

    def publish(self, batches: int) -> None:
        """Brings the published networks to the state of this step.

        Args:
            batches: To measure the statistics of batch normalisation on; 0
                takes the moving averages as they are.
        """
        now = self.trainer.steps_done, batches
        if now == self._published:
            return
        self.published.copy()
        if self.chief and batches:
            self.published.measure(batches)
        self._published = now

    def validate(self, step: int) -> None:
        """Writes held-out metrics and pictures; keeps the best weights."""
        # What a training starts from is judged as it is.
        self.publish(published.FINAL_BATCHES if step == self.total else
                     published.batches_before_validation(self.validate_every)
                     if step else 0)
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
                records.keep_best(self.workdir, self.published.networks,
                                  self.metadata(), metrics,
                                  self.config.best_by)

    def panels(self, count: int = 2) -> Iterator[tuple[str, npt.NDArray]]:
        """(tag, picture) of the first pictures of each dataset."""
        for name, store in (self.stores | self.held_out).items():
            for i in range(min(count, len(store.dataset))):
                yield (f'{name}/{i}',
                       self.validator.panel(name, *store.readable(i)))

    def metadata(self) -> dict:
        """What a weights file of this step tells."""
        return records.metadata(
            self.config, self.digests['train'], self.models,
            self.trainer.steps_done, self.seconds() / 3600)

    def finish(self) -> None:
        """Writes the last weights and the model card."""
        self.publish(published.FINAL_BATCHES)
        if self.chief:
            self._write_results()
        # The others stay until the chief is done.
        distribution.any_worker(self.strategy, False)

    def _write_results(self):
        path, metadata = self.workdir / 'weights.npz', self.metadata()
        best = records.read_best(self.workdir)
        weights.save(path, self.published.networks, metadata)
        records.write_model_card(self.workdir, metadata, best)
        written = [path, self.workdir / 'model_card.md']
        written += [self.workdir / 'best.npz'] if best else []
        print(f'Wrote {", ".join(map(str, written))}.')
        if not best:
            print(f'There is no best.npz: {self.config.best_by} was measured '
                  'on no held-out pictures.')


def run(config: Config) -> int:
    """Trains from the last checkpoint, or from the start, to the end.

    May be called again and again. It sets Keras's random seed; with
    `deterministic`, TensorFlow's ops are so from then on, and run one after
    the other.

    Args:
        config: Config, resolved or not.

    Returns:
        0, or STOPPED after SIGTERM or SIGINT, with a checkpoint saved.

    Raises:
        ValueError, OSError, FloatingPointError: One line: settings, pictures,
            disk, another worker, or a loss that is not finite.
    """
    config = resolve(config)
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        _be_deterministic()
    with networks.policy(config.precision), _released_on_error():
        return _train(config)


def _be_deterministic():
    """Equal numbers in every run on one machine.

    enable_op_determinism alone is not enough: AddN adds into whichever of its
    inputs nobody else needs any more, and with three or more of them (the
    gradient of a tensor that is used three times) the rounding follows from
    that order. Where operations run one after the other it is always the same.

    Raises:
        ValueError: TensorFlow runs with other threads already.
    """
    try:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # Unless it has one already.
        raise ValueError(
            'deterministic: TensorFlow has started with several threads. '
            'Start a process of its own, or call '
            'tf.config.threading.set_inter_op_parallelism_threads(1) before '
            'anything else.') from None
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def _released_on_error():
    """Frees what the frames of an error hold, before anyone else has it.

    Among it are iterators of tf.data. Where one of them is freed as late as
    Python's end, it waits for ever for threads of its own that are in Python
    code or about to enter it: those get nowhere any more. Freed here, it
    waits until they are done.
    """
    try:
        yield
    except BaseException as error:
        _clear_frames(error)
        gc.collect()
        raise


def _clear_frames(error):
    """Clears the local variables of an error and of those that led to it."""
    found = [error]
    for error in found:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            with contextlib.suppress(RuntimeError):  # It is still running.
                frame.clear()
                # Brings a copy that someone asked for up to date.
                len(frame.f_locals)
        found += [other for other in (error.__cause__, error.__context__)
                  if other is not None and other not in found]


def _train(config):
    """run(), with Keras set up."""
    now = Run(config)
    try:
        checkpoints.save_or_check_flags(config, now.digests, now.models)
        now.restore()
        if train_loop(now):
            logging.info('Stopped at step %d; run again with the same flags '
                         'to go on.', now.trainer.steps_done)
            return STOPPED
        now.finish()
    except tf.errors.OpError as error:
        raise _plain_error(now, error) from error
    finally:
        if now.lock:
            now.lock.close()
    return 0


def _plain_error(now, error):
    """What lies behind an error of the TensorFlow runtime, in one line."""
    for store in (*now.stores.values(), *now.held_out.values()):
        if store.error is not None:
            return store.error
    line = (error.message or repr(error)).splitlines()[0]
    if now.strategy.extended._in_multi_worker_mode():
        return OSError(
            f'Step {now.trainer.steps_done + 1} failed, perhaps because '
            f'another worker was lost ({line}). Start all workers again with '
            f'the same flags: they go on from {now.checkpoints.latest}.')
    return error


def train_loop(now: Run) -> bool:
    """Steps until the end or a signal; returns whether it was stopped."""
    config, first = now.config, now.trainer.steps_done
    batches = distribution.make_input(now.strategy, now.stores, config, first,
                                      now.total)
    train_step = steps.make_train_step(now.trainer, now.weights, now.strategy,
                                       config.xla)
    clock, pending = monitoring.Clock(), monitoring.Losses()
    with (files.progress(total=now.total, initial=first, unit='step') as bar,
          monitoring.stop_signal() as received):
        # Also after a kill that came between a checkpoint and its validation.
        if first % now.validate_every == 0:
            now.validate(first)
        for step in range(first + 1, now.total + 1):
            with clock.waiting():
                batch = next(batches)
            pending.add(step, train_step(batch))
            if now.average is not None:
                now.average.update(now.trainer.step)
            bar.update()
            stop = distribution.any_worker(now.strategy, bool(received))
            save = (stop or step == now.total
                    or step % config.checkpoint_every == 0)
            look = step == now.total or step % now.validate_every == 0
            if save or look or step % config.log_every == 0:
                now.log(step, bar, clock, pending)
            if save:
                now.checkpoints.save(now.seconds())
            if look:
                now.validate(step)
                clock.start()
            if stop:
                return True
    return False
