"""What the page computes, without the page; the command that opens it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from PIL import Image

import dmenet_tf
from dmenet_tf import engines, focus, images, maps, scales

pytestmark = [pytest.mark.extra, pytest.mark.long]
pytest.importorskip('gradio')
from dmenet_tf.demo import __main__ as command  # noqa: E402
from dmenet_tf.demo import rendering, work  # noqa: E402

ENGINE = engines.Engine('tensorflow', 'float32')
PHOTOGRAPHS = pathlib.Path(__file__).parents[2] / 'data/samples/photographs'


@pytest.fixture(scope='module')
def job(model_file, tmp_path_factory):
    return work.map_upload(PHOTOGRAPHS / 'chelsea.jpg',
                           tmp_path_factory.mktemp('folder'), model_file,
                           ENGINE)


def bare_png(path, size):
    """A black picture of any size in a small file, without Pillow's limit."""
    Image.new('1', size).save(path)
    return path


def test_the_map_is_that_of_estimate(job, model):
    photograph = images.read_image(PHOTOGRAPHS / 'chelsea.jpg')
    np.testing.assert_allclose(
        work.read_sigma(job), dmenet_tf.estimate(photograph, model),
        atol=1e-5)
    written = [pathlib.Path(p).name for p in work.write_maps(
        job, ['npy', 'png16', 'overlay'])]
    assert written == ['chelsea.npy', 'chelsea_sigma16.png',
                       'chelsea_overlay.png']


def test_the_map_is_told_in_two_sentences(job):
    share = (work.read_sigma(job) <= focus.SHARP_SIGMA).mean()
    assert work.describe(job).endswith(
        f'{share:.0%} of the pixels are in focus, sigma up to 0.8 px.')


def test_the_coarse_map_is_near_the_fine_one(model_file, model, tmp_path):
    photograph = Image.open(PHOTOGRAPHS / 'chelsea.jpg')
    large = photograph.resize((2400, 1600), Image.Resampling.BICUBIC)
    large.save(tmp_path / 'large.png')
    drawn = work.coarse_map(tmp_path / 'large.png', model_file, ENGINE)
    sigma = 2 * dmenet_tf.estimate(
        scales.halved(np.asarray(large)), model, scales=1)
    expected = maps.color_sigma(work.fitted(sigma), float(sigma.max()))
    height, width = expected.shape[:2]
    np.testing.assert_allclose(drawn[:height, :width], expected, atol=2)


def test_a_small_photograph_has_no_coarse_map(model_file):
    assert work.coarse_map(PHOTOGRAPHS / 'chelsea.jpg', model_file,
                           ENGINE) is None


def test_what_is_in_focus_stays_light(job):
    sigma = work.read_sigma(job)
    below = float(np.median(sigma))
    picture, said, path = work.in_focus(job, below)
    mask = images.read_image(path)[..., 0]
    np.testing.assert_array_equal(mask > 0, sigma <= below)
    assert said.startswith('50% of the pixels')
    photograph = work.shown(job)[0]
    dark = mask[50:-50, 50:-50] == 0
    ratio = (picture[50:-50, 50:-50][dark].mean()
             / photograph[50:-50, 50:-50][dark].mean())
    assert ratio < 0.3
    left, top = map(int, re.search(r'at \((\d+), (\d+)\)', said).groups())
    assert (picture[top, left] == 255).all()  # The frame.


def call(*arguments, **variables):
    return subprocess.run([sys.executable, '-m', 'dmenet_tf.demo', *arguments],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, **variables})


def test_help_shows_the_flags_of_this_command():
    done = call('--help')
    assert done.returncode == 0 and not done.stderr
    for name in ('port', 'host', 'model', 'max_megabytes', 'precision',
                 'runtime=auto|tensorflow|openvino|onnx '):
        assert f'  --{name}' in done.stdout


def test_without_gradio_one_line_says_what_is_missing(tmp_path):
    (tmp_path / 'gradio.py').write_text('raise ImportError')
    done = call(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == ("error: The page needs gradio: pip install "
                           "'dmenet_tf[demo]'.\n")


def test_without_the_map_the_photograph_is_seen(job):
    photograph, _ = work.shown(job)
    height, width = photograph.shape[:2]
    np.testing.assert_array_equal(
        work.draw_map(job, 0.0)[:height, :width], photograph)


def test_a_click_on_a_small_picture_is_a_pixel_of_the_large_one(
        job, monkeypatch):
    sigma = work.read_sigma(job)
    monkeypatch.setattr(work, 'SHOWN_SIDE', max(sigma.shape) // 4)
    work.shown.cache_clear()
    shown = work.shown(job)[1]
    assert work.locate(job, (0, 0)) == (2, 2)
    x, y = work.locate(job, (shown.shape[1] - 1, shown.shape[0] - 1))
    assert sigma.shape[1] - 4 < x < sigma.shape[1]
    assert sigma.shape[0] - 4 < y < sigma.shape[0]
    assert f'{sigma[y, x]:.2f} px' in work.read_out(
        job, (shown.shape[1] - 1, shown.shape[0] - 1))
    with pytest.raises(ValueError, match='beside the photograph'):
        work.locate(job, (shown.shape[1], 0))
    work.shown.cache_clear()


def test_refocusing_changes_the_picture_and_writes_it(job):
    before, after, paths = work.refocus(job, 6.0, (100, 100))
    assert np.abs(before.astype(float) - after).mean() > 0.5
    written = images.read_image(paths[0]).astype(float)
    assert np.abs(written - after).mean() < 1
    assert [pathlib.Path(path).name for path in paths] == [
        'chelsea_magnified.jpg', 'chelsea_magnified_before_after.jpg']


def test_progress_is_shown(job):
    seen = []

    def progress(steps, total):
        done = list(steps)
        seen.append(len(done) == total > 0)
        return done

    work.refocus(job, 2.0, None, progress)
    work.sharpen(job, 1.0, progress)
    assert seen == [True, True]


def test_depth_is_written_in_the_formats_of_its_command(job):
    _, unit, paths = work.make_depth(job, 'far', ['npy', 'ply'])
    assert 'pseudo-depth' in unit
    assert [pathlib.Path(path).name for path in paths] == [
        'chelsea_depth.npy', 'chelsea_depth.ply']
    assert np.load(paths[0]).min() == 0


def test_a_scene_is_sharp_at_its_focal_distance_and_its_sigma_exact():
    scene = rendering.load_scene(None)
    picture, sigma = rendering.defocus_scene(scene, 1.7, 3.0)
    assert abs(sigma.max() - 3.0) < 0.02
    focused = np.abs(1 / scene[1] - 1 / 1.7) < 0.002
    assert focused.any() and sigma[focused].max() < 0.1
    sharp, zero = rendering.defocus_scene(scene, 1.7, 0.0)
    assert zero.max() == 0
    assert np.abs(sharp - 255 * scene[0]).max() <= 0.5
    assert np.abs(picture.astype(float) - sharp).mean() > 1


def test_a_scene_becomes_files(tmp_path):
    made, sigma = rendering.defocus_scene(rendering.load_scene(), 3, 5)
    paths = rendering.write_scene(made, sigma, tmp_path)
    np.testing.assert_array_equal(images.read_image(paths[0]), made)
    np.testing.assert_array_equal(np.load(paths[1]), sigma)
    assert [pathlib.Path(path).name for path in paths[2:]] == [
        'defocused_sigma16.png', 'defocused_sigma.png']


@pytest.mark.parametrize('size, found', [
    ((10000, 10000), '100 megapixels'),
    ((20000, 10000), 'more than 179 megapixels')])
def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path, size, found):
    path = bare_png(tmp_path / 'huge.png', size)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=f'^huge.png has {found}; .* 50 at'):
        work.map_upload(path, tmp_path, 'unused', ENGINE, 1, 50_000_000)
    assert time.perf_counter() - start < 1


def test_what_is_no_picture_is_named_without_its_folder(tmp_path, model_file):
    path = tmp_path / 'notes.txt'
    path.write_text('no picture')
    with pytest.raises(ValueError, match='^notes.txt: not a picture'):
        work.map_upload(path, tmp_path, model_file, ENGINE)


def test_a_photograph_whose_time_is_over_is_asked_for_again(
        tmp_path, model_file):
    upload = shutil.copy(PHOTOGRAPHS / 'chelsea.jpg', tmp_path)
    job = work.map_upload(upload, tmp_path, model_file, ENGINE)
    pathlib.Path(upload).unlink()
    with pytest.raises(ValueError, match='choose it again'):
        work.refocus(job, 4.0)
    work.forget(job)
    with pytest.raises(ValueError, match='choose it again'):
        work.describe(job)


def test_the_sweep_takes_what_is_old_and_leaves_the_rest(tmp_path):
    (tmp_path / 'upload').mkdir()
    (tmp_path / 'upload/photo.jpg').write_bytes(b'')
    command.sweep(tmp_path, 60)
    assert (tmp_path / 'upload/photo.jpg').exists()
    command.sweep(tmp_path, -1)
    command.sweep(tmp_path, -1)
    assert not list(tmp_path.iterdir())


def test_a_float_tiff_of_too_many_pixels_is_not_decoded(tmp_path):
    """Pillow does not know it."""
    tifffile.imwrite(tmp_path / 'a.tif', np.zeros((40, 50, 3), np.float32),
                     photometric='rgb')
    with pytest.raises(ValueError, match='a.tif has 0 megapixels'):
        work.check_pixels(tmp_path / 'a.tif', 1999)
    work.check_pixels(tmp_path / 'a.tif', 2000)
