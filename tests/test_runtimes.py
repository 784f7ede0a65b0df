"""The same network through other engines."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from dmenet_tf import (
    estimation,
    images,
    inference,
    networks,
    runtimes,
    weights,
)

PHOTOGRAPHS = pathlib.Path(__file__).parents[1] / 'data/samples/photographs'
RNG = np.random.default_rng(0)


@pytest.fixture(scope='module')
def model(tamed):
    keras.utils.set_random_seed(0)
    b = tamed(networks.build_blur_estimator(8, 1, side_heads=False))
    return inference.build_estimator(b, 'sigma7')


def photographs(count, size=(70, 90)):
    return [RNG.integers(0, 256, (*size, 3), np.uint8) for _ in range(count)]


@pytest.mark.long
def test_compiled_is_the_model(model):
    image = photographs(1)[0]
    for dtype in (np.uint8, np.float32):
        np.testing.assert_allclose(
            runtimes.make_runner(model)(image[None].astype(dtype)),
            model.predict(image[None].astype(np.float32), verbose=0),
            atol=1e-5)


@pytest.mark.long
@pytest.mark.extra
def test_openvino_is_the_model(model):
    pytest.importorskip('openvino')
    runner = runtimes.make_runner(model, 'openvino')
    for size in ((70, 90), (33, 17)):
        image = photographs(1, size)[0]
        np.testing.assert_allclose(
            estimation.estimate(image, model, runner=runner),
            estimation.estimate(image, model), atol=1e-4)


@pytest.mark.long
@pytest.mark.extra
def test_int8_is_nearly_the_bundled_model():
    pytest.importorskip('openvino')
    pytest.importorskip('nncf')
    model = inference.fold(weights.load_model())
    halves = [images.read_image(path)[::2, ::2]
              for path in images.find_images(PHOTOGRAPHS)]
    runner = runtimes.make_runner(model, 'openvino_int8', halves)
    for image in halves:
        change = np.mean(np.abs(
            estimation.estimate(image, model)
            - estimation.estimate(image, model, runner=runner)))
        assert 1e-4 < change < 0.05  # px


def test_bad_runtimes_are_refused(model, monkeypatch):
    with pytest.raises(ValueError, match='runtime must be one of'):
        runtimes.make_runner(model, 'tpu')
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(ImportError, match=r"pip install 'dmenet_tf\[openv"):
        runtimes.make_runner(model, 'openvino')


@pytest.mark.extra
def test_int8_without_photographs(model):
    pytest.importorskip('nncf')
    with pytest.raises(ValueError, match='to calibrate on'):
        runtimes.make_runner(model, 'openvino_int8')


def test_the_flag_offers_every_runtime():
    text = subprocess.run(
        [sys.executable, '-m', 'dmenet_tf.predict', '--help'],
        capture_output=True, text=True, check=False).stdout
    assert f'--runtime={"|".join(runtimes.RUNTIMES)} ' in text
