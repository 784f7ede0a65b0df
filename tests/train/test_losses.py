"""Every loss against a sum done by hand."""

import math

import pytest
import tensorflow as tf

from dmenet_tf.train import losses, steps

# sigmoid(log 3) = 3/4: logits with round probabilities.
LOG3 = math.log(3.0)


def constant_map(*values):
    """[1, 1, n, 1]"""
    return tf.reshape(tf.constant(values, tf.float32), [1, 1, -1, 1])


def test_map_loss_is_the_mean_square():
    loss = losses.map_loss(constant_map(0.5, 0.0), constant_map(1.0, 1.0))
    assert float(loss) == (0.25 + 1.0) / 2


def test_map_loss_may_be_the_mean_of_absolute_errors():
    y, defocus = constant_map(1.0, 1.0), constant_map(0.5, 0.0)
    assert float(losses.map_loss(defocus, y, 'mae')) == 0.75
    assert [float(x) for x in losses.blur_loss(
        {'defocus': defocus, 'side': [constant_map(0.5, 0.5)]}, y,
        error='mae')] == [1.25, 0.5]


def test_auxiliary_loss_is_the_sum_over_levels():
    side_maps = [tf.fill([1, 2, 2, 1], 0.5), tf.zeros([1, 4, 4, 1])]
    loss = losses.auxiliary_loss(side_maps, tf.ones([1, 4, 4, 1]))
    assert float(loss) == 0.25 + 1.0


def test_means_are_over_what_counts():
    y, defocus = constant_map(1.0, 1.0, 0.0), constant_map(0.5, 0.0, 1.0)
    valid = constant_map(1.0, 1.0, 0.0)
    mse, mae = (float(losses.map_loss(defocus, y, error, valid))
                for error in ('mse', 'mae'))
    assert (mse, mae) == ((0.25 + 1.0) / 2, 0.75)
    everywhere = tf.ones_like(valid)
    assert float(losses.map_loss(defocus, y, 'mse', everywhere)) == (
        float(losses.map_loss(defocus, y)))


def test_where_nothing_counts_the_loss_is_0():
    y = constant_map(1.0, 1.0)
    outputs = {'defocus': tf.zeros_like(y), 'side': [tf.zeros_like(y)]}
    loss = losses.blur_loss(outputs, y, valid=tf.zeros_like(y))
    assert [float(x) for x in loss] == [0.0, 0.0]


def test_what_counts_is_resized_as_its_label():
    # Side maps take pixels 1 and 3 of y, see the labels' test.
    y = constant_map(9.0, 1.0, 9.0, 2.0)
    outputs = {'defocus': y, 'side': [constant_map(0.0, 0.0)]}
    for valid, aux in ((constant_map(0.0, 1.0, 0.0, 1.0), (1.0 + 4.0) / 2),
                       (constant_map(1.0, 0.0, 1.0, 1.0), 4.0),
                       (constant_map(1.0, 0.0, 1.0, 0.0), 0.0)):
        found = losses.blur_loss(outputs, y, lambda_aux=0.5, valid=valid)
        assert [float(x) for x in found] == [0.5 * aux, aux]


@pytest.mark.parametrize('preset, kept', [('paper', [1, 3]),
                                          ('official', [0, 3])])
def test_labels_are_resized_to_the_nearest(preset, kept):
    y = constant_map(0.0, 1.0, 2.0, 3.0)
    resized = losses.resize_label(y, [1, 2], preset)
    # paper: centres 0.5 and 2.5 of the pairs, rounded up; official: corners.
    assert resized[0, 0, :, 0].numpy().tolist() == kept


def test_the_teachers_loss_is_the_mean_of_absolute_errors_over_datasets():
    pairs = [(constant_map(0.5, 0.0), constant_map(1.0, 1.0)),
             (constant_map(0.25, 0.5), constant_map(0.25, 0.25))]
    assert float(losses.teacher_loss(pairs)) == (0.75 + 0.125) / 2


def test_l_s_of_photographs_is_the_cross_entropy():
    logits, b = constant_map(LOG3, -LOG3), constant_map(1.0, 1.0)
    found = losses.sharpness_loss(logits, b, 'photographs')
    # -log of 3/4 and of 1/4
    assert float(found) == pytest.approx(
        (math.log(4 / 3) + math.log(4)) / 2, rel=1e-6)
    ones = [tf.ones([]), tf.ones([])]
    assert float(losses.total_adversarial_loss(ones, 'photographs')) == 2.0


def test_blur_loss_adds_the_weighted_auxiliary_loss():
    outputs = {'defocus': tf.fill([1, 2, 2, 1], 0.5),
               'side': [tf.zeros([1, 2, 2, 1])]}
    loss, aux = losses.blur_loss(outputs, tf.ones([1, 2, 2, 1]),
                                 lambda_aux=2.0)
    assert (float(loss), float(aux)) == (0.25 + 2.0 * 1.0, 1.0)


def test_blur_loss_without_side_maps():
    loss, aux = losses.blur_loss({'defocus': tf.zeros([1, 2, 2, 1])},
                                 tf.ones([1, 2, 2, 1]), lambda_aux=0.0)
    assert (float(loss), float(aux)) == (1.0, 0.0)


def test_content_loss_is_the_mean_over_places_and_channels():
    phi = tf.constant([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert float(losses.content_loss(phi, tf.zeros_like(phi))) == 30.0 / 4


def test_sharpness_loss_of_the_paper_is_a_square():
    # sigmoid = 3/4 and 1/4 against b = 1 and 1.
    loss = losses.sharpness_loss(constant_map(LOG3, -LOG3),
                                 constant_map(1.0, 1.0), 'paper')
    assert float(loss) == pytest.approx((1 / 16 + 9 / 16) / 2)


def test_sharpness_loss_of_the_code_is_a_cross_entropy():
    loss = losses.sharpness_loss(constant_map(LOG3, -LOG3),
                                 constant_map(1.0, 1.0), 'official')
    assert float(loss) == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)


@pytest.mark.parametrize('z, probability', [(1.0, 0.75), (0.0, 0.25)])
def test_discriminator_loss(z, probability):
    loss = losses.discriminator_loss(constant_map(LOG3), z)
    assert float(loss) == pytest.approx(-math.log(probability))


def test_adversarial_loss_wants_to_pass_for_synthetic():
    loss = losses.adversarial_loss(constant_map(LOG3, -LOG3))
    assert float(loss) == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)


@pytest.mark.parametrize('preset, total', [('paper', 5.0), ('official', 2.5)])
def test_total_adversarial_loss(preset, total):
    per_set = [tf.constant(2.0), tf.constant(3.0)]
    assert float(losses.total_adversarial_loss(per_set, preset)) == total


@pytest.mark.parametrize('preset, total', [
    ('paper', 0.5 * (4.0 + (2.0 + 3.0) / 2)),
    ('official', 0.5 * 1e-3 * (2 * 4.0 + 2.0 + 3.0) / 2)])
def test_total_discriminator_loss(preset, total):
    loss = losses.total_discriminator_loss(
        tf.constant(4.0), [tf.constant(2.0), tf.constant(3.0)],
        lambda_d=0.5, preset=preset)
    assert float(loss) == pytest.approx(total)


def test_generator_loss_weighs_its_terms():
    weights = steps.Weights(lambda_adv=0.1, lambda_C=0.01, lambda_S=10.0)
    assert losses.generator_loss(1.0, 2.0, 3.0, 4.0, weights) == (
        pytest.approx(1.0 + 0.02 + 30.0 + 0.4))


def test_losses_are_float32_for_half_precision_inputs():
    half = tf.cast(constant_map(LOG3, 0.5), tf.float16)
    for loss in (losses.map_loss(half, half), losses.content_loss(half, half),
                 losses.sharpness_loss(half, half),
                 losses.discriminator_loss(half, 1.0)):
        assert loss.dtype == tf.float32
