"""Linear light, noise, JPEG."""

import numpy as np
import pytest

from dmenet_tf.syndof import develop


def test_srgb_curve_by_hand_and_back():
    assert develop.linear_from_srgb(0.5) == pytest.approx(0.21404, abs=1e-5)
    assert develop.linear_from_srgb(0.02) == pytest.approx(0.02 / 12.92)
    values = np.linspace(0, 1, 256, dtype=np.float32)
    np.testing.assert_allclose(
        develop.srgb_from_linear(develop.linear_from_srgb(values)), values,
        atol=1e-6)


def test_small_clipped_spots_are_lifted_and_large_ones_hardly():
    image = np.full((60, 60, 3), 0.5, np.float32)
    image[5:7, 5:7] = 1.0  # a lamp
    image[10, 10] = [1.0, 0.2, 0.2]  # a red one
    image[15, 15] = 0.975  # half way between the knee and white
    image[20:60, 20:60] = 1.0  # the sky: 16 times SPOT_AREA
    light = develop.linear_from_srgb(image)
    gain = develop.lift_highlights(light, image, 5.0) / light
    assert gain[5:7, 5:7] == pytest.approx(32.0)
    assert gain[10, 10] == pytest.approx(32.0)
    assert gain[15, 15] == pytest.approx(1 + 31 / 2, rel=1e-5)
    assert gain[20:60, 20:60] == pytest.approx(1 + 31 / 16)
    assert np.sum(gain != 1) == 3 * (4 + 1 + 1 + 1600)
    np.testing.assert_array_equal(
        develop.lift_highlights(light, image, 0.0), light)


def test_noise_has_the_deviation_that_was_asked():
    rng = develop.develop_rng(0, 0)
    bright = develop.add_noise(np.ones((200, 200, 3)), 5.0, rng)
    dark = develop.add_noise(np.zeros((200, 200, 3)), 5.0, rng)
    assert np.std(bright - 1) * 255 == pytest.approx(5.0, rel=0.02)
    assert np.std(dark) * 255 == pytest.approx(5.0 / np.sqrt(2), rel=0.02)
    assert abs(bright.mean() - 1) < 1e-3


def test_jpeg_loses_more_at_lower_quality():
    rng = np.random.default_rng(0)
    picture = develop.to_bytes(rng.random((32, 32, 3)))
    lost = [np.abs(develop.through_jpeg(picture, q).astype(int)
                   - picture).mean() for q in (100, 60, 10)]
    assert lost[0] < lost[1] < lost[2]


def test_to_bytes_is_nearest_and_clipped():
    values = np.array([-0.2, 0.5 / 255, 1.6 / 255, 1.0, 1.2])
    assert develop.to_bytes(values).tolist() == [0, 0, 2, 255, 255]
