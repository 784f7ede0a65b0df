"""Procedural scenes: deterministic, deep, occluding, textured."""

import imageio.v3 as iio
import numpy as np
import pytest

from dmenet_tf.syndof import scenes


def draw(index, **options):
    return scenes.draw_scene(scenes.scene_rng(3, index), height=96, width=128,
                             **options)


def test_a_scene_depends_on_seed_and_index_alone():
    image, depth_m = draw(4)
    draw(5)
    again, depth_again = draw(4)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(depth_m, depth_again)
    assert not np.array_equal(image, draw(5)[0])


@pytest.mark.parametrize('index', range(4))
def test_range_edges_and_texture(index):
    image, depth_m = draw(index)
    assert image.dtype == depth_m.dtype == np.float32
    assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.05
    assert depth_m.min() == pytest.approx(scenes.NEAR_M)
    assert 2.49 < depth_m.max() < 20.01
    # Planes and steps: most neighbours nearly equal, some far apart.
    steps = np.abs(np.diff(1 / depth_m, axis=1))
    assert np.median(steps) < 0.01 and steps.max() > 0.1
    # Objects are textured apart from their background: colour changes there.
    edge = steps > 0.1
    change = np.abs(np.diff(image, axis=1)).mean(-1)
    assert change[edge].mean() > 1.5 * change[~edge].mean()


@pytest.mark.parametrize('index', range(4))
def test_without_shapes_a_photograph_lies_on_an_uneven_surface(tmp_path, index):
    photo = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    iio.imwrite(tmp_path / 'photo.png', photo)
    image, depth_m = draw(index, textures=tmp_path, shapes=0)
    np.testing.assert_allclose(
        image if np.allclose(image, photo / 255, atol=1e-6)
        else image[:, ::-1], photo / 255, atol=1e-6)
    place = 1 / depth_m
    steps = np.abs(np.diff(place, axis=1))
    assert steps.max() < 0.05 * np.ptp(place)  # no edges
    bends = np.abs(np.diff(place, 2, axis=1))
    assert bends.max() > 1e-4 * np.ptp(place)  # no plane


def test_photographs_as_textures(tmp_path):
    flat = np.zeros((40, 50, 3), np.uint8)
    flat[..., 0] = 200
    iio.imwrite(tmp_path / 'red.png', flat)
    image, _ = draw(1, textures=tmp_path)
    # Tints keep a red photograph red; it is repeated to fill the frame.
    assert np.all(image[..., 0] >= image[..., 1])
    assert np.median(image[..., 0]) > 0.4
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='no photograph in'):
        draw(1, textures=tmp_path / 'empty')


def test_textures_are_found_below_and_not_among_hidden_files(tmp_path):
    for name in ('b.png', 'sub/a.JPG', '._b.png', '.tmp-c.png',
                 '.trash/d.png', 'notes.txt'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    assert [path.name for path in scenes.find_photographs(str(tmp_path))] == [
        'b.png', 'a.JPG']
