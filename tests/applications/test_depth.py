"""Depth from blur: both cases of the focus, the camera, the files."""

import fractions

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from dmenet_tf import optics
from dmenet_tf.applications import depth

CAMERA = depth.Camera(50, 1.8, 1.5, 36)


def seen_by(camera, depth_m):
    """sigma of each depth, px."""
    coc = optics.circle_of_confusion(depth_m, camera.focus_distance_m,
                                     camera.alpha(depth_m.shape[1]))
    return optics.sigma_from_coc(coc)


@pytest.mark.parametrize('focus, low, high', [('near', 1.5, 6),
                                              ('far', 0.7, 1.5)])
def test_metric_depth_inverts_the_lens(focus, low, high):
    depth_m = np.linspace(low, high, 640).reshape(1, 640)
    found = depth.depth(seen_by(CAMERA, depth_m), focus, CAMERA)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, depth_m, rtol=1e-5)


def test_blur_beyond_the_horizons_is_infinitely_far():
    alpha = CAMERA.alpha(4)
    sigma = np.full((1, 4), optics.sigma_from_coc(1.01 * alpha))
    assert np.isposinf(depth.depth(sigma, 'near', CAMERA)).all()


def test_pseudo_depth_grows_with_distance_in_both_cases():
    sigma = np.array([[0.0, 1.0, 4.0]])
    np.testing.assert_array_equal(depth.depth(sigma, 'near'), [[0, .25, 1]])
    np.testing.assert_array_equal(depth.depth(sigma, 'far'), [[1, .75, 0]])
    np.testing.assert_array_equal(depth.depth(0 * sigma, 'near'), [[0] * 3])


@pytest.mark.parametrize('sigma, focus, message', [
    ([[1.0]], 'middle', 'focus must be one of'),
    ([[np.nan]], 'near', 'sigma must be finite'),
    ([[-1.0]], 'near', 'sigma must be finite and not negative')])
def test_bad_arguments_are_refused(sigma, focus, message):
    with pytest.raises(ValueError, match=message):
        depth.depth(np.array(sigma), focus)


def test_a_camera_must_be_possible():
    with pytest.raises(ValueError, match='f_number must be above 0'):
        depth.Camera(50, 0, 1, 36)
    with pytest.raises(ValueError, match='beyond its focal length'):
        depth.Camera(50, 2, 0.04, 36).alpha(100)


def photograph(path, **tags):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {ExifTags.Base[name]: value for name, value in tags.items()})
    Image.new('RGB', (60, 40)).save(path, exif=exif)
    return path


def rational(value):
    from PIL.TiffImagePlugin import IFDRational
    return IFDRational(fractions.Fraction(value).limit_denominator(1000))


def test_exif_gives_the_camera(tmp_path):
    path = photograph(tmp_path / 'a.jpg', FocalLength=rational(25.0),
                      FNumber=rational(1.8), SubjectDistance=rational(2.5),
                      FocalLengthIn35mmFilm=50)
    camera = depth.camera_of(path, {})
    assert camera.focal_length_mm == 25 and camera.focus_distance_m == 2.5
    assert camera.f_number == pytest.approx(1.8)
    # Half of full frame, 3 : 2 as it is.
    assert camera.sensor_width_mm == pytest.approx(18, rel=1e-3)
    assert depth.camera_of(path, {'f_number': 4.0}).f_number == 4


def test_what_exif_lacks_must_be_given_or_depth_has_no_unit(tmp_path):
    path = photograph(tmp_path / 'a.jpg', FocalLength=rational(25.0),
                      SubjectDistance=rational(0))
    assert depth.camera_of(path, {}) is None
    with pytest.raises(ValueError, match='needs --focus_distance_m, --sensor'):
        depth.camera_of(path, {'f_number': 2.0})
    assert depth.read_exif(path) == {'focal_length_mm': 25}


def test_files_hold_what_they_say(tmp_path):
    values = np.float32([[0.5, 1.25, np.inf], [2, 70, 3]])
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)
    for kind, suffix in depth.FORMATS.items():
        depth.write(values, kind, tmp_path / f'a{suffix}', True, image,
                    CAMERA)
    np.testing.assert_array_equal(np.load(tmp_path / 'a_depth.npy'), values)
    with Image.open(tmp_path / 'a_depth16.png') as picture:
        assert 'mm' in picture.text['depth']
        np.testing.assert_array_equal(
            np.asarray(picture), [[500, 1250, 65535], [2000, 65535, 3000]])
    with Image.open(tmp_path / 'a_depth.png') as picture:
        brightness = np.asarray(picture)[:2, :3].astype(int).sum(-1)
    assert brightness[0, 0] == brightness.max()
    assert brightness[0, 2] == brightness.min()
    assert len(list(tmp_path.iterdir())) == 4


def test_point_cloud_is_what_the_pinhole_saw(tmp_path):
    values = np.float32([[1, 2], [np.inf, 4]])
    image = np.zeros((2, 2, 3))
    image[1, 1] = 255, 127.6, 0
    path = tmp_path / 'a.ply'
    depth.write(values, 'ply', path, True, image, CAMERA)
    header, body = path.read_bytes().split(b'end_header\n')
    assert b'element vertex 3' in header
    points = np.frombuffer(body, depth.point_cloud(
        values, True, image, CAMERA).dtype)
    np.testing.assert_array_equal(points['z'], [1, 2, 4])
    # 50 mm before 36 mm are 2 px: half of it is what 50 / 36 px see.
    assert points['x'][2] == pytest.approx(4 * 0.5 / (2 * 50 / 36))
    assert points['y'][0] == pytest.approx(-points['x'][1] / 2)
    assert (points['red'][2], points['green'][2]) == (255, 128)


def test_a_picture_whose_exif_pillow_cannot_read_has_none(tmp_path):
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, np.zeros((4, 4, 2), np.uint8),
                     photometric='minisblack', extrasamples=['assocalpha'])
    assert depth.read_exif(path) == {}
    path = tmp_path / 'a.png'
    Image.new('RGB', (4, 4)).save(path)
    path.write_bytes(path.read_bytes()[:40])
    assert depth.read_exif(path) == {}


def test_points_beyond_the_budget_are_left_out_evenly():
    values = np.arange(1, 71, dtype=np.float32).reshape(7, 10)
    image = np.stack([values] * 3, -1)
    whole = depth.point_cloud(values, True, image, points=70)
    assert len(whole) == 70
    few = depth.point_cloud(values, True, image, points=69)
    # Every second of every second row, where they were.
    expected = whole.reshape(7, 10)[::2, ::2].ravel()
    np.testing.assert_array_equal(few, expected)
    assert len(depth.point_cloud(values, True, image, points=1)) == 1
