"""The published copy: averaged, measured anew, without a trace in training."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import networks, variables
from dmenet_tf.train import folders, published
from dmenet_tf.train.store import Store


def test_average_starts_fast_and_ends_slow():
    model = types.SimpleNamespace(trainable_variables=[tf.Variable(0.0)])
    average = published.Average(model, decay=0.99)
    model.trainable_variables[0].assign(1.0)
    average.update(tf.constant(0, tf.int64))
    assert float(average.values[0]) == pytest.approx(1 - 1 / 10)
    average.values[0].assign(0.0)
    average.update(tf.constant(10**6, tf.int64))
    assert float(average.values[0]) == pytest.approx(0.01)


@pytest.mark.parametrize('steps, count', [
    (1, 10), (100, 10), (500, 50), (1000, 100), (10**6, 100)])
def test_measuring_costs_a_tenth_of_the_steps(steps, count):
    assert published.batches_before_validation(steps) == count


@pytest.fixture(scope='module')
def trained():
    """A trainer's networks: B alone."""
    nets = networks.Networks(networks.build_blur_estimator(4, 0), None, None)
    return types.SimpleNamespace(networks=nets)


@pytest.fixture
def publish(trained, settings, coded_folders):
    """Function of --batch_norm to Published of `trained`, copied."""
    def make(batch_norm):
        config = dataclasses.replace(
            settings(lambda_aux=1.0, synthetic=coded_folders / 'syn'),
            batch_norm=batch_norm)
        stores = {'synthetic': Store(
            folders.synthetic_dataset(config.synthetic), config.crop)}
        copied = published.Published(trained, None, stores, config, 1)
        copied.copy()
        return copied
    return make


def values_of(model):
    return {name: np.array(v) for name, v in variables.of(model).items()}


def changed(before, after):
    return {name.split('/')[-1] for name in before
            if not np.array_equal(before[name], after[name])}


@pytest.mark.long
def test_statistics_are_measured_on_the_copy_alone(trained, publish):
    before = values_of(trained.networks.B)
    first, second = publish('synthetic'), publish('all')
    assert not changed(before, values_of(first.networks.B))
    first.measure(2)
    second.measure(2)
    assert not changed(before, values_of(trained.networks.B))
    assert changed(before, values_of(first.networks.B)) == {
        'moving_mean', 'moving_variance'}
    # Equal weights get equal statistics, of all datasets that there are.
    assert not changed(values_of(first.networks.B),
                       values_of(second.networks.B))


def test_frozen_statistics_stay(trained, publish):
    copied = publish('frozen')
    copied.measure(2)
    assert not changed(values_of(trained.networks.B),
                       values_of(copied.networks.B))
