"""Options: what is refused, and what counts for whose scores."""

import dataclasses
import math
import subprocess
import sys

import pytest

from dmenet_tf.evaluate import Options
from dmenet_tf.evaluate.options import Files, Settings

FOLDERS = {'ground_truth': 'gt', 'output_dir': 'out', 'images': 'image'}


@pytest.mark.parametrize('given, reason', [
    ({'protocol': 'cuhl'}, "protocol must be one of .* Received: 'cuhl'"),
    ({'predictions': ()}, 'Name at least one of model, predictions and'),
    ({'prediction_unit': 'mm'}, "prediction_unit must be one of .*'mm'"),
    ({'convention': 'sigma8'}, "convention must be one of .*'sigma8'"),
    ({'model': 'small'}, "model must be a sequence of strings.*'small'"),
    ({'ground_truth': None}, 'ground_truth is missing'),
    ({'protocol': 'uniform', 'baseline': ['zhuo_sim']},
     'uniform blurs the photographs itself: it takes neither ground_truth'),
    ({'protocol': 'uniform', 'ground_truth': None}, 'nor predictions'),
    ({'blurs': [1]}, 'blurs is of uniform, not of cuhk'),
    ({'protocol': 'rtf', 'sigma_threshold': 1.0},
     'sigma_threshold is of cuhk and detection, not of rtf'),
    ({'protocol': 'sigma', 'masks_sharp_is_bright': True},
     'masks_sharp_is_bright is of cuhk and detection, not of sigma'),
    ({'protocol': 'sigma', 'structure': True},
     'structure is of cuhk and detection, not of sigma'),
    ({'dataset': 'dut'}, 'dataset is of detection, not of cuhk'),
    ({'protocol': 'detection', 'dataset': 'DUT'}, "dataset must be one of"),
    ({'sigma_threshold': 0.0}, r'sigma_threshold must be in \(0, 8\] px'),
    ({'sigma_threshold': 9.0}, r'sigma_threshold must be in \(0, 8\] px'),
    ({'protocol': 'uniform', 'ground_truth': None, 'predictions': (),
      'model': ['small'], 'blurs': [0, -1]}, 'blurs must be finite'),
    ({'noise': [math.nan]}, 'noise must be finite and not negative'),
    ({'noise': [0, 5, 0]}, 'noise: one level is there twice'),
    ({'protocol': 'sigma', 'sharp_is_bright': True},
     'what grows with sharpness is not in px'),
    ({'protocol': 'rtf', 'sharp_is_bright': True,
      'prediction_unit': 'disc_radius'}, 'sharp_is_bright is of scores'),
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
    foreign = options.settings(0.0, 0.0, True)
    own = options.settings(1.6, 0.0, False)
    assert foreign.truth_scale == own.truth_scale == 0.5
    assert (foreign.prediction_unit, foreign.prediction_scale,
            foreign.sharp_is_bright, foreign.noise) == (
                'sigma7', 2.0, True, 0.0)
    assert (own.prediction_unit, own.prediction_scale, own.sharp_is_bright,
            own.noise) == ('px', None, False, 1.6)


@pytest.mark.parametrize('dataset, given, sharp_is_bright', [
    ('cuhk', {}, False), ('dut', {}, True), ('ctcug', {}, False),
    ('ebd', {}, True), ('cuhk', {'masks_sharp_is_bright': True}, True)])
def test_of_each_dataset_it_is_known_which_code_is_sharp(dataset, given,
                                                         sharp_is_bright):
    options = Options('detection', predictions=['maps'], dataset=dataset,
                      **FOLDERS, **given)
    settings = options.settings(0.0, 0.0, True)
    assert settings.masks_sharp_is_bright is sharp_is_bright


def test_a_field_of_files_is_written_once():
    said = {'masks_sharp_is_bright': True, 'structure': True,
            'truth_scale': 2.0, 'truth_offset': 1.0, 'unknown_code': 3.0,
            'convention': 'sigma7', 'prediction_unit': 'score',
            'prediction_scale': 4.0, 'sharp_is_bright': True}
    assert set(said) == {field.name for field in dataclasses.fields(Files)}
    settings = Options('cuhk', predictions=['maps'], **FOLDERS,
                       **said).settings(0.0, 0.0, True)
    assert settings == Settings('cuhk', **said)


@pytest.mark.parametrize('protocol, given, unit', [
    ('cuhk', {}, 'score'), ('sigma', {}, 'px'),
    ('cuhk', {'prediction_scale': 1.0}, 'px'),
    ('detection', {'prediction_unit': 'sigma7'}, 'px'),
    ('cuhk', {'prediction_scale': 1.0, 'sharp_is_bright': True}, 'score'),
    ('sigma', {'prediction_unit': 'score'}, 'score')])
def test_maps_for_masks_are_in_px_only_where_it_is_said(protocol, given,
                                                         unit):
    options = Options(protocol, predictions=['maps'], **FOLDERS, **given)
    assert options.foreign_unit() == unit


def test_uniform_has_levels_of_blur_and_others_one():
    given = {'protocol': 'uniform', 'images': 'image', 'output_dir': 'out',
             'model': ['small']}
    assert Options(**given).blur_levels() == (0, 1, 2, 4, 6)
    assert Options(**given, blurs=[3]).blur_levels() == [3]
    assert Options('cuhk', model=['small'], **FOLDERS).blur_levels() == (0,)


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
