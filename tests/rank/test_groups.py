"""Bursts and folders."""

import datetime
import pathlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from dmenet_tf.rank import groups

RNG = np.random.default_rng(0)
SCENE, OTHER = (RNG.integers(0, 256, (32, 48, 3), np.uint8) for _ in 'ab')


def saved(path, image, time=None, part=None):
    exif = Image.Exif()
    ifd = exif.get_ifd(ExifTags.IFD.Exif)
    if time is not None:
        ifd[ExifTags.Base.DateTimeOriginal] = time
    if part is not None:
        ifd[ExifTags.Base.SubsecTimeOriginal] = part
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path, exif=exif)
    return path


def test_when_it_was_taken_is_read_to_parts_of_a_second(tmp_path):
    path = saved(tmp_path / 'a.jpg', SCENE, '2024:05:06 07:08:09', '25')
    shot = groups.read_shot(path, SCENE)
    assert shot.taken == datetime.datetime(2024, 5, 6, 7, 8, 9, 250000)
    assert abs(shot.thumbnail.mean()) < 1e-9


@pytest.mark.parametrize('time', [None, 'yesterday', '2024:13:40 99:99:99'])
def test_an_odd_time_is_none(tmp_path, time):
    path = saved(tmp_path / 'a.jpg', SCENE, time)
    assert groups.read_shot(path, SCENE).taken is None


def test_bursts_are_alike_and_shortly_after_each_other(tmp_path):
    frames = [('c/3.jpg', SCENE, '2024:05:06 07:08:12'),  # 2 s after 2.jpg
              ('c/2.jpg', SCENE, '2024:05:06 07:08:10'),
              ('c/1.jpg', SCENE, '2024:05:06 07:08:09'),
              ('c/4.jpg', OTHER, '2024:05:06 07:08:13'),  # another scene
              ('c/5.jpg', OTHER, '2024:05:06 07:08:16'),  # too late
              ('d/6.jpg', SCENE, '2024:05:06 07:08:09'),  # another folder
              ('c/7.jpg', SCENE, None)]
    paths = [saved(tmp_path / name, image, time)
             for name, image, time in frames]
    shots = [groups.read_shot(path, image)
             for path, (_, image, _) in zip(paths, frames, strict=True)]
    found = groups.by_burst(paths, shots, seconds=2)
    assert [pathlib.Path(group).name for group in found] == [
        '1.jpg', '1.jpg', '1.jpg', '4.jpg', '5.jpg', '6.jpg', '7.jpg']


def test_folders_are_groups():
    paths = [pathlib.Path('a/1.jpg'), pathlib.Path('b/1.jpg')]
    assert groups.by_folder(paths) == ['a', 'b']
