"""The states of a run on disk, and what it may go on with.

flags.json holds {'settings': ..., 'datasets': {'train', 'held_out'}}: the
settings as config.resolve leaves them, and the digests of the datasets, whose
folders may move.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping

import tensorflow as tf
from absl import logging

from dmenet_tf import files
from dmenet_tf.train.config import FREE_ON_RESUME, Config, resolve
from dmenet_tf.train.folders import Dataset

_KEPT = 3  # Checkpoints.


def digests(train: Mapping[str, Dataset],
            held_out: Mapping[str, Dataset]) -> dict[str, dict]:
    """What the datasets of a run hold, as JSON values; see Dataset.digest."""
    return {part: {name: dataset.digest() for name, dataset in found.items()}
            for part, found in (('train', train), ('held_out', held_out))}


def save_or_check_flags(config: Config, datasets: dict[str, dict],
                        models: dict[str, str]) -> None:
    """Writes flags.json into the working directory, or compares with it.

    Args:
        config: Resolved.
        datasets: Of digests().
        models: Of records.models().

    Raises:
        ValueError: The run was started with other settings, pictures or
            weights; names them.
    """
    path = pathlib.Path(config.workdir) / 'flags.json'
    if path.is_file():
        then = json.loads(path.read_text())
        _compare(config, then['settings'],
                 _changed_datasets(then['datasets'], datasets)
                 + _changed_models(then.get('models', {}), models))
        return
    if tf.train.latest_checkpoint(str(path.parent / 'checkpoints')):
        raise ValueError(
            f'{config.workdir} has checkpoints but no flags.json, so nothing '
            'says what they are of. Put it back, or choose another --workdir.')
    now = {'settings': dataclasses.asdict(config), 'datasets': datasets,
           'models': models}
    with files.atomic_path(path) as temporary:
        temporary.write_text(json.dumps(now, indent=1) + '\n')


def _compare(config, then, changed_files):
    """Refuses settings and files that are not those of `then`."""
    free = set(FREE_ON_RESUME)
    if config.schedule != 'cosine':
        free |= {'steps', 'epochs'}  # Training on; cosine depends on its end.
    changed = _changed_settings(config, then, free) + changed_files
    if changed:
        raise ValueError(
            f'{config.workdir} holds a run with other settings or pictures: '
            f'{"; ".join(changed)}. Pass the same to go on, or another '
            '--workdir.')


def _changed_settings(config, then, free):
    """One string for each setting that is not as it was."""
    names = {field.name for field in dataclasses.fields(config)}
    # What did not exist when the run began was as its default is.
    default = Config()
    absent = {name: getattr(default, name) for name in names - set(then)}
    then = _flat(resolve(dataclasses.replace(config, **absent))) | _flat(then)
    now = _flat(config)
    return [f'--{name}={then.get(name)} then, {now.get(name)} now'
            for name in sorted(now.keys() | then.keys())
            if name not in free and now.get(name) != then.get(name)]


def _flat(settings):
    """A Config, or what JSON holds of one -> settings by name.

    Those of a nested dataclass are named as augment.zoom is.
    """
    if dataclasses.is_dataclass(settings):
        settings = json.loads(json.dumps(dataclasses.asdict(settings)))
    flat = {}
    for name, value in settings.items():
        inner = value if isinstance(value, dict) else None
        flat |= ({f'{name}.{k}': v for k, v in inner.items()} if inner
                 else {name: value})
    return flat


def _changed_models(then, now):
    """One string for each file of weights that holds others than it did."""
    return [f'{name} holds other weights than then'
            for name in sorted(then.keys() & now.keys())
            if then[name] != now[name]]


def _changed_datasets(then, now):
    """One string for each dataset that does not hold what it held."""
    changed = []
    for part, words in (('train', 'dataset'), ('held_out', 'held-out dataset')):
        for name in sorted(then[part].keys() | now[part].keys()):
            a, b = then[part].get(name), now[part].get(name)
            if a == b:
                continue
            counts = [found['count'] if found else 0 for found in (a, b)]
            changed.append(
                f'the {name} {words} had {counts[0]} pictures then, '
                f'{counts[1]} now' if counts[0] != counts[1] else
                f'the {name} {words} has other files than then')
    return changed


class Checkpoints:
    """The last three states of a run, each whole or absent.

    Attributes:
        restored: Path of the one that restore() loaded, or None.
        seconds: What all sessions together took up to the last save or
            restored state.
    """

    def __init__(self, trainer, average, workdir: str | pathlib.Path,
                 scratch: str | None = None):
        """Writes nothing yet.

        Args:
            trainer: steps.Trainer.
            average: monitoring.Average, or None.
            workdir: Of the run.
            scratch: Name of a folder for the files of a process that is not
                the chief; nobody reads them, but it has to take part, because
                mirrored variables are read together.
        """
        nets = {letter: model for letter, model
                in trainer.networks._asdict().items() if model is not None}
        extra = {'average': average} if average else {}
        self._seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64)
        self._checkpoint = tf.train.Checkpoint(
            step=trainer.step, loss_scale=trainer.loss_scale,
            seconds=self._seconds, **nets, **extra,
            **{f'optimizer_{k}': v for k, v in trainer.optimizers.items()})
        self._trainer, self.restored = trainer, None
        self._folder = pathlib.Path(workdir) / 'checkpoints'
        own = self._folder / 'other_workers' / scratch if scratch else None
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(own or self._folder), 1 if own else _KEPT)

    @property
    def latest(self) -> str | None:
        """The newest checkpoint; None if there is none."""
        return tf.train.latest_checkpoint(str(self._folder))

    @property
    def seconds(self) -> float:
        return float(self._seconds)

    def restore(self) -> bool:
        """Loads the latest that is whole; returns whether there was one.

        Says in one line which are passed over because they are damaged.

        Raises:
            ValueError: All are damaged, or one is of other networks.
        """
        state = tf.train.get_checkpoint_state(str(self._folder))
        paths = list(state.all_model_checkpoint_paths) if state else []
        for path in reversed(paths):
            problem = self._restored(path)
            if problem is None:
                self.restored = path
                return True
            logging.warning('%s is damaged: %s', path, problem)
        if paths:
            raise ValueError(
                f'{self._folder}: none of its checkpoints can be restored. '
                'Choose another --workdir to begin anew.')
        return False

    def _restored(self, path):
        """Loads one; what is wrong with it, or None."""
        said = pathlib.Path(f'{path}.sha256')
        try:
            if said.is_file() and json.loads(said.read_text()) != _sha256(path):
                return 'its files are not those that were written.'
            self._checkpoint.restore(path).assert_existing_objects_matched()
        except AssertionError as error:
            raise ValueError(f'{path} is of other networks: '
                             f'{str(error).splitlines()[0]}') from error
        except (tf.errors.OpError, OSError, ValueError) as error:
            return str(error).splitlines()[0]
        return None

    def save(self, seconds: float = 0.0) -> str:
        """Writes the current state.

        Args:
            seconds: What all sessions took until now.

        Raises:
            OSError: It could not be written; older checkpoints are intact.
        """
        self._seconds.assign(seconds)
        try:
            path = self._manager.save(self._trainer.steps_done)
            self._write_digest(pathlib.Path(path))
            return path
        except tf.errors.OpError as error:
            line = (error.message or repr(error)).splitlines()[0]
            raise OSError(
                f'The checkpoint of step {self._trainer.steps_done} could not '
                f'be written: {line} The last one is {self.latest}.'
            ) from error

    def _write_digest(self, path):
        """Keeps what the files of a checkpoint are, and of no other."""
        with files.atomic_path(f'{path}.sha256') as temporary:
            temporary.write_text(json.dumps(_sha256(path)))
        kept = {pathlib.Path(p).name for p in self._manager.checkpoints}
        for other in path.parent.glob('ckpt-*.sha256'):
            if other.stem not in kept:
                other.unlink()


def _sha256(path):
    """{suffix: digest} of the files of a checkpoint."""
    path, found = pathlib.Path(path), {}
    for file in sorted(path.parent.glob(f'{path.name}.*')):
        if file.suffix != '.sha256':
            with file.open('rb') as opened:
                found[file.name.removeprefix(path.name)] = hashlib.sha256(
                    opened.read()).hexdigest()
    return found
