"""Held-out metrics by hand sums."""

import shutil

import numpy as np
import pytest

from dmenet_tf import sigma_files
from dmenet_tf.train import folders, steps, validation
from dmenet_tf.train.store import Store


class RedB:
    """A B whose map is the picture's red, [0, 1]."""

    def __call__(self, image, training):
        return {'defocus': image[..., :1], 'side_maps': []}


@pytest.fixture(scope='module')
def stores(coded_folders):
    """Red / 50 is sigma, px; above 100 it is blurred."""
    return {'synthetic': Store(folders.synthetic_dataset(
        [coded_folders / 'syn']), 32),
        'binary': Store(folders.binary_dataset([coded_folders / 'bin']), 32)}


@pytest.fixture(scope='module')
def validator(stores):
    return validation.Validator(RedB(), stores, steps.Weights(lambda_aux=0.0),
                                'sigma7')


def test_labels_are_the_maps_units():
    codes = np.array([[0, 3500, 7000, 9000]], np.uint16)
    np.testing.assert_allclose(
        validation.label_of('synthetic', codes, 'sigma7'),
        [[0.0, 0.5, 1.0, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(
        validation.label_of('synthetic', codes, 'legacy15'),
        [[1 / 15, 8 / 15, 1.0, 1.0]], rtol=1e-6)
    np.testing.assert_array_equal(validation.label_of(
        'binary', np.array([[0, 1]], np.uint16), 'sigma7'), [[0.0, 1.0]])


def test_metrics_are_means_over_pictures(validator, stores):
    errors, right = [], []
    for i in range(5):
        red = stores['synthetic'].readable(i)[0][:32, :48, 0].astype(float)
        errors.append(red / 255 - np.round(red / 50, 3) / 7)
        tau = 0.7 * red.min() + 0.3 * red.max()
        right.append(np.mean((red >= tau) == (red > 100)))
    found = validator.evaluate()
    assert found['mse'] == pytest.approx(
        np.mean([np.mean(e**2) for e in errors]), rel=1e-5)
    assert found['mae'] == pytest.approx(
        np.mean([np.mean(np.abs(e)) for e in errors]), rel=1e-5)
    assert found['L_B'] == pytest.approx(found['mse'], rel=1e-5)
    assert found['accuracy'] == pytest.approx(np.mean(right), rel=1e-6)


def test_only_what_there_is_is_judged(stores):
    weights = steps.Weights(lambda_aux=0.0)
    alone = validation.Validator(RedB(), {}, weights, 'sigma7')
    assert alone.evaluate() == {}
    masks = validation.Validator(RedB(), {'binary': stores['binary']},
                                 weights, 'sigma7')
    assert set(masks.evaluate()) == {'accuracy'}


def test_panels_show_picture_map_and_label(validator, stores):
    image, label = stores['synthetic'].readable(0)
    panel = validator.panel('synthetic', image, label)
    assert panel.dtype == np.uint8 and panel.shape == (32, 3 * 48, 3)
    np.testing.assert_array_equal(panel[:, :48], image[:32, :48])
    without = validator.panel('real', image, None)
    np.testing.assert_array_equal(without, panel[:, :2 * 48])


def test_validation_counts_what_is_not_left_out(tmp_path, coded_folders):
    """Two pictures: of one the left half counts, of the other nothing."""
    folder = tmp_path / 'holes'
    shutil.copytree(coded_folders / 'syn', folder)
    for name in '234':
        (folder / f'image/{name}.png').unlink()
    left = np.arange(48) < 24
    sigma_files.write_valid(folder / 'valid/0.png', np.tile(left, (40, 1)))
    sigma_files.write_valid(folder / 'valid/1.png', np.zeros((41, 48), bool))
    kept = Store(folders.synthetic_dataset([folder]), 32)
    found = validation.Validator(RedB(), {'synthetic': kept}, steps.Weights(
        lambda_aux=0.0), 'sigma7').evaluate()
    red = kept.readable(0)[0][:32, :24, 0].astype(float)
    error = red / 255 - np.round(red / 50, 3) / 7
    assert found['mse'] == pytest.approx(np.mean(error**2), rel=1e-5)
    assert found['mae'] == pytest.approx(np.mean(np.abs(error)), rel=1e-5)
    assert found['L_B'] == pytest.approx(found['mse'], rel=1e-5)


def test_panels_are_black_where_labels_are_left_out(validator, stores):
    image, label = stores['synthetic'].readable(0)
    label = label.copy()
    label[:, :10] = sigma_files.LEFT_OUT
    panel = validator.panel('synthetic', image, label)[:, 2 * 48:]
    assert not panel[:, :10].any() and panel[:, 10:].any(axis=-1).all()
