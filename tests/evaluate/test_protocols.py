"""Protocols: the numbers of files in the unit of each, hand sums of scores."""

import numpy as np
import pytest
import scipy.io

from dmenet_tf import optics, sigma_files
from dmenet_tf.evaluate import protocols
from dmenet_tf.evaluate.options import Settings

CUHK, SIGMA = Settings('cuhk'), Settings('sigma')


def grey_alpha(codes, channels, alpha):
    """[h, w] -> [h, w, channels], the last of them `alpha`."""
    codes = np.repeat(codes[..., None], channels, axis=-1)
    codes[..., -1] = alpha
    return codes


@pytest.mark.parametrize('high, dtype', [(1, np.uint8), (255, np.uint8),
                                         (65535, np.uint16), (1, bool)])
@pytest.mark.parametrize('suffix', ['.png', '.npy'])
def test_the_larger_code_of_a_mask_is_blurred(tmp_path, save, mask, high,
                                              dtype, suffix):
    path = tmp_path / f'a{suffix}'
    save(path, (mask > 0).astype(dtype) * dtype(high))
    np.testing.assert_array_equal(protocols.read_truth(path, CUHK), mask > 0)


@pytest.mark.parametrize('channels', [2, 4])
def test_a_mask_may_have_equal_colours_and_constant_alpha(tmp_path, save,
                                                          mask, channels):
    path = tmp_path / 'a.png'
    save(path, grey_alpha(mask, channels, 128))
    np.testing.assert_array_equal(protocols.read_truth(path, CUHK), mask > 0)


def three_levels(mask):
    mask[0, 0] = 128
    return mask


def varying_alpha(mask):
    return grey_alpha(mask, 4, mask)


def coloured(mask):
    mask = np.repeat(mask[..., None], 3, axis=-1)
    mask[0, 0] = 1, 2, 3
    return mask


@pytest.mark.parametrize('change, reason', [
    (three_levels, 'not a binary mask: it has 3 levels'),
    (varying_alpha, 'its transparency varies'),
    (coloured, 'a coloured picture is no map')])
def test_what_is_no_mask_is_refused_by_name(tmp_path, save, mask, change,
                                            reason):
    path = tmp_path / 'a.png'
    save(path, change(mask))
    with pytest.raises(ValueError, match=f'{path}: .*{reason}'):
        protocols.read_truth(path, CUHK)


@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.mat', '.tif', '.png'])
def test_every_format_of_a_map_holds_the_same(tmp_path, save, suffix):
    codes = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1000
    path = tmp_path / f'a{suffix}'
    save(path, codes)
    found = protocols.read_prediction(
        path, Settings('sigma', prediction_scale=0.5), 'px')
    np.testing.assert_array_equal(found, codes * 0.5)


@pytest.mark.parametrize('unit, scale, expected', [
    ('px', 0.02, 5.1), ('px', 0.0, 0.0), ('sigma7', None, 7.0),
    ('legacy15', None, 7.0), ('score', None, 255)])
def test_foreign_codes_are_brought_to_px(tmp_path, save, unit, scale,
                                         expected):
    save(tmp_path / 'a.png', np.full((4, 4), 255, np.uint8))
    found = protocols.read_prediction(tmp_path / 'a.png', Settings(
        'sigma', prediction_unit=unit, prediction_scale=scale),
        'score' if unit == 'score' else 'px')
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize('suffix, scale', [('.mat', None), ('.tif', None),
                                           ('.png', 0.1)])
def test_radii_of_discs_are_brought_to_px(tmp_path, save, suffix, scale):
    sigmas, radii = optics.disc_table()
    found = radii[:12].reshape(3, 4).astype(np.float32)
    codes = np.rint(found / scale).astype(np.uint8) if scale else found
    save(tmp_path / f'a{suffix}', codes)
    sigma = protocols.read_prediction(tmp_path / f'a{suffix}', Settings(
        'rtf', prediction_unit='disc_radius', prediction_scale=scale), 'px')
    np.testing.assert_allclose(sigma, sigmas[:12].reshape(3, 4),
                               atol=0.05 if scale else 1e-5)


def test_a_radius_below_0_is_none(tmp_path, save):
    save(tmp_path / 'a.npy', np.full((4, 4), -0.1, np.float32))
    sigma = protocols.read_prediction(tmp_path / 'a.npy', Settings(
        'rtf', prediction_unit='disc_radius'), 'px')
    np.testing.assert_array_equal(sigma, 0)


def test_the_largest_code_is_that_of_the_files_type(tmp_path, save):
    save(tmp_path / 'a.png', np.full((4, 4), 65535, np.uint16))
    save(tmp_path / 'b.npy', np.ones((4, 4), np.float32))
    for name in ('a.png', 'b.npy'):
        np.testing.assert_allclose(protocols.read_prediction(
            tmp_path / name, Settings('sigma', prediction_unit='sigma7'),
            'px'), 7)


@pytest.mark.parametrize('dtype, full', [(np.uint8, 255), (np.float32, 1)])
def test_network_maps_that_are_bright_where_sharp_are_turned_round(
        tmp_path, save, dtype, full):
    path = tmp_path / ('a.png' if full > 1 else 'a.npy')
    save(path, np.array([[0, full / 5, full]]).astype(dtype))
    found = protocols.read_prediction(path, Settings(
        'sigma', prediction_unit='sigma7', sharp_is_bright=True), 'px')
    np.testing.assert_allclose(found, [[7, 5.6, 0]], atol=1e-6)


def test_an_unknown_code_may_lie_below_0_px(tmp_path, save):
    save(tmp_path / 'a.png', np.uint8([[100, 200, 0]]))
    found = protocols.read_truth(tmp_path / 'a.png', Settings(
        'sigma', truth_scale=0.015, truth_offset=-0.17, unknown_code=0))
    np.testing.assert_allclose(found, [[1.33, 2.83, np.nan]])


def test_codes_are_turned_round_without_wrapping(tmp_path, save, mask):
    save(tmp_path / 'a.png', mask)
    found = protocols.read_prediction(
        tmp_path / 'a.png', Settings('cuhk', sharp_is_bright=True), 'score')
    np.testing.assert_array_equal(found, -mask.astype(float))


@pytest.mark.parametrize('dtype', [np.uint8, np.int64])
def test_foreign_codes_without_a_unit_are_refused(tmp_path, save, dtype):
    save(tmp_path / 'a.npy', np.full((4, 4), 255, dtype))
    with pytest.raises(ValueError, match='--prediction_scale'):
        protocols.read_prediction(tmp_path / 'a.npy', Settings('rtf'), 'px')


@pytest.mark.parametrize('protocol', ['syndof', 'sigma'])
def test_a_truth_of_8_bits_has_no_unit(tmp_path, save, protocol):
    path = tmp_path / 'a.png'
    save(path, np.full((4, 4), 9, np.uint8))
    with pytest.raises(ValueError, match=f'{path}: .*uint8 codes have no unit'
                                         '.*--truth_scale'):
        protocols.read_truth(path, Settings(protocol))
    found = protocols.read_truth(path, Settings(
        protocol, truth_scale=0.5, truth_offset=0.25))
    np.testing.assert_array_equal(found, 4.75)


def test_truths_that_this_library_writes_need_no_scale(tmp_path):
    sigma = np.array([[0.0, 1.25, 6.5]], np.float32)
    sigma_files.write_npy(tmp_path / 'a.npy', sigma)
    sigma_files.write_tiff(tmp_path / 'a.tiff', sigma)
    sigma_files.write_png(tmp_path / 'a.png', sigma)
    for suffix in ('.npy', '.tiff', '.png'):
        np.testing.assert_allclose(protocols.read_truth(
            tmp_path / f'a{suffix}', SIGMA), sigma, rtol=1e-6)


@pytest.mark.parametrize('convention, sigma', [('sigma7', 6.5),
                                               ('legacy15', 2.75)])
def test_the_authors_blur_maps_need_their_convention(tmp_path, save,
                                                     convention, sigma):
    path = tmp_path / 'blur_map/a.png'
    save(path, np.full((4, 4), 65, np.uint16))
    with pytest.raises(ValueError, match='--convention=legacy15'):
        protocols.read_truth(path, Settings('syndof'))
    truth = protocols.read_truth(path, Settings('syndof',
                                                convention=convention))
    np.testing.assert_allclose(truth, sigma, rtol=1e-6)


def test_unknown_pixels_are_left_out_of_sigma_alone(tmp_path, save):
    path = tmp_path / 'a.npy'
    save(path, np.float32([[1, np.nan, 3]]))
    np.testing.assert_array_equal(protocols.read_truth(path, SIGMA),
                                  [[1, np.nan, 3]])
    with pytest.raises(ValueError, match='33% of the truth is unknown'):
        protocols.read_truth(path, Settings('syndof'))
    save(path, np.float32([[1, -2, 3]]))
    with pytest.raises(ValueError, match=f'{path}: the truth is negative'):
        protocols.read_truth(path, SIGMA)


def test_masks_of_sets_that_draw_sharp_bright_are_turned_round(tmp_path,
                                                               save, mask):
    save(tmp_path / 'a.png', mask)
    found = protocols.read_truth(tmp_path / 'a.png', Settings(
        'detection', masks_sharp_is_bright=True))
    np.testing.assert_array_equal(found, mask == 0)


@pytest.mark.parametrize('protocol', ['sigma', 'syndof'])
def test_what_is_0_in_valid_is_left_out(tmp_path, save, protocol):
    path, settings = tmp_path / 'sigma/a.png', Settings(protocol)
    sigma_files.write_png((tmp_path / 'sigma').mkdir() or path,
                          np.array([[1.0, 2.0, 3.0]]))
    # Any picture, as training takes it.
    save(tmp_path / 'valid/a.tif', np.uint8([[255, 0, 1]]))
    np.testing.assert_array_equal(protocols.read_truth(path, settings),
                                  np.float32([[1, np.nan, 3]]))
    found = protocols.score(np.array([[2.0, 9.0, 5.0]]),
                            protocols.read_truth(path, settings), settings,
                            'px')
    assert found['unknown'] == 1
    assert found['scores']['bias'] == pytest.approx(
        1.5 if protocol == 'sigma' else 1.5 / 7)
    # A pixel without a number is no excuse where valid/ lets it in.
    save(tmp_path / 'sigma/b.npy', np.float32([[1, np.nan, 3]]))
    save(tmp_path / 'valid/b.png', np.uint8([[255, 0, 255]]))
    protocols.read_truth(tmp_path / 'sigma/b.npy', Settings('syndof'))


@pytest.mark.parametrize('valid, reason', [
    (np.zeros((1, 3), np.uint8), 'sigma/a.npy: 100% of the truth is unknown'),
    (np.ones((2, 3), np.uint8),
     'valid/a.png: it is 3 x 2 px, its sigma map 3 x 1 px')])
def test_a_valid_that_leaves_nothing_or_does_not_fit_is_named(tmp_path, save,
                                                              valid, reason):
    save(tmp_path / 'sigma/a.npy', np.float32([[1, 2, 3]]))
    save(tmp_path / 'valid/a.png', valid)
    with pytest.raises(ValueError, match=f'{tmp_path}/{reason}'):
        protocols.read_truth(tmp_path / 'sigma/a.npy', SIGMA)


def test_uniform_blurs_in_float_by_the_given_gaussian(tmp_path, save):
    image = np.zeros((33, 33, 3), np.uint8)
    image[16, 16] = 255
    path = tmp_path / 'a.png'
    save(path, image)
    blurred = protocols.read_image(path, Settings('uniform', blur=2.0))
    assert blurred.dtype == np.float32
    # Of a point: the Gaussian itself, and nothing of it leaves the picture.
    assert blurred[16, 16, 0] == pytest.approx(255 / (2 * np.pi * 4), rel=0.01)
    assert blurred[16, 18, 1] / blurred[16, 16, 1] == pytest.approx(
        np.exp(-0.5), rel=1e-4)
    assert blurred[..., 2].sum() == pytest.approx(255, rel=1e-4)
    as_it_is = protocols.read_image(path, Settings('uniform'))
    np.testing.assert_array_equal(as_it_is, image)
    noisy = protocols.read_image(path, Settings('uniform', blur=2.0,
                                                noise=1.0))
    assert noisy.dtype == np.uint8
    np.testing.assert_array_equal(
        protocols.read_truth(path, Settings('uniform', blur=2.0)),
        np.full((33, 33), 2.0))


def test_radii_become_sigma_by_the_nearest_row(tmp_path):
    path = tmp_path / 'map_05.mat'
    # The table: radius 0.5 is sigma 0.3, 1 is 0.65, 6 (its last) is 3.275.
    scipy.io.savemat(path, {'blurMap': [[0.0, 0.5, 1.1, 6.0, 9.0]]})
    np.testing.assert_allclose(protocols.read_truth(path, Settings('rtf')),
                               [[0.3, 0.3, 0.65, 3.275, 3.275]])


def test_noise_is_of_its_deviation_and_of_the_name_alone(tmp_path, save):
    save(tmp_path / 'a.png', np.full((64, 64, 3), 128, np.uint8))
    settings = Settings('rtf', noise=1.6)
    noisy = protocols.read_image(tmp_path / 'a.png', settings)
    assert noisy.std() == pytest.approx(np.hypot(1.6, 12**-0.5), rel=0.05)
    np.testing.assert_array_equal(
        noisy, protocols.read_image(tmp_path / 'a.png', settings))


def test_only_sizes_that_nearly_agree_are_aligned(tmp_path):
    values, truth = np.ones((48, 64)), np.ones((50, 70))
    a, b, cropped = protocols.align(values, truth, tmp_path)
    assert a.shape == b.shape == (48, 64) and cropped
    assert not protocols.align(truth, truth, tmp_path)[2]
    with pytest.raises(ValueError, match='the map has 54x48 px, the truth 70'):
        protocols.align(values[:, :54], truth, tmp_path)


@pytest.mark.parametrize('protocol, mae, mse', [
    # |1 - 3| and |9 - 5| px; RTF cuts at 3.275 px.
    ('sigma', 3, 10), ('syndof', 3 / 7, 10 / 49),
    ('rtf', (2 / 3.275) / 2, (2 / 3.275)**2 / 2)])
def test_errors_are_hand_sums_in_the_unit_of_the_protocol(protocol, mae, mse):
    truth = np.array([[3.0, 5.0]])
    if protocol == 'rtf':
        truth[0, 1] = 3.275
    scores = protocols.score(np.array([[1.0, 9.0]]), truth,
                             Settings(protocol), 'px')['scores']
    assert scores['mae'] == pytest.approx(mae)
    assert scores['mse'] == pytest.approx(mse)
    assert scores['rmse'] == pytest.approx(mse**0.5)


def test_a_constant_that_is_fitted_to_the_truth_is_told_beside():
    truth = np.array([[1.0, 2.0, 6.0, np.nan]])
    scores = protocols.score(np.ones((1, 4)), truth, SIGMA, 'px')['scores']
    assert scores['constant_mae'] == pytest.approx((2 + 1 + 3) / 3)
    assert scores['bias'] == pytest.approx((0 - 1 - 5) / 3)


def test_only_maps_in_px_are_counted_at_thresholds_in_px(mask):
    found = {unit: protocols.score(mask / 100, mask > 0, CUHK, unit)
             for unit in ('px', 'score')}
    assert 'px_counts' not in found['score']
    sharp, blurred = found['px']['px_counts']
    assert sharp[0] == 13 * 30 and blurred[255] == 27 * 30
    assert sum(sharp) + sum(blurred) == mask.size


def test_a_score_is_fitted_to_each_truth():
    truth = np.array([[1.0, 2.0], [3.0, np.nan]])
    found = protocols.score(10 - 3 * np.nan_to_num(truth), truth, SIGMA,
                            'score')
    assert found['scores']['mae'] == pytest.approx(0)
    assert found['scores']['rank_correlation'] == pytest.approx(-1)
    assert found['unknown'] == 1
