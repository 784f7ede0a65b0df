"""The command's flags: each a setting, none without its place in --help."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import pytest

from dmenet_tf.train import AUGMENT, Augment, Config
from dmenet_tf.train import __main__ as command_of_training
from dmenet_tf.train.config import resolve

ROOT = pathlib.Path(__file__).parents[2]

PARSE = '''
import dataclasses, json, sys
from absl import flags
from dmenet_tf.train import __main__ as main
main.define_flags()
parsed = []
for line in json.loads(sys.argv[1]):
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['train', *line])
    parsed.append(dataclasses.asdict(main.config_from_flags()))
print(json.dumps(parsed))
'''


def parse(*lines):
    """The settings, as a dict, that each of several command lines gives."""
    ran = subprocess.run(
        [sys.executable, '-c', PARSE, json.dumps(lines)], check=True,
        capture_output=True, text=True)
    return json.loads(ran.stdout)


def test_flags_and_python_give_equal_settings():
    nothing, much = parse([], [
        '--synthetic=a,b', '--workdir=w', '--augment=photographs', '--width=8',
        '--encoder_norm', '--lambda_S=0', '--steps=7', '--vgg19=none'])
    assert nothing == dataclasses.asdict(Config())
    assert much == dataclasses.asdict(Config(
        synthetic=['a', 'b'], workdir='w', augment=AUGMENT['photographs'],
        width=8, encoder_norm=True, lambda_S=0.0, steps=7, vgg19='none'))


def test_of_epochs_and_steps_the_later_flag_counts(tmp_path):
    inner, outer = tmp_path / 'inner.flags', tmp_path / 'outer.flags'
    inner.write_text('--epochs=60\n')
    outer.write_text(f'# Flag files may hold flag files.\n'
                     f'--flagfile={inner}\n')
    found = parse([f'--flagfile={outer}', '--steps=100'],
                  ['--steps=100', f'--flagfile={outer}'],
                  ['--steps=5', '--epochs', '2', '--steps', '3'])
    assert [(c['steps'], c['epochs']) for c in found] == [
        (100, None), (None, 60.0), (3, None)]


def call(*arguments):
    ran = subprocess.run(
        [sys.executable, '-m', 'dmenet_tf.train', *arguments],
        capture_output=True, text=True)
    return ran.returncode, ran.stdout, ran.stderr


def test_help_shows_first_what_a_newcomer_needs():
    status, text, _ = call('--help')
    assert status == 0
    newcomer, rest = text.split('More about pictures:')
    first = [name for name in (f.name for f in dataclasses.fields(Config))
             if f'\n  --{name}=' in newcomer]
    assert first == [
        'synthetic', 'real', 'binary', 'augment', 'hold_out', 'workdir',
        'init_weights', 'preset', 'width', 'batch', 'epochs', 'steps',
        'learning_rate']
    assert '--augment=none|photographs' in newcomer
    assert '\n  --lambda_adv=' in rest and 'More flags' not in rest


def test_every_setting_has_a_place_in_help():
    named = [name for group in command_of_training.groups().values()
             for name in group]
    assert sorted(named) == sorted(f.name for f in dataclasses.fields(Config))


def test_errors_of_the_command_are_one_line():
    status, _, errors = call('--workdir=runs/x', 'SYNDOF')
    assert status == 1
    assert errors.splitlines()[-1].startswith(
        "error: Unexpected arguments: ['SYNDOF'].")


@pytest.mark.slow
def test_a_missing_setting_is_one_line():
    status, _, errors = call('--workdir=runs/x')
    assert (status, errors.splitlines()[-1]) == (
        1, 'error: Needed: --synthetic, a SYNDOF folder '
        '(python -m dmenet_tf.syndof makes one).')


def test_importing_the_package_imports_neither_tensorflow_nor_absl():
    code = ('import sys, dmenet_tf.train as train; train.Config; '
            'print([name for name in ("tensorflow", "keras", "absl") '
            'if name in sys.modules])')
    ran = subprocess.run([sys.executable, '-c', code], check=True,
                         capture_output=True, text=True)
    assert ran.stdout.strip() == '[]'


def test_flag_files_say_what_the_presets_are():
    folders = {'synthetic': ['s'], 'real': ['r'], 'binary': ['b'],
               'workdir': 'w'}
    files = sorted((ROOT / 'experiments').glob('paper_*.flags'))
    files += [ROOT / 'experiments/official_bdcs.flags']
    lines = [[f'--flagfile={path}', '--synthetic=s', '--real=r', '--binary=b',
              '--workdir=w'] for path in files]
    found = {path.stem: resolve(Config(**values | {'augment': Augment()}))
             for path, values in zip(files, parse(*lines), strict=True)}
    whole = resolve(Config(**folders))
    off = {'lambda_adv': 0.0, 'lambda_C': 0.0, 'lambda_S': 0.0}
    for name, changes in {
            'paper_b': off, 'paper_bd': off | {'lambda_adv': 1e-3},
            'paper_bdc': {'lambda_S': 0.0}, 'paper_bdcs': {},
            'paper_bdcs_no_aux': {'lambda_aux': 0.0}}.items():
        assert found.pop(name) == dataclasses.replace(whole, **changes), name
    assert found == {'official_bdcs': resolve(
        Config(**folders, preset='official'))}
