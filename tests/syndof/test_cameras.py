"""How photographs were taken, and the sigma that follows, by hand."""

import json

import numpy as np
import pytest

from dmenet_tf.syndof import cameras

NEAR = cameras.Camera(focus_m=2.0, coc_factor_px=8.0)


def test_a_json_is_of_all_photographs(tmp_path):
    path = tmp_path / 'camera.json'
    path.write_text(json.dumps({'focus_m': 2, 'coc_factor_px': 8,
                                'floor_px': 0.5, 'note': 'any'}))
    assert cameras.read(path) == cameras.Camera(2.0, 8.0, 0.5)


def test_a_table_has_a_row_a_photograph(tmp_path):
    path = tmp_path / 'table.csv'
    path.write_text(
        'name,image,depth,focus_m,coc_factor_px,dy,dx,scene,edge_px\n'
        'wide,a/1.jpg,1.png,2,8,-3,4,1,\n'
        ',a/2.jpg,2.png,1.5,8,,,,5\n')
    assert cameras.read(path) == {
        'wide': cameras.Camera(2.0, 8.0, dy=-3.0, dx=4.0, scene='1'),
        'a/2': cameras.Camera(1.5, 8.0, edge_px=5.0)}


def test_lens_and_sensor_give_the_factor():
    # 50 mm at f/2 is 25 mm wide; 1 : 19 on the sensor; pixels of .005 mm.
    camera = cameras.camera_of({'focus_m': 1.0, 'focal_mm': '50',
                                'f_number': 2, 'pitch_um': 5})
    assert camera.coc_factor_px == pytest.approx(25 / 19 / 0.005)


@pytest.mark.parametrize('text, reason', [
    ('{"focus_m": 1}', 'a camera needs focus_m, and coc_factor_px or '
                       'focal_mm, f_number, pitch_um'),
    ('{"coc_factor_px": 7}', 'a camera needs focus_m'),
    ('{"focus_m": 0, "coc_factor_px": 7}', 'focus_m must be a number > 0'),
    ('{"focus_m": 1, "coc_factor_px": "big"}', 'coc_factor_px must be a'),
    ('{"focus_m": 1, "coc_factor_px": 7, "floor_px": -1}',
     'floor_px must be a number >= 0'),
    ('{"focus_m": 1, "coc_factor_px": 7, "dx": NaN}', 'dx must be a number'),
    ('[1, 2]', 'it must be {"focus_m": ...'),
    ('{"focus_m": 0.01, "focal_mm": 50, "f_number": 2, "pitch_um": 5}',
     'focuses beyond its focal length'),
    ('focus_m: 1', 'Expecting value')])
def test_what_is_no_camera_is_refused_by_name(tmp_path, text, reason):
    path = tmp_path / 'camera.json'
    path.write_text(text)
    with pytest.raises(ValueError, match='camera.json: ') as caught:
        cameras.read(path)
    assert reason in str(caught.value) and '\n' not in str(caught.value)


def test_a_bad_row_is_named(tmp_path):
    path = tmp_path / 'table.csv'
    path.write_text('image,focus_m,coc_factor_px\na.png,1,7\nb.png,far,7\n')
    with pytest.raises(ValueError, match='table.csv: line 3: focus_m must be'):
        cameras.read(path)
    with pytest.raises(FileNotFoundError, match='none.csv: no such file'):
        cameras.read(tmp_path / 'none.csv')


def test_sigma_is_that_of_eq_1_over_a_floor():
    depth_m = np.float32([[1.0, 2.0, 4.0, np.inf]])
    sigma, _ = cameras.label(depth_m, NEAR)
    # c = 8 |x - 2| / x = 8, 0, 4, 8; sigma = c / 4.
    np.testing.assert_allclose(sigma, [[2.0, 0.0, 1.0, 2.0]])
    floored, _ = cameras.label(depth_m, cameras.Camera(2.0, 8.0, 1.5))
    np.testing.assert_allclose(floored, np.hypot(sigma, 1.5), rtol=1e-6)


def test_unknown_depth_and_what_is_near_an_edge_is_left_out():
    depth_m = np.full((40, 60), 2.0, np.float32)
    depth_m[:, 40:] = 2.3
    depth_m[10, 10] = np.nan
    sigma, valid = cameras.label(depth_m, cameras.Camera(2.0, 8.0, edge_px=5))
    assert not valid[10, 10] and sigma[10, 10] == 0
    expected = np.ones((40, 60), bool)
    expected[:, 35:45] = expected[10, 10] = False
    np.testing.assert_array_equal(valid, expected)
    _, all_ = cameras.label(depth_m, cameras.Camera(2.0, 8.0, edge_px=5,
                                                    edge_jump=0.2))
    assert all_.sum() == all_.size - 1
    assert not cameras.label(np.full((4, 4), np.nan), NEAR)[1].any()


def test_sky_has_no_edge_within_and_one_before_it():
    depth_m = np.full((4, 60), np.inf, np.float32)
    depth_m[:, 30:] = 5.0
    _, valid = cameras.label(depth_m, NEAR)
    np.testing.assert_array_equal(valid[0], abs(np.arange(60) - 29.5) > 15)


def test_depth_is_moved_onto_its_photograph():
    depth_m = np.arange(1.0, 26.0, dtype=np.float32).reshape(5, 5)
    moved = cameras.moved(depth_m, cameras.Camera(2.0, 8.0, dy=-2, dx=1))
    # What stood at row 2, column 0 stands at row 0, column 1.
    np.testing.assert_array_equal(moved[:3, 1:], depth_m[2:, :4])
    assert np.isnan(moved[3:]).all() and np.isnan(moved[:, 0]).all()
