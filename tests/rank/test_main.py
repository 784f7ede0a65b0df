"""The command: what it prints, does and refuses."""

import csv
import functools
import io
import json

import numpy as np
import pytest
from PIL import Image

from dmenet_tf import command, inference, network_flags
from dmenet_tf.rank import __main__ as main
from dmenet_tf.rank import watch

BLURS = {'a/sharp.png': 20, 'a/soft.png': 120, 'b/middle.png': 60}


@pytest.fixture(scope='module')
def estimator(toy_b):
    return inference.build_estimator(toy_b, 'sigma7')


@pytest.fixture
def run(monkeypatch, estimator, run_command):
    """Runs the command with a network whose sigma is red / 50."""
    monkeypatch.setattr(network_flags, 'load', lambda found: (
        estimator, lambda batch: np.float32(batch[..., :1]) / 50))
    return functools.partial(run_command, main)


@pytest.fixture
def folder(tmp_path):
    for name, red in BLURS.items():
        path = tmp_path / 'in' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (64, 48), (red, 9, 9)).save(path)
    return tmp_path / 'in'


def test_the_sharpest_comes_first(run, toy_flag, folder, capsys):
    assert run(folder, '--recursive', toy_flag, '--format=jsonl') == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [row['photograph'].removeprefix(f'{folder}/') for row in rows]
    assert names == ['a/sharp.png', 'b/middle.png', 'a/soft.png']
    assert [row['rank'] for row in rows] == [1, 2, 3]
    # The mask's threshold of small photographs is 0.8 px.
    assert [row['in_focus_share'] for row in rows] == [1, 0, 0]


def test_tables_say_the_same_in_every_format(run, toy_flag, folder, capsys):
    arguments = [folder, '--recursive', toy_flag, '--per=folder', '--best=1']
    assert run(*arguments, '--format=csv') == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row['photograph'] for row in rows] == [
        str(folder / 'a/sharp.png'), str(folder / 'b/middle.png')]
    assert run(*arguments, '--format=table') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f'{folder}/a:'
    assert lines[2].split() == ['1', '0.40', 'px', '100%',
                                str(folder / 'a/sharp.png')]


def test_the_best_of_each_folder_are_copied_and_rated(run, toy_flag, folder,
                                                      tmp_path, capsys):
    best = tmp_path / 'best'
    call = [folder, '--recursive', toy_flag, '--per=folder', '--best=1',
            f'--copy={best}', '--xmp']
    assert run(*call) == 0
    told = capsys.readouterr().err
    assert '2 of 2 photographs have their rating beside them.' in told
    assert f'2 of 2 photographs are in {best}.' in told
    assert sorted(p.name for p in best.iterdir()) == [
        'middle.png', 'sharp.png']
    assert (folder / 'a/sharp.png.xmp').exists()
    assert not (folder / 'a/soft.png.xmp').exists()
    assert run(*call) == 0  # All of it is there already, and goes on.
    for path in (best / 'sharp.png', folder / 'a/sharp.png.xmp'):
        path.write_text('of somebody else')
    assert run(*call) == 1
    told = capsys.readouterr().err
    assert told.count('is there already') == 2
    assert f'1 of 2 photographs are in {best}.' in told
    assert (best / 'sharp.png').read_text() == 'of somebody else'


def test_a_burst_without_times_is_told(run, toy_flag, folder, capsys):
    assert run(folder, '--recursive', toy_flag, '--per=burst', '--best=1',
               '--format=jsonl') == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == len(BLURS)
    assert f'{len(BLURS)} of {len(BLURS)} photographs do not' in printed.err


def test_a_bad_file_costs_a_line(run, toy_flag, folder, capsys):
    (folder / 'a/text.png').write_text('no picture')
    assert run(folder / 'a', folder / 'a/soft.png', toy_flag,
               '--format=jsonl') == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2  # One named twice is one.
    assert f'{folder}/a/text.png: not a picture' in printed.err


def test_a_watch_ends_with_its_own_status(run, toy_flag, folder, tmp_path,
                                          capsys):
    reference = tmp_path / 'ref.json'
    good = folder / 'a/sharp.png'
    assert run(good, toy_flag, f'--save_reference={reference}',
               '--region=8,8,16,16') == 0
    assert watch.read(reference).region == (8, 8, 16, 16)
    assert run(good, toy_flag, f'--reference={reference}') == 0
    capsys.readouterr()
    assert run(good, folder / 'a/soft.png', toy_flag,
               f'--reference={reference}') == main.WORSE == 3
    lines = [json.loads(line)
             for line in capsys.readouterr().out.splitlines()]
    assert [line['times'] for line in lines] == [1.0, 6.0]
    assert run(folder / 'a/soft.png', toy_flag, f'--reference={reference}',
               '--worse_than=7') == 0
    assert run(folder / 'a/none.png', toy_flag,
               f'--reference={reference}') == 1


@pytest.mark.parametrize('arguments, reason', [
    (['--move=x', '--copy=y', '--best=1'], '--move or --copy: give one.'),
    (['--link=x'], '--link needs --best=N.'),
    (['--reference=x', '--save_reference=y'], 'give one.'),
    (['--reference=x', '--best=1'], 'watched by itself'),
    (['--region=1,2,3,4'], '--region belongs to --save_reference'),
    (['--save_reference=x', '--region=1,2,3'], 'four whole numbers of px'),
    (['--save_reference=x', 'b.png'], 'needs one photograph. Received: 2.')])
def test_what_contradicts_is_said_first(run, folder, toy_flag, arguments,
                                        reason):
    with pytest.raises(command.UsageError, match=reason):
        run(folder / 'a/sharp.png', toy_flag, *arguments)
    assert not [p for p in folder.iterdir() if p.name not in 'ab']


def test_no_photograph_is_an_error(run):
    with pytest.raises(command.UsageError, match='Name at least one'):
        run()
