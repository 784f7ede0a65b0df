"""What a training leaves for people: best weights, model card, event files."""

import json
import pathlib
import subprocess

import numpy as np
import tensorflow as tf

from dmenet_tf import files, optics, weights

_HIGHER_IS_BETTER = {'accuracy'}


def keep_best(workdir, nets, metadata, metrics, best_by):
    """Writes best.npz and best.json if `metrics` beat what is there.

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
    best = read_best(workdir)
    sign = -1.0 if best_by in _HIGHER_IS_BETTER else 1.0
    if best and sign * metrics[best_by] >= sign * best[best_by]:
        return False
    metadata = {**metadata, 'held_out': metrics}
    weights.save(pathlib.Path(workdir) / 'best.npz', nets, metadata)
    with files.atomic_path(pathlib.Path(workdir) / 'best.json') as temporary:
        step = metadata['trained']['steps']
        temporary.write_text(json.dumps({'step': step, **metrics}) + '\n')
    return True


def read_best(workdir):
    """What best.npz reached on the held-out pictures, or None."""
    path = pathlib.Path(workdir) / 'best.json'
    return json.loads(path.read_text()) if path.is_file() else None


def commit():
    """The commit of the library's working copy, or its version."""
    import dmenet_tf
    folder = pathlib.Path(dmenet_tf.__file__).parent
    try:
        return subprocess.run(
            ['git', '-C', folder, 'rev-parse', 'HEAD'], check=True,
            capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f'version {dmenet_tf.__version__}'


def write_model_card(workdir, metadata, best):
    """Writes model_card.md: what the weights were made of and reach.

    Args:
        workdir: Of the run.
        metadata: Of the weights file.
        best: read_best's answer.
    """
    trained = metadata['trained']
    flags = trained['flags']
    pictures = ', '.join(f'{count} {name} ({", ".join(flags[name])})'
                         for name, count in trained['pictures'].items())
    changed = '\n'.join(f'    --{name}={_as_flag(value)}'
                        for name, value in flags.items()
                        if value not in (None, [], False))
    reached = 'No pictures were held out.' if not best else ', '.join(
        f'{name} {value:.4f}' for name, value in best.items()
        if name != 'step') + f' (best.npz, step {best["step"]}).'
    text = f"""# DMENet, trained by dmenet_tf

- **What it does**: photograph -> blur of each pixel, sigma in px; convention
  `{metadata['convention']}` (dmenet_tf/optics.py).
- **Trained** for {trained['steps']} steps, {trained['hours']} h in its last
  session, at {trained['commit']}.
- **Pictures learnt from**: {pictures}.
- **Held-out pictures**: {reached}
- **Limits**: it knows blur up to {optics.MAX_SIGMA:g} px and photographs like
  those above; see the README for what the numbers mean.
- **Licence of the weights**: that of the pictures and of VGG19's weights, if
  they were used.

Flags:

{changed}
"""
    with files.atomic_path(pathlib.Path(workdir) / 'model_card.md') as path:
        path.write_text(text)


def _as_flag(value):
    return ','.join(map(str, value)) if isinstance(value, list) else value


class EventFile:
    """Appends to an event file in a folder.

    Args:
        folder: TensorBoard's --logdir, or a folder in it.
    """

    def __init__(self, folder):
        self._writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, values, step):
        """Writes numbers.

        Args:
            values: Dict of name -> number.
            step: Training step.
        """
        with self._writer.as_default():
            for name, value in values.items():
                self._write(name, tf.constant(value, tf.float32), step,
                            'scalars')

    def picture(self, name, picture, step):
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

    def flush(self):
        self._writer.flush()
