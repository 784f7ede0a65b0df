"""docs/notebooks/tour.ipynb: clean in git, and it runs from end to end."""

import ast
import importlib
import json
import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
TOUR = ROOT / 'docs/notebooks/tour.ipynb'


@pytest.fixture(scope='module')
def cells():
    return json.loads(TOUR.read_text())['cells']


def test_it_has_no_outputs(cells):
    for cell in cells:
        if cell['cell_type'] == 'code':
            assert cell['outputs'] == [] and cell['execution_count'] is None


def test_it_has_every_part(cells):
    headings = [''.join(cell['source']).splitlines()[0] for cell in cells
                if cell['cell_type'] == 'markdown']
    assert headings == [
        '# A tour of dmenet_tf', '## Estimate', '## Mask', '## Refocus',
        '## Make data', '## Train', '## Evaluate', '## Export']


def test_its_lines_fit(cells):
    lines = ''.join(''.join(cell['source']) + '\n' for cell in cells)
    assert max(map(len, lines.splitlines())) <= 80


def test_it_names_what_there_is(cells):
    """So that a function that moves is seen before it is run."""
    code = ''.join(''.join(cell['source']) + '\n' for cell in cells
                   if cell['cell_type'] == 'code')
    code = re.sub(r'(?m)^( *)[!%].*', r'\1pass', code)  # Magic.
    nodes = list(ast.walk(ast.parse(code)))
    known = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and 'dmenet_tf' in node.module:
            for name in node.names:
                try:
                    found = importlib.import_module(
                        f'{node.module}.{name.name}')
                except ModuleNotFoundError:
                    found = getattr(importlib.import_module(node.module),
                                    name.name)
                known[name.asname or name.name] = found
    used = [(node.value.id, node.attr) for node in nodes
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name) and node.value.id in known]
    assert used
    for name, attribute in used:
        assert hasattr(known[name], attribute), f'{name}.{attribute}'


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch):
    nbformat = pytest.importorskip('nbformat')
    nbclient = pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    # Of a checkout that is not installed, and with what the tests set.
    monkeypatch.setenv('PYTHONPATH', str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv('MPLBACKEND', 'module://matplotlib_inline.backend_inline')
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    notebook = nbformat.read(TOUR, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=1200, kernel_name='python3',
        resources={'metadata': {'path': str(TOUR.parent)}}).execute()
    texts, pictures = [], 0
    for cell in notebook.cells:
        for output in cell.get('outputs', []):
            texts.append(output.get('text', ''))
            pictures += 'image/png' in output.get('data', {})
    said = ''.join(texts)
    assert pictures == 4
    share = re.search(r'In focus, up to 0.80 px: (\d+)%', said)[1]
    assert 5 < int(share) < 95
    assert re.search(r'^toy\b', said, re.MULTILINE)
    difference = float(said.partition('same map within ')[2].split()[0])
    assert 0 <= difference < 1e-3
    assert list(tmp_path.rglob('saved_model.pb'))
