"""Layers of a deblurred photograph: where, at which size, how they join."""

import threading

import numpy as np
import pytest
from scipy import fft, ndimage

from dmenet_tf.applications import deconvolution, sharpening
from dmenet_tf.syndof import render

TABLE = deconvolution.shrinkage_table(0.8)


def test_pixels_in_the_blur_of_a_sharper_surface_take_its_sigma():
    sigma = np.full((9, 20), 4, np.float32)
    sigma[:, :10] = 2
    spread = sharpening.spread_sharper(sigma)
    np.testing.assert_array_equal(spread[4], [2] * 12 + [4] * 8)
    np.testing.assert_array_equal(
        sharpening.spread_sharper(np.full((9, 20), 4, np.float32)), 4)


def test_spreading_looks_at_every_pixel_within_reach():
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.5, 3, (40, 55)).astype(np.float32)
    sigma[:, 20:] *= 5
    y, x = np.mgrid[:40, :55]
    expected = sigma.copy()
    for i, j in np.ndindex(sigma.shape):
        limit = sigma[i, j] / np.float32(1.15)
        near = ((y - i)**2 + (x - j)**2 <= sigma**2) & (sigma < limit) & (
            np.maximum(abs(y - i), abs(x - j)) <= min(int(limit), 16))
        expected[i, j] = min(sigma[near].min(initial=np.inf), sigma[i, j])
    np.testing.assert_array_equal(sharpening.spread_sharper(sigma), expected)


def reference(image, sigma, steps, noise):
    """The same, plainly: whole mirrored frames, complex FFTs, no table."""
    planes = np.moveaxis(
        image.astype(np.float64) @ deconvolution.OPPONENT.T, -1, 0)
    place = np.interp(sigma, steps, np.arange(len(steps)))
    out = np.maximum(1 - place, 0) * planes
    for layer in range(1, len(steps)):
        weight = np.maximum(1 - abs(place - layer), 0)
        for c in range(3):
            fidelity = [0.12, 0.06, 0.06][c] / noise**2
            out[c] += weight * reference_layer(planes[c], sigma, steps[layer],
                                               fidelity)
    return np.moveaxis(out, 0, -1) @ deconvolution.OPPONENT


def mirrored(x):
    x = np.concatenate([x, x[::-1]])
    return np.concatenate([x, x[:, ::-1]], axis=1)


def reference_layer(y, sigma, step, fidelity):
    height, width = y.shape
    shape = 2 * height, 2 * width
    impulse = np.zeros(shape)
    impulse[0, 0] = 1
    taps = render.gaussian_kernel(step).astype(np.float64)
    blur = fft.fft2(ndimage.convolve1d(ndimage.convolve1d(
        impulse, taps, 0, mode='wrap'), taps, 1, mode='wrap'))
    down = fft.fft2(np.roll(impulse, -1, 0) - impulse)
    right = fft.fft2(np.roll(impulse, -1, 1) - impulse)
    squares = abs(down)**2 + abs(right)**2

    def wide(x):
        return fft.ifft2(fft.fft2(mirrored(x)) / (1 + step**2 * squares)
                         ).real[:height, :width]

    alike = np.exp(-0.5 * ((np.log(sigma + 0.3) - np.log(step + 0.3))
                           / 0.3)**2)
    mean = (alike * y).mean() / alike.mean()
    filled = (wide(alike * y) + 1e-3 * mean) / (wide(alike) + 1e-3)
    y = mirrored(alike * y + (1 - alike) * filled)
    x = y
    for beta in deconvolution.BETAS:
        scale = (2 / beta) ** (1 / 1.2)
        top = fidelity / beta * blur.conj() * fft.fft2(y)
        for axis, spectrum in ((0, down), (1, right)):
            v = np.roll(x, -1, axis) - x
            w = np.sign(v) * scale * deconvolution.shrink(abs(v) / scale, 0.8)
            top += spectrum.conj() * fft.fft2(w)
        x = fft.ifft2(top / (fidelity / beta * abs(blur)**2 + squares)).real
    return x[:height, :width]


@pytest.fixture
def blurred():
    """Image, sigma and the sigma of the layers."""
    rng = np.random.default_rng(0)
    sharp = np.kron(rng.random((6, 8, 3)), np.ones((8, 8, 1)))
    image = ndimage.gaussian_filter(sharp, (1.5, 1.5, 0))
    image = np.clip(image + 0.01 * rng.standard_normal(image.shape), 0, 1)
    sigma = np.tile(np.linspace(0, 3, 64, dtype=np.float32), (48, 1))
    sigma[10:30, 20:40] = 1.2
    steps = np.linspace(0.3, 3, 7, dtype=np.float32)
    return image.astype(np.float32), sigma, steps


def test_equals_a_plain_reference(blurred, monkeypatch):
    monkeypatch.setattr(sharpening, '_OVERSHOOT', 100)  # It limits none,
    monkeypatch.setattr(sharpening, 'NARROWEST', 100)  # and reduces none.
    image, sigma, steps = blurred
    fast = sharpening.deconvolve_layers(
        image, sigma, steps, 1 / 0.01**2, TABLE)
    slow = reference(image, sigma, steps.astype(np.float64), 0.01)
    assert np.abs(fast - image).mean() > 0.01  # It does something.
    np.testing.assert_allclose(fast, slow, atol=1e-3)


def test_layers_that_fail_end_it_and_leave_none_waiting(blurred, monkeypatch):
    def fail(*_):
        raise MemoryError('no room')

    monkeypatch.setattr(deconvolution, '_blurred_alike', fail)
    seen = []

    def call():
        try:
            sharpening.deconvolve_layers(
                *blurred, 1e4, deconvolution.shrinkage_table(0.8))
        except MemoryError as error:
            seen.append(str(error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive() and seen == ['no room']


def scene(blur, height=150, width=200, noise=0.01):
    """Patches of 12 px, blurred from left to right by more."""
    rng = np.random.default_rng(1)
    patches = rng.random((-(-height // 12), -(-width // 12), 3))
    sharp = np.kron(patches, np.ones((12, 12, 1)))[:height, :width]
    sigma = np.tile(np.linspace(*blur, width, dtype=np.float32), (height, 1))
    layer, of_layer = np.searchsorted(np.unique(sigma), sigma), np.unique(sigma)
    image = render.blend_layers(sharp, layer.astype(np.int32), of_layer)
    image += noise * rng.standard_normal(image.shape, np.float32)
    return image, sigma


def test_tiles_are_the_whole_within_a_tolerance(monkeypatch):
    image, sigma = scene((0.5, 3.5))
    steps = np.float32([0.3, 0.5, 1, 2, 3.5])
    whole = sharpening.deconvolve_layers(image, sigma, steps, 1e4, TABLE)
    monkeypatch.setattr(sharpening, 'TILE', 64)
    tiled = sharpening.deconvolve_layers(image, sigma, steps, 1e4, TABLE)
    assert np.abs(whole - image).mean() > 0.01
    difference = np.abs(tiled - whole)
    # An edge that the prior puts a pixel aside is a large difference.
    assert difference.mean() < 0.001
    assert np.quantile(difference, 0.99) < 0.02


def test_reduced_is_the_full_size_within_a_tolerance(monkeypatch):
    image, sigma = scene((3, 9))
    steps = np.geomspace(3, 9, 8).astype(np.float32)
    steps = np.append(np.float32(0.3), steps)
    reduced = sharpening.deconvolve_layers(image, sigma, steps, 1e4, TABLE)
    monkeypatch.setattr(sharpening, 'NARROWEST', 100)
    full = sharpening.deconvolve_layers(image, sigma, steps, 1e4, TABLE)
    assert np.abs(full - image).mean() > 0.01
    difference = np.abs(reduced - full)
    assert difference.mean() < 0.015
    assert np.quantile(difference, 0.99) < 0.1


def test_edges_do_not_end_beyond_their_sides(monkeypatch):
    """Deconvolved by more than their blur they would."""
    step = np.full((40, 60, 3), 0.2)
    step[:, 30:] = 0.8
    image = ndimage.gaussian_filter(step, (0, 1, 0)).astype(np.float32)
    sigma, steps = np.full((40, 60), 2, np.float32), np.float32([0.3, 2])
    found = sharpening.deconvolve_layers(image, sigma, steps, 4e4, TABLE)
    assert found.min() > 0.169 and found.max() < 0.831
    monkeypatch.setattr(sharpening, '_OVERSHOOT', 100)
    free = sharpening.deconvolve_layers(image, sigma, steps, 4e4, TABLE)
    assert free.min() < 0.1


def test_an_even_picture_stays_as_it_is_at_every_scale():
    sigma = np.tile(np.geomspace(0.2, 30, 83, dtype=np.float32), (61, 1))
    steps = np.append(0.3, np.geomspace(0.5, 30, 16)).astype(np.float32)
    even = np.full((61, 83, 3), 0.4, np.float32)
    found = sharpening.deconvolve_layers(even, sigma, steps, 1e4, TABLE)
    np.testing.assert_allclose(found, even, atol=1e-4)


def test_work_is_done_where_a_layer_is_and_shown(monkeypatch):
    monkeypatch.setattr(sharpening, 'TILE', 32)
    image, sigma = scene((1, 1), 32, 96)
    sigma[:, 64:] = 2
    seen = []

    def progress(steps, total):
        seen.append((total, len(list(steps))))
        return ()

    sharpening.deconvolve_layers(image, sigma, np.float32([0.3, 1, 2]), 1e4,
                                 TABLE, progress)
    assert seen == [(3, 3)]  # Two tiles with the one, one with the other.
