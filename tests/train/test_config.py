"""Settings: presets, contradictions, and what depends on what."""

import dataclasses
import json
import logging
import pathlib

import pytest

from dmenet_tf.train.changes import AUGMENT, Augment
from dmenet_tf.train.config import (
    FREE_ON_RESUME,
    STATISTICS,
    Config,
    resolve,
)


@pytest.mark.parametrize('changes, message', [
    ({'workdir': ''}, '--workdir'), ({'synthetic': []}, '--synthetic'),
    ({'lambda_S': 0.1}, 'pass --binary, or --lambda_S=0'),
    ({'lambda_adv': 0.1}, 'pass --real or --binary, or --lambda_adv=0'),
    ({'teacher': 'small'}, 'teaches by photographs: pass --real or --binary'),
    ({'epochs': 3.0}, 'Give steps or epochs, not both'),
    ({'crop': 100}, '--crop must be a multiple of 16'),
    ({'hold_out': 1.5}, r'--hold_out must be in \[0, 1\). Received: 1.5'),
    ({'ema': 1.0}, r'--ema must be in \[0, 1\)'),
    ({'batch': 0}, '--batch must be at least 1'),
    ({'steps': -1}, '--steps must be at least 0'),
    ({'steps': None, 'epochs': 0.0}, '--epochs must be above 0'),
    ({'learning_rate': 0.0}, '--learning_rate must be above 0'),
    ({'lambda_C': -1.0}, '--lambda_C must be at least 0'),
    ({'preset': 'papr'}, '--preset must be one of paper, official, '
     'photographs. Received: papr'),
    ({'best_by': 'accuracy'}, '--best_by=accuracy'),
    ({'batch_norm': 'frozen'}, '--batch_norm=frozen keeps the statistics of '
     'a weights file: pass --init_weights'),
    ({'batch_norm': 'photographs', 'real': ['r']},
     'photographs that training looks at')])
def test_contradictions_are_refused(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


@pytest.mark.parametrize('name, value', [
    ('zoom', 0.5), ('blur', 7.1), ('blur_share', 0.0), ('blur_power', 0.0),
    ('grey', 2.0), ('exposure', -1.0), ('gamma', -0.1), ('noise', -1.0),
    ('noise_power', 0.0), ('grain', 1.5), ('jpeg_quality', 0)])
def test_changes_out_of_range_are_refused_by_name(settings, name, value):
    changes = dataclasses.replace(Augment(), **{name: value})
    with pytest.raises(ValueError, match=rf'^augment\.{name} must be .*'
                       rf'Received: {value}\.$'):
        settings(augment=changes)


def test_every_change_has_a_range_and_what_is_named_is_in_it(settings):
    for changes in AUGMENT.values():
        assert settings(augment=changes).augment is changes
    with pytest.raises(ValueError, match='must be an Augment, such as'):
        settings(augment='photographs')


@pytest.mark.parametrize('preset, batch, any_angle', [
    ('paper', 4, True), ('official', 3, False)])
def test_presets_fill_in_what_is_open(preset, batch, any_angle):
    config = resolve(Config(workdir='w', synthetic=['s'], real=['r'],
                            binary=['b'], preset=preset))
    assert (config.batch, config.any_angle) == (batch, any_angle)
    assert (config.lambda_adv, config.lambda_C, config.lambda_S,
            config.lambda_aux, config.epochs) == (1e-3, 1e-4, 2e-2, 1.0, 60.0)
    assert (config.width, config.decoder_width, config.encoder,
            config.refine_blocks, config.padding, config.encoder_norm,
            config.vgg19) == (
                64, 64, 'vgg19', 7, 'symmetric', False, 'imagenet')


def of_photographs(**changes):
    return resolve(Config(**{
        'workdir': 'w', 'synthetic': ['s'], 'real': ['r'], 'binary': ['b'],
        'preset': 'photographs', **changes}))


def test_the_preset_of_photographs_sets_what_the_paper_leaves():
    found, paper = of_photographs(), of_photographs(preset='paper')
    assert {name: value for name, value in dataclasses.asdict(found).items()
            if value != dataclasses.asdict(paper)[name]} == {
        'preset': 'photographs', 'lambda_C': 0.0, 'lambda_S': 0.5,
        'map_error': 'mae', 'padding': 'zero', 'learning_rate': 5e-4,
        'schedule': 'cosine', 'ema': 0.998,
        'augment': dataclasses.asdict(AUGMENT['photographs'])}
    assert (found.starts_at_mean, paper.starts_at_mean) == (True, False)
    assert not found.any_angle
    assert resolve(found) == found


@pytest.mark.parametrize('changes, encoder_norm, vgg19', [
    ({}, False, 'imagenet'), ({'vgg19': 'hed'}, False, 'hed'),
    ({'vgg19': 'none'}, True, 'none'), ({'width': 16}, True, 'none'),
    ({'width': 16, 'encoder_norm': False}, False, 'none')])
def test_encoders_without_pretrained_weights_are_normalised(
        changes, encoder_norm, vgg19):
    config = of_photographs(**changes)
    assert (config.encoder_norm, config.vgg19) == (encoder_norm, vgg19)


def test_what_is_given_overrules_the_preset():
    given = {'lambda_C': 1e-4, 'lambda_S': 2e-2, 'map_error': 'mse',
             'padding': 'symmetric', 'learning_rate': 1e-4,
             'schedule': 'constant', 'ema': 0.0, 'augment': Augment(),
             'batch': 3}
    config = of_photographs(**given)
    assert {name: getattr(config, name) for name in given} == given


def test_a_file_overrules_the_preset_where_it_has_a_word():
    config = of_photographs(init_weights='small')
    assert (config.width, config.padding, config.encoder_norm,
            config.vgg19) == (16, 'zero', True, 'none')


def test_the_decoder_is_as_wide_as_the_encoder_unless_asked(settings):
    assert settings(width=8).decoder_width == 8
    assert settings(width=8, decoder_width=2).decoder_width == 2
    with pytest.raises(ValueError, match='--decoder_width must be at least 1'):
        settings(decoder_width=0)
    with pytest.raises(ValueError, match='--encoder must be one of vgg19, v'):
        settings(encoder='vgg11')


@pytest.mark.parametrize('changes', [
    {}, {'vgg19': 'imagenet', 'lambda_C': 1e-4},
    {'width': None, 'vgg19': None, 'steps': None}])
def test_what_is_resolved_stays(settings, changes):
    config = settings(**changes)
    assert resolve(config) == config
    assert Config(**json.loads(json.dumps(dataclasses.asdict(config)))
                  | {'augment': config.augment}) == config


def test_one_path_stands_for_a_list(settings):
    config = settings(synthetic=pathlib.Path('a/b'), real='r',
                      workdir=pathlib.Path('w'))
    assert (config.synthetic, config.real, config.workdir) == (
        ['a/b'], ['r'], 'w')


def test_without_vgg19_c_is_left_out_unless_asked_for(settings, caplog):
    assert settings(vgg19='none').lambda_C == 0.0
    assert settings(vgg19='none', lambda_C=1e-4).lambda_C == 1e-4
    assert caplog.messages == [
        'C has random weights: --lambda_C with --vgg19=none.']


@pytest.mark.parametrize('changes, vgg19, lambda_C', [
    ({}, 'imagenet', 1e-4),
    ({'width': 16}, 'none', 0.0),
    ({'encoder_norm': True}, 'none', 0.0),
    ({'width': 16, 'lambda_C': 1e-4}, 'imagenet', 1e-4),
    ({'lambda_C': 0.0}, 'imagenet', 0.0)])
def test_vgg19_is_taken_where_it_fits(settings, changes, vgg19, lambda_C):
    config = settings(**{'width': 64, 'vgg19': None, **changes})
    assert (config.vgg19, config.lambda_C) == (vgg19, lambda_C)


@pytest.mark.parametrize('changes', [
    {'width': 16}, {'width': 64, 'encoder_norm': True}])
def test_vgg19_that_nothing_would_take_is_refused(settings, caplog, changes):
    caplog.set_level(logging.INFO)
    for lambda_C in (None, 0.0):
        with pytest.raises(ValueError, match='--vgg19=v.npz, but B.* at '
                           '--width=64 without --encoder_norm alone'):
            settings(vgg19='v.npz', lambda_C=lambda_C, **changes)
    assert not caplog.messages
    settings(vgg19='v.npz', lambda_C=1e-4, **changes)
    assert caplog.messages == [
        "VGG19's weights (v.npz) are for C alone, not for B."]


def test_a_bundled_model_brings_its_architecture(settings):
    config = settings(init_weights='small', width=None, refine_blocks=None,
                      vgg19=None)
    assert config.init_weights == ['small']
    assert (config.width, config.decoder_width, config.encoder,
            config.refine_blocks, config.padding, config.encoder_norm) == (
                16, 16, 'vgg19', 1, 'zero', True)
    # Its encoder is trained, and no C was asked for.
    assert (config.vgg19, config.lambda_C) == ('none', 0.0)
    assert resolve(config) == config


@pytest.mark.parametrize('name, value, theirs', [
    ('width', 8, 16), ('refine_blocks', 0, 1), ('decoder_width', 4, 16),
    ('encoder', 'vgg16', 'vgg19'),
    ('padding', 'symmetric', 'zero'), ('encoder_norm', False, True),
    ('convention', 'legacy15', 'sigma7')])
def test_another_architecture_than_the_file_s_is_refused(settings, name,
                                                         value, theirs):
    with pytest.raises(ValueError, match=f'^--{name}={value}, but the weights '
                       f'of small are of --{name}={theirs}'):
        settings(**{'init_weights': 'small', 'width': None,
                    'refine_blocks': None, name: value})


def test_vgg19_is_not_reported_where_a_file_took_its_place(settings,
                                                           tmp_path,
                                                           monkeypatch):
    from dmenet_tf import weights
    monkeypatch.setattr(weights, 'describe', lambda source: {
        'convention': 'sigma7', 'architecture': {
            'width': 64, 'decoder_width': 64, 'encoder': 'vgg19',
            'refine_blocks': 7, 'padding': 'symmetric',
            'encoder_norm': False, 'side_heads': True}})
    ours = {'init_weights': 'b.npz', 'width': None, 'refine_blocks': None}
    assert settings(**ours, vgg19='v.npz', lambda_C=0.0).vgg19 == 'none'
    assert settings(**ours, vgg19='v.npz', lambda_C=1e-4).vgg19 == 'v.npz'


def test_names_in_tables_are_settings():
    names = {field.name for field in dataclasses.fields(Config)}
    assert names > FREE_ON_RESUME
    modes = {f.name: f for f in dataclasses.fields(Config)}['batch_norm']
    assert modes.metadata['values'] == (*STATISTICS, 'frozen')
