"""What is wrong with a scene, in one line; what is alike in a sequence."""

import imageio.v3 as iio
import numpy as np
import pytest

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
