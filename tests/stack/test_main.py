"""The command: a sweep in, a sharp picture and a curve out."""

import csv
import functools

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from dmenet_tf import estimation, network_flags
from dmenet_tf.stack import __main__ as main

RNG = np.random.default_rng(0)
SHARP = RNG.integers(0, 256, (48, 64, 3)).astype(np.float32)


def by_variance(image, model, runner):
    """A stand-in for the network: little local contrast is much blur."""
    spread = ndimage.generic_filter(image[..., 0].astype(np.float32), np.std, 7)
    return (10 / (1 + spread)).astype(np.float32)


@pytest.fixture
def run(monkeypatch, run_command):
    monkeypatch.setattr(network_flags, 'load', lambda found: (None, None))
    monkeypatch.setattr(estimation, 'estimate', by_variance)
    return functools.partial(run_command, main)


@pytest.fixture
def sweep(tmp_path):
    """Three frames; each third of the picture is sharp in one."""
    folder = tmp_path / 'sweep'
    folder.mkdir()
    soft = ndimage.gaussian_filter(SHARP, (4, 4, 0), mode='nearest')
    third = np.arange(64)[:, None] * 3 // 64
    for k in range(3):
        frame = np.where(third == k, SHARP, soft)
        Image.fromarray(np.rint(frame).astype(np.uint8)).save(
            folder / f'{k}.png')
    return folder


def test_what_a_call_has_made_is_no_frame_of_the_next(run, sweep, capsys):
    call = [sweep, f'--output_dir={sweep}', '--name=x']
    assert run(*call) == 0
    index = (sweep / 'x_index.png').read_bytes()
    assert run(*call) == 0
    assert capsys.readouterr().out.count('3 frames joined') == 2
    assert (sweep / 'x_index.png').read_bytes() == index


def test_a_folder_may_have_dots_in_its_name(run, sweep, tmp_path):
    dated = sweep.rename(tmp_path / '2024.01.05')
    assert run(dated, f'--output_dir={tmp_path}/out') == 0
    assert (tmp_path / 'out/2024.01.05_index.png').exists()


def test_a_sweep_becomes_a_sharp_picture_and_a_curve(run, sweep, tmp_path,
                                                     capsys):
    out = tmp_path / 'out'
    assert run(sweep, f'--output_dir={out}') == 0
    assert sorted(p.name for p in out.iterdir()) == [
        'sweep_all_in_focus.png', 'sweep_focus.csv', 'sweep_focus.png',
        'sweep_index.png']
    merged = np.asarray(Image.open(out / 'sweep_all_in_focus.png'), float)
    frames = [np.asarray(Image.open(p), float) for p in sweep.iterdir()]
    error = np.abs(merged - SHARP).mean()
    assert error < 0.4 * min(np.abs(f - SHARP).mean() for f in frames)
    index = np.asarray(Image.open(out / 'sweep_index.png'))
    assert [int(np.median(part)) for part in np.array_split(index, 3, 1)] == [
        0, 1, 2]
    with (out / 'sweep_focus.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert sum(float(row['taken_share']) for row in rows) == pytest.approx(
        1, abs=1e-3)
    assert '3 frames joined; the sharpest is number' in capsys.readouterr().out


def test_a_bad_frame_costs_a_line(run, sweep, tmp_path, capsys):
    Image.new('RGB', (20, 20)).save(sweep / '3.png')
    (sweep / '4.png').write_text('no picture')
    assert run(sweep, f'--output_dir={tmp_path / "out"}', '--name=x') == 1
    said = capsys.readouterr()
    assert (f'{sweep}/3.png: has 20 x 20 px, {sweep}/0.png has 64 x 48; it '
            'is left out.' in said.err)
    assert f'{sweep}/4.png: not a picture' in said.err
    assert '3 frames joined' in said.out
    assert (tmp_path / 'out/x_index.png').exists()


def test_one_frame_is_no_stack(run, sweep, tmp_path):
    with pytest.raises(ValueError, match='needs two frames or more'):
        run(sweep / '0.png', f'--output_dir={tmp_path / "out"}')
    assert not (tmp_path / 'out').exists()
