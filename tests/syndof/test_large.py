"""The blur of large photographs is render's, to a stated tolerance."""

import numpy as np
import pytest

from dmenet_tf.syndof import large, render

RNG = np.random.default_rng(0)
IMAGE = RNG.random((75, 90, 3)).astype(np.float32)


def layers(sigma, count=60):
    """Layer of each pixel and sigma of the layers, as magnify cuts a map."""
    step = sigma.max() / (count - 1)
    codes = np.rint(sigma / step).astype(np.int32)
    return count - 1 - codes, (step * np.arange(count)[::-1]).astype(np.float32)


@pytest.mark.parametrize('largest', [7, 18, 60])
def test_equals_the_blur_at_full_size_within_the_tolerance(largest):
    sigma = RNG.uniform(0, largest, IMAGE.shape[:2])
    sigma[20:40, 30:60] = largest / 3
    sigma[50:, :20] = 0
    exact = render.blend_layers(IMAGE, *layers(sigma))
    found = large.blend_large(IMAGE, *layers(sigma))
    assert found.dtype == np.float32 and np.ptp(exact) > 0.5
    np.testing.assert_allclose(found, exact, atol=0.01)
    assert np.abs(found - exact).mean() < 0.0005


@pytest.mark.parametrize('blurs', [[12], [0, 20], [0, 3, 40]])
def test_scales_without_layers_are_passed_over(blurs):
    sigma = np.float32(blurs)[np.arange(90) * len(blurs) // 90]
    order = np.float32(sorted(blurs, reverse=True))
    layer = np.tile(np.searchsorted(-order, -sigma), (75, 1)).astype(np.int32)
    np.testing.assert_allclose(large.blend_large(IMAGE, layer, order),
                               render.blend_layers(IMAGE, layer, order),
                               atol=0.01)


def test_is_the_same_bits_where_no_layer_is_wide(monkeypatch):
    monkeypatch.setattr(large, '_BAND', 16)  # Several, with their borders.
    given = layers(np.tile(np.linspace(0, 7.9, 90), (75, 1)))
    np.testing.assert_array_equal(large.blend_large(IMAGE, *given),
                                  render.blend_layers(IMAGE, *given))


def test_bands_are_the_whole_at_every_scale(monkeypatch):
    given = layers(np.tile(np.linspace(0, 40, 90), (75, 1)))
    whole = large.blend_large(IMAGE, *given)
    monkeypatch.setattr(large, '_BAND', 4)
    np.testing.assert_array_equal(large.blend_large(IMAGE, *given), whole)


def test_an_even_picture_stays_as_it_is_to_its_borders():
    given = layers(np.tile(np.linspace(0, 30, 77), (51, 1)))
    even = np.full((51, 77, 3), 0.4, np.float32)
    np.testing.assert_allclose(large.blend_large(even, *given), 0.4, atol=1e-5)


def test_progress_sees_every_step(monkeypatch):
    monkeypatch.setattr(large, '_BAND', 25)
    seen = []

    def progress(steps, total):
        seen.extend([0, total])
        for step in steps:
            seen[0] += 1
            yield step

    large.blend_large(IMAGE, *layers(np.full((75, 90), 10.0)), progress)
    # 3 bands at full size, 2 of 38 rows at half.
    assert seen == [5, 5]


def test_layers_that_do_not_descend_are_refused():
    with pytest.raises(ValueError, match='sigma must descend'):
        large.blend_large(IMAGE, np.zeros((75, 90), np.int32), [1, 2])
