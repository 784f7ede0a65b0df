"""Weights of train.py as a run of dmenet_tf.train, which then finishes it.

    python experiments/without_tensorflow/import_result.py \\
        --flagfile=experiments/base.flags --steps=16060 --workdir=runs/base \\
        --result=result
    python -m dmenet_tf.train --flagfile=experiments/base.flags \\
        --steps=16060 --workdir=runs/base

The first writes a checkpoint of the last step and the losses of all, the
second measures the statistics of batch normalisation, validates and writes
weights.npz, as at the end of any training. The flags are those of
export_step.py, --steps what train.py did.
"""

import csv
import json
import pathlib

import numpy as np
from absl import app, flags

from dmenet_tf import networks, variables
from dmenet_tf.train import __main__ as command_line
from dmenet_tf.train import checkpoints, config, loop

_RESULT = flags.DEFINE_string('result', None, 'Folder that train.py wrote.',
                              required=True)


def main(_: list[str]) -> None:
    """Writes the checkpoint."""
    folder = pathlib.Path(_RESULT.value)
    weights = np.load(folder / 'weights.npz')
    c = config.resolve(command_line.config_from_flags())
    with networks.policy(c.precision):
        run = loop.Run(c)
        checkpoints.save_or_check_flags(c, run.digests)
        for letter, model in run.trainer.networks._asdict().items():
            if model is not None:
                variables.assign(model, {
                    name.removeprefix(f'{letter}/'): value
                    for name, value in weights.items()
                    if name.startswith(f'{letter}/')}, folder)
        if run.average is not None:  # What came back is the average already.
            for value, own in zip(run.average.values,
                                  run.trainer.networks.B.trainable_variables,
                                  strict=True):
                value.assign(own)
        run.trainer.step.assign(int(weights['step']))
        with (folder / 'terms.csv').open() as file:
            for row in csv.DictReader(file):
                step = int(row.pop('step'))
                run.events.scalars({k: float(v) for k, v in row.items()}, step)
        run.events.flush()
        run.checkpoints.save(json.loads(
            (folder / 'seconds.json').read_text()))
    print(f'Step {int(weights["step"])} is in {run.workdir}.')


if __name__ == '__main__':
    command_line.define_flags()
    app.run(main)
