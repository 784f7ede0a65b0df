"""Every command and snippet of README.md and of the pages does what it says.

Python blocks are run, page by page, in a folder that holds what they name,
with a toy in place of the bundled model and of TF Serving. The flags of every
command are parsed by the module that the command calls. Marked `slow`: the
commands themselves are run, made shorter by _SHORTER. What is not run at all
stands in _NOT_RUN with the reason.
"""

import ast
import contextlib
import importlib.util
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
import stand_in
from PIL import Image

from dmenet_tf import __main__ as dmenet

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'data/README.md',
         ROOT / 'experiments/README.md',
         *sorted((ROOT / 'docs').rglob('*.md'))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
DOCKERFILES = sorted((ROOT / 'docker').glob('*ockerfile'))

# How a command begins -> why no test runs it.
_NOT_RUN = {
    'pip install ': 'it would change the environment of the tests; make test '
                    'begins with it',
    'make ': 'make test and make docs are what .ci/run calls; make demo takes '
             'minutes',
    'sh docs/pictures/make.sh': 'it would write into the checkout; what it '
                                'makes is looked at before it is committed',
    'tensorboard ': 'serves until it is stopped',
    'tensorflow_model_server ': 'the server is in no package index; the '
                                'client is run against a stand-in',
    'DATA=': 'needs data sets and hours; tests/test_experiments.py runs the '
             'scripts on toys',
    'DMENET_MODELS=': 'needs what models.sh makes',
    'python tests/campaigns/': 'minutes to hours; make test-kills runs them '
                               'with small counts',
    'docker ': 'needs a daemon; the Dockerfiles are read below',
    'python -m http.server': 'serves until it is stopped',
    'python -m dmenet_tf.export --web': 'needs npm; tests/web/test_browser.py '
                                        'runs it where that is',
    'python -m dmenet_tf.predict photo.jpg --model=hf':
        'no model is at OWNER/NAME; tests/test_hub.py has one',
    'python -m dmenet_tf.demo': 'serves until it is stopped',
    'python -m dmenet_tf.predict clip.mp4': 'needs an extra; '
                                            'tests/test_video.py runs it',
    'python -m dmenet_tf.rank clip.mp4': 'needs an extra; '
                                         'tests/test_video.py runs it',
    'python -m dmenet_tf.export --onnx': 'needs an extra; tests/test_export.py '
                                         'runs it where that is',
    'python -m dmenet_tf.syndof --camera=':
        'needs measured depth; tests/syndof/test_photographs.py runs it',
    'python -m dmenet_tf.train --flagfile=experiments/smoke.flags':
        'takes minutes; tests/test_train.py trains on less',
}
# Module -> flags added at the end, where the last one counts.
_SHORTER = {
    'predict': ['--model=MODEL.npz'],
    'export': ['--model=MODEL.npz', '--size=64,64'],
    'rank': ['--model=MODEL.npz'],
    'stack': ['--model=MODEL.npz'],
    'applications.magnify': ['--model=MODEL.npz'],
    'applications.deblur': ['--model=MODEL.npz'],
    'applications.depth': ['--model=MODEL.npz'],
    'syndof': ['--count=4', '--max_size=160'],
    'evaluate': ['--split=all', '--workers=1'],
    'train': ['--width=4', '--refine_blocks=1', '--padding=symmetric',
              '--vgg19=none', '--crop=32', '--batch=2', '--epochs=1',
              '--lambda_C=0'],
}
# Reads [module, arguments] pairs, prints what is wrong with them.
_PARSE = '''
import importlib, json, sys
from absl import flags
problems = []
for name, commands in json.load(sys.stdin).items():
    module = importlib.import_module(name)
    before = set(flags.FLAGS)
    module.define_flags()
    for argv in commands:
        try:
            flags.FLAGS([name, *argv])
            if name == 'dmenet_tf.train.__main__':
                from dmenet_tf.train import config
                config.resolve(module.config_from_flags())
        except (flags.Error, ValueError) as error:
            problems.append(f'{name} {argv}: {error}')
        flags.FLAGS.unparse_flags()
        for flag in set(flags.FLAGS) - before:
            flags.FLAGS[flag].unparse()
    for flag in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, flag)
print(json.dumps(problems))
'''


def blocks(page, language):
    """The fenced blocks of a page in one language."""
    return re.findall(rf'^```{language}\n(.*?)^```$', page.read_text(),
                      re.MULTILINE | re.DOTALL)


def commands(page):
    """The commands of a page, each a list of words."""
    text = ''.join(blocks(page, 'sh')).replace('\\\n', ' ')
    found = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [_as_module(words) for words in found if words]


def _as_module(words):
    """dmenet predict -> python -m dmenet_tf.predict."""
    if words[0] != 'dmenet':
        return words
    return ['python', '-m', dmenet.module_of(words[1]), *words[2:]]


def module_of(words):
    """'dmenet_tf.predict' of a command that calls it, or ''."""
    return words[2] if words[:2] == ['python', '-m'] else ''


def reason_not_to_run(words):
    line = ' '.join(words) + ' '
    return next((reason for start, reason in _NOT_RUN.items()
                 if line.startswith(start)), None)


@pytest.fixture(scope='module')
def b():
    from dmenet_tf import networks
    return networks.build_blur_estimator(width=4, refine_blocks=1)


@pytest.fixture(scope='module')
def model(b):
    from dmenet_tf import inference
    return inference.build_estimator(b, 'sigma7')


@pytest.fixture(scope='module')
def workspace(tmp_path_factory, b):
    """A folder with everything that the pages name."""
    from dmenet_tf import networks, weights
    folder = tmp_path_factory.mktemp('docs')
    samples = ROOT / 'data/samples'
    (folder / 'SCENES').symlink_to(samples / 'rgbd')
    for name in ('experiments', 'data'):
        (folder / name).symlink_to(ROOT / name)
    cat = Image.open(samples / 'photographs/chelsea.jpg').resize((96, 64))
    for place in ('photo.jpg', 'holiday/cat.jpg', 'holiday/lake/cup.jpg',
                  'images/room/1.jpg', 'sweep/1.jpg', 'sweep/2.jpg',
                  'PHOTOS/cat.jpg', 'RTF/image_05.png'):
        (folder / place).parent.mkdir(exist_ok=True, parents=True)
        cat.save(folder / place)
    mask = np.zeros((64, 96), np.uint8)
    mask[:, 48:] = 255
    scipy.io.savemat(folder / 'RTF/map_05.mat', {'map': mask / 100 + 0.5})
    for place in ('CUHK', 'CUHK/train'):
        for k in range(4):
            for part, picture in (('image', np.asarray(cat) // (k + 1)),
                                  ('gt', mask)):
                (folder / place / part).mkdir(exist_ok=True, parents=True)
                Image.fromarray(picture).save(
                    folder / place / part / f'out_of_focus050{k + 5}.png')
    for k in range(4):
        for part, picture in (('image', np.asarray(cat) // (k + 1)),
                              ('sigma', mask.astype(np.uint16) * 20)):
            (folder / 'SYNDOF' / part).mkdir(exist_ok=True, parents=True)
            Image.fromarray(picture).save(
                folder / 'SYNDOF' / part / f'made_{"abcd"[k]}.png')
    for place in ('maps', 'detected'):
        shutil.copytree(folder / 'CUHK/gt', folder / 'OTHER' / place)
    for place in ('radii', 'disparity', 'depth', 'ifan', 'coc'):
        (folder / 'OTHER' / place).mkdir()
    shutil.copy(folder / 'RTF/map_05.mat', folder / 'OTHER/radii/05.mat')
    np.save(folder / 'OTHER/disparity/photo.npy', np.ones((1, 1, 8, 12)))
    np.save(folder / 'OTHER/depth/photo.npy', np.full((64, 96), 1.5))
    for k in 'abcd':
        Image.fromarray(np.ones((64, 96), np.float32)).save(
            folder / f'OTHER/coc/made_{k}.tiff')
    (folder / 'maps').mkdir()
    np.save(folder / 'maps/photo.npy', np.ones((64, 96), np.float32))
    weights.save(folder / 'MODEL.npz', networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    return folder


@pytest.fixture
def at_work(workspace, model, monkeypatch):
    """In the workspace, one toy in place of every model that is loaded."""
    from dmenet_tf import estimation, weights
    monkeypatch.chdir(workspace)
    monkeypatch.setattr(weights, 'load_model', lambda source='small': model)
    monkeypatch.setattr(estimation, '_loaded',
                        lambda path, changed, precision: model)


def _python_pages():
    """Pages with snippets; `slow` where an export has to be made first."""
    for page in PAGES:
        # tests/serving runs those that need an extra.
        text = '\n'.join(block for block in blocks(page, 'python')
                         if 'tensorflow_serving' not in block)
        if text:
            marks = [pytest.mark.slow] if 'export/' in text else []
            yield pytest.param(page, text, marks=marks,
                               id=str(page.relative_to(ROOT)))


@pytest.mark.long
@pytest.mark.parametrize('page, text', _python_pages())
def test_python_blocks_run(page, text, at_work):
    names = {}
    with contextlib.ExitStack() as stack:
        if 'export/' in text or 'localhost:8501' in text:
            from dmenet_tf import export
            shutil.rmtree('export', ignore_errors=True)  # Another page's.
            folder = export.export_saved_model('MODEL.npz', 'export/dmenet')
            port = stack.enter_context(stand_in.serve_rest(folder.parent))
            text = text.replace('localhost:8501', f'localhost:{port}')
        exec(compile(text, str(page), 'exec'), names)
    # A number in a comment is the value of the expression before it.
    for expression, value in re.findall(
            r'^(optics\..*\))\s+# ([\d.]+)', text, re.MULTILINE):
        assert eval(expression, names) == pytest.approx(float(value), abs=1e-4)


@pytest.mark.long
def test_flags_of_commands_are_those_of_their_modules():
    by_module = {}
    for page in PAGES:
        for words in commands(page):
            name = module_of(words)
            if name.startswith('dmenet_tf'):
                packaged = (ROOT / name.replace('.', '/')).is_dir()
                run = f'{name}.__main__' if packaged else name
                by_module.setdefault(run, []).append(words[3:])
    assert len(by_module) == 11
    ran = subprocess.run([sys.executable, '-c', _PARSE], cwd=ROOT, text=True,
                         input=json.dumps(by_module), capture_output=True)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == []


def test_commands_that_are_not_python_exist():
    targets = re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(),
                         re.MULTILINE)
    for page in PAGES:
        for words in commands(page):
            if words[0] == 'make':
                assert words[1] in targets
            elif '-f' in words:
                assert (ROOT / words[words.index('-f') + 1]).is_file()
            else:
                assert module_of(words) or reason_not_to_run(words), words


def test_no_reason_is_left_over():
    lines = [' '.join(words) + ' ' for page in PAGES
             for words in commands(page)]
    for start in _NOT_RUN:
        assert any(line.startswith(start) for line in lines), start


@pytest.mark.slow
@pytest.mark.parametrize('page', [page for page in PAGES if commands(page)],
                         ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_run(page, workspace):
    shutil.rmtree(workspace / 'export', ignore_errors=True)
    for words in commands(page):
        if not reason_not_to_run(words):
            _run(words, workspace)


def _run(words, folder):
    name = module_of(words).removeprefix('dmenet_tf.')
    # Of the width that _SHORTER asks for.
    words = [word.replace('--init_weights=small', '--init_weights=MODEL.npz')
             for word in words]
    ran = subprocess.run([sys.executable, *words[1:], *_SHORTER[name]],
                         cwd=folder, text=True, capture_output=True)
    assert ran.returncode == 0, f'{words}\n{ran.stdout}\n{ran.stderr}'


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        path, _, anchor = link.partition('#')
        assert '://' not in path, f'{link}: the pages need no other site'
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r'^#+ (.*)$', target.read_text(),
                                  re.MULTILINE)
            slugs = [re.sub(r'[^\w\s-]', '', heading).lower().replace(' ', '-')
                     for heading in headings]
            assert anchor in slugs, link


def test_pages_are_in_the_menu_and_pictures_are_small():
    menu = (ROOT / 'mkdocs.yml').read_text()
    for page in (ROOT / 'docs').rglob('*.md'):
        assert f': {page.relative_to(ROOT / "docs")}\n' in menu
    for picture in (ROOT / 'docs/pictures').iterdir():
        assert picture.stat().st_size < 150_000, picture


def test_reference_names_modules():
    for page in (ROOT / 'docs/api').iterdir():
        for name in re.findall('^::: (.*)$', page.read_text(), re.MULTILINE):
            module = name.removesuffix('.load_model')
            assert importlib.util.find_spec(module), name


def _documented(node):
    """(what a docstring names under Args, what there is to name)."""
    docstring = ast.get_docstring(node) or ''
    section = re.search(r'^Args:\n((?:    .*\n|\n)*)', docstring + '\n',
                        re.MULTILINE)
    named = re.findall(r'^    (\w[\w, *]*):', section[1] if section else '',
                       re.MULTILINE)
    init = [part for part in ast.iter_child_nodes(node)
            if getattr(part, 'name', '') == '__init__']
    args = (init or [node])[0].args if init or hasattr(node, 'args') else None
    known = {a.arg for a in ast.walk(args) if isinstance(a, ast.arg)} \
        if args else set()
    return {name.strip(' *') for names in named
            for name in names.split(',')}, known


def test_documented_arguments_exist():
    for path in (ROOT / 'dmenet_tf').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                named, known = _documented(node)
                assert named <= known, f'{path}: {node.name}'


@pytest.mark.slow
def test_site_builds_and_needs_no_other_site(tmp_path):
    pytest.importorskip('mkdocs')
    subprocess.run([sys.executable, '-m', 'mkdocs', 'build', '--strict', '-d',
                    str(tmp_path)], cwd=ROOT, check=True)
    for page in tmp_path.rglob('*.html'):
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)='
                            r'"(https?://[^"]*)', page.read_text())
        assert loaded == [], page


def instructions(dockerfile):
    """(instruction, its words) of a Dockerfile."""
    text = re.sub(r'^\s*#.*\n', '', dockerfile.read_text(), flags=re.MULTILINE)
    for line in text.replace('\\\n', ' ').splitlines():
        if line.strip():
            name, rest = line.split(maxsplit=1)
            yield name, rest.split()


@pytest.mark.parametrize('dockerfile', DOCKERFILES, ids=lambda path: path.name)
def test_dockerfile_names_what_exists(dockerfile):
    stages = []
    for name, words in instructions(dockerfile):
        assert name in {'FROM', 'WORKDIR', 'COPY', 'RUN', 'USER', 'ENV', 'ARG',
                        'ENTRYPOINT'}
        if name == 'FROM':
            assert re.fullmatch(r'[\w./-]+:[\w.-]+', words[0]), 'needs a tag'
            stages += words[2:]
        if name == 'COPY' and not words[0].startswith('--from='):
            assert all((ROOT / source).exists() for source in words[:-1])
        elif name == 'COPY':
            assert words[0].removeprefix('--from=') in stages
        for module in re.findall(r'dmenet_tf\.\w+', ' '.join(words)):
            assert importlib.util.find_spec(module)


_HADOLINT = (shutil.which('hadolint', path=pathlib.Path(sys.executable).parent)
             or shutil.which('hadolint'))


@pytest.mark.skipif(not _HADOLINT, reason='hadolint is missing')
def test_dockerfiles_pass_hadolint():
    subprocess.run([_HADOLINT, *map(str, DOCKERFILES)], check=True)
