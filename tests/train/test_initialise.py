"""The first weights of a run: fresh, told, or from files."""

import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import variables, weights
from dmenet_tf.train.initialise import build_networks


def test_maps_start_where_told(settings):
    nets = build_networks(settings(lambda_aux=1.0, initial_defocus=0.2))
    for name in ('uf_c3', *(f'u{level}_aux_b2' for level in range(5))):
        layer = nets.B.get_layer(name)
        bias = layer.bias if name == 'uf_c3' else layer.beta
        np.testing.assert_allclose(tf.sigmoid(tf.convert_to_tensor(bias)), 0.2,
                                   rtol=1e-5)


@pytest.fixture
def two_files(settings, tmp_path):
    """Weights files of two toys with different weights."""
    paths = [str(tmp_path / 'a.npz'), str(tmp_path / 'b.npz')]
    for path, shift in zip(paths, (1.0, 3.0), strict=True):
        nets = build_networks(settings(lambda_aux=1.0))
        for variable in variables.of(nets.B).values():
            variable.assign(tf.fill(variable.shape, shift))
        weights.save(path, nets, {'convention': 'sigma7'})
    return paths


def test_starts_from_the_mean_of_the_files(settings, two_files):
    nets = build_networks(settings(lambda_aux=1.0, init_weights=two_files))
    for variable in variables.of(nets.B).values():
        np.testing.assert_array_equal(variable, np.full(variable.shape, 2.0))


def test_weights_of_another_width_are_refused(settings, two_files):
    with pytest.raises(ValueError, match=r'a\.npz: B/.*--width'):
        build_networks(settings(lambda_aux=1.0, init_weights=two_files,
                                width=8))
