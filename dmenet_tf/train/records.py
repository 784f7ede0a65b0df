"""What a training leaves for people: best weights, model card, event files."""

import dataclasses
import json
import math
import pathlib
import subprocess
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from absl import logging

import dmenet_tf
from dmenet_tf import files, model_files, networks, optics, weights
from dmenet_tf.train.changes import AUGMENT, Augment
from dmenet_tf.train.config import Config

_HIGHER_IS_BETTER = {'accuracy'}
_PACKAGE = pathlib.Path(dmenet_tf.__file__).resolve().parent


def models(config: Config) -> dict[str, str]:
    """Digests of --init_weights and --teacher, by what they are called there.

    A bundled name stands for another file once there is a newer one.
    """
    teachers = [config.teacher] if config.teacher else []
    return {source: model_files.digest(source)
            for source in [*config.init_weights, *teachers]}


def metadata(config: Config, digests: Mapping[str, Mapping],
             models: Mapping[str, str], steps: int, hours: float) -> dict:
    """What a weights file tells about how it was trained.

    Args:
        config: Resolved.
        digests: Of the datasets that are trained on, by name: see
            Dataset.digest.
        models: Of models().
        steps: Done.
        hours: That they took, in all sessions.

    Returns:
        JSON values, as weights.save takes them. The flags tell seed and
        precision too.
    """
    return {'convention': config.convention or 'sigma7', 'trained': {
        'steps': steps, 'hours': round(hours, 3), 'commit': commit(),
        'tensorflow': tf.__version__, 'flags': dataclasses.asdict(config),
        'models': dict(models),
        'datasets': {name: {**digest, 'folders': [
            pathlib.Path(folder).resolve().name
            for folder in getattr(config, name)]}
            for name, digest in digests.items()}}}


def commit(package: pathlib.Path = _PACKAGE) -> str:
    """The commit of the library's own checkout, or its version.

    A repository that merely contains the package, in a virtual environment
    for example, says nothing about it: only one counts that has the package
    at its top and tracks it.

    Args:
        package: Folder of the package.

    Returns:
        Hash, with -dirty where the package's files are not as committed; or
        'version X'.
    """
    try:
        top = _git(package, 'rev-parse', '--show-toplevel')
        _git(package, 'ls-files', '--error-unmatch', '__init__.py')
        if pathlib.Path(top).resolve() != package.parent:
            return f'version {dmenet_tf.__version__}'
        changes = _git(package, 'status', '--porcelain', '.')
        return _git(package, 'rev-parse', 'HEAD') + '-dirty' * bool(changes)
    except (OSError, subprocess.CalledProcessError):
        return f'version {dmenet_tf.__version__}'


def _git(folder, *arguments):
    return subprocess.run(['git', '-C', folder, *arguments], check=True,
                          capture_output=True, text=True).stdout.strip()


def keep_best(workdir: str | pathlib.Path, nets: networks.Networks,
              metadata: dict, metrics: Mapping[str, float],
              best_by: str) -> bool:
    """Writes best.npz and best.json if `metrics` beat what is there.

    Metrics that are not finite beat nothing.

    Args:
        workdir: Of the run.
        nets, metadata: As weights.save takes them.
        metrics: Of validation.Validator.evaluate.
        best_by: The metric that counts, 'mse' or 'accuracy'.

    Returns:
        Whether they were written.
    """
    if best_by not in metrics:
        return False
    if not all(map(math.isfinite, metrics.values())):
        logging.warning('Held-out metrics are not finite; the best weights '
                        'stay what they were.')
        return False
    best = read_best(workdir)
    sign = -1.0 if best_by in _HIGHER_IS_BETTER else 1.0
    if best and sign * metrics[best_by] >= sign * best[best_by]:
        return False
    metadata = {**metadata, 'held_out': dict(metrics)}
    weights.save(pathlib.Path(workdir) / 'best.npz', nets, metadata)
    with files.atomic_path(pathlib.Path(workdir) / 'best.json') as temporary:
        step = metadata['trained']['steps']
        temporary.write_text(json.dumps({'step': step, **metrics}) + '\n')
    return True


def read_best(workdir: str | pathlib.Path) -> dict[str, float] | None:
    """What best.npz reached on the held-out pictures, or None."""
    path = pathlib.Path(workdir) / 'best.json'
    return json.loads(path.read_text()) if path.is_file() else None


def write_model_card(workdir: str | pathlib.Path, metadata: dict,
                     best: Mapping[str, float] | None) -> None:
    """Writes model_card.md: what the weights were made of and reach.

    Args:
        workdir: Of the run.
        metadata: Of the weights file: metadata()'s answer.
        best: read_best's answer.
    """
    trained = metadata['trained']
    flags = trained['flags']
    datasets = '; '.join(
        f'{found["count"]} {name} ({", ".join(found["folders"])}; sha256 '
        f'{found["digest"][:16]})'
        for name, found in trained['datasets'].items())
    text = f"""# DMENet, trained by dmenet_tf

- **What it does**: photograph -> blur of each pixel, sigma in px; convention
  `{metadata['convention']}` (dmenet_tf/optics.py).
- **Trained** for {trained['steps']} steps, {trained['hours']} h, at
  {trained['commit']}, with TensorFlow {trained['tensorflow']}, in
  {flags['precision']}, seed {flags['seed']}.
- **Pictures learnt from**: {datasets}.
- **Held-out pictures**: {_reached(best)}
- **Made again** with the same flags and pictures it is {_repeats(flags)}.
- **Limits**: it knows blur up to {optics.MAX_SIGMA:g} px and photographs like
  those above; see the README for what the numbers mean.
- **Licence of the weights**: that of the pictures and of VGG19's weights, if
  they were used.

Flags:

{_flag_lines(flags)}
"""
    with files.atomic_path(pathlib.Path(workdir) / 'model_card.md') as path:
        path.write_text(text)


def _reached(best):
    if not best:
        return 'none were validated on.'
    return ', '.join(f'{name} {value:.4f}' for name, value in best.items()
                     if name != 'step') + f' (best.npz, step {best["step"]}).'


def _repeats(flags):
    """How alike a second training is: rounding depends on order and machine.
    """
    if not flags['deterministic']:
        return ('alike, not equal: without --deterministic rounding differs '
                'from run to run')
    return 'equal on the same machine; elsewhere it is alike'


def _flag_lines(flags):
    """Settings that say something, as they would be passed."""
    return '\n'.join(f'    --{name}={_as_flag(value)}'
                     for name, value in flags.items()
                     if not (value is None or value is False or value == []))


def _as_flag(value):
    if isinstance(value, dict):
        names = [name for name, changes in AUGMENT.items()
                 if changes == Augment(**value)]
        return names[0] if names else ', '.join(
            f'{name} {number:g}' for name, number in value.items())
    return ','.join(map(str, value)) if isinstance(value, list) else value


class EventFile:
    """Appends to an event file in a folder.

    Args:
        folder: TensorBoard's --logdir, or a folder in it.
    """

    def __init__(self, folder: str | pathlib.Path):
        self._writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Writes numbers.

        Args:
            values: By name.
            step: Training step.
        """
        with self._writer.as_default():
            for name, value in values.items():
                self._write(name, tf.constant(value, tf.float32), step,
                            'scalars')

    def picture(self, name: str, picture: npt.NDArray[np.uint8],
                step: int) -> None:
        """Writes one picture.

        Args:
            name: Tag.
            picture: [h, w, 3], uint8.
            step: Training step.
        """
        height, width, _ = picture.shape
        png = tf.io.encode_png(np.asarray(picture, np.uint8))
        with self._writer.as_default():
            # The plugin's format: width, height, then encoded pictures.
            self._write(name, tf.stack([str(width), str(height), png]), step,
                        'images')

    def _write(self, name, tensor, step, plugin):
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = plugin
        tf.summary.write(name, tensor, step=step, metadata=metadata)

    def flush(self) -> None:
        """Writes out what is still in memory."""
        self._writer.flush()
