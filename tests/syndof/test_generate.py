"""The folder: labels, determinism, resuming, errors; and the command."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from dmenet_tf import optics, sigma_files
from dmenet_tf.syndof import (
    capture,
    develop,
    generate,
    outputs,
    render,
    scenes,
)
from dmenet_tf.syndof.pairs import Pair

SMALL = generate.Recipe(seed=7, max_size=64)
COMMAND = [sys.executable, '-m', 'dmenet_tf.syndof']
PROCEDURAL = ['--source=procedural', '--max_size=64', '--seed=7']


def content(folder):
    """Every file of a folder, as bytes."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob('*')) if path.is_file()}


def run(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], text=True,
                          capture_output=True, check=False)


def write_scenes(folder, count=3):
    """Folders SCENE/{image,depth}.png, depths in millimetres."""
    for k in range(count):
        image, depth_m = scenes.draw_scene(scenes.scene_rng(1, k), None, 48,
                                           64)
        (folder / f's{k}').mkdir(parents=True)
        iio.imwrite(folder / f's{k}/image.png', (image * 255).astype(np.uint8))
        iio.imwrite(folder / f's{k}/depth.png',
                    np.rint(depth_m * 1000).astype(np.uint16))


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Six procedural images made in this process."""
    folder = tmp_path_factory.mktemp('made')
    records, errors = generate.generate(folder, 6, SMALL)
    assert len(records) == 6 and not errors
    return folder


def test_the_folder_is_as_designed(made):
    assert set(content(made)) == {'dataset.json', 'manifest.jsonl', *(
        f'{kind}/{k:06d}.png' for k in range(6)
        for kind in ('image', 'sigma'))}
    lines = (made / 'manifest.jsonl').read_text().splitlines()
    assert [json.loads(line)['index'] for line in lines] == list(range(6))
    dataset = json.loads((made / 'dataset.json').read_text())
    assert dataset['convention'] == 'sigma7' and dataset['complete']
    assert dataset['sources'] == {'procedural': {
        'samples': 6, 'outputs': 6, 'type': 'synthetic'}}


def test_pictures_and_labels_are_the_manifest_s(made):
    """From S1 and alpha alone: Eq. 1, layers, blur, rounding."""
    record = json.loads((made / 'manifest.jsonl').read_text().splitlines()[2])
    image, depth_m = generate.load_scene(SMALL, 2)
    layer, depths = capture.depth_layers(depth_m)
    sigma = record['alpha'] * np.abs(depths - record['S1']) / depths / 4
    label = sigma_files.read_sigma(made / 'sigma/000002.png')
    np.testing.assert_allclose(label, sigma[layer], atol=0.00051)
    assert label.max() <= 7
    with Image.open(made / 'sigma/000002.png') as picture:
        assert picture.info['sigma'] == 'sigma in px = code / 1000'
    expected = render.blend_layers_reference(image, layer, sigma)
    picture = iio.imread(made / 'image/000002.png')
    assert np.abs(picture / 255 - expected).max() <= 0.51 / 255


def test_an_interrupted_run_ends_in_the_same_bytes(made, tmp_path):
    """A few images, one torn by hand, and the rest by a second run."""
    generate.generate(tmp_path, 3, SMALL)
    (tmp_path / 'image/000001.png').unlink()
    (tmp_path / '.records').mkdir()
    (tmp_path / 'image/.tmp-x.png').write_bytes(b'half')
    before = (tmp_path / 'image/000002.png').stat().st_mtime_ns
    generate.generate(tmp_path, 6, SMALL)
    assert (tmp_path / 'image/000002.png').stat().st_mtime_ns == before
    assert content(tmp_path) == content(made)


def test_another_recipe_is_refused(made):
    with pytest.raises(ValueError, match="begun with seed=7.*seed=8"):
        generate.generate(made, 6, generate.Recipe(seed=8, max_size=64))
    with pytest.raises(ValueError, match='holds 6 images already'):
        generate.generate(made, 5, SMALL)


def test_other_files_of_the_same_names_are_refused(tmp_path):
    write_scenes(tmp_path / 'in', 1)
    pair = Pair('s0', str(tmp_path / 'in/s0/image.png'),
                str(tmp_path / 'in/s0/depth.png'), 'here')
    generate.generate(tmp_path / 'out', 1, SMALL, [pair])
    (tmp_path / 'in/s0').rename(tmp_path / 'moved')
    moved = dataclasses.replace(pair, image=str(tmp_path / 'moved/image.png'),
                                depth=str(tmp_path / 'moved/depth.png'))
    generate.generate(tmp_path / 'out', 2, SMALL, [moved])
    iio.imwrite(moved.depth, np.full((48, 64), 900, np.uint16))
    with pytest.raises(ValueError, match='begun with other contents'):
        generate.generate(tmp_path / 'out', 3, SMALL, [moved])


def test_textures_are_those_that_the_folder_was_begun_with(tmp_path):
    recipe = dataclasses.replace(SMALL, textures=str(tmp_path / 'textures'))
    (tmp_path / 'textures').mkdir()
    for number in range(2):
        iio.imwrite(tmp_path / f'textures/{number}.png', np.random.default_rng(
            number).integers(0, 256, (80, 90, 3), np.uint8))
        if number == 0:
            generate.generate(tmp_path / 'out', 1, recipe)
            generate.generate(tmp_path / 'out', 2, recipe)
    with pytest.raises(ValueError, match='begun with other contents'):
        generate.generate(tmp_path / 'out', 3, recipe)


def test_a_scene_that_fails_does_not_stop_the_others(tmp_path):
    write_scenes(tmp_path / 'in', 1)
    good = Pair('good', str(tmp_path / 'in/s0/image.png'),
                str(tmp_path / 'in/s0/depth.png'), 'here')
    gone = Pair('gone', str(tmp_path / 'gone.png'), good.depth, 'here')
    records, errors = generate.generate(
        tmp_path / 'out', 8, SMALL, [good, gone])
    assert {r['scene'] for r in records} == {'good'}
    assert 0 < len(errors) == 8 - len(records)
    assert all('(gone)' in line and 'gone.png' in line for line in errors)
    dataset = json.loads((tmp_path / 'out/dataset.json').read_text())
    assert not dataset['complete'] and dataset['count'] == len(records)


def test_options_change_the_picture_and_not_the_label():
    image, depth_m = generate.load_scene(SMALL, 0)
    shot = generate.capture_scene(SMALL, 0, depth_m)
    plain, settings = generate.photograph(image, shot, SMALL, 0)
    assert settings == {'kernel': 'gaussian', 'linear_light': False,
                        'highlights': 0.0, 'noise': 0.0, 'jpeg_quality': 0}
    for option in ({'kernel': 'disc'}, {'linear_light': True},
                   {'noise': 4.0}, {'jpeg_quality': 50}):
        other = generate.Recipe(seed=7, max_size=64, **option)
        picture, settings = generate.photograph(image, shot, other, 0)
        assert picture.shape == plain.shape
        assert not np.array_equal(picture, plain)
        assert settings[next(iter(option))]
        again = generate.capture_scene(other, 0, depth_m)
        np.testing.assert_array_equal(shot.sigma, again.sigma)


def test_any_draws_all_lenses_and_says_which():
    recipe = generate.Recipe(kernel='any', max_size=32, linear_light=True,
                             highlights=4.0)
    image, depth_m = generate.load_scene(recipe, 0)
    shot = generate.capture_scene(recipe, 0, depth_m)
    drawn = [generate.photograph(image, shot, recipe, k)[1]
             for k in range(24)]
    assert {one['kernel'] for one in drawn} == {
        'gaussian', 'disc', 'polygon', 'cats_eye'}
    for one in drawn:
        assert ('blades' in one) == (one['kernel'] == 'polygon')
        assert ('vignetting' in one) == (one['kernel'] == 'cats_eye')
        assert 0 < one['highlights'] < 4


def test_a_defocused_light_becomes_a_disc_of_the_right_size():
    """sigma 4 px; the light is 4 px of white, lifted by up to 5 stops."""
    image = np.full((64, 64, 3), 0.1, np.float32)
    image[31:33, 31:33] = 1.0
    shot = capture.Capture(np.zeros((64, 64), np.int32),
                           np.float32([4.0]), 0, {})
    recipe = generate.Recipe(kernel='disc', linear_light=True)
    index = max(range(20), key=lambda k: generate.photograph(
        image, shot, dataclasses.replace(recipe, highlights=5.0), k)[1][
            'highlights'])
    plain, lifted = (generate.photograph(image, shot, dataclasses.replace(
        recipe, highlights=stops), index)[0][..., 0].astype(float)
        for stops in (0.0, 5.0))
    radius = optics.disc_radius_from_sigma(4.0)
    y, x = np.mgrid[:64, :64] - 31.5
    inside, outside = (np.hypot(y, x) < radius - 2,
                       np.hypot(y, x) > radius + 2)
    assert np.ptp(lifted[inside]) < 2 and np.ptp(lifted[outside]) < 2
    assert lifted[inside].mean() > 180 > 60 > plain[inside].mean()
    # As many pixels are brighter than half of that as the disc has.
    light = develop.linear_from_srgb(lifted / 255)
    assert np.sum(light > light[inside].mean() / 2) == pytest.approx(
        np.pi * radius**2, rel=0.05)


def test_a_measured_lens_blurs_the_pictures(tmp_path):
    np.savez(tmp_path / 'lens.npz', psf=render.disc_kernel(3.0)[None],
             sigma=[3.0])
    shot = capture.Capture(np.zeros((32, 32), np.int32), np.float32([3.0]),
                           0, {})
    image = np.random.default_rng(0).random((32, 32, 3), np.float32)
    pictures = [generate.photograph(image, shot, generate.Recipe(
        kernel=kernel), 0)[0].astype(int)
        for kernel in ('disc', str(tmp_path / 'lens.npz'))]
    assert abs(pictures[0] - pictures[1]).max() <= 1


def test_a_folder_goes_on_that_knew_fewer_options(tmp_path):
    generate.generate(tmp_path, 1, SMALL)
    path = tmp_path / 'dataset.json'
    began = json.loads(path.read_text())
    del began['recipe']['highlights']
    path.write_text(json.dumps(began))
    generate.generate(tmp_path, 2, SMALL)
    path.write_text(json.dumps(began))
    with pytest.raises(ValueError, match='was begun with highlights=0.0'):
        generate.generate(tmp_path, 2, dataclasses.replace(
            SMALL, highlights=1.0))


@pytest.mark.parametrize('said, line', [
    (['--kernel=square'], '--kernel must be one of gaussian, disc, mixed, '
                          'polygon, cats_eye, any, or a .npz or .npy file'),
    (['--kernel=none.npz'], 'none.npz: no such file.'),
    (['--highlights=4'], '--highlights needs --linear_light.')])
def test_lenses_that_cannot_be_had_are_refused(said, line, tmp_path):
    done = run('--source=procedural', f'--output_dir={tmp_path}', *said)
    assert done.returncode == 1 and line in done.stderr
    assert not list(tmp_path.iterdir())


def test_mixed_draws_both_kernels():
    mixed = generate.Recipe(kernel='mixed', max_size=64)
    image, depth_m = generate.load_scene(mixed, 0)
    shot = generate.capture_scene(mixed, 0, depth_m)
    kernels = [generate.photograph(image, shot, mixed, k)[1]['kernel']
               for k in range(12)]
    assert set(kernels) == set(render.KERNELS)


def test_shrinking_takes_areas_of_colour_and_points_of_depth():
    image = np.zeros((4, 4, 3), np.float32)
    image[:, 1::2] = 1.0
    depth_m = np.arange(16, dtype=np.float32).reshape(4, 4)
    small, depth = generate.shrink(image, depth_m, 2)
    np.testing.assert_allclose(small, 128 / 255)
    assert depth.tolist() == [[5.0, 7.0], [13.0, 15.0]]
    assert generate.shrink(image, depth_m, 0)[0] is image


@pytest.mark.slow
def test_the_command_makes_the_same_bytes_with_two_workers(made, tmp_path):
    done = run(*PROCEDURAL, '--count=6', '--workers=2',
               f'--output_dir={tmp_path}')
    assert done.returncode == 0, done.stderr
    assert 'procedural          6          6  synthetic' in done.stdout
    assert content(tmp_path) == content(made)


def test_the_command_names_what_it_cannot_use(tmp_path):
    """Bad scenes: a line each; the good one is used; exit status 1."""
    folder = tmp_path / 'in'
    write_scenes(folder, 7)
    good = iio.imread(folder / 's0/depth.png')
    for k, codes in enumerate((good * 0, good * 0 + 2000, good[1:], good // 900,
                               iio.imread(folder / 's0/image.png')), start=1):
        iio.imwrite(folder / f's{k}/depth.png', codes)
    (folder / 's6/depth.png').unlink()
    (folder / 's6/depth.dpt').write_bytes(b'PIEH' + bytes([64, 0, 0, 0] * 2))
    out = tmp_path / 'out'
    done = run(f'--input_dir={folder}', '--count=2', f'--output_dir={out}')
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    for text in ('s1/depth.png: no pixel has a known depth.',
                 's2/depth.png: the depth is constant, 2 m',
                 's3/depth.png: it is 64 x 47 but',
                 's4/depth.png: the nearest point is at 0.001 m',
                 's5/depth.png: not depth: its channels differ',
                 's6/depth.dpt: truncated'):
        assert [line for line in lines
                if line.startswith(f'error: {folder}/') and text in line]
    assert len(lines) == 6
    assert 'Scenes: 7; 6 cannot be used, 0 with warnings' in done.stdout
    assert '6 problems, each in a line above.' in done.stdout
    lines = (out / 'manifest.jsonl').read_text().splitlines()
    assert [json.loads(line)['scene'] for line in lines] == ['s0', 's0']


@pytest.mark.long
def test_check_and_preview(tmp_path):
    write_scenes(tmp_path / 'in', 2)
    done = run(f'--input_dir={tmp_path}/in', '--check', '--preview=2',
               '--sampler=official', f'--output_dir={tmp_path}')
    assert done.returncode == 0, done.stderr
    assert 's0: 64 x 48, 1 to ' in done.stdout
    assert 'Scenes: 2; 0 cannot be used, 0 with warnings.' in done.stdout
    assert iio.imread(tmp_path / 'preview.png').shape[1] == 2000
    assert not (tmp_path / 'image').exists()


@pytest.mark.parametrize('arguments, line', [
    ([], 'Pass --input_dir=DIR or --source=procedural. --help tells more.'),
    (['--source=procedural'], 'Pass --output_dir. --help tells more.'),
    (['--source=procedural', '--check'],
     '--check needs --input_dir. --help tells more.'),
    (['more', '--source=procedural'],
     "Unexpected arguments: ['more']. --help tells more."),
    (['--input_dir=/nowhere', '--output_dir=x'], '/nowhere: no such folder.'),
])
def test_what_cannot_be_is_one_line(arguments, line):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr == f'error: {line}\n'


@pytest.mark.parametrize('said', [{'layout': 'kitti'}, {'sky_depth': 50.0},
                                  {'depth_unit': 'cm'}])
def test_a_run_does_not_go_on_with_depth_read_otherwise(tmp_path, said):
    pair = Pair('a', 'a.png', 'a_depth.png')
    outputs.start_folder(tmp_path, generate.Recipe(), [pair])
    outputs.start_folder(tmp_path, generate.Recipe(), [pair])
    with pytest.raises(ValueError, match='was begun with scenes='):
        outputs.start_folder(tmp_path, generate.Recipe(),
                             [dataclasses.replace(pair, **said)])


def test_help_shows_every_flag_in_groups():
    done = run('--help')
    assert (done.returncode, done.stderr) == (0, '')
    for heading in ('Scenes:', 'What is made:', 'More flags:'):
        assert f'\n\n{heading}\n' in done.stdout
    for field in dataclasses.fields(generate.Recipe):
        assert f'  --{field.name}' in done.stdout


def test_tensorflow_is_not_imported():
    code = ('import sys\nimport dmenet_tf.syndof.generate\n'
            'assert "tensorflow" not in sys.modules')
    subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path):
    flags = [*PROCEDURAL, '--count=100', '--max_size=160']
    assert run(*flags, f'--output_dir={tmp_path}/whole').returncode == 0
    out = tmp_path / 'killed'
    process = subprocess.Popen([*COMMAND, *flags, f'--output_dir={out}'],
                               stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(out.glob('sigma/0*.png'))) > 30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(out.glob('sigma/0*.png'))) < 100
    assert run(*flags, '--workers=2', f'--output_dir={out}').returncode == 0
    assert content(out) == content(tmp_path / 'whole')


@pytest.mark.slow
def test_a_lost_worker_s_images_are_made_by_others(tmp_path):
    flags = [*PROCEDURAL, '--count=100', '--max_size=160']
    assert run(*flags, f'--output_dir={tmp_path}/whole').returncode == 0
    out, address = tmp_path / 'out', tmp_path / 'scheduler.json'
    dask = [sys.executable, '-m', 'distributed.cli']
    started = [subprocess.Popen(
        [f'{dask[0]}', '-m', f'{dask[2]}.dask_scheduler', '--port=0',
         f'--scheduler-file={address}', '--no-dashboard'],
        stderr=subprocess.DEVNULL)]
    try:
        wait_for(address.exists)
        for _ in range(2):
            started.append(subprocess.Popen(
                [dask[0], '-m', f'{dask[2]}.dask_worker', '--no-nanny',
                 '--nthreads=1', '--no-dashboard',
                 f'--scheduler-file={address}'],
                stderr=subprocess.DEVNULL))
        url = json.loads(address.read_text())['address']
        client = subprocess.Popen(
            [*COMMAND, *flags, f'--scheduler={url}', f'--output_dir={out}'],
            stderr=subprocess.DEVNULL)
        started.append(client)
        wait_for(lambda: len(list(out.glob('sigma/0*.png'))) > 40)
        os.kill(started[1].pid, signal.SIGKILL)
        assert client.wait(timeout=240) == 0
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
    assert content(out) == content(tmp_path / 'whole')


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'nothing happened'
        time.sleep(0.02)


def test_textures_that_are_not_there_begin_no_folder(tmp_path):
    with pytest.raises(ValueError, match='no photograph in'):
        generate.generate(tmp_path / 'out', 1, generate.Recipe(
            textures=str(tmp_path / 'nowhere')))
    assert not (tmp_path / 'out').exists()
