"""Files put elsewhere, and ratings, without losing anything."""

import errno
import os
import pathlib
import shutil
import xml.etree.ElementTree as ET

import pytest

from dmenet_tf.rank import chosen


@pytest.fixture
def photographs(tmp_path):
    paths = [tmp_path / name / 'p.jpg' for name in 'ab']
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
    return paths


@pytest.mark.parametrize('how', [chosen.move, chosen.copy, chosen.link])
def test_nothing_is_overwritten(photographs, tmp_path, how):
    one, other = photographs
    target = tmp_path / 'best/p.jpg'
    [line] = chosen.place(photographs, tmp_path / 'best', how)
    assert line == (f'{other}: {target} is there already; nothing was '
                    'overwritten.')
    assert target.read_bytes() == b'a'
    assert target.is_symlink() == (how is chosen.link)
    assert one.exists() == (how is not chosen.move)
    assert other.read_bytes() == b'b'


def test_a_rating_is_moved_with_its_photograph(photographs, tmp_path):
    one = photographs[0]
    assert chosen.write_sidecar(one, 4) is None
    said = (one.parent / f'{one.name}.xmp').read_text()
    assert not chosen.place([one], tmp_path / 'best', chosen.move)
    assert (tmp_path / f'best/{one.name}.xmp').read_text() == said
    assert not (one.parent / f'{one.name}.xmp').exists()


@pytest.mark.parametrize('how', [chosen.copy, chosen.link])
def test_what_was_placed_is_done(photographs, tmp_path, how):
    chosen.place(photographs[:1], tmp_path / 'best', how)
    assert not chosen.place(photographs[:1], tmp_path / 'best', how)


def test_what_cannot_be_put_there_is_said_and_the_rest_done(
        photographs, tmp_path):
    photographs[0].unlink()
    [line] = chosen.place(photographs, tmp_path / 'best', chosen.copy)
    assert line.startswith(f'{photographs[0]}: No such file')
    assert (tmp_path / 'best/p.jpg').read_bytes() == b'b'
    assert len(list((tmp_path / 'best').iterdir())) == 1


@pytest.mark.parametrize('sharpest, stars', [
    (0.0, 5), (0.75, 5), (0.76, 4), (2.0, 3), (4.0, 2), (9.0, 1)])
def test_stars_follow_blur(sharpest, stars):
    assert chosen.stars(sharpest) == stars


def test_a_sidecar_is_xmp_and_is_written_once(tmp_path):
    photograph = tmp_path / 'größe.jpg'
    sidecar = tmp_path / 'größe.jpg.xmp'
    assert chosen.write_sidecar(photograph, 4) is None
    text = sidecar.read_text(encoding='utf-8')
    assert text.startswith('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSz')
    [described] = ET.fromstring(text).iter(
        '{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description')
    assert described.get('{http://ns.adobe.com/xap/1.0/}Rating') == '4'
    assert chosen.write_sidecar(photograph, 5) == (
        f'{sidecar}: is there already; it was left as it is.')
    assert sidecar.read_text(encoding='utf-8') == text


@pytest.fixture
def other_file_system(monkeypatch):
    """Nothing can be renamed but what lies in one folder."""
    rename = os.rename

    def rename_here(source, target):
        if os.path.dirname(source) != os.path.dirname(target):
            raise OSError(errno.EXDEV, 'Invalid cross-device link')
        rename(source, target)
    monkeypatch.setattr(os, 'rename', rename_here)


def test_moving_to_another_file_system_keeps_the_time(
        photographs, tmp_path, other_file_system):
    os.utime(photographs[0], (1e9, 1e9))
    assert not chosen.place(photographs[:1], tmp_path / 'best', chosen.move)
    target = tmp_path / 'best/p.jpg'
    assert target.read_bytes() == b'a' and target.stat().st_mtime == 1e9
    assert not photographs[0].exists()
    assert os.listdir(tmp_path / 'best') == ['p.jpg']


def test_a_move_that_breaks_off_leaves_the_photograph_where_it_was(
        photographs, tmp_path, other_file_system, monkeypatch):
    def fill_disk(source, target, **_):
        pathlib.Path(target).write_bytes(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(shutil, 'copyfile', fill_disk)
    [line] = chosen.place(photographs[:1], tmp_path / 'best', chosen.move)
    assert 'No space left on device' in line
    assert photographs[0].read_bytes() == b'a'
    assert not os.listdir(tmp_path / 'best')
