"""A toy network for the page and for what it does."""

import keras
import pytest

from dmenet_tf import inference, networks, weights


@pytest.fixture(scope='module')
def model_file(tmp_path_factory, tamed):
    keras.utils.set_random_seed(4)
    b = tamed(networks.build_blur_estimator(4, 1))
    path = tmp_path_factory.mktemp('model') / 'toy.npz'
    weights.save(path, networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    return path


@pytest.fixture(scope='module')
def model(model_file):
    return inference.fold(weights.load_model(model_file))
