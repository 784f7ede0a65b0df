"""A small model, exported as TF Serving finds it, and pictures to send."""

import io
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from dmenet_tf import export, networks, weights


@pytest.fixture(scope='session')
def toy(tmp_path_factory, tamed):
    """A weights file of a narrow network."""
    keras.utils.set_random_seed(4)
    b = tamed(networks.build_blur_estimator(4, 1))
    path = tmp_path_factory.mktemp('toy') / 'toy.npz'
    weights.save(path, networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    return path


@pytest.fixture(scope='session')
def base(toy, tmp_path_factory):
    """TF Serving's model_base_path, with versions 1 and 2."""
    folder = tmp_path_factory.mktemp('export') / 'dmenet'
    first = export.export_saved_model(toy, folder)
    shutil.copytree(first, folder / '2')
    return folder


@pytest.fixture(scope='session')
def images():
    """uint8 [2, 24, 40, 3]."""
    steps = np.random.default_rng(5).integers(0, 256, (2, 6, 10, 3), np.uint8)
    return steps.repeat(4, axis=1).repeat(4, axis=2)


@pytest.fixture(scope='session')
def expected(toy):
    """Images -> what the model's own predict gives, [b, h, w, 1] px."""
    model = weights.load_model(toy)

    def maps(pictures):
        sigma = model.predict(pictures, verbose=0)
        assert np.ptp(sigma) > 0.01  # A constant would prove nothing.
        return sigma
    return maps


@pytest.fixture(scope='session')
def encode():
    """(image, 'JPEG' or 'PNG') -> bytes of a file."""
    def encoded(image, form):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, form)
        return stream.getvalue()
    return encoded
