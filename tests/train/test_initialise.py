"""The first weights of a run: fresh, told, or from files."""

import dataclasses
import logging
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmenet_tf import model_files, networks, variables, weights
from dmenet_tf.train import folders, steps
from dmenet_tf.train.initialise import (
    build_content,
    build_networks,
    build_teacher,
    mean_label,
)
from dmenet_tf.train.store import Store

ALL = {'binary': ['b'], 'real': ['r'], 'lambda_adv': 1e-3, 'lambda_S': 2e-2,
       'lambda_aux': 1.0}


def values(model):
    return {name: np.array(tf.convert_to_tensor(variable))
            for name, variable in variables.of(model).items()}


def filled(settings, path, value, **changes):
    """Writes a toy's weights, all of one value; returns the path."""
    nets = build_networks(settings(**changes))
    for model in nets:
        for variable in variables.of(model).values() if model else ():
            variable.assign(tf.fill(variable.shape, value))
    weights.save(path, nets, {'convention': 'sigma7'})
    return str(path)


def test_maps_start_where_told(settings):
    nets = build_networks(settings(lambda_aux=1.0), defocus=0.2)
    for name in ('uf_c3', *(f'u{level}_aux_b2' for level in range(5))):
        layer = nets.B.get_layer(name)
        bias = layer.bias if name == 'uf_c3' else layer.beta
        np.testing.assert_allclose(tf.sigmoid(tf.convert_to_tensor(bias)), 0.2,
                                   rtol=1e-5)


def test_the_mean_label_is_that_of_the_pictures(settings, coded_folders):
    """sigma is (2 y + x) % 200 / 50 px there; label 1 is 7 px."""
    config = settings(synthetic=coded_folders / 'syn', hold_out=0.0)
    train, _ = folders.find_datasets(config)
    means = []
    for i in range(5):
        y, x = np.mgrid[:40 + i, :48]
        means.append(((2 * y + x) % 200).mean() / 50 / 7)
    store = Store(train['synthetic'], 32)
    assert mean_label(store, 'sigma7') == pytest.approx(np.mean(means),
                                                        abs=1e-3)
    # legacy15: (2 sigma + 1) / 15
    assert mean_label(store, 'legacy15') == pytest.approx(
        (14 * np.mean(means) + 1) / 15, abs=1e-3)


@pytest.fixture
def with_holes(settings, coded_folders, tmp_path):
    """Store of the synthetic pictures, of which these pixels count alone."""
    folder = shutil.copytree(coded_folders / 'syn', tmp_path / 'syn')

    def make(pixels):
        for path in (folder / 'image').iterdir():
            valid = np.zeros(Image.open(path).size[::-1], np.uint8)
            valid[pixels] = 255
            (folder / 'valid').mkdir(exist_ok=True)
            Image.fromarray(valid).save(folder / 'valid' / f'{path.stem}.png')
        train, _ = folders.find_datasets(settings(synthetic=folder,
                                                  hold_out=0.0))
        return Store(train['synthetic'], 32)
    return make


def test_the_mean_label_is_of_what_counts(with_holes):
    """Row 7 begins with a sigma of 14 / 50 px."""
    assert mean_label(with_holes(np.s_[7, 0]), 'sigma7') == pytest.approx(
        14 / 50 / 7, abs=1e-4)


def test_labels_of_which_nothing_counts_are_refused(with_holes):
    with pytest.raises(ValueError, match='leaves out every pixel'):
        mean_label(with_holes(np.s_[:0]), 'sigma7')


def test_d_and_s_are_of_the_decoder_they_look_at(settings):
    nets = build_networks(settings(**ALL, width=8, decoder_width=2,
                                   encoder='vgg16'))
    assert weights.architecture(nets).items() >= {
        'width': 8, 'decoder_width': 2, 'encoder': 'vgg16',
        'discriminator_width': 2, 'sharpness_width': 2}.items()
    image = np.zeros((1, 32, 32, 3), np.float32)
    assert nets.D(nets.B(image)['features']).shape == (1, 1, 1, 1)


@pytest.mark.long
def test_starts_from_the_mean_of_the_files(settings, tmp_path):
    files = [filled(settings, tmp_path / name, value, lambda_aux=1.0)
             for name, value in (('a.npz', 1.0), ('b.npz', 3.0))]
    nets = build_networks(settings(lambda_aux=1.0, init_weights=files))
    for name, value in values(nets.B).items():
        np.testing.assert_array_equal(value, np.full(value.shape, 2.0), name)


@pytest.mark.long
def test_what_a_file_has_no_word_of_starts_fresh_and_is_said(settings,
                                                             tmp_path,
                                                             caplog):
    caplog.set_level(logging.INFO)
    path = filled(settings, tmp_path / 'b.npz', 3.0)
    keras.utils.set_random_seed(0)
    nets = build_networks(settings(**ALL, init_weights=path))
    assert caplog.messages == [
        f'{path}: comes without side heads, D, S; these start anew.']
    for name, value in values(nets.B).items():
        if '_aux_' in name:
            assert name.endswith('/kernel') == (np.ptp(value) > 0) or (
                value.size == 1), name
        else:
            np.testing.assert_array_equal(value, 3.0, name)
    assert np.ptp(values(nets.D)['h0_c1/kernel']) > 0


@pytest.mark.long
def test_a_bundled_model_is_trained_on_with_fresh_side_heads(settings, caplog):
    caplog.set_level(logging.INFO)
    config = settings(init_weights='small', width=None, refine_blocks=None,
                      lambda_aux=1.0)
    nets = build_networks(config)
    assert caplog.messages == ['small: comes without side heads; these '
                               'start anew.']
    theirs, _ = weights.load(model_files.find('small'))
    ours = values(nets.B)
    for name, value in values(theirs.B).items():
        np.testing.assert_array_equal(ours.pop(name), value, name)
    assert ours and all('_aux_' in name for name in ours)


@pytest.mark.long
def test_all_of_a_whole_file_is_taken_in_silence(settings, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = filled(settings, tmp_path / 'all.npz', 3.0, **ALL)
    nets = build_networks(settings(**ALL, init_weights=path))
    assert not caplog.messages
    for model in nets:
        for name, value in values(model).items():
            np.testing.assert_array_equal(value, 3.0, name)


@pytest.mark.long
def test_what_differs_from_the_file_is_named(settings, tmp_path):
    path = filled(settings, tmp_path / 'b.npz', 3.0)
    config = settings(init_weights=path)
    wider = dataclasses.replace(config, width=8)
    with pytest.raises(ValueError, match=r'b\.npz has variables of network B '
                       r'in other shapes: conv1_1/kernel \(3, 3, 3, 4\), '
                       r'needed \(3, 3, 3, 8\)'):
        build_networks(wider)
    deeper = dataclasses.replace(config, refine_blocks=1)
    with pytest.raises(ValueError, match=r'b\.npz lacks .*u0_b0_1/beta'):
        build_networks(deeper)


def test_frozen_statistics_are_those_of_b_alone(settings, tmp_path):
    path = filled(settings, tmp_path / 'b.npz', 3.0)
    nets = build_networks(settings(**ALL, init_weights=path,
                                   batch_norm='frozen'))

    def trainable(model):
        return {layer.trainable for layer in model.layers
                if isinstance(layer, keras.layers.BatchNormalization)}
    assert trainable(nets.B) == {False}
    assert trainable(nets.D) == trainable(nets.S) == {True}


@pytest.fixture
def taught(tmp_path, tamed):
    """(file of a B with side heads, its B); nothing in it is saturated."""
    keras.utils.set_random_seed(3)
    b = tamed(networks.build_blur_estimator(4, 0))
    weights.save(tmp_path / 'b.npz', networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    return str(tmp_path / 'b.npz'), b


PHOTOGRAPHS = np.random.default_rng(0).random((2, 32, 48, 3), np.float32)


@pytest.mark.long
def test_a_teacher_that_is_b_itself_has_nothing_to_say(settings, taught):
    path, b = taught
    config = settings(init_weights=path, batch_norm='frozen', teacher=path,
                      real=['r'])
    trainer = steps.Trainer(build_networks(config), None, lambda _: 1e-3,
                            teacher=build_teacher(config))
    image = tf.constant(PHOTOGRAPHS)
    batch = {'synthetic': {'image': image, 'defocus': image[..., :1]},
             'real': {'image': image}}
    of_zero = dict.fromkeys(('lambda_adv', 'lambda_C', 'lambda_S',
                             'lambda_aux'), 0.0)
    terms = steps.replica_step(trainer, batch, steps.Weights(**of_zero))
    assert np.ptp(b(image)['defocus']) > 1e-3
    assert float(terms['L_T']) < 1e-6
    # B has moved; the teacher has not.
    again = steps.replica_step(trainer, batch, steps.Weights(**of_zero))
    assert float(again['L_T']) > 1e-6


@pytest.mark.long
def test_a_teachers_map_is_brought_to_our_convention(settings, taught,
                                                     tmp_path):
    path, b = taught
    d = np.asarray(b(PHOTOGRAPHS)['defocus'])
    weights.save(tmp_path / 'legacy.npz', networks.Networks(b, None, None),
                 {'convention': 'legacy15'})
    teacher = build_teacher(settings(teacher=str(tmp_path / 'legacy.npz'),
                                     real=['r']))
    np.testing.assert_allclose(teacher(PHOTOGRAPHS),
                               np.clip((15 * d - 1) / 2 / 7, 0, 1), atol=1e-5)
    teacher = build_teacher(settings(teacher=path, real=['r'],
                                     convention='legacy15'))
    np.testing.assert_allclose(teacher(PHOTOGRAPHS), (14 * d + 1) / 15,
                               atol=1e-5)


def test_without_a_teacher_there_is_none(settings):
    assert build_teacher(settings()) is None


@pytest.fixture
def vgg19(tmp_path):
    """A file with the names and shapes of VGG19, all ones."""
    b = networks.build_blur_estimator(64, 0, side_heads=False)
    path = tmp_path / 'vgg19.npz'
    np.savez(path, **{name: np.ones(variable.shape, np.float32)
                      for name, variable in variables.of(b).items()
                      if name.startswith('conv')})
    return str(path)


@pytest.mark.long
def test_c_alone_takes_vgg19_where_b_does_not_fit(settings, vgg19):
    config = settings(vgg19=vgg19, lambda_C=1e-4)
    kernel = values(build_networks(config).B)['conv1_1/kernel']
    assert kernel.shape[-1] == 4 and np.ptp(kernel) > 0
    content = values(build_content(config))
    assert content['conv4_4/kernel'].shape == (3, 3, 512, 512)
    np.testing.assert_array_equal(content['conv1_1/kernel'], 1.0)
    normalised = settings(vgg19=vgg19, lambda_C=1e-4, width=64,
                          encoder_norm=True)
    assert np.ptp(values(build_networks(normalised).B)['conv1_1/kernel']) > 0


def test_b_takes_vgg19_at_its_width(settings, vgg19):
    found = values(build_networks(settings(vgg19=vgg19, width=64,
                                           lambda_C=0.0)).B)
    for name, value in found.items():
        if name.startswith('conv'):
            np.testing.assert_array_equal(value, 1.0, name)
