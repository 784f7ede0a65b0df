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


def test_clipped_spots_are_lifted_where_it_is_dark():
    image = np.zeros((200, 300, 3), np.float32)
    image[50:52, 50:52] = 1.0  # a lamp
    image[150, 50] = [1.0, 0.2, 0.2]  # a red one
    image[150, 151] = 0.975  # half way between the knee and white
    image[:, 200:] = 1.0  # the sky
    light = develop.linear_from_srgb(image)
    lifted = develop.lift_highlights(light, image, 5.0)

    def gain(around, clipped=1.0):
        return 1 + 31 * (1 - around)**4 * clipped
    np.testing.assert_allclose(lifted[50:52, 50:52], gain(4 / 65**2),
                               rtol=1e-6)
    np.testing.assert_allclose(lifted[150, 50], gain(1 / 65**2)
                               * light[150, 50], rtol=1e-6)
    half = light[150, 151, 0]
    assert lifted[150, 151, 0] == pytest.approx(
        half * gain(half / 65**2, 0.5), rel=1e-5)
    np.testing.assert_allclose(lifted[:, 232:], 1.0)
    # At the sky's border half of the square is dark.
    assert lifted[100, 200, 0] == pytest.approx(gain(33 / 65))
    dark = image.max(-1) == 0
    np.testing.assert_array_equal(lifted[dark], 0)
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
