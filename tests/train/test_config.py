"""Settings: presets, contradictions, and what depends on what."""

import pytest

from dmenet_tf.train.config import Config, resolve


@pytest.mark.parametrize('changes, message', [
    ({'workdir': ''}, '--workdir'), ({'synthetic': []}, '--synthetic'),
    ({'lambda_S': 0.1}, 'pass --binary, or --lambda_S=0'),
    ({'lambda_adv': 0.1}, 'pass --real or --binary, or --lambda_adv=0'),
    ({'epochs': 3.0}, '--steps or --epochs'), ({'crop': 100}, 'of 16'),
    ({'hold_out': 1.5}, '--hold_out'), ({'ema': 1.0}, '--ema'),
    ({'batch': 0}, '--batch'),
    ({'initial_defocus': 1.0}, '--initial_defocus'),
    ({'lambda_C': -1.0}, 'negative'),
    ({'best_by': 'accuracy'}, '--best_by=accuracy')])
def test_contradictions_are_refused(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


@pytest.mark.parametrize('preset, batch', [('paper', 4), ('official', 3)])
def test_presets_fill_in_what_is_open(preset, batch):
    config = resolve(Config(workdir='w', synthetic=['s'], real=['r'],
                            binary=['b'], preset=preset))
    assert config.batch == batch
    assert (config.lambda_adv, config.lambda_C, config.lambda_S,
            config.lambda_aux, config.epochs) == (1e-3, 1e-4, 2e-2, 1.0, 60.0)


def test_without_vgg19_c_is_left_out_unless_asked_for(settings):
    assert settings(vgg19='none').lambda_C == 0.0
    assert settings(vgg19='none', lambda_C=1e-4).lambda_C == 1e-4
