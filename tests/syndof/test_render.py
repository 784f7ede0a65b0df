"""The renderer against whole-frame filtering, hand sums and invariants."""

import numpy as np
import pytest

from dmenet_tf import optics
from dmenet_tf.syndof import apertures, render


def scene(height, width, layers, max_sigma, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random((height, width, 3), dtype=np.float32),
            rng.integers(0, layers, (height, width)).astype(np.int32),
            rng.uniform(0, max_sigma, layers).astype(np.float32))


def staircase(height, width, layers):
    """Coherent regions, as depth has them."""
    ramp = np.linspace(0, layers - 1, height * width).reshape(height, width)
    return np.rint(ramp).astype(np.int32)


@pytest.mark.parametrize('kernel', render.KERNELS)
@pytest.mark.parametrize('height, width, layers, max_sigma', [
    (40, 50, 5, 3.0),     # several layers
    (64, 64, 350, 7.0),   # the most layers
    (33, 70, 1, 2.0),     # one layer
    (20, 21, 3, 0.0),     # all sharp
    (9, 10, 4, 7.0),      # smaller than the kernel
    (1, 1, 1, 5.0),       # one pixel
])
def test_equals_filtering_the_whole_frame(height, width, layers, max_sigma,
                                          kernel):
    image, layer, sigma = scene(height, width, layers, max_sigma)
    np.testing.assert_allclose(
        render.blend_layers(image, layer, sigma, kernel),
        render.blend_layers_reference(image, layer, sigma, kernel), atol=2e-6)


@pytest.mark.parametrize('kernel', render.KERNELS)
def test_equals_the_reference_where_layers_are_regions(kernel):
    image, _, sigma = scene(60, 83, 40, 7.0)
    layer = staircase(60, 83, 40)
    np.testing.assert_allclose(
        render.blend_layers(image, layer, sigma, kernel),
        render.blend_layers_reference(image, layer, sigma, kernel), atol=2e-6)


@pytest.mark.long
@pytest.mark.parametrize('lens', [
    apertures.polygon(5, 0.2), apertures.cats_eye(1.0),
    # One that is not symmetric, whose first row is empty.
    apertures.measured(np.pad([[[0.4, 0, 0], [0.2, 0.3, 0], [0, 0, 0.1]]],
                              ((0, 0), (2, 2), (2, 2))), np.array([1.0]))],
    ids=['polygon', 'cats_eye', 'measured'])
@pytest.mark.parametrize('layers, max_sigma', [(5, 3.0), (30, 7.0), (3, 0.3)])
def test_other_lenses_equal_filtering_the_whole_frame(lens, layers, max_sigma):
    image, layer, sigma = scene(40, 50, layers, max_sigma)
    image[10, 12] = 64.0  # A light.
    np.testing.assert_allclose(
        render.blend_layers(image, layer, sigma, lens),
        render.blend_layers_reference(image, layer, sigma, lens), atol=2e-5)


def test_hand_sum_of_two_layers():
    """A sharp pixel 1 before a blurred 0: its neighbours stay 0."""
    image = np.zeros((1, 3, 3), np.float32)
    image[0, 1] = 1.0
    layer = np.array([[0, 1, 0]], np.int32)
    out = render.blend_layers(image, layer, np.array([0.5, 0.05]))
    np.testing.assert_array_equal(out[0, :, 0], [0.0, 1.0, 0.0])


def test_hand_sum_of_a_blurred_front():
    """The front's mask m covers the sharp back: m 1 + (1 - m) 0 = m."""
    image = np.zeros((3, 9, 3), np.float32)
    layer = np.zeros((3, 9), np.int32)
    image[1, 4], layer[1, 4] = 1.0, 1
    out = render.blend_layers(image, layer, np.array([0.0, 1.0]))
    kernel = render.gaussian_kernel(1.0)
    # The back has a hole at the front's own place: only the front is there.
    expected = kernel[2:5, None] * np.pad(kernel, 1)
    expected[1, 4] = 1.0
    np.testing.assert_allclose(out[..., 0], expected, atol=1e-7)


def test_a_flat_image_stays_flat():
    _, layer, sigma = scene(30, 31, 20, 7.0)
    image = np.full((30, 31, 3), [0.2, 0.5, 0.9], np.float32)
    for kernel in render.KERNELS:
        out = render.blend_layers(image, layer, sigma, kernel)
        np.testing.assert_allclose(out, image, atol=1e-6)
        out = render.blend_filled(image, layer, sigma, 8, kernel)
        np.testing.assert_allclose(out, image, atol=1e-6)


def test_empty_layers_and_other_strides_change_nothing():
    image, layer, sigma = scene(24, 25, 6, 3.0)
    spread = np.repeat(sigma, 2)
    np.testing.assert_array_equal(
        render.blend_layers(image, layer, sigma),
        render.blend_layers(np.asfortranarray(image), 2 * layer, spread))


def test_gaussian_kernel_is_the_contract():
    assert len(render.gaussian_kernel(7.0)) == 2 * 21 + 1
    assert len(render.gaussian_kernel(0.5)) == 2 * 2 + 1
    assert render.gaussian_kernel(0.0999).tolist() == [1.0]
    assert abs(render.gaussian_kernel(3.3).sum() - 1) < 1e-6


@pytest.mark.parametrize('sigma', [0.3, 1.0, 2.5, 7.0])
def test_disc_kernel_is_a_disc_of_the_table(sigma):
    kernel = render.disc_kernel(sigma)
    radius = optics.disc_radius_from_sigma(sigma)
    reach = len(kernel) // 2
    area = np.pi * radius**2
    assert abs(kernel.sum() - 1) < 1e-12
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-15)
    np.testing.assert_allclose(kernel[reach, reach], min(1 / area, 1),
                               rtol=0.02)
    assert len(kernel) <= 2 * radius + 3


def test_filled_background_does_not_thin_out_beside_a_sharp_object():
    """Far, middle and a sharp front: beside the front the middle alone shows.

    Unfilled, the middle's blurred mask thins out where the front hides it,
    and the far layer behind it shines through.
    """
    image = np.zeros((41, 60, 3), np.float32)
    layer = np.full((41, 60), 1, np.int32)
    layer[:, 30:], image[:, 30:] = 2, 0.5
    layer[:, :20], image[:, :20] = 0, 1.0
    image[:, 20:30] = 0.25
    sigma = np.array([7.0, 2.0, 0.0])
    plain = render.blend_layers(image, layer, sigma)
    filled = render.blend_filled(image, layer, sigma, front=2)
    beside = np.s_[20, 29, 0]
    assert abs(filled[beside] - 0.25) < 2e-3
    assert plain[beside] > 0.28
    np.testing.assert_array_equal(filled[:, 30:], image[:, 30:])


def test_filled_is_plain_without_a_foreground():
    image, layer, sigma = scene(20, 20, 5, 3.0)
    plain = render.blend_layers(image, layer, sigma)
    for front in (0, 5):
        np.testing.assert_array_equal(
            render.blend_filled(image, layer, sigma, front), plain)


@pytest.mark.parametrize('change, text', [
    ({'image': np.zeros((4, 4))}, 'image must be'),
    ({'layer': np.zeros((4, 5), np.int32)}, 'layer'),
    ({'layer': np.full((4, 4), 2)}, r'\[0, 2\)'),
    ({'layer': np.full((4, 4), -1)}, r'-1 to -1'),
    ({'layer': np.zeros((4, 4), np.float32)}, 'integers'),
    ({'sigma': np.array([1.0, np.nan])}, 'sigma must be'),
    ({'sigma': np.array([1.0, -1.0])}, 'sigma must be'),
    ({'kernel': 'box'}, 'kernel must be one of'),
])
def test_wrong_arguments(change, text):
    arguments = {'image': np.zeros((4, 4, 3)), 'sigma': np.ones(2),
                 'layer': np.zeros((4, 4), np.int32), **change}
    with pytest.raises(ValueError, match=text):
        render.blend_layers(**arguments)
