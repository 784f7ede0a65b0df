"""The tree is what docs/architecture.md says: one direction, small modules."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / 'dmenet_tf'
PAGE = (ROOT / 'docs/architecture.md').read_text()
# `name.py` or `name/` at the beginning of a table's row, one or several.
ROWS = [re.findall(r'`(\w+)(?:\.py|/)`', row)
        for row in re.findall(r'^\| (`[^|]*)\|', PAGE, re.MULTILINE)]
ORDER = [name for row in ROWS for name in row]
MODULES = sorted(PACKAGE.rglob('*.py'))


def part_of(module):
    """'weights' of weights.py, 'train' of train/loop.py."""
    return module.relative_to(PACKAGE).parts[0].removesuffix('.py')


def imported(module):
    """Top-level parts of the package that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = ([f'{node.module}.{alias.name}' for alias in node.names]
                     if node.module == 'dmenet_tf' else [node.module])
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split('.')
            if parts[0] == 'dmenet_tf' and len(parts) > 1:
                yield parts[1]


def test_every_module_is_on_the_page():
    parts = {part_of(module) for module in MODULES} - {'__init__', '__main__'}
    assert parts <= set(ORDER)
    for folder in ('train', 'evaluate', 'syndof'):
        named = set(re.findall(r'`(\w+)\.py`', PAGE))
        inside = {path.stem for path in (PACKAGE / folder).glob('*.py')}
        assert inside - {'__init__', '__main__'} <= named, folder


def test_what_the_page_names_exists():
    for name in re.findall(r'`(\w+\.py)`', PAGE):
        assert list(PACKAGE.rglob(name)), name


def test_modules_import_only_what_stands_above_them():
    place = {}
    for i, row in enumerate(ROWS):
        for name in row:
            place.setdefault(name, i)
    for module in MODULES:
        part = part_of(module)
        if part in ('__init__', '__main__'):  # They open the house to users.
            continue
        for name in set(imported(module)) & set(place) - {part}:
            assert place[name] < place[part], f'{module} imports {name}'


def test_modules_of_one_package_import_in_one_direction():
    for folder in {module.parent for module in MODULES} - {PACKAGE}:
        graph = {}
        for module in folder.glob('*.py'):
            inside = re.findall(
                rf'from dmenet_tf\.{folder.name}(?:\.(\w+))? import '
                r'(\([^)]*\)|.*)', module.read_text())
            names = set()
            for one, several in inside:
                names |= {one} if one else set(re.findall(r'\w+', several))
            graph[module.stem] = {name for name in names
                                  if (folder / f'{name}.py').is_file()}
        graph.pop('__init__', None)
        while graph:
            free = [name for name, needs in graph.items()
                    if not needs & set(graph)]
            assert free, f'{folder.name}: a circle among {sorted(graph)}'
            for name in free:
                del graph[name]


def test_modules_are_small():
    for module in MODULES:
        assert len(module.read_text().splitlines()) <= 400, module
