"""Pictures and labels change together; no two samples share a number."""

import math

import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import sigma_files
from dmenet_tf.train import augment
from dmenet_tf.train.changes import Augment


def ramp(size, channels=1):
    """A smooth picture without symmetry, [size, size, channels]."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    picture = np.stack([x + 2 * y, x * y, x - y][:channels], axis=-1)
    return picture.astype(np.float32)


def test_no_two_samples_share_random_numbers():
    # Three datasets under two seeds, as make_batches numbers them.
    drawn = {(seed, i): augment.random_draws(seed, i)
             for seed in range(6) for i in range(200)}
    for (seed, i), draws in drawn.items():
        if i:
            assert not set(draws) & set(drawn[seed, i - 1])
        if seed:
            assert not set(draws) & set(drawn[seed - 1, i])
    # Single numbers of 24 bits meet by chance; two in a row do not.
    pairs = [pair for draws in drawn.values() for pair in zip(draws, draws[1:],
                                                              strict=False)]
    assert len(set(pairs)) == len(pairs) == 6 * 200 * 14


def test_random_numbers_are_uniform_and_the_same_again():
    numbers = np.array([augment.random_draws(1, i) for i in range(2000)])
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=0.03)
    np.testing.assert_allclose(numbers.std(axis=0), 1 / math.sqrt(12),
                               atol=0.02)
    assert numbers.min() >= 0.0 and numbers.max() < 1.0
    correlation = np.corrcoef(numbers.T) - np.eye(numbers.shape[1])
    assert abs(correlation).max() < 0.1
    assert augment.random_draws(1, 7) == augment.random_draws(1, 7)


def drawn(**named):
    """Draws that leave a picture as it is, besides those named."""
    return augment.Draws(*([0.5] * len(augment.Draws._fields)))._replace(
        **({'quarter': 0.0} | named))


def test_crops_and_labels_go_together(coded_picture):
    image = coded_picture(40, 48)
    label = image[..., 0].astype(np.uint16) * 20
    crops = set()
    for i in range(40):
        crop, sigma = augment.random_crop(
            image, label, 32, augment.random_draws(0, i), Augment())
        np.testing.assert_array_equal(sigma, 20 * crop[..., 0].astype(int))
        alone, none = augment.random_crop(
            image, None, 32, augment.random_draws(0, i), Augment())
        np.testing.assert_array_equal(alone, crop)
        assert none is None
        crops.add(crop.tobytes())
    assert len(crops) > 35


@pytest.mark.parametrize('draw, scale', [(0.0, 0.5), (0.5, 1.0),
                                         (0.75, 2**0.5)])
def test_zoom_is_drawn_evenly_in_its_logarithm(draw, scale):
    assert augment.scale_of(Augment(zoom=2.0), draw) == pytest.approx(scale)


def test_zoom_scales_sigma_and_enlarging_adds_its_own():
    image = np.full((64, 64, 3), 100, np.uint8)
    label = np.full((64, 64), 2000, np.uint16)
    changes = Augment(zoom=2.0)
    for draw, sigma in ((0.0, 1.0), (0.5, 2.0),
                        (0.999, math.hypot(2.0, 0.44) * 2.0)):
        crop, codes = augment.random_crop(image, label, 32, drawn(zoom=draw),
                                          changes)
        assert crop.shape == (32, 32, 3)
        np.testing.assert_allclose(codes, 1000 * sigma, rtol=2e-3)


def test_holes_of_labels_follow_their_pixels(coded_picture):
    image = coded_picture(40, 48)
    hole = image[..., 0] % 7 == 0
    label = np.where(hole, sigma_files.LEFT_OUT, 20).astype(np.uint16)
    for i in range(20):
        crop, codes = augment.random_crop(
            image, label, 32, augment.random_draws(0, i), Augment())
        np.testing.assert_array_equal(codes == sigma_files.LEFT_OUT,
                                      crop[..., 0] % 7 == 0)


@pytest.mark.parametrize('zoom', [0.0, 0.25, 0.5, 0.75, 0.999])
def test_zoom_and_blur_leave_holes_holes(zoom):
    hole = np.zeros((80, 80), bool)
    hole[36:44, 36:44] = True
    image = np.dstack([np.uint8(255 * hole)] * 3)
    label = np.where(hole, sigma_files.LEFT_OUT, 2000).astype(np.uint16)
    crops = [augment.random_crop(image, label, 32,
                                 drawn(zoom=zoom, blur=blur, top=0.5,
                                       left=0.5),
                                 Augment(zoom=2.0, blur=blur))
             for blur in (0.0, 3.0)]
    left_out = [codes == sigma_files.LEFT_OUT for _, codes in crops]
    # White is the hole, and what interpolation mixed with it.
    assert np.all(left_out[0][crops[0][0][..., 0] > 0])
    assert left_out[0].sum() >= (8 * 2 ** (2 * zoom - 1))**2
    assert left_out[0].sum() < (14 * 2 ** (2 * zoom - 1) + 4)**2
    # Blur adds to sigma where it counts, and nothing elsewhere.
    np.testing.assert_array_equal(left_out[1], left_out[0])
    assert np.all(crops[1][1][~left_out[1]] > crops[0][1][~left_out[0]])


def test_zoom_and_blur_are_no_photometric_changes():
    changes = Augment(zoom=2.0, blur=3.0, noise=4.0, jpeg_quality=70)
    assert augment.photometric(changes) == Augment(noise=4.0, jpeg_quality=70)


def test_blur_is_drawn_by_a_power():
    draws = np.random.default_rng(0).random(4000)
    for power in (1.0, 2.0):
        changes = Augment(blur=6.0, blur_share=0.5, blur_power=power)
        sigmas = np.array([augment.blur_of(changes, draw) for draw in draws])
        assert np.mean(sigmas > 0) == pytest.approx(0.5, abs=0.03)
        # u < 1 / 2 in half of those that are blurred.
        assert np.median(sigmas[sigmas > 0]) == pytest.approx(
            6.0 * 0.5**power, rel=0.1)
        assert sigmas.max() < 6.0


def test_blurs_add_as_variances():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 200
    sigma = np.full((32, 32), 3.0, np.float32)
    blurred, added = augment.blur_with_sigma(image, sigma, 4.0)
    np.testing.assert_allclose(added, 5.0)
    # One sigma from a step: the normal distribution's 0.841 at + 4 px.
    assert blurred[16, 19:21, 0].mean() == pytest.approx(200 * 0.841, abs=2)


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('quarters', [0, 1, 2, 3])
def test_flips_and_rotations_are_the_eight_symmetries(flip, quarters):
    array = np.arange(6).reshape(2, 3)
    result = augment.flip_and_rotate(array, flip, quarters)
    expected = array[:, ::-1] if flip else array
    for _ in range(quarters):  # Counter-clockwise: the last column comes first.
        expected = np.array([expected[:, j]
                             for j in reversed(range(expected.shape[1]))])
    np.testing.assert_array_equal(result, expected)


def test_crop_reaches_both_ends():
    array = np.arange(20).reshape(4, 5)
    np.testing.assert_array_equal(augment.crop_at(array, 2, 0.0, 0.0),
                                  array[:2, :2])
    np.testing.assert_array_equal(augment.crop_at(array, 2, 0.999, 0.999),
                                  array[2:, 3:])


def test_crop_mirrors_what_is_missing():
    array = np.array([[1, 2], [3, 4]])
    np.testing.assert_array_equal(
        augment.crop_at(array, 4, 0.5, 0.5),
        [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])


def test_rotation_by_nothing_is_a_crop():
    n, crop = augment.window_size(32), 32
    window = ramp(n, 3)[None]
    rotated = augment.rotate_and_crop(window, tf.zeros([1]), crop)
    m = (n - crop) // 2
    np.testing.assert_allclose(rotated, window[:, m:-m, m:-m], atol=1e-6)


def test_rotation_by_a_quarter_is_counter_clockwise():
    n, crop = augment.window_size(32), 32
    window = ramp(n)[None]
    rotated = augment.rotate_and_crop(window, tf.constant([math.pi / 2]), crop)
    m = (n - crop) // 2
    np.testing.assert_allclose(
        rotated[0], np.rot90(window[0])[m:-m, m:-m], atol=1e-5)


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


def test_photometry_draws_each_change_by_its_name():
    image = tf.fill([2, 8, 8, 3], 0.25)
    seeds = tf.constant([[1, 2], [3, 4]])

    def change(changes, **named):
        draws = augment.Draws(*(tf.fill([2], x) for x in drawn(**named)))
        return augment.change_photometry(image, draws, seeds, changes).numpy()
    np.testing.assert_array_equal(change(Augment()), image)
    # 0.5 is the middle: no exposure and no gamma.
    middle = change(Augment(exposure=1.0, gamma=1.0))
    np.testing.assert_allclose(middle, 0.25)
    np.testing.assert_allclose(change(Augment(exposure=1.0), exposure=1.0),
                               0.5)
    np.testing.assert_allclose(change(Augment(gamma=1.0), gamma=1.0), 0.0625)
    assert change(Augment(noise=40.0), noise=0.0).std() < 1e-6
    assert change(Augment(noise=40.0), noise=1.0).std() == pytest.approx(
        40 / 255, rel=0.15)
    noisy = change(Augment(noise=40.0, grain=1.0), channel_grain=1.0)
    np.testing.assert_allclose(noisy[..., 0], noisy[..., 2], atol=1e-6)
    noisy = change(Augment(noise=40.0, grey=0.5), grey=0.4)
    np.testing.assert_allclose(noisy[..., 0], noisy[..., 2], atol=1e-6)
    noisy = change(Augment(noise=40.0, grey=0.5), grey=0.6)
    assert np.ptp(noisy, axis=-1).max() > 0.05
