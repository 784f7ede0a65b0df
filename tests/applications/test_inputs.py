"""What the applications read, what they refuse, and their commands."""

import os
import pathlib
import shutil
import struct
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
from absl import flags
from PIL import ExifTags, Image, ImageCms

from dmenet_tf import arrays, jobs, made_with, maps, network_flags
from dmenet_tf.applications import deblur, inputs, magnify

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng(0)
# Without what the tests themselves tell TensorFlow about its messages.
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if name != 'TF_CPP_MIN_LOG_LEVEL'}


def test_a_map_of_another_size_is_scaled_with_its_unit():
    sigma = np.full((10, 15), 2, np.float32)
    scaled = inputs.check_sigma(sigma, (20, 30))
    assert scaled.shape == (20, 30)
    np.testing.assert_allclose(scaled, 4, rtol=1e-5)
    assert inputs.check_sigma(sigma[..., None]).shape == (10, 15)


@pytest.mark.parametrize('sigma, message', [
    (np.full((4, 4), np.nan), '16 pixels are not, the first of them nan'),
    (np.full((4, 4), -1.0), 'not negative'),
    (np.full((4, 4), np.inf), 'finite'),
    (np.ones((4, 9)), 'another aspect'),
    (np.ones((4, 4, 3)), 'a sigma map is'),
    (np.array([['a']]), 'a sigma map is')])
def test_bad_maps_are_refused(sigma, message):
    with pytest.raises(ValueError, match=message):
        inputs.check_sigma(sigma, (4, 4))


def test_what_a_map_says_of_the_sharpest_becomes_sharp():
    sigma = np.float32([[0.2, 0.4, 0.6], [0.9, 1.2, 5]])
    np.testing.assert_allclose(inputs.without_floor(sigma, 0.4),
                               [[0, 0, 0], [0.45, 1.2, 5]], atol=1e-6)
    np.testing.assert_array_equal(inputs.without_floor(sigma, 0), sigma)
    assert inputs.sharpest(np.r_[np.full(6, 0.3), np.full(94, 2)]) == 0.3


@pytest.mark.parametrize('work', [
    lambda image, sigma: magnify.magnify(image, sigma, 2),
    lambda image, sigma: deblur.deblur(image, sigma, layers=2)],
    ids=['magnify', 'deblur'])
def test_functions_take_and_return_what_estimate_takes(work):
    image = RNG.integers(0, 256, (12, 16, 3), np.uint8)
    sigma = np.tile(np.linspace(0, 2, 16, dtype=np.float32), (12, 1))
    result = work(image, sigma)
    assert result.dtype == np.float32 and result.max() > 100
    assert arrays.check_image(result) is not None
    for same in (image.astype(float), image.astype(np.uint16) * 257):
        np.testing.assert_allclose(work(same, sigma), result, atol=1e-2)
    np.testing.assert_allclose(work(image, 0 * sigma), image, atol=1e-4)
    with pytest.raises(ValueError, match='multiply a picture in'):
        work(image / 255, sigma)


def run(name, *arguments):
    return subprocess.run(
        [sys.executable, '-m', f'dmenet_tf.applications.{name}',
         *map(str, arguments)], capture_output=True, text=True, cwd=ROOT,
        check=False, env=ENVIRONMENT)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two photographs, one of them 16-bit grey, and a map of each."""
    folder = tmp_path_factory.mktemp('photographs')
    (folder / 'maps').mkdir()
    Image.fromarray(RNG.integers(0, 256, (30, 40, 3), np.uint8)).save(
        folder / 'a.png')
    Image.fromarray(RNG.integers(0, 65536, (30, 40), np.uint16)).save(
        folder / 'b.png')
    sigma = np.tile(np.linspace(0, 3, 40, dtype=np.float32), (30, 1))
    for name in 'ab':
        maps.write(sigma, 'npy', folder / f'maps/{name}.npy')
    return folder


@pytest.mark.parametrize('name, flags, expected', [
    ('deblur', ['--layers=3'],
     ['a_deblurred.png', 'a_deblurred_before_after.png']),
    ('magnify', ['--focus_on=3,4'],
     ['a_magnified.png', 'a_magnified_before_after.png']),
    ('depth', ['--focus=near', '--format=npy,png16,color,ply'],
     ['a_depth.npy', 'a_depth.ply', 'a_depth.png', 'a_depth16.png'])])
def test_commands_work_on_folders(folder, tmp_path, name, flags, expected):
    done = run(name, folder, f'--sigma={folder}/maps',
               f'--output_dir={tmp_path}', *flags)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.glob('a_*')) == expected
    assert len(list(tmp_path.glob('b_*'))) == len(expected)
    said = done.stdout.splitlines()
    assert said[0] == f'2 photographs done, results in {tmp_path}.'
    assert [pathlib.Path(line.split()[0]).name[0] for line in said[1:]] == [
        'a', 'b']


@pytest.mark.parametrize('suffix, kind', [
    ('.JPG', '.jpg'), ('.tif', '.tiff'), ('.png', '.png'), ('.webp', '.jpg'),
    ('.bmp', '.png')])
def test_results_are_of_the_photographs_kind(tmp_path, suffix, kind):
    job = jobs.Job(tmp_path / f'a{suffix}', tmp_path / 'out/a')
    picture = RNG.integers(0, 256, (6, 8, 3), np.uint8)
    path = inputs.write_before_after(picture, picture / 2, job, 'soft',
                                     inputs.Kept())
    assert path.name == f'a_soft{kind}'
    with Image.open(path) as shown, Image.open(
            tmp_path / f'out/a_soft_before_after{kind}') as both:
        assert shown.format == {'.jpg': 'JPEG', '.tiff': 'TIFF',
                                '.png': 'PNG'}[kind]
        assert both.size == (16, 6)


@pytest.mark.long
@pytest.mark.parametrize('suffix', ['jpg', 'tif', 'png'])
def test_results_keep_exif_and_profile_and_are_upright(tmp_path, suffix):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB'))
    exif = Image.Exif()
    exif[ExifTags.Base.Model], exif[ExifTags.Base.Orientation] = 'A', 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FNumber] = 2.8
    exif[ExifTags.IFD.Exif] = exif.get_ifd(ExifTags.IFD.Exif)
    photo = RNG.integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / f'a.{suffix}', exif=exif,
                                icc_profile=profile.tobytes())
    np.save(tmp_path / 'a.npy', np.zeros((40, 30), np.float32))
    done = run('magnify', tmp_path / f'a.{suffix}',
               f'--sigma={tmp_path}/a.npy', f'--output_dir={tmp_path}/out')
    assert done.returncode == 0, done.stderr
    [path] = (tmp_path / 'out').glob('a_magnified.*')
    with Image.open(path) as result:
        assert result.size == (30, 40)
        assert result.info['icc_profile'] == profile.tobytes()
        found = result.getexif()
        assert found[ExifTags.Base.Model] == 'A'
        assert found.get(ExifTags.Base.Orientation, 1) == 1
        assert found.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.FNumber: 2.8}
    assert made_with.read(path)


def test_bad_photographs_cost_one_line_each(folder, tmp_path):
    (tmp_path / 'bad.png').write_bytes(b'no picture')
    shutil.copytree(folder / 'maps', tmp_path / 'maps')
    for name in ('bad', 'c'):
        shutil.copy(folder / 'maps/a.npy', tmp_path / f'maps/{name}.npy')
    done = run('magnify', tmp_path / 'bad.png', folder / 'a.png',
               folder / 'c.png', f'--sigma={tmp_path}/maps',
               '--focus_on=50,4', f'--output_dir={tmp_path}/out')
    errors = [line for line in done.stderr.splitlines()
              if line.startswith('error')]
    assert done.returncode == 1 and len(errors) == 3
    assert 'bad.png' in errors[0] and 'outside the picture' in errors[1]
    assert f'{folder}/a.png: focus_on=(50, 4)' in errors[1]
    assert 'no such file' in errors[2]
    assert not (tmp_path / 'out').exists()


def test_one_map_is_of_one_photograph(folder, tmp_path):
    done = run('magnify', folder, f'--sigma={folder}/maps/a.npy',
               f'--output_dir={tmp_path}/out')
    assert done.returncode == 1
    assert '--sigma is the map of one photograph' in done.stderr
    assert not (tmp_path / 'out').exists()


def test_more_exif_than_a_jpeg_holds_is_left_out(tmp_path, caplog):
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = 70_000 * 'a'
    picture = RNG.integers(0, 256, (6, 8, 3), np.uint8)
    inputs.write_picture(picture, tmp_path / 'a.jpg', inputs.Kept(exif))
    with Image.open(tmp_path / 'a.jpg') as written:
        assert not written.getexif()
    assert '70 kB of EXIF are left out' in caplog.text


@pytest.mark.parametrize('arguments, message', [
    ([], 'Name at least one photograph'),
    (['.', '--focus_on=3'], '--focus_on needs X,Y'),
    (['.', '--strength=no'], '--strength')])
def test_bad_calls_say_what_they_need(tmp_path, arguments, message):
    done = run('magnify', *arguments)
    assert done.returncode == 1 and message in done.stderr
    assert done.stderr.startswith('error: ')
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_without_pictures_is_an_error(tmp_path):
    done = run('magnify', tmp_path, f'--sigma={tmp_path}')
    assert done.returncode == 1 and 'without pictures' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('name', ['deblur', 'magnify', 'depth'])
def test_help_shows_all_flags_of_the_command(name):
    done = run(name, '--help')
    assert done.returncode == 0 and not done.stderr
    for flag in ('output_dir', 'model', 'sigma', 'recursive', 'overwrite',
                 'scales', 'runtime', 'precision', 'calibration'):
        assert f'  --{flag}' in done.stdout


def test_scales_and_engine_are_told_to_the_network(monkeypatch):
    from dmenet_tf import estimation
    values = flags.FlagValues()
    monkeypatch.setattr(flags, 'FLAGS', values)
    for name, value in (('sigma', None), ('scales', '1')):
        flags.DEFINE_string(name, value, '', flag_values=values)
    values.mark_as_parsed()
    monkeypatch.setattr(network_flags, 'load', lambda found: (found, 'fast'))
    monkeypatch.setattr(estimation, 'estimate',
                        lambda *given, **more: (*given, more))
    assert inputs._sigma_source('all')('image') == (
        'image', 'all', 1, {'runner': 'fast'})


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize('name, flags', [
    ('deblur', ['--layers=3']), ('magnify', []),
    ('depth', ['--focus=near', '--format=npy,png16,color'])])
def test_results_among_the_photographs_are_no_photographs(
        folder, tmp_path, name, flags):
    """Nor are the maps, as predict leaves them there."""
    own = shutil.copytree(folder, tmp_path / 'own')
    for stem in 'ab':
        for kind in ('npy', 'color'):
            maps.write(np.ones((30, 40), np.float32), kind,
                       own / f'{stem}{maps.FORMATS[kind]}')
    arguments = [own, f'--sigma={own}', f'--output_dir={own}', *flags]
    first = run(name, *arguments)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith('2 photographs done')
    made = contents(own)
    again = run(name, *arguments)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith('0 photographs done')
    assert '2 had theirs already' in again.stdout
    assert contents(own) == made
    more = run(name, *arguments, '--overwrite')
    assert more.stdout.startswith('2 photographs done')
    assert contents(own) == made


@pytest.mark.slow
def test_results_of_other_settings_or_maps_are_made_again(folder, tmp_path):
    own = shutil.copytree(folder, tmp_path / 'own')
    arguments = [own / 'a.png', own / 'b.png', f'--sigma={own}/maps',
                 f'--output_dir={tmp_path}/out']

    def said(*flags):
        done = run('magnify', *arguments, *flags)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[0]

    assert said('--strength=2').startswith('2 photographs done')
    first = contents(tmp_path / 'out')
    assert '2 had theirs already' in said('--strength=2')
    assert said('--strength=4').startswith('2 photographs done')
    assert all(content != first[path] for path, content
               in contents(tmp_path / 'out').items())
    # Of a map that changed, the photograph alone.
    np.save(own / 'maps/b.npy', np.ones((30, 40), np.float32))
    line = said('--strength=4')
    assert line.startswith('1 photograph done')
    assert '1 had theirs already' in line


def test_maps_beside_photographs_are_none_though_results_go_elsewhere(
        folder, tmp_path):
    own = shutil.copytree(folder, tmp_path / 'own')
    for stem in 'ab':
        maps.write(np.ones((30, 40), np.float32), 'png16',
                   own / f'{stem}_sigma16.png')
    done = run('magnify', own, f'--sigma={own}', f'--output_dir={tmp_path}/o')
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('2 photographs done')


def test_a_tree_keeps_its_form_and_finds_its_maps(folder, tmp_path):
    tree = tmp_path / 'tree'
    for part in ('x', 'y'):
        (tree / part).mkdir(parents=True)
        shutil.copy(folder / 'a.png', tree / part)
        (tmp_path / 'maps' / part).mkdir(parents=True)
        shutil.copy(folder / 'maps/a.npy', tmp_path / 'maps' / part)
    done = run('magnify', tree, '--recursive', f'--sigma={tmp_path}/maps',
               f'--output_dir={tmp_path}/out')
    assert done.returncode == 0, done.stderr
    assert sorted(str(path.relative_to(tmp_path / 'out')) for path in
                  (tmp_path / 'out').rglob('*_magnified.png')) == [
        'x/a_magnified.png', 'y/a_magnified.png']


def rotated_deep_png(path, codes):
    """A PNG of 16 bits in colour that EXIF says to rotate by 90 degrees."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    body = b'eXIf' + exif.tobytes().removeprefix(b'Exif\0\0')
    chunk = (struct.pack('>I', len(body) - 4) + body
             + struct.pack('>I', zlib.crc32(body)))
    whole = imagecodecs.png_encode(codes)
    start = whole.index(b'IDAT') - 4
    path.write_bytes(whole[:start] + chunk + whole[start:])


def test_photographs_of_16_bits_in_colour_are_upright(tmp_path):
    codes = RNG.integers(0, 65536, (20, 30, 3), np.uint16)
    rotated_deep_png(tmp_path / 'a.png', codes)
    maps.write(np.zeros((30, 20), np.float32), 'npy', tmp_path / 'a.npy')
    done = run('magnify', tmp_path / 'a.png', f'--sigma={tmp_path}/a.npy',
               f'--output_dir={tmp_path}/out')
    assert done.returncode == 0, done.stderr
    result = np.asarray(Image.open(tmp_path / 'out/a_magnified.png'))
    np.testing.assert_array_equal(
        result, np.round(np.rot90(codes, -1) / 257).astype(np.uint8))


def test_maps_without_a_unit_are_refused(folder, tmp_path):
    Image.new('L', (40, 30)).save(tmp_path / 'grey.png')
    done = run('magnify', folder / 'a.png', f'--sigma={tmp_path}/grey.png',
               f'--output_dir={tmp_path}/out')
    assert done.returncode == 1
    assert 'grey.png: not a sigma map: uint8 codes have no unit' in done.stderr
