"""What a training leaves for people: it has to be so."""

import dataclasses
import math
import pathlib
import subprocess

import pytest
import tensorflow as tf

import dmenet_tf
from dmenet_tf import model_files, weights
from dmenet_tf.train import records
from dmenet_tf.train.changes import AUGMENT, Augment

VERSION = f'version {dmenet_tf.__version__}'


@pytest.fixture
def keep(tmp_path, monkeypatch):
    """Function of (best_by, **metrics): keep_best without any networks."""
    monkeypatch.setattr(weights, 'save', lambda *args: None)
    return lambda by, **metrics: records.keep_best(
        tmp_path, None, {'trained': {'steps': 1}}, metrics, by)


def test_best_is_the_best(keep, tmp_path):
    assert keep('mse', mse=0.5)
    assert not keep('mse', mse=0.6)
    assert keep('mse', mse=0.4)
    assert not keep('accuracy', mse=0.3)
    (tmp_path / 'best.json').unlink()
    assert keep('accuracy', accuracy=0.5)
    assert not keep('accuracy', accuracy=0.4)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_the_best(keep, tmp_path, bad):
    assert not keep('mse', mse=bad)
    assert records.read_best(tmp_path) is None
    assert keep('mse', mse=0.5)
    assert not keep('mse', mse=bad)
    assert not keep('mse', mse=0.1, L_B=bad)
    assert records.read_best(tmp_path) == {'step': 1, 'mse': 0.5}
    assert keep('mse', mse=0.4)


def git(folder, *arguments):
    return subprocess.run(
        ['git', '-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@b',
         *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path) -> pathlib.Path:
    """A repository with a package dmenet_tf at its top; all is committed."""
    package = tmp_path / 'checkout/dmenet_tf'
    package.mkdir(parents=True)
    (package / '__init__.py').write_text('')
    git(package.parent, 'init', '-q')
    git(package.parent, 'add', '.')
    git(package.parent, 'commit', '-qm', 'all')
    return package


def test_a_checkout_of_the_library_says_its_commit(checkout):
    assert records.commit(checkout) == git(checkout, 'rev-parse', 'HEAD')
    (checkout.parent / 'notes.txt').write_text('not of the package')
    assert not records.commit(checkout).endswith('-dirty')


@pytest.mark.parametrize('name', ['__init__.py', 'new.py'])
def test_what_is_not_committed_is_said(checkout, name):
    (checkout / name).write_text('changed')
    assert records.commit(checkout) == (
        git(checkout, 'rev-parse', 'HEAD') + '-dirty')


@pytest.mark.parametrize('tracked', [False, True])
def test_a_foreign_repository_says_nothing(checkout, tracked):
    inside = checkout.parent / '.venv/lib/dmenet_tf'
    inside.mkdir(parents=True)
    (inside / '__init__.py').write_text('')
    if tracked:
        git(checkout.parent, 'add', '.')
        git(checkout.parent, 'commit', '-qm', 'more')
    assert records.commit(inside) == VERSION


def test_no_repository_says_nothing(tmp_path):
    assert records.commit(tmp_path) == VERSION


@pytest.fixture
def told(settings):
    """metadata() of a toy."""
    config = settings(synthetic=['/data/indoor', 'outdoor'], seed=5)
    return config, records.metadata(
        config, {'synthetic': {'count': 7, 'digest': 'ab' * 32}}, {}, 40,
        1.23456)


def test_metadata_tells_what_was_done(told):
    config, metadata = told
    assert metadata == {'convention': 'sigma7', 'trained': {
        'steps': 40, 'hours': 1.235, 'commit': records.commit(),
        'tensorflow': tf.__version__, 'flags': dataclasses.asdict(config),
        'datasets': {'synthetic': {
            'count': 7, 'digest': 'ab' * 32,
            'folders': ['indoor', 'outdoor']}}, 'models': {}}}
    assert metadata['trained']['flags']['seed'] == 5
    assert metadata['trained']['flags']['precision'] == 'float32'


def card_of(tmp_path, metadata, best=None):
    records.write_model_card(tmp_path, metadata, best)
    return ' '.join((tmp_path / 'model_card.md').read_text().split())


def test_the_model_card_tells_it_too(told, tmp_path):
    card = card_of(tmp_path, told[1], {'step': 30, 'mse': 0.01})
    for words in ('40 steps, 1.235 h', f'at {records.commit()}', 'seed 5',
                  f'TensorFlow {tf.__version__}', 'in float32',
                  '7 synthetic (indoor, outdoor; sha256 abababababababab)',
                  'mse 0.0100 (best.npz, step 30)', '--augment=none',
                  '--synthetic=/data/indoor,outdoor', '`sigma7`',
                  'alike, not equal', '--lambda_adv=0', '--ema=0'):
        assert words in card, words
    assert '--deterministic' not in card.split('Flags:')[1]
    assert 'none were validated on' in card_of(tmp_path, told[1])


def test_the_model_card_promises_equal_weights_only_if_they_are(
        settings, tmp_path):
    metadata = records.metadata(settings(deterministic=True), {}, {}, 1, 1.0)
    assert 'equal on the same machine' in card_of(tmp_path, metadata)


def test_a_name_whose_file_will_change_is_told_with_its_digest(settings):
    config = settings(init_weights='small', width=None, refine_blocks=None,
                      binary=['bin'], teacher='small-v1')
    models = records.models(config)
    assert models == {name: model_files.digest(name)
                      for name in ('small', 'small-v1')}
    said = records.metadata(config, {}, models, 1, 1.0)['trained']
    assert said['models'] == models
    assert records.models(settings()) == {}


@pytest.mark.parametrize('changes, words', [
    (AUGMENT['photographs'], '--augment=photographs'),
    (Augment(zoom=3.0), '--augment=zoom 3, blur 0')])
def test_the_model_card_names_the_random_changes(settings, tmp_path, changes,
                                                 words):
    metadata = records.metadata(settings(augment=changes), {}, {}, 1, 1.0)
    assert words in card_of(tmp_path, metadata)
