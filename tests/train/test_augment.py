"""Pictures and labels move together; rotation is TensorFlow Addons'."""

import math

import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import augment


def ramp(size, channels=1):
    """A smooth picture without symmetry, [size, size, channels]."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    picture = np.stack([x + 2 * y, x * y, x - y][:channels], axis=-1)
    return picture.astype(np.float32)


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('turns', [0, 1, 2, 3])
def test_flips_and_turns_are_the_eight_symmetries(flip, turns):
    array = np.arange(6).reshape(2, 3)
    result = augment.flip_and_turn(array, flip, turns)
    expected = array[:, ::-1] if flip else array
    for _ in range(turns):  # Counter-clockwise: the last column comes first.
        expected = np.array([expected[:, j]
                             for j in reversed(range(expected.shape[1]))])
    np.testing.assert_array_equal(result, expected)


def test_cut_reaches_both_ends():
    array = np.arange(20).reshape(4, 5)
    np.testing.assert_array_equal(augment.cut(array, 2, 0.0, 0.0),
                                  array[:2, :2])
    np.testing.assert_array_equal(augment.cut(array, 2, 0.999, 0.999),
                                  array[2:, 3:])


def test_cut_mirrors_what_is_missing():
    array = np.array([[1, 2], [3, 4]])
    np.testing.assert_array_equal(
        augment.cut(array, 4, 0.5, 0.5),
        [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])


def test_rotation_by_nothing_is_a_crop():
    n, crop = augment.window_size(32), 32
    window = ramp(n, 3)[None]
    turned = augment.rotate_and_crop(window, tf.zeros([1]), crop)
    m = (n - crop) // 2
    np.testing.assert_allclose(turned, window[:, m:-m, m:-m], atol=1e-6)


def test_rotation_by_a_quarter_is_counter_clockwise():
    n, crop = augment.window_size(32), 32
    window = ramp(n)[None]
    turned = augment.rotate_and_crop(window, tf.constant([math.pi / 2]), crop)
    m = (n - crop) // 2
    np.testing.assert_allclose(
        turned[0], np.rot90(window[0])[m:-m, m:-m], atol=1e-5)


@pytest.mark.parametrize('interpolation', ['bilinear', 'nearest'])
def test_rotation_is_that_of_tensorflow_addons(interpolation, monkeypatch):
    tfa_image = pytest.importorskip('tensorflow_addons.image')
    n, crop = augment.window_size(32), 32
    windows = tf.constant(np.random.default_rng(0).random((3, n, n, 3)),
                          tf.float32)
    angles = tf.constant([0.3, -0.7, 2.0])
    m = (n - crop) // 2
    expected = tfa_image.rotate(windows, angles, interpolation, 'reflect')
    expected = expected[:, m:-m, m:-m]
    ours = augment.rotate_and_crop(windows, angles, crop, interpolation)
    monkeypatch.setattr(augment, '_tfa_transform', None)
    plain = augment.rotate_and_crop(windows, angles, crop, interpolation)
    np.testing.assert_array_equal(ours, plain)
    # The two add the same numbers in another order.
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_windows_hold_every_rotated_crop():
    for crop in (32, 240):
        assert augment.window_size(crop) >= crop * math.sqrt(2.0)
        assert (augment.window_size(crop) - crop) % 2 == 0


def test_exposure_and_gamma():
    image = tf.fill([1, 1, 1, 3], 0.25)
    brighter = augment.change_exposure(image, tf.ones([1]), tf.zeros([1]))
    np.testing.assert_allclose(brighter, 0.5)
    squared = augment.change_exposure(image, tf.zeros([1]), tf.ones([1]))
    np.testing.assert_allclose(squared, 0.0625)


def test_noise_has_its_deviation_and_is_each_pictures_own():
    image = tf.fill([2, 64, 64, 3], 0.5)
    seeds = tf.constant([[1, 2], [3, 4]])
    noisy = augment.add_noise(image, tf.constant([0.05, 0.1]), seeds).numpy()
    assert noisy[0].std() == pytest.approx(0.05, rel=0.03)
    assert noisy[1].std() == pytest.approx(0.1, rel=0.03)
    alone = augment.add_noise(image[1:], tf.constant([0.1]), seeds[1:])
    np.testing.assert_array_equal(noisy[1], alone[0])


@pytest.mark.parametrize('smooth, grey, neighbours, channels', [
    (0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 2 / 3, 0.0), (0.0, 1.0, 0.0, 1.0),
    (1.0, 1.0, 2 / 3, 1.0)])
def test_grain_correlates_noise_and_keeps_its_deviation(
        smooth, grey, neighbours, channels):
    noisy = augment.add_noise(
        tf.fill([1, 256, 256, 3], 0.5), tf.constant([0.05]),
        tf.constant([[1, 2]]), tf.constant([[smooth, grey]])).numpy()[0]
    assert noisy.std() == pytest.approx(0.05, rel=0.02)

    def correlation(a, b):
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]
    for a, b in ((noisy[1:], noisy[:-1]), (noisy[:, 1:], noisy[:, :-1])):
        assert correlation(a, b) == pytest.approx(neighbours, abs=0.02)
    assert correlation(noisy[..., 0], noisy[..., 2]) == pytest.approx(
        channels, abs=0.02)


def test_half_grain_is_between():
    noisy = augment.add_noise(
        tf.fill([1, 256, 256, 3], 0.5), tf.constant([0.05]),
        tf.constant([[1, 2]]), tf.constant([[0.5, 0.5]])).numpy()[0]
    assert noisy.std() == pytest.approx(0.05, rel=0.02)
    # The kernel (1, 6, 1) / 8: (6 + 6) / (1 + 36 + 1).
    assert np.corrcoef(noisy[1:].ravel(), noisy[:-1].ravel())[
        0, 1] == pytest.approx(12 / 38, abs=0.02)
    # Each channel is n_c + common: covariances 1 + 2 / sqrt(3), of 2 + that.
    assert np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[
        0, 1] == pytest.approx(2.1547 / 3.1547, abs=0.02)


def test_jpeg_changes_little_at_high_quality():
    image = tf.constant(ramp(32, 3)[None] / 3.0)
    image = tf.clip_by_value(image, 0.0, 1.0)

    def error(quality):
        changed = augment.compress(image, tf.constant([quality]))
        return float(tf.reduce_mean(abs(changed - image)))
    assert error(95) < error(10) < 0.1


def test_photometry_is_the_same_inside_tf_data():
    image = tf.random.stateless_uniform([2, 32, 32, 3], [1, 2])
    draws, seeds = tf.constant([0.02, 0.05]), tf.constant([[1, 2], [3, 4]])
    data = tf.data.Dataset.from_tensors((image, draws, seeds))
    inside = next(iter(data.map(augment.add_noise)))
    np.testing.assert_array_equal(inside,
                                  augment.add_noise(image, draws, seeds))
