"""Photographs as arrays: one rule of their range for every function."""

import numpy as np
import pytest

from dmenet_tf import arrays

RNG = np.random.default_rng(0)


def test_types_say_their_range_and_floats_are_in_255():
    codes = RNG.integers(0, 65536, (4, 5, 3), np.uint16)
    deep = arrays.check_image(codes)
    assert deep.dtype == np.float32
    np.testing.assert_allclose(deep, codes / 257, rtol=1e-6)
    shallow = RNG.integers(0, 256, (4, 5, 3), np.uint8)
    assert arrays.check_image(shallow) is shallow
    for kind in (np.float64, np.float16, np.int64):
        np.testing.assert_array_equal(arrays.check_image(shallow.astype(kind)),
                                      shallow)


def test_grey_becomes_rgb():
    grey = RNG.integers(0, 256, (4, 5), np.uint8)
    np.testing.assert_array_equal(arrays.check_image(grey),
                                  np.stack([grey] * 3, -1))


@pytest.mark.parametrize('image, line', [
    (np.linspace(0, 1, 48).reshape(4, 4, 3),
     'a float picture must be in [0, 255], and this one ends at 1: multiply a '
     'picture in [0, 1] by 255 first.'),
    (np.full((4, 4), 0.5, np.float32),
     'a float picture must be in [0, 255], and this one ends at 0.5: multiply '
     'a picture in [0, 1] by 255 first.'),
    (np.full((4, 4), 200, np.uint16),
     'a uint16 picture must be in [0, 65535], and this one ends at 200: pass '
     'codes of 8 bits as uint8.'),
    (np.zeros((4, 4, 4)), 'needs one RGB image [h, w, 3] or grey image [h, w] '
     'with at least one pixel. Received shape: (4, 4, 4).'),
    (np.zeros((2, 4, 4, 3)), 'needs one RGB image [h, w, 3] or grey image [h, '
     'w] with at least one pixel. Received shape: (2, 4, 4, 3).'),
    (np.zeros((4, 4, 3), bool), 'needs numbers in [0, 255]. Received dtype: '
     'bool.'),
    (np.full((4, 4), 300.0), 'needs finite values in [0, 255]; scale images of '
     'another range first. Received values from 300 to 300.'),
    (np.full((4, 4), -1.0), 'needs finite values in [0, 255]; scale images of '
     'another range first. Received values from -1 to -1.')])
def test_what_is_no_photograph_or_may_be_of_another_range_is_refused(image,
                                                                     line):
    with pytest.raises(ValueError) as caught:
        arrays.check_image(image)
    assert str(caught.value) == line


@pytest.mark.parametrize('image', [
    np.ones((4, 4), np.uint8), np.zeros((4, 4), np.uint8),
    np.zeros((4, 4), np.uint16), np.zeros((4, 4)), np.ones((4, 4), np.int32),
    np.full((4, 4), 1.5)])
def test_black_is_black_in_every_range(image):
    np.testing.assert_array_equal(arrays.check_image(image),
                                  np.stack([image] * 3, -1))
