"""Models of the hub: what is asked for, and a cache laid out as the hub's."""

import logging
import shutil
import sys
import types

import numpy as np
import pytest

from dmenet_tf import estimation, hub, model_files, weights

COMMIT = 40 * 'a'


@pytest.fixture
def model(toy_flag):
    return toy_flag.removeprefix('--model=')


@pytest.fixture
def asked(monkeypatch, model):
    """What the hub was asked for; it always has the toy."""
    calls = []

    def download(*arguments, **named):
        calls.append((*arguments, named))
        return model
    monkeypatch.setitem(sys.modules, 'huggingface_hub',
                        types.SimpleNamespace(hf_hub_download=download))
    return calls


def test_the_hub_is_asked_for_the_weights_file(asked, model):
    assert str(model_files.find('hf://some.one/sharp_net')) == model
    model_files.find('hf://me/net@v1.0')
    assert asked == [
        ('some.one/sharp_net', 'model.npz', {'revision': None}),
        ('me/net', 'model.npz', {'revision': 'v1.0'})]


def test_a_model_of_the_hub_is_a_model(asked, model):
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    np.testing.assert_array_equal(
        estimation.estimate(image, 'hf://me/net', precision='float32'),
        estimation.estimate(image, model, precision='float32'))
    assert weights.describe('hf://me/net') == weights.describe(model)
    np.testing.assert_array_equal(
        weights.load_model('hf://me/net').predict(image[None], verbose=0),
        weights.load_model(model).predict(image[None], verbose=0))


@pytest.mark.parametrize('name', ['hf://net', 'hf://me/net/more', 'hf://',
                                  'hf://me/net@', 'hf://me/a b'])
def test_what_names_no_repository_is_one_line(asked, name):
    with pytest.raises(ValueError) as caught:
        weights.load_model(name)
    assert str(caught.value) == (
        f'{name}: a model of the hub is hf://owner/name, or '
        'hf://owner/name@revision.')
    assert asked == []


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(ImportError) as caught:
        weights.load_model('hf://me/net')
    assert str(caught.value) == (
        "hf://me/net needs huggingface_hub: pip install 'dmenet_tf[hub]'.")


def test_what_the_hub_says_is_one_line(monkeypatch, caplog):
    def refuse(*arguments, **named):
        logging.getLogger('huggingface_hub').warning('Try 2 of 5.')
        raise OSError('404  Client Error.\n\nRepository Not Found ...')
    monkeypatch.setitem(sys.modules, 'huggingface_hub',
                        types.SimpleNamespace(hf_hub_download=refuse))
    with pytest.raises(OSError) as caught:
        hub.fetch('hf://me/net')
    assert str(caught.value) == 'hf://me/net: 404 Client Error.'
    assert not caplog.records


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache, empty, and no network."""
    constants = pytest.importorskip('huggingface_hub.constants')
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path))
    return tmp_path


@pytest.mark.extra
def test_what_is_in_the_cache_needs_no_network(cache, model):
    repository = cache / 'models--me--net'
    snapshot = repository / 'snapshots' / COMMIT
    snapshot.mkdir(parents=True)
    shutil.copy(model, snapshot / 'model.npz')
    (repository / 'refs').mkdir()
    (repository / 'refs/main').write_text(COMMIT)
    assert model_files.find('hf://me/net') == snapshot / 'model.npz'
    assert model_files.digest('hf://me/net') == model_files.digest(model)
    assert model_files.find(f'hf://me/net@{COMMIT}') == snapshot / 'model.npz'


@pytest.mark.extra
def test_what_is_not_there_is_one_line(cache):
    with pytest.raises(OSError) as caught:
        model_files.find('hf://me/net')
    said = str(caught.value)
    assert said.startswith('hf://me/net: ') and '\n' not in said
    assert len(said) > 30
