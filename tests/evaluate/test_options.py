"""Options: what is refused, and what counts for whose scores."""

import subprocess
import sys

import pytest

from dmenet_tf.evaluate import Options

FOLDERS = {'ground_truth': 'gt', 'output_dir': 'out', 'images': 'image'}


@pytest.mark.parametrize('given, reason', [
    ({'protocol': 'cuhl'}, "protocol must be one of .* Received: 'cuhl'"),
    ({'predictions': ()}, 'Name at least one of model, predictions and'),
    ({'prediction_unit': 'mm'}, "prediction_unit must be one of .*'mm'"),
    ({'convention': 'sigma8'}, "convention must be one of .*'sigma8'"),
    ({'model': 'small'}, "model must be a sequence of strings.*'small'"),
    ({'images': None, 'model': ['small']}, 'images is missing'),
    ({'images': None, 'baseline': ['lbp']}, 'images is missing')])
def test_what_cannot_be_evaluated_is_refused_at_once(given, reason):
    with pytest.raises(ValueError, match=reason):
        Options(**{'protocol': 'cuhk', 'predictions': ['maps'], **FOLDERS,
                   **given})


def test_what_is_said_of_foreign_maps_is_no_setting_of_the_others():
    options = Options('sigma', predictions=['maps'], truth_scale=0.5,
                      prediction_unit='sigma7', prediction_scale=2.0,
                      sharp_is_bright=True, **FOLDERS)
    foreign, own = options.settings(0.0, True), options.settings(1.6, False)
    assert foreign.truth_scale == own.truth_scale == 0.5
    assert (foreign.prediction_unit, foreign.prediction_scale,
            foreign.sharp_is_bright, foreign.noise) == (
                'sigma7', 2.0, True, 0.0)
    assert (own.prediction_unit, own.prediction_scale, own.sharp_is_bright,
            own.noise) == ('px', None, False, 1.6)


def test_the_package_needs_no_flags_and_clashes_with_none():
    program = '''
import sys
import dmenet_tf.evaluate
from dmenet_tf.evaluate import Options
assert not {'absl', 'tensorflow', 'keras'} & set(sys.modules)
from absl import flags
for name in ('model', 'images', 'protocol', 'workers'):
    flags.DEFINE_string(name, None, 'of the program')
import dmenet_tf.evaluate.__main__
from dmenet_tf.evaluate import evaluate
assert not {'tensorflow', 'keras'} & set(sys.modules)
print(callable(evaluate), flags.FLAGS['model'].help)
'''
    done = subprocess.run([sys.executable, '-c', program], check=False,
                          capture_output=True, text=True)
    assert done.stdout == 'True of the program\n', done.stderr
