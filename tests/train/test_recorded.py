"""Trainings still learn what they learnt when they were recorded.

tests/data/recorded_losses.json has the losses of the first 60 steps of
experiments/smoke.flags on the reference stack, by this test's own commands
(with RECORD=1 it writes them). A slip that no unit test sees, of a label, a
loss or an optimiser, shows here.

tests/data/first_steps_NAME.json has those of the first 100 steps of the run
that made the bundled model NAME. They are made again where DMENET_MODELS is the
folder that experiments/models.sh made (its WORK); with RECORD=1 the losses of
that run are written first.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[2]
RECORD = ROOT / 'tests/data/recorded_losses.json'
STEPS = 60
# Random pictures are the same everywhere; sums are not, and drift apart.
TOLERANCE = {10: 0.02, 20: 0.03, 30: 0.05, 40: 0.08, 50: 0.1, 60: 0.1}
# Of the first steps of a bundled model; a record has those of its log_every.
FIRST_STEPS = 100
FIRST_TOLERANCE = 0.1


def command(*words):
    subprocess.run([sys.executable, '-m', *words], cwd=ROOT, check=True,
                   capture_output=True)


def losses(workdir):
    """{step: {name: mean since the last}} of the event files of a run."""
    found = {}
    for path in sorted((workdir / 'events').iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag in ('L_B', 'L_aux', 'L_S', 'L_D', 'L_adv'):
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault(event.step, {})[value.tag] = number
    return found


@pytest.mark.slow
def test_the_recorded_run_is_made_again(tmp_path):
    command('dmenet_tf.syndof', '--source=procedural', '--count=60',
            '--max_size=320', f'--output_dir={tmp_path}/data')
    command('dmenet_tf.train', '--flagfile=experiments/smoke.flags',
            f'--synthetic={tmp_path}/data', f'--workdir={tmp_path}/run',
            f'--steps={STEPS}', '--deterministic')
    made = losses(tmp_path / 'run')
    if os.environ.get('RECORD'):
        RECORD.write_text(json.dumps(made, indent=1) + '\n')
    recorded = json.loads(RECORD.read_text())
    for step, tolerance in TOLERANCE.items():
        assert made[step] == pytest.approx(recorded[str(step)], rel=tolerance)
    assert (made[50]['L_B'] + made[60]['L_B']) / 2 < 0.85 * made[10]['L_B']


def first_steps(workdir):
    """The losses of FIRST_STEPS at most, as JSON has them."""
    return {str(step): terms for step, terms in losses(workdir).items()
            if step <= FIRST_STEPS}


def train_first_steps(name, models, workdir):
    """The training of a bundled model, ended once its first steps are saved.

    Fewer --steps would be another schedule.
    """
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    process = subprocess.Popen(
        [sys.executable, '-m', 'dmenet_tf.train',
         f'--flagfile={ROOT}/experiments/{name}.flags',
         f'--workdir={workdir}', '--cache=none',
         f'--checkpoint_every={FIRST_STEPS}'], cwd=models,
        env=os.environ | {'PYTHONPATH': path})
    saved = workdir / f'checkpoints/ckpt-{FIRST_STEPS}.index'
    while process.poll() is None and not saved.exists():
        time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143


@pytest.mark.slow
@pytest.mark.parametrize('name', ['small-v2', 'small-v3', 'small', 'base'])
def test_the_first_steps_of_a_bundled_model_are_made_again(name, tmp_path):
    models = os.environ.get('DMENET_MODELS')
    if not models:
        pytest.skip('DMENET_MODELS, what experiments/models.sh makes, is not '
                    'set')
    record = ROOT / f'tests/data/first_steps_{name}.json'
    if os.environ.get('RECORD'):
        recorded = first_steps(pathlib.Path(models) / 'runs' / name)
        record.write_text(json.dumps(recorded, indent=1) + '\n')
    if not record.exists():
        pytest.skip(f'{record}: not recorded yet')
    train_first_steps(name, models, tmp_path / 'run')
    made = first_steps(tmp_path / 'run')
    recorded = json.loads(record.read_text())
    # A run that was stopped has a mean of that step, too.
    common = made.keys() & recorded.keys()
    assert str(FIRST_STEPS) in common
    for step in common:
        assert made[step] == pytest.approx(recorded[step],
                                           rel=FIRST_TOLERANCE), step
