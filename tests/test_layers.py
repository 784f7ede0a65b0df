"""Our layers, and their gradients against those of plain ones."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import layers, networks


def test_symmetric_padding_repeats_the_edge():
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    padded = np.asarray(layers.SymmetricPadding()(x))[0, ..., 0]
    np.testing.assert_array_equal(padded, np.pad(x[0, ..., 0], 1, 'symmetric'))


def test_the_gradient_of_doubling_adds_up_the_copies():
    layer = layers.Doubling(2, interpolation='nearest')
    x = tf.random.stateless_normal((1, 2, 3, 2), (0, 1))
    weight = tf.random.stateless_normal((1, 4, 6, 2), (0, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        total = tf.reduce_sum(y * weight)
    np.testing.assert_array_equal(y, np.repeat(np.repeat(x, 2, 1), 2, 2))
    np.testing.assert_array_equal(y, layer(x))
    expected = np.reshape(weight, (1, 2, 2, 3, 2, 2)).sum(axis=(2, 4))
    np.testing.assert_allclose(tape.gradient(total, x), expected, atol=1e-6)


def plain_padding(x):
    return tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), 'SYMMETRIC')


def plain_leaky(x):
    return tf.nn.leaky_relu(x, 0.2)


def leaky(x):
    return layers.leaky(x, 0.2)


def forward_and_back(function, x):
    """(y, dL/dx) of L = sum(w y) with random w."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    w = tf.cast(np.random.default_rng(2).normal(size=y.shape), y.dtype)
    return y, tape.gradient(y, x, output_gradients=w)


@pytest.mark.parametrize('ours, plain', [
    (layers.padded, plain_padding), (layers.repeated, plain_padding),
    (leaky, plain_leaky)])
@pytest.mark.parametrize('size', [(2, 2), (3, 2), (6, 5)])
def test_gradients_are_those_of_the_plain_layers(ours, plain, size):
    x = tf.random.stateless_normal((2, *size, 3), (0, 1))
    for found, expected in zip(forward_and_back(ours, x),
                               forward_and_back(plain, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_slope_at_zero_is_the_plain_layers():
    x = tf.constant([-2.0, 0.0, 3.0])
    _, gradient = forward_and_back(leaky, x)
    _, expected = forward_and_back(plain_leaky, x)
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize('make, function, plain', [
    (layers.SymmetricPadding, 'padded', plain_padding),
    (lambda **kw: layers.LeakyReLU(0.2, **kw), 'leaky', plain_leaky)])
def test_in_training_in_bfloat16_the_cheap_ones_are_used(
        monkeypatch, make, function, plain):
    used, cheap = [], getattr(layers, function)
    monkeypatch.setattr(layers, function,
                        lambda x, *slope: used.append(x.dtype)
                        or cheap(x, *slope))
    x = tf.random.stateless_normal((2, 4, 5, 3), (0, 1))
    for policy in ('float32', 'mixed_float16', 'mixed_bfloat16'):
        layer = make(dtype=policy)
        for training in (False, True):
            found = forward_and_back(lambda x: layer(x, training=training), x)  # noqa: B023
            half = tf.cast(x, layer.compute_dtype)
            expected = forward_and_back(plain, half)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(tf.cast(a, tf.float32),
                                           tf.cast(b, tf.float32), rtol=1e-2)
    assert used == [tf.bfloat16]


@pytest.mark.parametrize('ours', [layers.padded, leaky])
def test_xla_compiles_the_gradients(ours):
    x = tf.cast(tf.random.stateless_normal((2, 4, 5, 3), (0, 1)), 'bfloat16')
    compiled = tf.function(lambda x: forward_and_back(ours, x),
                           jit_compile=True)
    for a, b in zip(compiled(x), forward_and_back(ours, x), strict=True):
        np.testing.assert_allclose(tf.cast(a, tf.float32),
                                   tf.cast(b, tf.float32), rtol=1e-2)


def test_one_pixel_is_padded_in_bfloat16_too():
    x = tf.ones((1, 1, 3, 2))
    layer = layers.SymmetricPadding(dtype='mixed_bfloat16')
    y, gradient = forward_and_back(lambda x: layer(x, training=True), x)
    assert y.shape == (1, 3, 5, 2) and gradient.shape == x.shape


def test_photographs_of_any_size_are_padded_cheaply_in_bfloat16():
    run = tf.function(layers.SymmetricPadding(dtype='mixed_bfloat16'))
    traced = run.get_concrete_function(
        tf.TensorSpec((None, None, None, 2), tf.bfloat16))
    assert 'MirrorPad' not in {op.type
                               for op in traced.graph.get_operations()}
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 3, 2)
    np.testing.assert_array_equal(
        tf.cast(traced(tf.cast(x, tf.bfloat16)), tf.float32),
        np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), 'symmetric'))


def make_norm(cls, policy='float32'):
    norm = cls(momentum=0.9, epsilon=1e-5, scale=False, dtype=policy)
    norm.build((None, None, None, 3))
    norm.set_weights([np.float32([0.5, -1, 2]), np.float32([0, 1, 2]),
                      np.float32([1, 2, 3])])  # beta, mean, variance
    return norm


def trained(norm, x):
    """y, dL/dx, dL/dbeta, moving mean and variance after one step."""
    w = np.random.default_rng(2).normal(size=x.shape)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = norm(x, training=True)
        loss = tf.reduce_sum(tf.cast(w, y.dtype) * y)
    return [np.asarray(tf.cast(value, tf.float32)) for value in (
        y, *tape.gradient(loss, [x, norm.trainable_variables[0]]),
        *norm.non_trainable_variables)]


@pytest.mark.parametrize('policy, tolerance', [
    ('float32', 1e-6), ('mixed_bfloat16', 2e-2), ('mixed_float16', 2e-3)])
@pytest.mark.parametrize('size', [(2, 4, 5), (3, 2, 1)])
def test_batch_normalisation_is_the_plain_layers(policy, tolerance, size):
    x = tf.random.stateless_normal((*size, 3), (0, 1)) * [1.0, 3.0, 0.2]
    x = tf.cast(x + [0.0, 1.0, -2.0], policy.removeprefix('mixed_'))
    ours, plain = (make_norm(cls, policy) for cls in (
        layers.BatchNormalization, keras.layers.BatchNormalization))
    for found, expected in zip(trained(ours, x), trained(plain, x),
                               strict=True):
        np.testing.assert_allclose(
            found, expected, atol=tolerance * max(1, np.abs(expected).max()))
    np.testing.assert_array_equal(ours(x), plain(x))
    assert [v.name.split('/')[-1] for v in ours.weights] == [
        v.name.split('/')[-1] for v in plain.weights]


def test_frozen_batch_normalisation_moves_nothing():
    norm = make_norm(layers.BatchNormalization)
    norm.trainable = False
    x = tf.random.stateless_normal((2, 4, 5, 3), (0, 1))
    before = norm.get_weights()
    np.testing.assert_array_equal(norm(x, training=True), norm(x))
    np.testing.assert_array_equal(before, norm.get_weights())


def operations(model):
    """Those of one pass there and back through a network in training."""
    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            y = tf.nest.flatten(model(x, training=True))
        return tape.gradient(y, model.trainable_variables)
    channels = model.inputs[0].shape[-1]
    return collections.Counter(
        op.type for op in run.get_concrete_function(
            tf.TensorSpec([2, 32, 32, channels])).graph.get_operations())


@pytest.mark.long
@pytest.mark.parametrize('build', [
    lambda: networks.build_blur_estimator(4, 1),
    lambda: networks.build_discriminator(4, 4),
    lambda: networks.build_sharpness(4)], ids=['B', 'D', 'S'])
@pytest.mark.parametrize('policy', ['float32', 'mixed_bfloat16'])
def test_networks_train_by_the_cheap_kernels(build, policy):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = build()
    finally:
        keras.mixed_precision.set_global_policy(before)
    found = operations(model)
    norms = sum(isinstance(layer, keras.layers.BatchNormalization)
                for layer in model.layers)
    assert found['FusedBatchNormV3'] == norms
    assert found['FusedBatchNormGradV3'] == norms
    if policy == 'mixed_bfloat16':
        assert not {'LeakyReluGrad', 'MirrorPadGrad'} & set(found)


def test_xla_normalises_alike():
    x = tf.random.stateless_normal((2, 3, 1, 3), (0, 1)) * [1.0, 3.0, 0.2]
    found, compiled = (
        tf.function(layers.normalized, jit_compile=jit)(x, tf.ones(3), 1e-5)
        for jit in (False, True))
    for a, b in zip(found, compiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[2], np.var(x, (0, 1, 2)), rtol=1e-5)
