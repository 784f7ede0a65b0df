"""The public model around B: scaling, padding, cutting, the unit."""

import keras
import numpy as np
import pytest

from dmenet_tf import inference, networks

RNG = np.random.default_rng(0)


@pytest.fixture(params=['float32', 'mixed_bfloat16', 'mixed_float16'])
def policy(request):
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy('float32')


def photograph(*size):
    return RNG.integers(0, 256, (*size, 3), np.uint8)


def test_b_sees_the_photograph_exactly_under_every_policy(policy):
    """bfloat16 has 8 bits: not enough for 256 grey levels in [0, 1]."""
    b = networks.build_blur_estimator(4, 0, side_heads=False)
    model = inference.build_estimator(b, 'sigma7')
    seen = keras.Model(model.input, model.get_layer('pad').output)
    image = photograph(17, 30)
    padded = np.asarray(seen(image[None]))[0]
    assert padded.dtype == np.float32
    np.testing.assert_allclose(
        255 * padded, inference.pad_to_multiple(image), atol=1e-4)
    assert np.asarray(model(image[None])).dtype == np.float32


def test_nothing_between_photograph_and_sigma_rounds(policy):
    """With a B that passes red on, sigma is 7 red / 255."""
    image = keras.Input((None, None, 3))
    red = keras.layers.Activation('linear', dtype='float32')(image[..., :1])
    model = inference.build_estimator(
        keras.Model(image, {'defocus': red}, name='B'), 'sigma7')
    photo = photograph(17, 30)
    np.testing.assert_allclose(model(photo[None])[0],
                               np.float32(7 / 255) * photo[..., :1],
                               rtol=1e-6)


def test_padding_repeats_by_mirrors_for_ever():
    image = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
    padded = np.asarray(inference.PadToMultiple()(image))[0, ..., 0]
    assert padded.shape == (16, 16)
    assert padded[0].tolist() == [0, 1, 2, 2, 1, 0] * 2 + [0, 1, 2, 2]
    np.testing.assert_array_equal(padded, np.tile(padded[:1], (16, 1)))
    np.testing.assert_array_equal(
        padded, inference.pad_to_multiple(image[0, ..., 0]))


@pytest.mark.parametrize('convention, sigma', [('sigma7', 3.5),
                                               ('legacy15', 3.25)])
def test_sigma_is_that_of_the_convention_and_of_the_photographs_size(
        convention, sigma):
    """0.5 is 7 / 2 px, or (15 / 2 - 1) / 2 px."""
    layer = inference.DefocusToSigma(convention, dtype='float32')
    got = np.asarray(layer([np.full((1, 16, 32, 1), 0.5, np.float32),
                            np.zeros((1, 9, 17, 3), np.uint8)]))
    np.testing.assert_array_equal(got, np.full((1, 9, 17, 1), sigma))
    again = inference.DefocusToSigma.from_config(layer.get_config())
    assert again.convention == convention


def test_folding_keeps_a_narrow_decoder_and_its_maps(tamed):
    b = tamed(networks.build_blur_estimator(
        8, 1, side_heads=False, decoder_width=4, encoder='vgg16'))
    for layer in b.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([RNG.uniform(0.5, 1, w.shape)
                               for w in layer.get_weights()])
    model = inference.build_estimator(b, 'sigma7')
    folded = inference.fold(model)
    built = networks.architecture(folded.get_layer('B'))
    assert (built['decoder_width'], built['encoder']) == (4, 'vgg16')
    image = photograph(32, 48)[None]
    assert np.ptp(model(image)) > 1e-3
    np.testing.assert_allclose(folded(image), model(image), atol=1e-4)


@pytest.mark.parametrize('precision', ['float32', 'bfloat16', 'float16'])
def test_folding_keeps_every_grey_level(tamed, precision):
    """The network's mean off, 8 bits do not tell 254 from 255."""
    b = tamed(networks.build_blur_estimator(4, 0, side_heads=False))
    folded = inference.fold(inference.build_estimator(b, 'sigma7'), precision)
    folded = folded.get_layer('B')
    first = keras.Model(folded.input, folded.get_layer('conv1_1').output)
    levels = np.arange(256, dtype=np.float32).reshape(16, 16, 1) / 255
    image = levels.repeat(3, axis=2)[None]
    found, expected = (np.asarray(one(image)) for one in (
        first, keras.Model(b.input, b.get_layer('conv1_1').output)))
    # Float16 has its own scale.
    np.testing.assert_allclose(found / found.max(), expected / expected.max(),
                               atol=1e-5)


def test_float16_holds_an_encoder_whose_activations_it_could_not(tamed):
    b = tamed(networks.build_blur_estimator(
        8, 1, side_heads=False, decoder_width=4, encoder='vgg16'))
    first = b.get_layer('conv1_2')
    first.set_weights([1e6 * w for w in first.get_weights()])
    for name, (below, skip) in networks.readers(b).items():
        reader = b.get_layer(name)
        kernel, bias = reader.get_weights()
        own = 0 if below else kernel.shape[2] - b.get_layer(skip).filters
        kernel[:, :, own:] *= 1e-6
        reader.set_weights([kernel, bias])
    model = inference.build_estimator(b, 'sigma7')
    image = photograph(32, 48)[None]
    seen = keras.Model(b.input, b.get_layer('conv5_3').output)(image / 255.0)
    assert np.max(seen) > np.finfo(np.float16).max
    expected = np.asarray(model(image))
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(inference.fold(model, 'float16')(image),
                               expected, atol=2e-2)
