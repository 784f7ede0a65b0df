"""What is written beside the network for the page in the browser."""

import json
import re
import stat
import sys

import matplotlib
import numpy as np
import pytest

from dmenet_tf import export, focus, scales, web

DESCRIBED = {'file': 'small-v9.npz', 'digest': 64 * 'a', 'licence': 'CC0'}
RUNTIME = {name: name.encode() for name in web._RUNTIME}


@pytest.fixture
def package(tmp_path):
    """A folder like the npm package's."""
    for name, content in RUNTIME.items():
        path = tmp_path / 'package/dist' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / 'package'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'page').mkdir()
    return tmp_path / 'page'


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Function that puts a script in the place of npm."""
    def place(text):
        path = tmp_path / 'bin/npm'
        path.parent.mkdir()
        path.write_text(f'#!{sys.executable}\n{text}')
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv('PATH', str(path.parent))
    return place


def test_the_page_is_whole_and_names_its_network(folder, package):
    web.write(folder, DESCRIBED, package)
    for name, content in RUNTIME.items():
        assert (folder / name).read_bytes() == content
    page = (folder / 'index.html').read_text()
    for name in re.findall(r'(?:src|href)="(\w[^":]*)"', page):
        assert (folder / name).is_file(), name
    said = json.loads((folder / 'settings.json').read_text())
    assert 'small-v9.npz, SHA-256 aaaaaaaaaaaa; its licence: CC0' in (
        said['about'])


def test_the_page_knows_what_python_knows():
    said = web.settings(DESCRIBED)
    assert said['coarsest'] == scales.COARSEST
    assert said['focus_sigma'] == focus.FOCUS_SIGMA
    assert said['sharp_sigma'] == focus.SHARP_SIGMA
    expected = matplotlib.colormaps['viridis'](range(256))[:, :3].ravel()
    np.testing.assert_allclose(np.array(said['colors']) / 255, expected,
                               atol=0.5 / 255 + 1e-6)


def test_the_page_may_talk_to_no_other_host(folder, package):
    web.write(folder, DESCRIBED, package)
    page = (folder / 'index.html').read_text()
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)[1]
    rules = dict(rule.split(maxsplit=1) for rule in policy.split(';'))
    assert rules['default-src'] == "'none'"
    sources = {source for rule in rules.values() for source in rule.split()}
    assert sources == {"'none'", "'self'", "'wasm-unsafe-eval'", 'data:'}
    for name in ('index.html', 'page.css', 'page.js', 'settings.json'):
        assert not re.search('//[a-z]', (folder / name).read_text()), name


def test_a_folder_that_is_not_the_package_is_refused(folder, package):
    (package / 'dist/ort.wasm.min.mjs').unlink()
    with pytest.raises(FileNotFoundError) as caught:
        web.write(folder, DESCRIBED, package)
    assert str(caught.value) == (
        f'{package}: has no dist/ort.wasm.min.mjs; name the folder of the npm '
        f'package onnxruntime-web, version {web.VERSION}.')


def test_npm_fetches_the_version_that_is_pinned(folder, package, npm):
    npm(f'''
import sys, tarfile
pack, silent, place, name = sys.argv[1:]
assert (pack, name) == ('pack', 'onnxruntime-web@{web.VERSION}')
with tarfile.open(place.partition('=')[2] + '/x.tgz', 'w:gz') as archive:
    archive.add({str(package)!r}, 'package')
''')
    web.write(folder, DESCRIBED)
    for name, content in RUNTIME.items():
        assert (folder / name).read_bytes() == content


def test_what_npm_says_is_passed_on_in_one_line(folder, npm):
    npm("import sys; sys.exit('npm error\\nno such host')")
    with pytest.raises(OSError) as caught:
        web.write(folder, DESCRIBED)
    assert str(caught.value) == (
        f'npm pack onnxruntime-web@{web.VERSION}: no such host; or pass '
        '--onnxruntime_web=FOLDER of it.')


def test_without_npm_the_other_way_is_named(folder, monkeypatch):
    monkeypatch.setenv('PATH', str(folder))
    with pytest.raises(FileNotFoundError) as caught:
        web.write(folder, DESCRIBED)
    assert str(caught.value) == (
        'The page needs npm, to fetch onnxruntime-web: install it, or pass '
        '--onnxruntime_web=FOLDER of the package.')


@pytest.fixture
def model(toy_flag):
    return toy_flag.removeprefix('--model=')


def test_nothing_is_left_of_a_page_without_its_network(
        tmp_path, package, model, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2onnx', None)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ImportError, match='needs tf2onnx'):
        export.export_web(model, tmp_path / 'new', package)
    assert sorted(tmp_path.iterdir()) == before


def test_the_command_says_how_to_look_at_the_page(
        tmp_path, package, model, monkeypatch, run_command, capsys):
    monkeypatch.setattr(export.runtimes, 'onnx_packages', lambda: None)
    monkeypatch.setattr(export, 'export_onnx',
                        lambda model, path: path.write_text('net') / 1e6)
    assert run_command(export, f'--model={model}', f'--web={tmp_path}/new',
                       f'--onnxruntime_web={package}') == 0
    assert (tmp_path / 'new/model.onnx').read_text() == 'net'
    assert capsys.readouterr().out == (
        f'Page: {tmp_path}/new, within 3e-06 px of Keras; python -m '
        f'http.server --directory={tmp_path}/new offers it here.\n')


def test_a_bundled_network_brings_its_licence(tmp_path, package, monkeypatch):
    monkeypatch.setattr(export, 'export_onnx', lambda model, path: 0)
    monkeypatch.setattr(export.weights, 'load_model', lambda source: None)
    export.export_web('small', tmp_path / 'new', package)
    assert 'non-commercial' in (tmp_path / 'new/WEIGHTS_LICENSE').read_text()
