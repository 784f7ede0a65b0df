"""Atomic writes on disks that are full, or refuse what is not needed."""

import errno
import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from dmenet_tf import files

try:
    import fcntl
except ImportError:
    fcntl = None


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / 'deep/a.txt'
    with files.atomic_path(path) as temporary:
        temporary.write_text('new')
        assert not path.exists()
        assert temporary.parent == path.parent and temporary.suffix == '.txt'
    assert path.read_text() == 'new'
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != 'posix', reason='folders are not opened')
def test_the_name_is_on_the_disk_too(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, 'fsync', lambda handle: flushed.append(
        (stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / 'a').exists())))
    with files.atomic_path(tmp_path / 'a') as temporary:
        temporary.write_text('x')
    assert flushed == [(False, False), (True, True)]


@pytest.mark.skipif(os.name != 'posix', reason='there are no such locks')
def test_what_a_killed_process_left_is_removed(tmp_path):
    """By the next that writes there; not what is being written."""
    killed = subprocess.run(
        [sys.executable, '-c', 'import os, sys\nfrom dmenet_tf import files\n'
         'with files.atomic_path(sys.argv[1]) as path:\n'
         '    path.write_text("half"); os._exit(9)', tmp_path / 'a.png'],
        check=False)
    [left] = tmp_path.iterdir()
    assert killed.returncode == 9 and left.name.startswith('.tmp-')
    with files.atomic_path(tmp_path / 'b.png') as at_work:
        at_work.write_text('b')
        assert not left.exists()
        files.remove_leftovers(tmp_path)  # As another process would.
    assert [path.name for path in tmp_path.iterdir()] == ['b.png']


@pytest.mark.skipif(os.name != 'posix', reason='there are no such locks')
def test_a_file_that_is_taken_for_left_is_made_anew(tmp_path, monkeypatch):
    """Another process looks between its making and its lock."""
    flock, seen = fcntl.flock, []

    def slow(file, how):
        if not seen:
            seen.extend(tmp_path.iterdir())
            seen[0].unlink()
        flock(file, how)
    monkeypatch.setattr(fcntl, 'flock', slow)
    with files.atomic_path(tmp_path / 'a') as temporary:
        temporary.write_text('whole')
    assert seen and (tmp_path / 'a').read_text() == 'whole'


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(KeyError), files.atomic_path(path) as temporary:
        temporary.write_text('half')
        raise KeyError
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_usual_mode(tmp_path):
    usual = tmp_path / 'usual'
    usual.touch()
    with files.atomic_path(tmp_path / 'a') as temporary:
        temporary.write_text('x')
    assert stat.S_IMODE((tmp_path / 'a').stat().st_mode) == stat.S_IMODE(
        usual.stat().st_mode)


@pytest.mark.parametrize('owner, name', [(os, 'fsync'),
                                         (type(files.pathlib.Path()), 'chmod')])
def test_what_a_file_system_refuses_is_not_needed(tmp_path, monkeypatch, owner,
                                                  name):
    def refused(*_, **__):
        raise OSError(errno.EPERM, 'Operation not permitted')
    monkeypatch.setattr(owner, name, refused)
    with files.atomic_path(tmp_path / 'a') as temporary:
        temporary.write_text('x')
    assert (tmp_path / 'a').read_text() == 'x'


def test_a_disk_that_is_full_when_flushed_fails(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'), files.atomic_path(
            tmp_path / 'a') as temporary:
        temporary.write_text('x')
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_saved_by_write(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    files.save_npy(tmp_path / 'a.npy', array)
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npy'), array)


def test_progress_counts_and_yields_everything(capsys):
    assert list(files.progress([1, 2, 3], unit='photo')) == [1, 2, 3]
    with files.progress(total=4, initial=1) as bar:
        bar.update()
        assert bar.n == 2


def test_progress_that_nobody_watches_is_lines_without_a_prefix(capsys):
    with files.progress(total=4, unit='step', desc='Training') as bar:
        bar.delay = 0
        bar.update()
        bar.refresh()
    lines = capsys.readouterr().err.splitlines()
    # Closing says the last count once more.
    assert len(lines) == 1 and lines[0].startswith('Training: 1/4 ')


def test_every_count_that_nobody_watches_is_a_line(capsys):
    """Whatever the description, which may be a path."""
    with files.progress(total=4, desc='runs/a: b/weights.npz') as bar:
        bar.delay = 0
        for _ in range(2):
            bar.update()
            bar.refresh()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[2] for line in lines] == ['1/4', '2/4']


def test_a_bar_within_a_bar_is_lines_without_control_codes(capsys):
    with (files.progress(total=2, desc='Photographs') as outer,
          files.progress(total=4, desc='Frames') as inner):
        outer.delay = inner.delay = 0
        inner.update()
        inner.refresh()
    assert '\x1b' not in capsys.readouterr().err


def test_lines_of_a_list(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_bytes('a\n\nß\r\nb'.encode('utf-16'))
    assert files.read_lines(path) == ['a', '', 'ß', 'b']
    path.write_bytes(b'a\n\xff\nb\n')
    with pytest.raises(ValueError, match='^[^\n]*list.txt, line 2: [^\n]*$'):
        files.read_lines(path)
    failed = []
    assert files.read_lines(path, failed) == ['a', '', 'b']
    assert len(failed) == 1 and 'line 2' in failed[0]
    path.write_bytes('ab'.encode('utf-16')[:-1])
    with pytest.raises(ValueError, match='list.txt, line 1: '):
        files.read_lines(path)


def test_a_new_folder_is_complete_or_not_there(tmp_path):
    with files.new_folder(tmp_path / 'a/b') as made:
        (made / 'x').write_text('1')
        assert not (tmp_path / 'a/b').exists()
    assert (tmp_path / 'a/b/x').read_text() == '1'
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['b']
    with (pytest.raises(ZeroDivisionError),
          files.new_folder(tmp_path / 'a/c') as made):
        (made / 'x').write_text(str(1 / 0))
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['b']


def test_a_new_folder_replaces_none(tmp_path):
    with (pytest.raises(FileExistsError) as caught,
          files.new_folder(tmp_path)):
        pass
    assert str(caught.value) == (
        f'{tmp_path}: exists; remove it, or name a new folder.')


def test_a_new_folder_is_as_readable_as_any(tmp_path):
    (tmp_path / 'other').mkdir()
    with files.new_folder(tmp_path / 'made'):
        pass
    assert ((tmp_path / 'made').stat().st_mode
            == (tmp_path / 'other').stat().st_mode)
