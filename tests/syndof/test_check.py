"""What is wrong with a scene, in one line; what is alike in a sequence."""

import dataclasses
import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from dmenet_tf.syndof import check, distinct
from dmenet_tf.syndof.pairs import Pair

GOOD = 1000 + np.arange(48 * 64).reshape(48, 64).astype(np.uint16)


def make_pair(folder, codes, size=(48, 64), **said):
    rng = np.random.default_rng(0)
    iio.imwrite(folder / 'image.png',
                rng.integers(0, 256, (*size, 3)).astype(np.uint8))
    iio.imwrite(folder / 'depth.png', codes)
    return Pair('scene', str(folder / 'image.png'), str(folder / 'depth.png'),
                **said)


def test_a_good_pair(tmp_path):
    codes = GOOD.copy()
    codes[:, :16] = 0
    codes[:, 16:32] = 65535
    report = check.inspect(make_pair(tmp_path, codes))
    assert not report.problem and not report.warnings
    assert (report.unknown, report.sky) == (0.25, 0.25)
    assert report.near == pytest.approx(1.032)
    assert report.far == pytest.approx(4.071)
    assert check.line(report) == ('ok     scene: 64 x 48, 1.03 to 4.07 m, '
                                  '25.0% unknown, 25.0% sky, read as mm')
    image, depth_m = check.read_pair(make_pair(tmp_path, codes))
    assert image.shape == (48, 64, 3) and np.isfinite(depth_m).all()


@pytest.mark.parametrize('codes, said, text', [
    (GOOD[:-1], {}, 'depth.png: it is 64 x 47 but .*image.png is 64 x 48'),
    (GOOD * 0, {}, 'depth.png: no pixel has a known depth'),
    (GOOD * 0 + 7000, {}, 'depth.png: the depth is constant, 7 m'),
    (GOOD, {'depth_unit': 'm'}, 'nearest point is at 1e.03 m.*unit right'),
    (GOOD, {'depth_scale': 1e-6}, 'point is at 0.001 m.*1e-06 m a code'),
    (GOOD.astype(np.uint8), {}, '8-bit file does not say'),
    (np.stack([GOOD, GOOD + 1, GOOD], -1).astype(np.uint8),
     {'depth_unit': 'cm'}, 'depth.png: not depth: its channels differ'),
])
def test_problems_are_one_line_with_the_file(tmp_path, codes, said, text):
    pair = make_pair(tmp_path, codes, **said)
    report = check.inspect(pair)
    with pytest.raises(ValueError, match=text):
        raise ValueError(report.problem)
    assert pair.depth in report.problem and '\n' not in report.problem
    assert check.line(report).startswith('ERROR  scene: ')
    with pytest.raises(ValueError, match=text):
        check.read_pair(pair)


def test_a_missing_or_broken_image_is_a_problem(tmp_path):
    pair = make_pair(tmp_path, GOOD)
    (tmp_path / 'image.png').write_bytes(b'text')
    assert 'image.png' in check.inspect(pair).problem
    (tmp_path / 'image.png').unlink()
    assert 'image.png' in check.inspect(pair).problem


@pytest.mark.parametrize('codes, text', [
    (GOOD // 100 + 5000, 'lie within 0.'),
    (GOOD // 100 * 100, 'distinct depths, as 8 bits'),
    (np.where(GOOD > 2000, 0, GOOD), '67% of the depths are unknown'),
])
def test_what_is_unlikely_is_warned_of(tmp_path, codes, text):
    report = check.inspect(make_pair(tmp_path, codes.astype(np.uint16)))
    assert not report.problem
    assert any(text in warning for warning in report.warnings)


def frames(tmp_path):
    """Two sequences: a scene, the same with noise, another; and a copy."""
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 200, (2, 40, 60, 3)).astype(np.uint8)
    near = one + rng.integers(0, 12, one.shape).astype(np.uint8)
    found = []
    for name, picture in (('a/0', one), ('a/1', near), ('a/2', two),
                          ('a/3', one), ('b/0', one)):
        path = tmp_path / (name.replace('/', '-') + '.png')
        iio.imwrite(path, picture)
        found.append(Pair(name, str(path), ''))
    return found


def test_similar_frames_of_a_sequence_are_dropped(tmp_path):
    found = frames(tmp_path)
    small = [distinct.thumbnail(pair)[1] for pair in found]
    kept, drops = distinct.drop_similar(found, small, max_ssim=0.9)
    assert [pair.name for pair in kept] == ['a/0', 'a/2', 'b/0']
    assert [(drop.name, drop.like) for drop in drops] == [('a/1', 'a/0'),
                                                          ('a/3', 'a/0')]
    assert str(drops[1]) == 'a/3: too like a/0 (PSNR inf dB, SSIM 1.000)'
    kept, _ = distinct.drop_similar(found, small, max_psnr=60)
    assert [pair.name for pair in kept] == ['a/0', 'a/1', 'a/2', 'b/0']
    assert distinct.drop_similar(found, small) == (found, [])


def test_similarity_by_hand():
    flat = np.full((16, 16), 0.5, np.float32)
    psnr, ssim = distinct.similarity(flat, flat + 0.1)
    assert psnr == pytest.approx(20.0, abs=1e-4)
    # Constant pictures: SSIM is its luminance term alone.
    assert ssim == pytest.approx((2 * 0.3 + 1e-4) / (0.25 + 0.36 + 1e-4),
                                 abs=1e-4)


def write_sky(folder, sky, share=0.25):
    """Scene 2 to 8 m deep, metres, float32, with sky on top."""
    depth = np.linspace(2, 8, 48 * 64).reshape(48, 64).astype(np.float32)
    depth[:round(48 * share)] = sky
    pair = make_pair(folder, GOOD)
    np.save(folder / 'depth.npy', depth)
    return dataclasses.replace(pair, depth=str(folder / 'depth.npy'))


@pytest.mark.parametrize('sky', [65504, 10000, 65535, 1e11])
def test_a_known_sky_is_sky(tmp_path, sky):
    report = check.inspect(write_sky(tmp_path, sky))
    assert (report.sky, report.warnings) == (0.25, ())
    assert report.far == 8.0


@pytest.mark.parametrize('sky', [60.0, 1000.0, 9999.0])
def test_a_gap_is_warned_of_and_sky_depth_closes_it(tmp_path, sky):
    pair = write_sky(tmp_path, sky)
    report = check.inspect(pair)
    warning, = report.warnings
    assert warning.startswith(f'nothing lies between 8 and {sky:g} m, and '
                              '25.0% of the pixels beyond; if that is sky')
    said = float(warning.split('--sky_depth=')[1])
    assert 8 < said < sky
    report = check.inspect(dataclasses.replace(pair, sky_depth=said))
    assert (report.sky, report.far, report.warnings) == (0.25, 8.0, ())
    # All at or beyond it.
    report = check.inspect(dataclasses.replace(pair, sky_depth=sky))
    assert report.sky == 0.25


def test_a_scene_with_something_near_has_no_gap(tmp_path):
    assert check.inspect(write_sky(tmp_path, 35.0)).warnings == ()


def test_depths_in_a_wrong_unit_are_not_taken_for_sky_alone(tmp_path):
    pair = write_sky(tmp_path, 8.0)
    np.save(pair.depth, 1e4 * np.load(pair.depth))
    assert check.inspect(pair).problem.startswith(
        f'{pair.depth}: no pixel is nearer than the sky. Is the unit right? It '
        'was read as m; pass --depth_unit')


@pytest.mark.parametrize('suffix, values, said, text', [
    ('png', GOOD, {}, 'read as mm'),
    ('npy', GOOD / 1000, {}, 'read as m'),
    ('npy', GOOD, {'depth_scale': 0.002}, 'read as 0.002 m a code'),
    ('npy', GOOD, {'depth_unit': 'cm', 'depth_scale': 0.1},
     'read as 0.1 cm a code'),
    ('npy', GOOD, {'depth_unit': 'px'}, 'read as disparity'),
    ('npy', GOOD, {'depth_unit': 'relative'}, 'read as depth in no unit')])
def test_a_line_says_in_what_unit_a_file_was_read(tmp_path, suffix, values,
                                                  said, text):
    pair = make_pair(tmp_path, GOOD, **said)
    if suffix == 'npy':
        np.save(tmp_path / 'depth.npy', values)
        pair = dataclasses.replace(pair, depth=str(tmp_path / 'depth.npy'))
    assert check.line(check.inspect(pair)).endswith(text)


def test_a_mask_leaves_pixels_out(tmp_path):
    pair = make_pair(tmp_path, GOOD)
    mask = np.ones((48, 64), np.uint8)
    mask[:, :16] = 0
    np.save(tmp_path / 'mask.npy', mask)
    pair = dataclasses.replace(pair, mask=str(tmp_path / 'mask.npy'))
    assert check.inspect(pair).unknown == 0.25
    np.save(tmp_path / 'mask.npy', mask[:-1])
    assert check.inspect(pair).problem == (
        f'{tmp_path}/mask.npy: it is 64 x 47 but {pair.depth} is 64 x 48.')


def test_check_has_a_line_for_each_scene_whatever_decoders_throw(tmp_path):
    """libdeflate's error is no ValueError."""
    for name in ('bad', 'good'):
        (tmp_path / name).mkdir()
        make_pair(tmp_path / name, GOOD)
    depth = tmp_path / 'bad/depth.tif'
    (tmp_path / 'bad/depth.png').unlink()
    tifffile.imwrite(depth, GOOD.astype(np.float32), compression='zlib')
    content = bytearray(depth.read_bytes())
    with tifffile.TiffFile(depth) as file:
        start = file.pages[0].dataoffsets[0]
    content[start:start + 200] = bytes(200)
    depth.write_bytes(content)
    done = subprocess.run(
        [sys.executable, '-m', 'dmenet_tf.syndof', f'--input_dir={tmp_path}',
         '--check'], text=True, capture_output=True, check=False)
    bad, good = done.stdout.splitlines()[:2]
    assert bad.startswith(f'ERROR  bad: {depth}: not a readable depth map: ')
    assert good.startswith('ok     good: 64 x 48, 1 to 4.07 m, ')
    assert (done.returncode, done.stderr) == (1, '')
