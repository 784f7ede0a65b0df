"""The predict command: from files to maps."""

import csv
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

import dmenet_tf
from dmenet_tf import (
    estimation,
    focus,
    images,
    jobs,
    maps,
    networks,
    predict,
    scales,
    summary_file,
    weights,
)

RNG = np.random.default_rng(0)


@pytest.fixture(scope='module')
def model_file(tmp_path_factory, tamed):
    keras.utils.set_random_seed(2)
    path = tmp_path_factory.mktemp('model') / 'toy.npz'
    b = tamed(networks.build_blur_estimator(4, 1, side_heads=False))
    weights.save(path, networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    return path


@pytest.fixture(scope='module')
def model(model_file):
    return dmenet_tf.load_model(model_file)


def noise(*shape):
    return RNG.integers(0, 256, (*shape, 3), np.uint8)


def said(done):
    """stderr, but for what TensorFlow 2.21 logs whatever it is told."""
    return [line for line in done.stderr.splitlines()
            if not line.startswith(('I0000', 'WARNING: All log messages'))]


def run(*arguments, **variables):
    """With what TensorFlow logs unless the tests tell it otherwise."""
    environment = {**os.environ, **variables}
    environment.pop('TF_CPP_MIN_LOG_LEVEL')
    return subprocess.run([sys.executable, '-m', 'dmenet_tf.predict',
                           *map(str, arguments)], capture_output=True,
                          text=True, check=False, env=environment)


@pytest.mark.long
def test_bad_files_cost_a_line_and_the_others_are_mapped(tmp_path, model,
                                                         model_file):
    photo = tmp_path / 'in put' / 'größe 1.jpg'
    photo.parent.mkdir()
    Image.fromarray(noise(40, 50)).save(photo)
    (photo.parent / 'text.png').write_text('no picture')
    (tmp_path / 'hollow').mkdir()
    out = tmp_path / 'out'
    done = run(photo.parent, tmp_path / 'missing.png', tmp_path / 'hollow',
               f'--model={model_file}', f'--output_dir={out}')
    assert done.returncode == 1
    assert sorted(file.name for file in out.iterdir()) == [
        'größe 1.npy', 'größe 1_sigma.png']
    np.testing.assert_allclose(
        np.load(out / 'größe 1.npy'),
        estimation.estimate(images.read_image(photo), model), atol=1e-4)
    for line in ('text.png: not a picture', 'missing.png: no such file',
                 'hollow: a folder without pictures'):
        assert done.stderr.count(line) == 1
    assert '1 photograph done' in done.stdout
    assert '3 failed' in done.stdout
    assert 'Traceback' not in done.stderr


@pytest.mark.long
@pytest.mark.parametrize('arguments, reason', [
    (['--model=none.npz', 'a.png'], 'none.npz: no such weights file'),
    (['--format=npy,jpg', 'a.png'], 'must be of npy'),
    (['--range=7', 'a.png'], '--range needs LOW,HIGH'),
    (['--format=mask', '--mask_soft=2', 'a.png'], '--mask_soft needs LOW,HIGH'),
    (['--mask_below=2', 'a.png'], '--mask_below needs --format=mask.'),
    (['--format=mask', '--mask_below=2', '--mask_soft=1,2', 'a.png'],
     'give one of them'),
    ([], 'Name at least one photograph')])
def test_bad_calls_are_one_line_and_status_1(arguments, reason):
    done = run(*arguments)
    [line] = said(done)
    assert done.returncode == 1
    assert line.startswith('error: ') and reason in line


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / 'photographs'
    folder.mkdir()
    for i in range(4):
        Image.fromarray(noise(30 + i, 40)).save(folder / f'{i}.png')
    (folder / '2.png').write_text('no picture')
    return folder


def mapped(photographs, out, model, summary=None, **options):
    found, _ = jobs.find_jobs([photographs], out)
    summary = summary_file.SummaryFile(summary) if summary else None
    todo = predict.unmapped(found, ['npy', 'color'], summary)
    results = list(predict.map_photographs(
        todo, model, ['npy', 'color'],
        on_summary=summary and summary.add, **options))
    if summary:
        summary.finish(found)
    return results


def test_masks_lie_as_reconstruction_tools_look_for_them(tmp_path, model):
    folder = tmp_path / 'images'
    for name in ('one/a.jpg', 'two/a.jpg'):
        path = folder / name
        path.parent.mkdir(parents=True)
        Image.fromarray(noise(30, 40)).save(path)
    found, _ = jobs.find_jobs([folder], tmp_path / 'masks', recursive=True)
    kinds = ['npy', 'mask']
    outcomes = list(predict.map_photographs(
        found, model, kinds, mask_limits=(2.5, 2.5), mask_layout='colmap'))
    for outcome in outcomes:
        sigma = np.load(outcome.job.path('.npy'))
        name = outcome.job.photograph.relative_to(folder)
        with Image.open(tmp_path / 'masks' / f'{name}.png') as mask:
            np.testing.assert_array_equal(np.asarray(mask) == 255,
                                          sigma <= 2.5)
    assert not predict.unmapped(found, kinds, mask_layout='colmap')
    assert predict.unmapped(found, kinds) == found


@pytest.mark.slow
def test_maps_in_the_folder_of_the_photographs_are_not_mapped(
        photographs, model_file):
    kinds = [kind for kind in maps.FORMATS if kind != 'exr']  # An extra.
    arguments = [photographs, f'--output_dir={photographs}',
                 f'--model={model_file}',
                 f'--format={",".join(kinds)}']
    assert '3 photographs done' in run(*arguments).stdout
    first = contents(photographs)
    assert len(first) == 4 + 3 * len(kinds)
    # 2.png is no picture.
    for fewer in ([], ['--format=npy,color']):
        again = run(*arguments, *fewer)
        assert '0 photographs done' in again.stdout
        assert '3 had theirs already' in again.stdout
    assert '1 failed' in again.stdout
    assert contents(photographs) == first


def test_the_summary_judges_sharpness_at_full_size(
        photographs, tmp_path, model, monkeypatch):
    monkeypatch.setattr(scales, 'COARSEST', 400)
    table = tmp_path / 'table.csv'
    mapped(photographs, tmp_path / 'out', model, table)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    sigma = np.load(tmp_path / 'out' / '0.npy')
    share = (sigma < focus.SHARP_SIGMA).mean()
    assert float(rows[0]['sharp_share']) == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize('which', ['auto', 1])
def test_maps_are_of_the_scales_asked_for(photographs, tmp_path, model,
                                          monkeypatch, which):
    monkeypatch.setattr(scales, 'COARSEST', 400)
    mapped(photographs, tmp_path / 'out', model, scales=which)
    image = images.read_image(photographs / '0.png')
    found, other = (estimation.estimate(image, model, scales=one)
                    for one in (which, 1 if which == 'auto' else 'auto'))
    np.testing.assert_array_equal(np.load(tmp_path / 'out/0.npy'), found)
    assert np.abs(found - other).max() > 0.01


def test_a_photograph_that_lies_on_its_side_is_mapped_upright(tmp_path, model):
    """And read_image with estimate gives what predict writes."""
    picture, exif = Image.fromarray(noise(20, 33)), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = tmp_path / 'a.jpg'
    picture.save(path, exif=exif)
    mapped(path, tmp_path / 'out', model)
    image = dmenet_tf.read_image(path)
    assert image.shape == (33, 20, 3)
    np.testing.assert_array_equal(
        np.load(tmp_path / 'out' / 'a.npy'), dmenet_tf.estimate(image, model))


def test_help_shows_the_flags_of_this_command():
    done = run('--help')
    assert done.returncode == 0 and not done.stderr
    for name in ('output_dir', 'recursive', 'overwrite', 'format', 'model'):
        assert f'  --{name}' in done.stdout


@pytest.mark.long
def test_a_missing_runtime_is_said_before_anything_is_mapped(
        photographs, tmp_path, model_file):
    (tmp_path / 'without').mkdir()
    (tmp_path / 'without' / 'openvino.py').write_text('raise ImportError')
    done = run(photographs, '--runtime=openvino', f'--model={model_file}',
               f'--output_dir={tmp_path}/out',
               PYTHONPATH=str(tmp_path / 'without'))
    assert done.returncode == 1
    assert said(done) == ['error: --runtime=openvino needs OpenVINO: pip '
                          "install 'dmenet_tf[openvino]'."]
    assert not (tmp_path / 'out').exists()


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_results_come_in_order_with_the_failures_between(photographs, tmp_path,
                                                         model):
    results = mapped(photographs, tmp_path / 'out', model)
    assert [outcome.job.photograph.name for outcome in results] == [
        '0.png', '1.png', '2.png', '3.png']
    assert results[3].made == tmp_path / 'out' / '3_sigma.png'
    lines = [outcome.error for outcome in results]
    assert 'not a picture' in lines[2]
    assert lines[:2] + lines[3:] == [None] * 3


def test_what_is_there_is_not_done_again(photographs, tmp_path, model):
    out, table = tmp_path / 'out', tmp_path / 'table.csv'
    mapped(photographs, out, model, table)
    before, rows = contents(out), table.read_text()
    (out / '1_sigma.png').unlink()
    again = mapped(photographs, out, model, table)
    # The one that lacks a picture, and the one that has never had any.
    assert [outcome.job.photograph.name for outcome in again] == [
        '1.png', '2.png']
    assert contents(out) == before and table.read_text() == rows


@pytest.mark.parametrize('name', ['a.png', os.fsdecode(b'gr\xf6\xdfe.png')])
def test_a_row_is_found_by_any_spelling_of_any_name(tmp_path, model, name,
                                                    monkeypatch):
    Image.fromarray(noise(20, 30)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    out, table = tmp_path / 'out', tmp_path / 'table.csv'
    [outcome] = mapped(name, out, model, table)
    assert outcome.error is None
    for spelling in (f'./{name}', f'../{tmp_path.name}/{name}',
                     f'{tmp_path}/{name}'):
        assert mapped(spelling, out, model, table) == []
    [_, row] = table.read_text('utf-8').splitlines()
    shown = name.encode('utf-8', 'backslashreplace').decode('utf-8')
    assert row.startswith(f'{tmp_path}/{shown},30,20,')


def test_an_interrupted_summary_loses_no_row(photographs, tmp_path, model):
    whole = tmp_path / 'whole.csv'
    mapped(photographs, tmp_path / 'out', model, whole)
    found, _ = jobs.find_jobs([photographs], tmp_path / 'out2')
    part = summary_file.SummaryFile(tmp_path / 'part.csv')
    results = predict.map_photographs(found, model, ['npy', 'color'],
                                      on_summary=part.add)
    next(results)
    results.close()
    assert not part.path.exists() and part.part.exists()
    mapped(photographs, tmp_path / 'out2', model, part.path)
    assert part.path.read_text() == whole.read_text()
    assert not part.part.exists()
    with whole.open() as file:
        rows = list(csv.DictReader(file))
    assert [pathlib.Path(row['photograph']).name for row in rows] == [
        '0.png', '1.png', '3.png']
    sigma = np.load(tmp_path / 'out' / '3.npy')
    assert float(rows[2]['mean_sigma_px']) == pytest.approx(sigma.mean(),
                                                            abs=1e-4)


def test_rows_of_other_settings_are_made_again_and_of_others_kept(
        photographs, tmp_path, model):
    def mapped_as(settings, folder):
        found, _ = jobs.find_jobs([folder], tmp_path / 'out')
        found = [dataclasses.replace(job, settings=settings) for job in found]
        summary = summary_file.SummaryFile(tmp_path / 'table.csv')
        lacking = predict.unmapped(found, [], summary)
        list(predict.map_photographs(lacking, model, ['npy'],
                                     on_summary=summary.add))
        summary.finish(found)
        with (tmp_path / 'table.csv').open() as file:
            names = [pathlib.Path(row['photograph']).name
                     for row in csv.DictReader(file)]
        return len(lacking), names

    (photographs / '2.png').unlink()
    assert mapped_as('a', photographs) == (3, ['0.png', '1.png', '3.png'])
    assert mapped_as('a', photographs)[0] == 0
    assert mapped_as('b', photographs) == (3, ['0.png', '1.png', '3.png'])
    other = tmp_path / 'other'
    other.mkdir()
    Image.fromarray(noise(20, 30)).save(other / 'x.png')
    assert mapped_as('b', other) == (1, ['x.png', '0.png', '1.png', '3.png'])


def test_a_full_disk_stops_the_run_and_leaves_nothing(photographs, tmp_path,
                                                      model, monkeypatch):
    monkeypatch.setattr(np, 'save', lambda *_: (_ for _ in ()).throw(
        OSError(28, 'No space left on device')))
    with pytest.raises(OSError, match='No space'):
        mapped(photographs, tmp_path / 'out', model)
    assert not list((tmp_path / 'out').iterdir())


@pytest.mark.slow
def test_maps_of_another_model_or_other_settings_are_made_again(
        photographs, tmp_path, model_file, tamed):
    out = tmp_path / 'out'
    (photographs / '2.png').unlink()
    arguments = [photographs, f'--output_dir={out}', f'--model={model_file}']
    assert '3 photographs done' in run(*arguments).stdout
    first = contents(out)
    single = run(*arguments, '--scales=1')
    assert '3 photographs done' in single.stdout
    second = contents(out)
    assert all(first[name] != second[name] for name in first)
    again = run(*arguments, '--scales=1')
    assert '3 had theirs already' in again.stdout
    # The same weights by another name are the same.
    renamed = shutil.copy(model_file, tmp_path / 'renamed.npz')
    again = run(photographs, f'--output_dir={out}', f'--model={renamed}',
                '--scales=1')
    assert '3 had theirs already' in again.stdout
    keras.utils.set_random_seed(3)
    b = tamed(networks.build_blur_estimator(4, 1, side_heads=False))
    weights.save(renamed, networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    other = run(photographs, f'--output_dir={out}', f'--model={renamed}',
                '--scales=1')
    assert '3 photographs done' in other.stdout


@pytest.fixture
def of_few_codes(tmp_path):
    """12 bits in a file of 16 that does not say so, and what it shows."""
    rising = np.linspace(0, 255, 40 * 50).reshape(40, 50)
    tifffile.imwrite(tmp_path / 'dark.tif',
                     np.round(rising / 255 * 4095).astype(np.uint16),
                     photometric='minisblack')
    return tmp_path / 'dark.tif', np.repeat(rising[..., None], 3, axis=-1)


@pytest.mark.long
def test_the_range_of_codes_is_what_is_mapped(of_few_codes, tmp_path, model,
                                              model_file):
    path, shown = of_few_codes
    done = run(path, '--range=0,4095', f'--model={model_file}',
               f'--output_dir={tmp_path}/out')
    assert done.returncode == 0, done.stderr
    assert 'warning' not in done.stderr
    np.testing.assert_allclose(np.load(tmp_path / 'out/dark.npy'),
                               estimation.estimate(shown, model), atol=0.01)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB, and what remounts it."""
    def mount(*options):
        return subprocess.run(['mount', *options, tmp_path / 'disk'],
                              capture_output=True, check=False).returncode
    (tmp_path / 'disk').mkdir()
    if shutil.which('mount') is None or mount(
            '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs'):
        pytest.skip('Mounting needs rights.')
    yield tmp_path / 'disk', lambda options: mount('-o', f'remount,{options}')
    subprocess.run(['umount', tmp_path / 'disk'], check=True)


@pytest.mark.slow
def test_on_a_disk_that_fills_up_or_may_not_be_written(tmp_path, model_file,
                                                       small_disk):
    disk, remount = small_disk
    (tmp_path / 'in').mkdir()
    for i in range(3):
        Image.fromarray(noise(200, 150)).save(tmp_path / 'in' / f'{i}.png')
    arguments = [tmp_path / 'in', f'--model={model_file}',
                 f'--output_dir={disk}']
    full = run(*arguments)
    assert full.returncode == 1 and 'Traceback' not in full.stderr
    assert 'No space left on device' in full.stderr
    assert 'No result is half-written' in full.stderr
    whole = contents(disk)
    assert 0 < len(whole) < 6
    assert all(np.load(disk / name).shape == (200, 150)
               for name in whole if name.endswith('.npy'))
    remount('ro')
    refused = run(*arguments)
    assert refused.returncode == 1 and 'Traceback' not in refused.stderr
    assert 'Read-only file system' in refused.stderr
    assert contents(disk) == whole
    remount('rw,size=8m')
    assert run(*arguments).returncode == 0
    assert len(contents(disk)) == 6
    assert contents(disk).items() >= whole.items()


@pytest.mark.slow
def test_killed_half_way_and_restarted_the_bytes_are_the_same(
        tmp_path, model_file):
    folder = tmp_path / 'photographs'
    folder.mkdir()
    for i in range(30):
        Image.fromarray(noise(300, 400)).save(folder / f'{i:02}.png')
    arguments = [folder, f'--model={model_file}',
                 f'--summary={tmp_path}/table.csv',
                 f'--output_dir={tmp_path}/out']
    command = [sys.executable, '-m', 'dmenet_tf.predict',
               *map(str, arguments)]
    killed = subprocess.Popen(command)
    while len(list((tmp_path / 'out').glob('*.npy'))) < 8:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / 'table.csv').exists()
    assert run(*arguments).returncode == 0
    halves = contents(tmp_path / 'out')
    halves = {k: v for k, v in halves.items() if not k.startswith('.tmp-')}
    table = (tmp_path / 'table.csv').read_text()
    arguments[-1] = f'--output_dir={tmp_path}/whole'
    arguments[-2] = f'--summary={tmp_path}/whole.csv'
    assert run(*arguments).returncode == 0
    assert contents(tmp_path / 'whole') == halves
    assert (tmp_path / 'whole.csv').read_text() == table
