"""Statistics of batch normalisation against sums by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import networks
from dmenet_tf.train import normalisation

EPSILON = 1e-5


def make_batches(count=3, seed=0):
    """Datasets as different as noise around other means can be."""
    random = np.random.default_rng(seed)

    def draw(mean):
        image = np.clip(random.normal(mean, 0.1, (2, 16, 16, 3)), 0, 1)
        return {'image': tf.constant(image, tf.float32)}
    return [{'synthetic': draw(0.2 + 0.1 * i), 'binary': draw(0.5),
             'real': draw(0.8)} for i in range(count)]


@pytest.fixture(scope='module')
def two_layers():
    """BN, a 1x1 convolution to two channels, BN."""
    image = keras.Input((None, None, 3))
    norm = {'momentum': 0.9, 'epsilon': EPSILON, 'scale': False}
    x = keras.layers.BatchNormalization(**norm, name='first')(image)
    x = keras.layers.Conv2D(2, 1, use_bias=False, name='conv')(x)
    x = keras.layers.BatchNormalization(**norm, name='second')(x)
    return keras.Model(image, x)


def by_hand(images, kernel):
    """Statistics of both layers, [mean, variance] each, in float64."""
    def statistics(batches):
        means = np.array([x.mean((0, 1, 2)) for x in batches])
        variances = np.array([x.var((0, 1, 2)) for x in batches])
        return means.mean(0), variances.mean(0) + means.var(0)
    normalised = [(x - x.mean((0, 1, 2)))
                  / np.sqrt(x.var((0, 1, 2)) + EPSILON) for x in images]
    return statistics(images), statistics([x @ kernel for x in normalised])


@pytest.mark.parametrize('names', [
    ('synthetic',), ('binary', 'real'), ('synthetic', 'binary', 'real')])
def test_each_layer_has_the_statistics_of_all_batches(two_layers, names):
    batches = make_batches()
    normalisation.recompute(two_layers, batches, names, count=3)
    images = [np.float64(batch[name]['image']) for batch in batches
              for name in names]
    kernel = np.float64(two_layers.get_layer('conv').get_weights()[0][0, 0])
    for layer, (mean, variance) in zip(('first', 'second'),
                                       by_hand(images, kernel), strict=True):
        layer = two_layers.get_layer(layer)
        np.testing.assert_allclose(tf.convert_to_tensor(layer.moving_mean),
                                   mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(tf.convert_to_tensor(layer.moving_variance),
                                   variance, rtol=1e-4)


def test_the_first_layer_has_the_population_s_statistics(two_layers):
    batches = make_batches(5)
    normalisation.recompute(two_layers, iter(batches), ['synthetic'], count=4)
    population = np.concatenate([batch['synthetic']['image']
                                 for batch in batches[:4]])
    first = two_layers.get_layer('first')
    np.testing.assert_allclose(tf.convert_to_tensor(first.moving_variance),
                               population.var((0, 1, 2)), rtol=1e-4)


def test_no_batch_more_than_asked_for_is_taken(two_layers):
    batches = iter(make_batches(3))
    normalisation.recompute(two_layers, batches, ['real'], count=2)
    assert len(list(batches)) == 1


def test_after_one_batch_b_gives_in_use_what_it_gave_in_training(tamed):
    b = tamed(networks.build_blur_estimator(4, 0))
    before = [np.array(v) for v in b.trainable_variables]
    batch = make_batches(1)[0]
    image = batch['real']['image']
    trained = b(image, training=True)
    normalisation.recompute(b, [batch], ['real', 'nowhere'], count=9)
    used = b(image, training=False)
    # The deepest level has two pixels: the variance of a sample in place of
    # all would be a third off. Channels that are nearly even are rounded.
    for one, other in ((used['defocus'], trained['defocus']),
                       (used['features'], trained['features']),
                       (used['side'][0], trained['side'][0])):
        assert np.abs(one - other).max() < 0.05
        assert np.abs(one - other).mean() < 5e-3
    for old, new in zip(before, b.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)


def test_without_pictures_it_says_so(two_layers):
    with pytest.raises(ValueError, match='needs pictures of binary or real'):
        normalisation.recompute(two_layers, [{'synthetic': {'image': 0}}],
                                ['binary', 'real'], count=1)
