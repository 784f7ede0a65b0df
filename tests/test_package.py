"""The package itself: what it offers, how fast, and its list of commands."""

import ast
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

import dmenet_tf
from dmenet_tf import __main__

FOLDER = pathlib.Path(dmenet_tf.__file__).parent


def run(*arguments, **options):
    return subprocess.run([sys.executable, *map(str, arguments)], text=True,
                          capture_output=True, check=False, **options)


def imported(statement):
    """The modules that a fresh interpreter has after a statement."""
    done = run('-c', f'{statement}\nimport sys\nprint(*sys.modules)')
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_public_names_are_the_modules_own():
    from dmenet_tf import estimation, images, weights
    assert dmenet_tf.read_image is images.read_image
    assert dmenet_tf.load_model is weights.load_model
    assert dmenet_tf.estimate is estimation.estimate
    assert set(dmenet_tf.__all__) == {'estimate', 'load_model', 'read_image'}
    assert set(dmenet_tf.__all__) <= set(dir(dmenet_tf))
    with pytest.raises(AttributeError, match="no attribute 'estimates'"):
        dmenet_tf.estimates  # noqa: B018


def test_the_version_is_that_of_the_setup():
    assert re.fullmatch(r'\d+\.\d+\.\d+', dmenet_tf.__version__)
    assert dmenet_tf.__version__ != '0.1.0'  # Its weights changed five times.


def test_reading_a_photograph_needs_no_tensorflow():
    modules = imported('import dmenet_tf; dmenet_tf.read_image')
    assert 'dmenet_tf.images' in modules
    assert not {'tensorflow', 'keras'} & modules


def test_a_users_own_log_level_stays(monkeypatch):
    code = 'import dmenet_tf, os; print(os.environ["TF_CPP_MIN_LOG_LEVEL"])'
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '0')
    assert run('-c', code).stdout == '0\n'
    monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL')
    assert run('-c', code).stdout == '3\n'


@pytest.mark.parametrize('module', ['predict', 'train'])
def test_a_command_says_nothing_of_tensorflow_s_start(module, monkeypatch):
    monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL', raising=False)
    done = run('-m', f'dmenet_tf.{module}', '--nosuchflag')
    assert done.returncode == 1
    assert re.fullmatch(r"error: Unknown command line flag 'nosuchflag'.*\n",
                        done.stderr)


@pytest.mark.slow
def test_training_says_nothing_of_tensorflow_s_start(tmp_path, monkeypatch):
    monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL', raising=False)
    done = run('-m', 'dmenet_tf.train', f'--workdir={tmp_path}/run')
    assert done.returncode == 1
    assert re.fullmatch(r'error: Needed: --synthetic.*\n', done.stderr)


def test_only_notes_of_tensorflow_s_import_are_held_back(tmp_path):
    (tmp_path / 'tensorflow.py').write_text(
        'import os, sys\n'
        'os.write(2, b"WARNING: All log messages before absl::Init\\n")\n'
        'os.write(2, b"I0000 00:00:1.5 port.cc:153] a note\\n")\n'
        'print("a warning", file=sys.stderr)\n'
        'os.write(2, b"E0000 00:00:1.5 x.cc:1] an error\\n")\n')
    code = ('import os, sys\nfrom dmenet_tf import quiet\nquiet.install()\n'
            'import tensorflow\nos.write(2, b"I0000 later\\n")')
    done = run('-c', code, env={**os.environ, 'PYTHONPATH': str(tmp_path)})
    assert done.returncode == 0
    assert done.stderr == ('a warning\nE0000 00:00:1.5 x.cc:1] an error\n'
                           'I0000 later\n')
    (tmp_path / 'tensorflow.py').write_text('raise ImportError("no AVX")')
    done = run('-c', code, env={**os.environ, 'PYTHONPATH': str(tmp_path)})
    assert done.stderr.endswith('ImportError: no AVX\n')
    (tmp_path / 'tensorflow.py').write_text('import os\nos.abort()')
    done = run('-c', code, env={**os.environ, 'PYTHONPATH': str(tmp_path)})
    assert 'Aborted' in done.stderr and 'tensorflow.py' in done.stderr


def test_programs_of_users_import_tensorflow_as_ever():
    code = ('import dmenet_tf, sys\n'
            'print("dmenet_tf.quiet" in sys.modules)')
    assert run('-c', code).stdout == 'False\n'


def test_the_list_of_commands_is_instant_and_without_tensorflow():
    began = time.perf_counter()
    done = run('-X', 'importtime', '-m', 'dmenet_tf')
    assert time.perf_counter() - began < 1
    assert done.returncode == 0
    assert 'tensorflow' not in done.stderr and 'numpy' not in done.stderr
    for arguments in (['--help'], ['-h']):
        assert run('-m', 'dmenet_tf', *arguments).stdout == done.stdout


def test_every_command_is_listed_with_what_it_does():
    listed = dict(re.findall(r'^  ([a-z]+)  +(.+)$',
                             run('-m', 'dmenet_tf').stdout, re.MULTILINE))
    commands = {
        '.'.join(path.relative_to(FOLDER).with_suffix('').parts).removesuffix(
            '.__main__')
        for path in FOLDER.rglob('*.py')
        if re.search(r'^    (command|app)\.run\(', path.read_text(),
                     re.MULTILINE)}
    modules = {__main__.module_of(name) for name in listed}
    assert modules == {f'dmenet_tf.{name}' for name in commands}
    assert len(commands) == 11


def test_the_badges_are_true():
    root = FOLDER.parent
    settings = (root / 'pyproject.toml').read_text()
    pythons = re.findall(r':: Python :: (3\.\d+)"', settings)
    [(least, end)] = re.findall(r'"tensorflow>=(2\.\d+)\.\d+,<2\.(\d+)"',
                                settings)
    assert '\nlicense = "Apache-2.0"\n' in settings
    readme = (root / 'README.md').read_text()
    for alternative, name, value in [
            ('Python', 'python', f'{pythons[0]} to {pythons[-1]}'),
            ('TensorFlow', 'tensorflow', f'{least} to 2.{int(end) - 1}'),
            ('Licence of the code:', 'code', 'Apache-2.0')]:
        picture = f'docs/pictures/badge_{name}.svg'
        assert f'![{alternative} {value}]({picture})\n' in readme
        shown = re.findall('>([^<>]+)</text>', (root / picture).read_text())
        assert shown == 2 * [name] + 2 * [value]


def test_the_version_is_told():
    done = run('-m', 'dmenet_tf', '--version')
    assert done.stdout == f'dmenet_tf {dmenet_tf.__version__}\n'


def test_a_command_runs_by_its_name():
    by_name = run('-m', 'dmenet_tf', 'syndof', '--source=procedural')
    by_module = run('-m', 'dmenet_tf.syndof', '--source=procedural')
    assert by_name.returncode == by_module.returncode == 1
    assert by_name.stderr == by_module.stderr
    assert '--output_dir' in by_name.stderr


def test_the_script_is_the_same_as_the_module(monkeypatch, capsys):
    """`dmenet` calls main without arguments."""
    settings = (FOLDER.parent / 'pyproject.toml').read_text()
    assert '\ndmenet = "dmenet_tf.__main__:main"\n' in settings
    monkeypatch.setattr(sys, 'argv', ['dmenet', '--version'])
    assert __main__.main() is None
    assert capsys.readouterr().out == f'dmenet_tf {dmenet_tf.__version__}\n'
    monkeypatch.setattr(sys, 'argv', ['dmenet', 'predcit'])
    assert 'did you mean predict?' in __main__.main()


@pytest.mark.parametrize('wrong, suggested', [
    ('predcit', 'predict'), ('applications.magnify', 'magnify'),
    ('evaluation', 'evaluate')])
def test_an_unknown_command_is_one_line_with_a_suggestion(wrong, suggested):
    done = run('-m', 'dmenet_tf', wrong)
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr == (
        f'error: {wrong!r} is no command; did you mean {suggested}? '
        'dmenet --help lists all.\n')
    assert run('-m', 'dmenet_tf', 'xyzzy').stderr == (
        "error: 'xyzzy' is no command; dmenet --help lists all.\n")


def outside_functions(tree):
    """What runs when a module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            yield node
            yield from outside_functions(node)


def test_no_module_defines_a_flag_when_it_is_imported():
    paths = sorted(FOLDER.rglob('*.py'))
    assert len(paths) > 50
    assert [f'{path}: {node.attr}' for path in paths
            for node in outside_functions(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and node.attr.startswith(('DEFINE', 'define_flags'))] == []
