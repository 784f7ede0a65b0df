"""Public functions say of what type everything is; mypy reads use.py."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Called by Keras alone, which takes and gives what it likes.
_KERAS = {'call', 'compute_output_shape', 'get_config', 'build'}


def public_functions(tree):
    """Of a module and of its classes, those without an underscore."""
    for node in tree.body:
        if getattr(node, 'name', '_').startswith('_'):
            continue
        if isinstance(node, ast.ClassDef):
            yield from public_functions(node)
        elif isinstance(node, ast.FunctionDef):
            yield node


def unannotated(function):
    """Names of what has no annotation; 'return' is the result."""
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs,
                 given.vararg, given.kwarg]
    missing = [one.arg for one in arguments
               if one and not one.annotation and one.arg not in ('self', 'cls')]
    return missing + ['return'] * (function.returns is None)


def test_public_functions_are_annotated():
    paths = sorted((ROOT / 'dmenet_tf').rglob('*.py'))
    found = [(path, function) for path in paths
             for function in public_functions(ast.parse(path.read_text()))]
    assert len(found) > 300
    assert [f'{path.relative_to(ROOT)}: {function.name}: {name}'
            for path, function in found if function.name not in _KERAS
            for name in unannotated(function)] == []


@pytest.mark.slow
def test_what_a_typed_program_gets_wrong_is_found(tmp_path):
    """What it gets right is in use.py, which `make test` checks."""
    pytest.importorskip('mypy')
    wrong = tmp_path / 'wrong.py'
    wrong.write_text("import dmenet_tf\nx: int = dmenet_tf.read_image('a')\n"
                     'dmenet_tf.load_model(3)\n')
    done = subprocess.run([sys.executable, '-m', 'mypy', wrong], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert 'wrong.py:2: error: Incompatible types' in done.stdout
    assert 'wrong.py:3: error: Argument 1 to "load_model"' in done.stdout


def test_the_types_are_offered_to_users():
    assert (ROOT / 'dmenet_tf/py.typed').is_file()
