"""Files and pages."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from dmenet_tf import images
from dmenet_tf.stack import frames

RNG = np.random.default_rng(0)


@pytest.mark.parametrize('kind, white', [(np.uint8, 255), (np.uint16, 65535)])
def test_each_page_of_a_tiff_is_a_frame(tmp_path, kind, white):
    stack = RNG.integers(0, white + 1, (3, 20, 30), kind)
    path = tmp_path / 'sweep.tif'
    tifffile.imwrite(path, stack, photometric='minisblack')
    found = frames.find([path])
    assert [str(frame) for frame in found] == [
        str(path), f'{path}, page 1', f'{path}, page 2']
    for frame, page in zip(found, stack, strict=True):
        np.testing.assert_allclose(
            frame.read()[..., 0], page * (255 / white), atol=0.01)


def test_a_picture_reduced_is_no_frame(tmp_path):
    path = tmp_path / 'a.tif'
    with tifffile.TiffWriter(path) as file:
        file.write(np.zeros((40, 60, 3), np.uint16), photometric='rgb')
        file.write(np.zeros((10, 15, 3), np.uint8), photometric='rgb',
                   subfiletype=1)
        file.write(np.ones((40, 60, 3), np.uint16), photometric='rgb')
    assert [frame.page for frame in frames.find([path])] == [0, 2]


def test_an_animation_is_one_frame(tmp_path):
    pictures = [Image.new('L', (8, 8), value) for value in (9, 200)]
    path = tmp_path / 'moving.gif'
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    assert len(frames.find([path])) == 1
    assert images.pages(path) == [0, 1]
    assert images.read_image(path, page=1)[0, 0, 0] == 200


def test_what_cannot_be_read_is_one_frame_that_says_why(tmp_path):
    path = tmp_path / 'no.tif'
    path.write_bytes(b'II*\0no')
    [frame] = frames.find([path])
    with pytest.raises(ValueError, match=f'{path}: '):
        frame.read()
    Image.new('L', (4, 4)).save(tmp_path / 'one.png')
    with pytest.raises(ValueError, match='one.png: '):
        images.read_image(tmp_path / 'one.png', page=4)
