"""What commands say where the packages of an extra are not installed."""

import subprocess
import sys

import pytest

_WITHOUT = '''
import sys
for name in ('numba', 'dask', 'gradio', 'openvino', 'pymatting',
             'py_sod_metrics'):
    sys.modules[name] = None
from dmenet_tf import __main__
sys.exit(__main__.main(sys.argv[1:]))
'''


def without_extras(*arguments):
    return subprocess.run([sys.executable, '-c', _WITHOUT, *arguments],
                          capture_output=True, text=True)


@pytest.mark.parametrize('arguments, package, extra', [
    (['syndof', '--source=procedural', '--count=1', '--output_dir=x'],
     'numba', 'data'),
    (['magnify', 'x.jpg', '--output_dir=x'],
     'numba', 'applications'),
    (['deblur', 'x.jpg', '--output_dir=x'],
     'numba', 'applications'),
    (['demo'], 'gradio', 'demo')])
def test_a_missing_extra_is_one_line(arguments, package, extra):
    done = without_extras(*arguments)
    assert done.returncode == 1
    line, = done.stderr.splitlines()
    assert line.startswith('error: ') and line.endswith(
        f"needs {package}: pip install 'dmenet_tf[{extra}]'.")


@pytest.mark.parametrize('arguments', [
    ['syndof', '--source=procedural'],
    ['predict', 'data/samples/photographs/coffee.jpg'],
    ['rank', 'data/samples/photographs/coffee.jpg']])
def test_more_than_one_process_needs_dask(arguments, tmp_path):
    code = _WITHOUT.replace("'numba', ", '')
    done = subprocess.run(
        [sys.executable, '-c', code, *arguments, '--workers=2',
         *([] if 'rank' in arguments else [f'--output_dir={tmp_path}'])],
        capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        1, "error: This needs dask.distributed: pip install "
        "'dmenet_tf[data]'.\n")


@pytest.mark.long
@pytest.mark.parametrize('name', ['syndof', 'magnify', 'deblur', 'demo',
                                  'evaluate', 'predict', 'train', 'export'])
def test_help_needs_no_extra(name):
    done = without_extras(name, '--help')
    assert done.returncode == 0 and '--' in done.stdout, done.stderr


def test_scenes_are_checked_without_extras():
    done = without_extras('syndof', '--input_dir=data/samples/rgbd', '--check')
    assert done.returncode == 0, done.stderr
    assert '0 cannot be used' in done.stdout
