"""Unit conversions against hand sums, in NumPy and in TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import optics


def test_circle_of_confusion_by_hand():
    # alpha |x - S1| / x with alpha = 10, S1 = 2: 10 * 1/1, 0, 10 * 2/4, 10.
    depth = np.array([1.0, 2.0, 4.0, np.inf])
    np.testing.assert_allclose(optics.circle_of_confusion(depth, 2.0, 10.0),
                               [10.0, 0.0, 5.0, 10.0])


def test_aperture_constant_by_hand():
    # F = 50 mm, N = 2, S1 = 1050 mm: f1 / S1 = 50 / 1000, D = 25 mm, so
    # 1.25 mm on the sensor; 36 mm are 720 px.
    alpha = optics.aperture_constant(50, 2, 1050, 36, 720)
    assert alpha == pytest.approx(25.0)


def test_a_lens_does_not_focus_within_its_focal_length():
    with pytest.raises(ValueError, match='beyond its focal length'):
        optics.aperture_constant(50, 2, 50, 36, 720)


@pytest.mark.parametrize('s1', [1.0, 1.7, 3.0])
def test_the_bound_on_alpha_is_eq_2_and_is_reached(s1):
    near, far, top = 1.0, 3.0, 28.0
    alpha = optics.alpha_upper_bound(near, far, s1, top)
    terms = [x / abs(x - s1) for x in (near, far) if x != s1]
    assert alpha == pytest.approx(top * min(terms))
    coc = optics.circle_of_confusion(np.linspace(near, far, 101), s1, alpha)
    assert coc.max() == pytest.approx(top)


def test_depth_inverts_eq_1_on_both_sides():
    s1, alpha = 2.0, 10.0
    for x, behind in ((1.5, False), (3.0, True), (50.0, True)):
        coc = optics.circle_of_confusion(x, s1, alpha)
        assert optics.depth_from_coc(coc, s1, alpha, behind) == (
            pytest.approx(x))
    assert optics.depth_from_coc(np.array(11.0), s1, alpha, True) == np.inf


def test_paper_bounds_agree():
    assert optics.sigma_from_coc(optics.MAX_COC) == optics.MAX_SIGMA == 7.0
    assert optics.coc_from_sigma(7.0) == 28.0


@pytest.mark.parametrize('convention, defocus, sigma', [
    ('sigma7', [0.0, 0.5, 1.0], [0.0, 3.5, 7.0]),
    ('legacy15', [0.0, 1 / 15, 0.2, 1.0], [0.0, 0.0, 1.0, 7.0])])
def test_conventions_by_hand(convention, defocus, sigma):
    got = optics.sigma_from_defocus(np.array(defocus), convention)
    np.testing.assert_allclose(got, sigma, atol=1e-12)
    back = optics.defocus_from_sigma(np.array(sigma[1:]), convention)
    np.testing.assert_allclose(back, defocus[1:], atol=1e-12)


def test_unknown_convention_explains_the_two():
    with pytest.raises(ValueError, match='sigma7.*legacy15'):
        optics.sigma_from_defocus(0.5, 'sigma15')


def test_disc_table_rows_and_between():
    assert optics.sigma_from_disc_radius(np.array([0.5]))[0] == 0.3
    assert optics.sigma_from_disc_radius(np.array([5.75]))[0] == (
        pytest.approx(3.15))
    # Half-way between the rows (1, 0.65) and (1.25, 0.775).
    assert optics.sigma_from_disc_radius(1.125) == pytest.approx(0.7125)
    assert optics.sigma_from_disc_radius(0.25) == pytest.approx(0.15)
    # Beyond the last row (6, 3.275) with its slope, 0.5.
    assert optics.sigma_from_disc_radius(10.0) == pytest.approx(5.275)


def test_nearest_row_is_bounded_by_the_table():
    radius = np.array([[0.0, 0.6, 0.7], [1.13, 6.0, 99.0]])
    np.testing.assert_allclose(
        optics.sigma_from_disc_radius(radius, nearest=True),
        [[0.3, 0.3, 0.5], [0.775, 3.275, 3.275]])


def test_disc_and_gaussian_are_inverse():
    sigma = np.linspace(0, 8, 50)
    back = optics.sigma_from_disc_radius(optics.disc_radius_from_sigma(sigma))
    np.testing.assert_allclose(back, sigma, atol=1e-12)


@pytest.mark.parametrize('convert', [
    lambda x: optics.circle_of_confusion(x, 2.0, 10.0),
    lambda x: optics.alpha_upper_bound(x, x + 2.0, x + 1.0),
    lambda x: optics.sigma_from_defocus(x, 'legacy15'),
    lambda x: optics.defocus_from_sigma(x, 'sigma7'),
    lambda x: optics.depth_from_coc(x, 2.0, 10.0, True),
    optics.sigma_from_disc_radius, optics.disc_radius_from_sigma,
    lambda x: optics.sigma_from_disc_radius(x, nearest=True)])
def test_tensors_in_tensors_out_with_the_same_values(convert):
    x = np.array([[0.01, 0.3, 0.9], [1.1, 4.0, 7.0]], np.float32)
    from_array, from_tensor = convert(x), convert(tf.constant(x))
    traced = tf.function(convert)(tf.constant(x))
    assert isinstance(from_array, np.ndarray) and tf.is_tensor(from_tensor)
    np.testing.assert_allclose(from_tensor, from_array, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(traced, from_array, rtol=1e-5, atol=1e-6)
