"""Which photographs a command finds, what it skips, what it says of each."""

import errno
import io
import os
import pathlib
import sys
import threading

import numpy as np
import pytest
from absl import flags

from dmenet_tf import command, files, jobs

OUT = pathlib.Path('out')


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')


def targets(*arguments, **options):
    found, failed = jobs.find_jobs(arguments, OUT, **options)
    assert not failed
    return [str(job.path('.npy')) for job in found]


def test_folders_trees_and_lists_become_jobs(tmp_path, monkeypatch):
    touch(tmp_path, 'a/1.jpg', 'a/deep/1.png', 'a/notes.txt', 'b.c.tiff')
    assert targets(tmp_path / 'a') == ['out/1.npy']
    assert targets(tmp_path / 'a', recursive=True) == ['out/1.npy',
                                                       'out/deep/1.npy']
    listed = tmp_path / 'list.txt'
    listed.write_text(f'{tmp_path}/b.c.tiff\n\n{tmp_path}/a/1.jpg\n')
    assert targets(listed) == ['out/b.c.npy', 'out/1.npy']
    assert photographs('-', monkeypatch, b' x/y.jpg \n') == ['x/y.jpg']


def photographs(argument, monkeypatch=None, typed=b''):
    if monkeypatch:
        monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(io.BytesIO(typed)))
    found, failed = jobs.find_jobs([argument], OUT)
    assert not failed
    return [str(job.photograph) for job in found]


def test_addresses_are_not_fetched(tmp_path):
    (tmp_path / 'a.txt').write_text('b.jpg\nHTTP://x.org/c.jpg\n')
    found, failed = jobs.find_jobs(
        ['https://x.org/a.jpg', tmp_path / 'a.txt'], OUT)
    assert [job.photograph.name for job in found] == ['b.jpg']
    reason = 'nothing is fetched; save it as a file first.'
    assert failed == [
        f'https://x.org/a.jpg: {reason}',
        f'{tmp_path}/a.txt, line 2: HTTP://x.org/c.jpg: {reason}']


MARKED = {'utf-8': 'utf-8', 'utf-8 with a mark': 'utf-8-sig',
          'utf-16, marked': 'utf-16'}


@pytest.mark.parametrize('code', MARKED.values(), ids=MARKED)
def test_lists_of_any_code_name_paths_from_their_folder(
        tmp_path, monkeypatch, code):
    content = '\r\n'.join(['a.jpg', 'größe/b.jpg', '/abs/c.jpg']).encode(code)
    (tmp_path / 'deep').mkdir()
    (tmp_path / 'deep/list.txt').write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert photographs('deep/list.txt') == [
        'deep/a.jpg', 'deep/größe/b.jpg', '/abs/c.jpg']
    # Of standard input nobody knows another folder.
    assert photographs('-', monkeypatch, content) == [
        'a.jpg', 'größe/b.jpg', '/abs/c.jpg']


def test_a_line_that_cannot_be_read_is_named_and_the_others_are_taken(
        tmp_path):
    listed = tmp_path / 'list.txt'
    listed.write_bytes(b'a.jpg\n\ngr\xf6\xdfe.jpg\nb\0.jpg\n.\nc.jpg\n')
    found, failed = jobs.find_jobs([listed], OUT)
    assert [job.photograph.name for job in found] == ['a.jpg', 'c.jpg']
    assert [line.split(': ')[0] for line in failed] == [
        f'{listed}, line {number}' for number in (3, 4, 5)]
    assert all('UTF-8' in line for line in failed[:2])


def test_a_list_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    touch(tmp_path, 'list.txt')

    def refused(path):
        raise PermissionError(13, 'Permission denied', str(path))
    monkeypatch.setattr(pathlib.Path, 'read_bytes', refused)
    found, failed = jobs.find_jobs([tmp_path / 'list.txt', 'a.jpg'], OUT)
    assert [str(job.photograph) for job in found] == ['a.jpg']
    assert failed == [f'{tmp_path}/list.txt: Permission denied.']


def test_a_name_that_is_too_long_is_one_line(tmp_path):
    long = f'{"n" * 300}.jpg'
    found, failed = jobs.find_jobs([long, 'a.jpg'], OUT)
    assert not failed and len(found) == 2
    # What is made of a name may be too long, though the name is not.
    (tmp_path / 'a').mkdir()
    fits = [jobs.Job(pathlib.Path('n' * 250), tmp_path / ('n' * 250)),
            *numbered(1)]
    assert jobs.unfinished(fits, ['_sigma.png']) == fits


def test_a_result_that_cannot_be_named_costs_a_line():
    def write(job, result):
        if index(job) == 0:
            raise OSError(errno.ENAMETOOLONG, 'File name too long', '0_x.png')
        if index(job) == 1:
            '\udcff'.encode()
        if index(job) == 2:  # As Pillow's encoders do.
            raise OSError('broken data stream when writing image file')
        if index(job) == 3:
            raise ValueError('too many colours')
        return 'made'

    got = list(jobs.process(numbered(5), index, lambda job, x: x, write))
    assert got[0].error == '0.jpg: File name too long: 0_x.png'
    assert got[1].error.startswith("1.jpg: 'utf-8' codec")
    assert got[2].error == '2.jpg: broken data stream when writing image file'
    assert got[3].error == '3.jpg: too many colours'
    assert [outcome.made for outcome in got] == [*4 * [None], 'made']


def test_an_empty_name_is_not_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / 'a.png').write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    assert jobs.find_jobs([''], OUT) == ([], ["'': an empty name."])


def test_results_never_overwrite_each_other():
    found, failed = jobs.find_jobs(
        ['x/a.jpg', 'y/a.png', 'x/b.jpg', 'x/a.jpg'], OUT)
    assert [str(job.target) for job in found] == ['out/a', 'out/b']
    assert failed == ['y/a.png: its results would overwrite those of x/a.jpg; '
                      'give it another --output_dir.']


def test_a_photograph_named_in_two_ways_is_one(tmp_path, monkeypatch):
    touch(tmp_path, 'x/a.jpg')
    monkeypatch.chdir(tmp_path)
    assert targets('x/a.jpg', './x/a.jpg', 'x/../x/a.jpg',
                   tmp_path / 'x' / 'a.jpg', 'x') == ['out/a.npy']
    # A link has a name of its own.
    (tmp_path / 'x/b.jpg').symlink_to('a.jpg')
    assert targets('x/b.jpg', 'x') == ['out/b.npy', 'out/a.npy']


def test_a_folder_or_list_without_pictures_is_said(tmp_path):
    touch(tmp_path, 'hollow/notes.md', 'list.txt')
    found, failed = jobs.find_jobs(
        [tmp_path / 'hollow', tmp_path / 'list.txt'], OUT)
    assert not found
    assert failed == [f'{tmp_path}/hollow: a folder without pictures.',
                      f'{tmp_path}/list.txt: a list without pictures.']
    touch(tmp_path, 'hollow/below/a.jpg')
    assert jobs.find_jobs([tmp_path / 'hollow'], OUT)[1] == [
        f'{tmp_path}/hollow: a folder without pictures; --recursive looks into '
        'its folders.']


def test_a_folder_that_cannot_be_read_costs_a_line(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied', str(path))
    monkeypatch.setattr(os, 'scandir', refuse)
    assert jobs.find_jobs([tmp_path], OUT) == (
        [], [f'{tmp_path}: a folder without pictures.'])


def results(job):
    return [job.path(suffix) for suffix in ('_sigma.png', '_sigma.tiff')]


def named(*names, output_dir='x'):
    """What remains of a folder x."""
    found, failed = jobs.find_jobs([f'x/{name}' for name in names],
                                   output_dir, results=results)
    assert not failed
    return [job.photograph.name for job in found]


def test_results_of_other_photographs_are_left_out():
    assert named('a.jpg', 'a_sigma.png', 'b.jpg') == ['a.jpg', 'b.jpg']
    # Nor do they collide with each other.
    assert named('a_sigma.png', 'a_sigma.tiff', 'a.jpg') == ['a.jpg']
    # What an older call made of such a result.
    assert named('a.jpg', 'a_sigma.png', 'a_sigma_sigma.png') == ['a.jpg']


def test_a_name_alone_hides_no_photograph():
    assert named('a_sigma.png', 'b_sigma.jpg', 'b.png') == [
        'a_sigma.png', 'b_sigma.jpg', 'b.png']
    assert named('a.jpg', 'a_sigma.png', output_dir='elsewhere') == [
        'a.jpg', 'a_sigma.png']


def test_unfinished_is_what_lacks_a_result(tmp_path):
    touch(tmp_path, 'a.npy', 'a_sigma.png', 'b.npy')
    found, _ = jobs.find_jobs(['a.jpg', 'b.jpg', 'c.jpg'], tmp_path)
    left = jobs.unfinished(found, ['.npy', '_sigma.png'])
    assert [job.target.name for job in left] == ['b', 'c']


def test_what_was_made_with_other_settings_is_made_again(tmp_path, flag):
    def job(strength):
        flag.strength = strength
        return jobs.with_settings(made, ['strength'], model='5e1f')

    flags.DEFINE_float('strength', 3.0, '', flag_values=flag)
    made = jobs.Job(pathlib.Path('a.jpg'), tmp_path / 'a')
    said = job(3.0).settings
    assert said == ('dmenet_tf {"model": "5e1f", "range": null, '
                    '"strength": 3.0}')
    files.save_npy(made.path('.npy'), np.ones((2, 2)), said)
    touch(tmp_path, 'a_sigma.png')  # Which does not say.
    results = ['.npy', '_sigma.png']
    assert jobs.unfinished([job(3.0)], results) == []
    assert jobs.unfinished([job(2.0)], results) == [job(2.0)]
    assert jobs.unfinished([job(2.0)], ['_sigma.png']) == []
    flag.develop = True  # Of raw files; the default is not said.
    assert job(3.0).settings.startswith('dmenet_tf {"develop": true, ')


def numbered(count):
    return [jobs.Job(pathlib.Path(f'{i}.jpg'), OUT / str(i))
            for i in range(count)]


def index(job):
    return int(job.photograph.stem)


def test_outcomes_come_in_order_with_the_failures_between():
    def read(job):
        if index(job) == 1:
            raise OSError('1.jpg: no such file.')
        return index(job)

    def work(job, number):
        if index(job) == 3:
            raise ValueError('is outside\n the picture.')
        return 10 * number

    got = list(jobs.process(numbered(5), read, work,
                            lambda job, result: f'{job.target}: {result}'))
    assert [(index(x.job), x.error, x.made) for x in got] == [
        (0, None, 'out/0: 0'), (1, '1.jpg: no such file.', None),
        (2, None, 'out/2: 20'), (3, '3.jpg: is outside the picture.', None),
        (4, None, 'out/4: 40')]


def test_reading_and_writing_go_on_beside_the_work():
    """While job 1 is worked on, job 0 is written and job 2 is read."""
    written, read_ahead = threading.Event(), threading.Event()
    seen = []

    def read(job):
        if index(job) == 2:
            read_ahead.set()

    def work(job, _):
        if index(job) == 1:
            seen.append(written.wait(10) and read_ahead.wait(10))

    list(jobs.process(numbered(3), read, work,
                      lambda *_: written.set()))
    assert seen == [True]


def test_a_full_disk_ends_it_and_says_that_nothing_is_half_written():
    def write(job, result):
        raise OSError(errno.ENOSPC, 'No space left on device', '/x/.tmp-1')

    with pytest.raises(OSError, match='^No space left on device: out. No '
                       'result is half-written; the same command goes on'):
        list(jobs.process(numbered(3), index, lambda job, x: x, write))


def test_a_mistake_in_the_program_is_not_the_photographs_fault():
    with pytest.raises(TypeError):
        list(jobs.process(numbered(1), index, lambda job, x: x + 'a', index))


@pytest.fixture
def flag(monkeypatch):
    values = flags.FlagValues()
    monkeypatch.setattr(flags, 'FLAGS', values)
    flags.DEFINE_string('output_dir', 'out', '', flag_values=values)
    flags.DEFINE_bool('recursive', False, '', flag_values=values)
    flags.DEFINE_string('range', None, '', flag_values=values)
    flags.DEFINE_bool('develop', False, '', flag_values=values)
    values.mark_as_parsed()
    return values


def test_what_is_said_at_the_end(flag, capsys):
    a, b = numbered(2)
    outcomes = [jobs.Outcome(a, made='out/0.npy'),
                jobs.Outcome(b, '1.jpg: bad.')]
    assert jobs.complete(outcomes, 2, 3, ['hollow']) == 1
    said = capsys.readouterr()
    assert said.out == (
        '1 photograph done, results in out; 3 had theirs already (--overwrite '
        'makes them again); 2 failed.\n  out/0.npy\n')
    assert 'error: 1.jpg: bad.' in said.err
    many = [jobs.Outcome(a, made=str(i)) for i in range(12)]
    assert jobs.complete(many, 12, 0, []) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == '12 photographs done, results in out.'
    assert len(lines) == 12 and lines[-1] == '  and 2 more'


def test_a_command_without_photographs_says_what_it_needs(flag):
    with pytest.raises(command.UsageError, match='at least one photograph'):
        jobs.from_flags([], results)


def test_the_range_of_codes_is_two_numbers(flag):
    assert jobs.value_range() is None
    for text, value_range in (('0,4095', (0, 4095)), ('-1e2, .5', (-100, .5))):
        flag.range = text
        assert jobs.value_range() == value_range


@pytest.mark.parametrize('text, scales', [('auto', 'auto'), ('1', 1)])
def test_scales_are_what_estimate_takes(flag, text, scales):
    flags.DEFINE_string('scales', text, '', flag_values=flag)
    assert jobs.scales() == scales


@pytest.mark.parametrize('text', ['', '3', '0,1,2', 'black,white', '5,5',
                                  '5,4', '0,inf', 'nan,1'])
def test_another_range_says_what_it_must_be(flag, text):
    flag.range = text
    with pytest.raises(command.UsageError, match='--range needs LOW,HIGH, the '
                       f"codes of black and white, .* Received: '{text}'"):
        jobs.value_range()
