"""experiments/smoke.flags still learns what it learnt when it was recorded.

tests/data/recorded_losses.json has the losses of its first 60 steps on the
reference stack, by this test's own commands (with RECORD=1 it writes them). A
slip that no unit test sees, of a label, a loss or an optimiser, shows here.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[2]
RECORD = ROOT / 'tests/data/recorded_losses.json'
STEPS = 60
# Random pictures are the same everywhere; sums are not, and drift apart.
TOLERANCE = {10: 0.02, 20: 0.03, 30: 0.05, 40: 0.08, 50: 0.1, 60: 0.1}


def command(*words):
    subprocess.run([sys.executable, '-m', *words], cwd=ROOT, check=True,
                   capture_output=True)


def losses(workdir):
    """{step: {name: mean since the last}} of the event files of a run."""
    found = {}
    for path in (workdir / 'events').iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag in ('L_B', 'L_aux', 'L_D', 'L_adv'):
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
