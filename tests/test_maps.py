"""Files and figures made of a map."""

import logging
import pathlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from dmenet_tf import estimation, focus, images, maps, scales, sigma_files

SAMPLES = pathlib.Path(__file__).parents[1] / 'data/samples/photographs'
RNG = np.random.default_rng(0)
SIGMA = RNG.uniform(0, 5, (9, 12)).astype(np.float32)
PHOTO = RNG.integers(0, 256, (9, 12, 3), np.uint8)


def written(tmp_path, kind, **options):
    path = tmp_path / f'a{maps.FORMATS[kind]}'
    maps.write(SIGMA, kind, path, PHOTO, **options)
    return path


def test_npy_and_tiff_hold_the_map_itself(tmp_path):
    np.testing.assert_array_equal(np.load(written(tmp_path, 'npy')), SIGMA)
    path = written(tmp_path, 'tiff')
    np.testing.assert_array_equal(tifffile.imread(path), SIGMA)
    with tifffile.TiffFile(path) as file:
        assert 'sigma, px' in file.pages[0].description


@pytest.mark.extra
def test_exr_holds_sigma_and_the_circle_of_confusion_in_one_layer(tmp_path):
    exr = pytest.importorskip('OpenEXR')
    path = written(tmp_path, 'exr')
    with exr.File(str(path), separate_channels=True) as file:
        found = {name: channel.pixels
                 for name, channel in file.channels().items()}
        assert 'px' in file.header()['comments']
    assert sorted(found) == ['defocus.coc', 'defocus.sigma']
    np.testing.assert_array_equal(found['defocus.sigma'], SIGMA)
    np.testing.assert_array_equal(found['defocus.coc'], 4 * SIGMA)
    assert {pixels.dtype for pixels in found.values()} == {np.dtype('f4')}
    np.testing.assert_array_equal(sigma_files.read_sigma(path), SIGMA)


def test_png16_says_its_scale_and_keeps_a_thousandth(tmp_path):
    with Image.open(written(tmp_path, 'png16')) as picture:
        assert picture.text['sigma'] == 'sigma in px = code / 1000'
        codes = np.asarray(picture).astype(float)
    np.testing.assert_allclose(codes / 1000, SIGMA, atol=0.0005001)


def test_png16_says_what_it_cuts(tmp_path, caplog):
    path = tmp_path / 'a_sigma16.png'
    with caplog.at_level(logging.WARNING, 'absl'):
        maps.write(np.float32([[65.534, 1]]), 'png16', path)
        assert not caplog.text
        maps.write(np.float32([[80.25, 1]]), 'png16', path)
    assert sigma_files.read_sigma(path)[0, 0] == np.float32(65.534)
    assert (f'{path}: its largest sigma, 80.25 px, is cut to 65.534 px, the '
            'most that 16 bits hold; --format=npy or tiff keeps it.'
            in caplog.text)


def test_normalized_is_the_papers_map(tmp_path):
    grey = np.asarray(Image.open(written(tmp_path, 'normalized')))
    np.testing.assert_array_equal(grey, np.round(SIGMA / 7 * 255))


def test_binary_is_blurred_above_the_papers_threshold(tmp_path):
    mask = np.asarray(Image.open(written(tmp_path, 'binary')))
    tau = 0.3 * SIGMA.max() + 0.7 * SIGMA.min()
    np.testing.assert_array_equal(mask, 255 * (tau < SIGMA))


@pytest.mark.parametrize('limits, codes', [
    ((1.0, 1.0), [255, 255, 0, 0]), ((1.0, 3.0), [255, 255, 128, 0])])
def test_a_mask_is_white_where_it_is_in_focus(tmp_path, limits, codes):
    path = tmp_path / 'a_mask.png'
    maps.write(np.float32([[0, 1, 2, 3]]), 'mask', path, mask_limits=limits)
    with Image.open(path) as picture:
        assert picture.mode == 'L'
        np.testing.assert_array_equal(np.asarray(picture), [codes])


@pytest.mark.parametrize('even, code', [(0.4, 255), (3.0, 0)])
def test_masks_are_not_relative_as_binary_is(tmp_path, even, code):
    sigma = np.full((4, 640), even, np.float32)
    for kind, expected in (('mask', code), ('binary', 0)):
        path = tmp_path / f'{kind}.png'
        maps.write(sigma, kind, path)
        with Image.open(path) as picture:
            assert set(np.unique(picture)) == {expected}


@pytest.mark.parametrize('kind', ['color', 'overlay'])
def test_pictures_have_the_map_at_its_size_and_a_bar(tmp_path, kind):
    picture = np.asarray(Image.open(written(tmp_path, kind, max_sigma=5.0)))
    expected = maps.color_sigma(SIGMA, 5.0)
    if kind == 'overlay':
        grey = PHOTO.mean(-1, keepdims=True)
        expected = np.round((expected + grey) / 2)
    np.testing.assert_array_equal(picture[:9, :12], expected)
    assert picture.shape[1] > 60


def test_colours_run_from_dark_to_bright_and_stay():
    colors = maps.color_sigma(np.array([[0.0, 1.0, 2.0, 9.0]]), 2.0)
    brightness = colors.astype(int).sum(-1)[0]
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]


@pytest.mark.parametrize('size', [(1, 1), (5, 300), (240, 30)])
def test_color_bar_leaves_the_picture_alone(size):
    picture = RNG.integers(0, 256, (*size, 3), np.uint8)
    barred = maps.with_color_bar(picture, 7.0)
    np.testing.assert_array_equal(barred[:size[0], :size[1]], picture)
    assert barred.shape[1] > size[1] + 50
    assert len(np.unique(barred[:, size[1]:].reshape(-1, 3), axis=0)) > 100


def test_summary_by_hand():
    sigma = np.full((10, 20), 4.0, np.float32)
    sigma[2:5, 3:9] = 0.25  # 18 of 200 pixels,
    sigma[8, 15] = 0.0  # and one alone.
    got = maps.summarise(sigma, 'a.jpg')
    assert (got.width_px, got.height_px) == (20, 10)
    assert got.mean_sigma_px == pytest.approx((181 * 4 + 18 * .25) / 200)
    assert (got.median_sigma_px, got.p95_sigma_px) == (4.0, 4.0)
    assert got.sharp_share == pytest.approx(19 / 200, abs=1e-4)
    assert (got.sharpest_left, got.sharpest_top, got.sharpest_width,
            got.sharpest_height) == (3, 2, 6, 3)
    assert got.sharpness == pytest.approx(1 / (1 + 4.0))  # Below a tenth.


@pytest.mark.parametrize('even', [0.0, 0.1, 1 / 3, 2.7, 6.9])
def test_an_even_map_has_no_threshold_and_is_all_sharpest(even):
    sigma = np.full((3, 4), even, np.float32)
    got = maps.summarise(sigma, 'a.jpg')
    assert got.sharp_share == (even < focus.SHARP_SIGMA)
    assert got.sharpness == pytest.approx(1 / (1 + even), abs=1e-4)
    assert (got.sharpest_width, got.sharpest_height) == (4, 3)


def test_what_is_sharp_at_any_scale_is_judged_at_full_size():
    """Below the threshold of a coarser scale the finer one decides alone."""
    seen = np.array([0.0, focus.SHARP_SIGMA], np.float32)
    np.testing.assert_array_equal(scales.finer_weight(2 * seen), 1)


@pytest.mark.slow
def test_photographs_in_focus_are_mostly_sharp():
    """At any size, and, blurred by 2 px, they are not."""
    photograph = images.read_image(SAMPLES / 'coffee.jpg')
    blurred = np.rint(ndimage.gaussian_filter(
        photograph.astype(np.float32), (2, 2, 0))).astype(np.uint8)
    tiled = np.tile(photograph, (3, 3, 1))  # Three scales.
    shares = [maps.summarise(estimation.estimate(image), 'a.jpg').sharp_share
              for image in (photograph, tiled, blurred)]
    assert min(shares[:2]) > 0.5 and shares[2] < 0.05


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'a.npy'
    path.write_text('old')
    monkeypatch.setattr(np, 'save', lambda *_: (_ for _ in ()).throw(
        OSError(28, 'No space left on device')))
    with pytest.raises(OSError, match='No space'):
        maps.write(SIGMA, 'npy', path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ['old']


@pytest.mark.parametrize('max_sigma', [2.25, 5.3, 12.0])
def test_nothing_of_the_bar_is_cut_off(max_sigma):
    picture = maps.with_color_bar(np.zeros((300, 4, 3), np.uint8), max_sigma)
    assert picture[:, 4:].min() < 128
    assert (picture[:, -1] == 255).all()


def test_the_bar_of_what_is_near_has_yellow_and_the_small_numbers_above():
    picture = np.zeros((300, 4, 3), np.uint8)
    falling = maps.with_color_bar(picture, 1.2, 9.0, 'depth (m)')
    rising = maps.with_color_bar(picture, 9.0, 1.2, 'depth (m)')
    colours = falling[20:280, 4 + 18].astype(int)
    assert colours[0, 0] > colours[-1, 0] + 100  # Yellow has red in it.
    np.testing.assert_array_equal(colours, rising[20:280, 4 + 18])
    assert (falling != rising).any()  # The ticks.
