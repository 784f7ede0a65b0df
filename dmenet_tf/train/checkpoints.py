"""The states of a run on disk, and the settings that it may go on with."""

import dataclasses
import json
import pathlib

import tensorflow as tf

from dmenet_tf import files
from dmenet_tf.train.config import FREE_ON_RESUME


def save_or_check_flags(config, workdir):
    """Writes flags.json, or compares with it.

    Raises:
        ValueError: The run was started under other flags; names them.
    """
    path = pathlib.Path(workdir) / 'flags.json'
    now = dataclasses.asdict(config)
    if not path.is_file():
        if tf.train.latest_checkpoint(str(path.parent / 'checkpoints')):
            raise ValueError(
                f'{workdir} has checkpoints but no flags.json, so nothing '
                'says what they are of. Put it back, or choose another '
                '--workdir.')
        with files.atomic_path(path) as temporary:
            temporary.write_text(json.dumps(now, indent=1) + '\n')
        return
    then = json.loads(path.read_text())
    free = set(FREE_ON_RESUME)
    if config.schedule != 'cosine':
        free |= {'steps', 'epochs'}  # Training on; cosine depends on its end.
    differing = [f'--{name}={then.get(name)} then, {now[name]} now'
                 for name in now
                 if name not in free and now[name] != then.get(name)]
    if differing:
        raise ValueError(
            f'{workdir} holds a run under other flags: '
            f'{"; ".join(differing)}. Pass the same flags to go on, or '
            'another --workdir.')


class Checkpoints:
    """The last few states of a run, each whole or absent.

    Args:
        trainer: steps.Trainer.
        shadow: Average, or None.
        workdir: Of the run.
        keep: How many.
        chief: Whether this process's files are the ones that count; every
            process has to take part, because mirrored variables are read
            together.
    """

    def __init__(self, trainer, shadow, workdir, keep, chief=True):
        nets = {letter: model for letter, model
                in trainer.networks._asdict().items() if model is not None}
        extra = {'shadow': shadow} if shadow else {}
        checkpoint = tf.train.Checkpoint(
            step=trainer.step, loss_scale=trainer.loss_scale, **nets, **extra,
            **{f'optimizer_{k}': v for k, v in trainer.optimizers.items()})
        self._folder = pathlib.Path(workdir) / 'checkpoints'
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(self._folder), max_to_keep=keep)
        self._checkpoint, self._trainer = checkpoint, trainer
        if not chief:
            self._manager = tf.train.CheckpointManager(
                checkpoint, str(self._folder / 'other_workers'), 1)

    @property
    def latest(self):
        return tf.train.latest_checkpoint(str(self._folder))

    def restore(self):
        """Loads the latest; returns whether there was one."""
        latest = self.latest
        if latest is None:
            return False
        try:
            self._checkpoint.restore(latest).assert_existing_objects_matched()
        except (tf.errors.OpError, AssertionError) as error:
            line = str(error).splitlines()[0]
            raise ValueError(
                f'{latest} cannot be restored: {line} Remove its files and '
                f'its line in {self._folder}/checkpoint to go on from an '
                'older one.') from error
        return True

    def save(self):
        """Writes the current state.

        Raises:
            OSError: It could not be written; older checkpoints are intact.
        """
        try:
            return self._manager.save(self._trainer.steps_done)
        except tf.errors.OpError as error:
            line = (error.message or repr(error)).splitlines()[0]
            raise OSError(
                f'The checkpoint of step {self._trainer.steps_done} could not '
                f'be written: {line} The last one is {self.latest}.'
            ) from error
