"""The command: flags, exit status, what it prints, without TensorFlow."""

import dataclasses
import os
import re
import subprocess
import sys

import pytest

from dmenet_tf import command
from dmenet_tf.evaluate import __main__ as evaluate


def call(folder, *arguments):
    """Runs the command where TensorFlow cannot be imported."""
    (folder / 'tensorflow.py').write_text('raise SystemExit("imported")')
    return subprocess.run(
        [sys.executable, '-m', 'dmenet_tf.evaluate', *arguments],
        capture_output=True, text=True, check=False,
        env={**os.environ, 'PYTHONPATH': str(folder)})


@pytest.fixture
def arguments(cuhk):
    return ('--protocol=cuhk', f'--ground_truth={cuhk}/gt',
            f'--output_dir={cuhk}/out', f'--images={cuhk}/image')


@pytest.mark.slow
def test_the_command_scores_in_processes(cuhk, arguments):
    (cuhk / 'flags').write_text('--split=all\n--workers=2\n')
    done = call(cuhk, *arguments, f'--flagfile={cuhk}/flags',
                f'--predictions=mine={cuhk}/maps', '--baseline=laplacian')
    assert done.returncode == 0, done.stderr
    assert re.search(r'mine +4 of 4 +1\.0000', done.stdout)
    assert re.search(r'laplacian +4 of 4', done.stdout)
    assert 'published' in done.stdout


def test_foreign_maps_alone_and_a_file_that_cannot_be_scored(cuhk, arguments):
    (cuhk / 'maps/out_of_focus0506.npy').write_bytes(b'no array')
    done = call(cuhk, *arguments[:-1], '--split=all', '--workers=1',
                '--sheet_images=0', f'--predictions={cuhk}/maps')
    assert done.returncode == 1
    assert re.search(r'maps +3 of 4 +1\.0000', done.stdout)
    assert 'Problems: 1; see above.' in done.stdout
    errors = [line for line in done.stderr.splitlines() if line]
    assert len(errors) == 1 and errors[0].startswith(
        f'error: {cuhk}/maps/out_of_focus0506.npy: not a readable map: ')


def test_a_missing_package_costs_one_line(cuhk, arguments):
    (cuhk / 'pymatting.py').write_text('raise ImportError("none")')
    (cuhk / 'sitecustomize.py').write_text(
        'import sys; sys.modules["pymatting"] = None')
    done = call(cuhk, *arguments, '--split=all', '--baseline=zhuo_sim',
                '--noise=0,1')
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr.strip() == (
        'error: This baseline needs the package pymatting (the matting '
        "Laplacian): pip install 'dmenet_tf[evaluate]'.")


def test_help_shows_every_option_in_groups(tmp_path):
    done = call(tmp_path, '--help')
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith(evaluate.__doc__.strip()[:40])
    places = [done.stdout.index(f'\n{heading}:') for heading in evaluate.GROUPS]
    assert places == sorted(places)
    shown = re.findall(r'^  --(\w+)', done.stdout, re.MULTILINE)
    fields = dataclasses.fields(evaluate.Options)
    assert sorted(shown) == sorted(field.name for field in fields)


@pytest.mark.parametrize('given, reason', [
    ((), 'Pass --protocol, --output_dir.'),
    (('--protocol=rtf', '--output_dir=o', '--predictions=p'),
     'ground_truth is missing'),
    (('--protocol=uniform', '--output_dir=o', '--images=i',
      '--model=small', '--blurs=1,much'), "could not convert .* 'much'"),
    (('--protocol=rtf', '--ground_truth=g', '--output_dir=o', '--images=i',
      '--baseline=lbp', '--noise=much'), "could not convert .* 'much'")])
def test_a_wrong_call_is_one_line(tmp_path, given, reason):
    done = call(tmp_path, *given)
    assert done.returncode == 1 and done.stdout == ''
    assert re.fullmatch(f'error: .*{reason}.*--help tells more.\n',
                        done.stderr)


def test_arguments_that_are_no_flags_are_refused():
    with pytest.raises(command.UsageError, match=r"arguments: \['a.jpg'\]"):
        evaluate.main(['a.jpg'])
