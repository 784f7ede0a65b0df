"""The scripts of experiments/ make what they say, on toys."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from absl import flags
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]
# Two pictures of a kind; 3 steps of one crop each, without a package of VGG.
RENDER = '--count=2 --max_size=64'
TRAIN = '--steps=3 --batch=1 --crop=32 --vgg19=none'
# base too is trained on from small-v1: in 16 bits an untrained network's maps
# would not be the same.
FROM_SMALL = ('--init_weights=small-v1 --width=16 --encoder=vgg19 '
              '--decoder_width=16 --batch_norm=frozen')


def script(name, *words, **variables):
    return subprocess.run(
        ['sh', ROOT / 'experiments' / name, *words], text=True,
        capture_output=True, check=False,
        env=os.environ | {'PYTHON': sys.executable} | variables)


def names(table):
    return (ROOT / table).read_text().split()


def test_what_is_set_aside_of_cuhk_is_54_of_its_training_part():
    aside = names('experiments/cuhk_set_aside.txt')
    assert len(set(aside)) == len(aside) == 54
    assert set(aside) <= set(names('dmenet_tf/tables/cuhk_train.txt'))


def test_models_without_pictures_say_which_and_where_to_put_them(tmp_path):
    done = script('models.sh', DATA=f'{tmp_path}/no', WORK=f'{tmp_path}/work')
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr == (
        f'error: {tmp_path}/no/rgbd: no such folder. Set DATA, or RGBD alone: '
        'the head of experiments/models.sh says what they hold.\n')
    done = script('models.sh', 'smal', WORK=f'{tmp_path}/work')
    assert done.returncode == 1
    assert done.stderr == (
        'error: smal: not one of data, small-v3, small, base, scores.\n')


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def raw(tmp_path):
    """Raw pictures of every kind that models.sh needs, two or four of each."""
    rng, data = np.random.default_rng(0), tmp_path / 'data'
    blocks = np.kron(rng.integers(0, 2, (8, 10)), np.ones((12, 12), int))
    for k, name in enumerate('ab'):
        picture = rng.integers(0, 256, (96, 120, 3), np.uint8)
        write(data / f'rgbd/{name}/image.png', picture)
        write(data / f'rgbd/{name}/depth.png',
              (5000 + 5000 * blocks).astype(np.uint16))
        write(data / f'textures/sharp/{name}.png', picture)
        scene = f'0{6 * k}0'
        write(data / f'onera_dfd/depth/{scene}.png',
              (1000 + 2000 * blocks).astype(np.uint16))
        for aperture in ('f2.8', 'f8'):
            write(data / f'onera_dfd/{aperture}/{scene}.JPG', picture)
    (data / 'rgbd/scenes.json').write_text(json.dumps({
        'depth_unit': 'm', 'depth_scale': 0.0002, 'scenes': [
            {'scene': 'a', 'split': 'train'}, {'scene': 'b', 'split': 'val'}]}))
    for number in (26, 27, 1, 2):  # The first two are set aside.
        name = f'out_of_focus{number:04}'
        write(data / f'cuhk/train/image/{name}.jpg', picture // number)
        write(data / f'cuhk/train/gt/{name}.png',
              (255 * blocks).astype(np.uint8))
    return data


@pytest.mark.slow
def test_models_are_made_from_raw_pictures_and_only_once(raw, tmp_path):
    from dmenet_tf import model_files, weights
    work = tmp_path / 'work'
    told = {'DATA': raw, 'WORK': work, 'RENDER': RENDER, 'TRAIN': TRAIN}
    base = told | {'TRAIN': f'{TRAIN} {FROM_SMALL}'}
    for steps, variables in ((['data', 'small-v3', 'small'], told),
                             (['base'], base), (['scores'], told)):
        done = script('models.sh', *steps, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
    for folder, numbers in (('cuhk450', (1, 2)), ('cuhk54', (26, 27))):
        for part, suffix in (('image', 'jpg'), ('gt', 'png')):
            assert {path.name for path in (work / folder / part).iterdir()
                    } == {f'out_of_focus{n:04}.{suffix}' for n in numbers}
    said = {name: weights.describe(work / f'{name}.npz')
            for name in ('small', 'base')}
    for one in said.values():
        assert one['architecture'] == (
            weights.describe('small-v1')['architecture'])
        assert 'non-commercial' in one['licence']
        assert one['trained']['datasets']['binary']['count'] == 2
    scores = json.loads((work / 'scores/cuhk54/results.json').read_text())
    assert [row['digest'] for row in scores['results']] == [
        said['small']['digest'], said['base']['digest'],
        model_files.digest('small-v1')]
    made = {path: path.stat().st_mtime_ns for path in work.rglob('*')
            if path.is_file() and not path.is_symlink()}
    again = script('models.sh', **told)
    assert again.returncode == 0 and again.stdout == '', again.stdout
    assert made == {path: path.stat().st_mtime_ns for path in made}


def test_baselines_without_pictures_say_which_and_where_to_put_them(tmp_path):
    done = script('baselines.sh', 'tang', DATA=f'{tmp_path}/no',
                  WORK=f'{tmp_path}/work')
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr == (
        f'error: {tmp_path}/no/textures/sharp: no such folder. Set DATA, or '
        'TEXTURES alone: the head of experiments/baselines.sh says what they '
        'hold.\n')
    done = script('baselines.sh', 'zhang', WORK=f'{tmp_path}/work')
    assert done.stderr == (
        'error: zhang: not one of tang, xu, jnb, shi, dandres, park.\n')


@pytest.fixture
def fits():
    """The module experiments/baselines.py."""
    spec = importlib.util.spec_from_file_location(
        'fits', ROOT / 'experiments/baselines.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_table_keeps_the_levels_at_which_scores_rise(fits):
    deviations = iter([3, 1, 2, 8])
    table = fits.table(lambda grey: next(deviations), [np.zeros((9, 9, 3))],
                       sigmas=(0, 1, 2, 3))
    assert table.tolist() == [[3, 8], [0, 3]]


def test_discs_weigh_1_and_have_their_area(fits):
    assert fits.disc(0).max() == 1
    kernel = fits.disc(4.0)
    assert kernel.sum() == pytest.approx(1)
    # The middle is wholly inside: 1 / (pi r^2).
    assert kernel.max() == pytest.approx(1 / (np.pi * 16), rel=0.01)


def test_photographs_that_are_set_aside_teach_nothing(fits, raw):
    found = list(fits.masked_crops(raw / 'cuhk/train', 40,
                                   np.random.default_rng(0)))
    assert len(found) == 2
    grey, blurry = found[0]
    assert grey.max() <= 1 and blurry.dtype == bool


@pytest.mark.slow
def test_baselines_are_fitted_from_raw_pictures_and_only_once(raw, tmp_path):
    rng = np.random.default_rng(0)
    write(raw / 'textures/sharp/c.png',
          rng.integers(0, 256, (180, 180, 3), np.uint8))
    told = {'DATA': raw, 'WORK': tmp_path / 'work'}
    done = script('baselines.sh', 'tang', 'shi', **told)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / 'work/shi.npz') as arrays:
        assert arrays['mean'].shape == (3, 2, 6)
    with np.load(tmp_path / 'work/tang.npz') as arrays:
        assert (np.diff(arrays['sigma']) > 0).all()
    again = script('baselines.sh', 'tang', 'shi', **told)
    assert again.returncode == 0 and again.stdout == ''


# In place of Python: notes the command, and leaves what a training leaves.
STAND_IN = '''#!/bin/sh
echo "$*" >> "$LOG"
for word; do
    case $word in
        --workdir=*) mkdir -p "${word#*=}" && : > "${word#*=}/weights.npz" ;;
        --output_dir=*)
            mkdir -p "${word#*=}"
            echo '{"complete": true}' > "${word#*=}/dataset.json"
            ;;
    esac
done
'''


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """(Path of the interpreter that does nothing, its log)."""
    path, log = tmp_path / 'python', tmp_path / 'log'
    path.write_text(STAND_IN)
    path.chmod(0o755)
    monkeypatch.setenv('LOG', str(log))
    return path, log


@pytest.fixture
def resolved(tmp_path):
    """Function of a training's words to its Config; the start is a toy."""
    from dmenet_tf import networks, weights
    from dmenet_tf.train import __main__, config
    start = tmp_path / 'start.npz'
    weights.save(start, networks.Networks(networks.build_blur_estimator(
        4, 1, encoder_norm=True, padding='zero'), None, None),
        {'convention': 'sigma7'})
    before = set(flags.FLAGS)
    __main__.define_flags()

    def resolve(words):
        flags.FLAGS.unparse_flags()
        for name in set(flags.FLAGS) - before:
            flags.FLAGS[name].unparse()
        flags.FLAGS(['train', *(
            f'--init_weights={start}' if word.startswith('--init') else word
            for word in words)])
        return config.resolve(__main__.config_from_flags())
    yield resolve
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


def test_models_are_of_the_flag_files(resolved):
    *narrow, base = (resolved([
        f'--flagfile={ROOT}/experiments/{name}.flags', '--workdir=w', *more])
        for name, more in (('small-v2', ()), ('small-v3', ['--init_weights']),
                           ('small', ()), ('base', ())))
    assert (base.width, base.decoder_width, base.encoder, base.vgg19) == (
        64, 16, 'vgg16', 'hed')
    assert not base.encoder_norm
    assert {config.batch_norm for config in narrow} == {'frozen'}
    for config in (*narrow, base):
        assert config.preset == 'photographs' and not config.lambda_adv
        assert set(config.validate_binary + config.validate_synthetic) == {
            'cuhk54', 'val'}
        assert config.binary == ['cuhk450'] and not config.hold_out


def test_rows_of_the_ablation_differ_in_their_losses_alone(
        stand_in, resolved, tmp_path):
    python, log = stand_in
    (tmp_path / 'work').mkdir()
    told = {'PYTHON': str(python), 'WORK': f'{tmp_path}/work', 'STEPS': '7',
            'DATA': '/data', 'VGG': 'none'}
    assert script('ablation.sh', **told).returncode == 0
    *made, scored = [line.split() for line in log.read_text().splitlines()]
    assert scored[-2:] == ['.', '/data/rtf']
    rendered = [words[2:] for words in made if 'dmenet_tf.syndof' in words]
    assert [words[0] for words in rendered] == [
        '--output_dir=gaussian', '--output_dir=linear',
        '--output_dir=highlights']
    assert [words[-1] for words in rendered] == [
        '--kernel=gaussian', '--linear_light', '--highlights=6']
    found = {words[3].split('/')[-1]: resolved(words[2:]) for words in made
             if 'dmenet_tf.train' in words}
    start = found.pop('start')
    assert (start.width, start.steps, start.encoder_norm) == (32, 500, True)
    rows = {name: (c.lambda_adv, c.lambda_C, c.lambda_S, c.lambda_aux, c.seed)
            for name, c in found.items()}
    assert rows == {
        'b_1': (0, 0, 0, 1, 1), 'b_2': (0, 0, 0, 1, 2),
        'bd_1': (1e-3, 0, 0, 1, 1), 'bdc_1': (1e-3, 1e-4, 0, 1, 1),
        'bdcs_1': (1e-3, 1e-4, 2e-2, 1, 1), 'bdcs_2': (1e-3, 1e-4, 2e-2, 1, 2),
        'bdcs_no_aux_1': (1e-3, 1e-4, 2e-2, 0, 1),
        'photographs_b_1': (0, 0, 0, 1, 1), 'photographs_b_2': (0, 0, 0, 1, 2),
        'photographs_bds_1': (1e-3, 0, 0.5, 1, 1),
        'photographs_bds_2': (1e-3, 0, 0.5, 1, 2),
        'gaussian_1': (0, 0, 0, 1, 1), 'linear_1': (0, 0, 0, 1, 1),
        'highlights_1': (0, 0, 0, 1, 1)}
    for name, c in found.items():
        assert (c.steps, c.learning_rate, c.schedule) == (7, 5e-4, 'constant')
        assert c.preset == ('photographs' if 'photo' in name else 'paper')
        renders = name.partition('_')[0]
        assert c.synthetic == [renders if f'--output_dir={renders}' in {
            words[0] for words in rendered} else 'rooms']
        assert c.real == ['/data/real/shallow', '/data/real/bsds500',
                          'cuhk450/image']
    log.unlink()
    assert script('ablation.sh', **told).returncode == 0
    assert [line.split() for line in log.read_text().splitlines()] == [scored]


def test_own_pictures_are_20_and_measured_on_those_set_aside(
        stand_in, resolved, tmp_path):
    python, log = stand_in
    cuhk = tmp_path / 'cuhk'
    for name in names('dmenet_tf/tables/cuhk_train.txt'):
        for part, suffix in (('image', 'jpg'), ('gt', 'png')):
            (cuhk / part).mkdir(parents=True, exist_ok=True)
            (cuhk / part / f'{name}.{suffix}').touch()
    done = script('own_pictures.sh', CUHK=cuhk, SYNDOF='/syndof',
                  WORK=f'{tmp_path}/work', PYTHON=python)
    assert done.returncode == 0, done.stderr
    own, others = ({path.resolve().stem for path in
                    (tmp_path / 'work' / folder / part).iterdir()
                    if path.exists()}
                   for folder, part in (('own', 'image'), ('others', 'gt')))
    assert others == set(names('experiments/cuhk_set_aside.txt'))
    assert len(own) == 20 and not own & others
    assert own == {path.stem for path in
                   (tmp_path / 'work/own/gt').iterdir() if path.exists()}
    config = resolved(log.read_text().split()[2:])
    assert config.batch_norm == 'frozen' and config.lambda_S == 0.5
    assert config.validate_binary == [f'{tmp_path}/work/others']


def load(name):
    spec = importlib.util.spec_from_file_location(
        name, ROOT / f'experiments/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_difference_within_the_spread_of_seeds_is_none():
    ablation = load('ablation')
    accuracy = {'b': {1: 0.70, 2: 0.72}, 'bd': {1: 0.725}, 'bdc': {1: 0.75},
                'bdcs': {1: 0.78, 2: 0.79}}
    single = {'b': {1: 0.5}, 'bd': {1: 0.25}}
    assert ablation.table({'accuracy': accuracy, 'MAE': single | {
        'bdc': {1: 1.0}, 'bdcs': {1: 2.0}}}) == [
        '| | seeds | accuracy | MAE |', '|---|---|---|---|',
        '| B | 2 | 0.7100 | 0.5000 |', '| BD | 1 | 0.7250 (none) | 0.2500 |',
        '| BDC | 1 | 0.7500 (+0.0250) | 1.0000 |',
        '| BDCS | 2 | 0.7850 (+0.0350) | 2.0000 |',
        '| spread of two seeds | - | 0.0200 | not measured |']


@pytest.fixture
def ablated(tmp_path):
    """A folder as ablation.sh leaves it: toys of three rows, and pictures."""
    import keras

    from dmenet_tf import networks, sigma_files, weights
    from dmenet_tf.train import records
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    half = np.zeros((32, 48), np.uint8)
    half[:, 24:] = 255
    write(tmp_path / 'cuhk54/image/a.png', picture)
    write(tmp_path / 'cuhk54/gt/a.png', half)
    write(tmp_path / 'val/image/a.png', picture)
    (tmp_path / 'val/sigma').mkdir()
    sigma_files.write_png(tmp_path / 'val/sigma/a.png', half / 100)
    write(tmp_path / 'rtf/image_05.png', picture)
    scipy.io.savemat(tmp_path / 'rtf/map_05.mat', {'map': half / 100 + 0.5})
    for seed, name in enumerate(('b_1', 'b_2', 'bd_1')):
        keras.utils.set_random_seed(seed)
        weights.save(tmp_path / f'ablation/{name}/weights.npz',
                     networks.Networks(networks.build_blur_estimator(
                         4, 0, side_heads=False), None, None),
                     {'convention': 'sigma7'})
    events = records.EventFile(tmp_path / 'ablation/bd_1/events')
    for step in (10, 20):
        events.scalars({'L_D': step / 10, 'L_B': 9.0}, step)
    events.flush()
    return tmp_path


@pytest.mark.long
def test_finished_rows_are_scored_and_drawn(ablated, capsys):
    ablation = load('ablation')
    ablation.main(str(ablated), str(ablated / 'rtf'))
    folder = ablated / 'ablation'
    lines = (folder / 'ablation.md').read_text().splitlines()
    assert [line.split(' | ')[:2] for line in lines[2:]] == [
        ['| B', '2'], ['| BD', '1'], ['| spread of two seeds', '-']]
    results = {seed: json.loads((folder / f'scores/rtf_{seed}/results.json')
                                .read_text())['results'] for seed in (1, 2)}
    mae = [row['scores']['mae'] for row in (*results[1], *results[2])]
    b_1, bd_1, b_2 = mae
    assert lines[2].split(' | ')[5] == f'{(b_1 + b_2) / 2:.4f}'
    assert lines[4].split(' | ')[5] == f'{abs(b_1 - b_2):.4f}'
    assert lines[3].split(' | ')[5].startswith(f'{bd_1:.4f} (')
    assert ablation.discriminator_losses(folder / 'bd_1') == {10: 1, 20: 2}
    for name in ('figure3.png', 'discriminator.png'):
        assert (folder / name).stat().st_size > 1000


@pytest.mark.long
def test_a_sheet_has_each_photograph_beside_its_maps(ablated, monkeypatch):
    from dmenet_tf import estimation, images
    sheet, drawn = load('sheet'), []
    draw = sheet.figures.sheet
    monkeypatch.setattr(sheet.figures, 'sheet', lambda rows, columns:
                        drawn.append((rows, columns)) or draw(rows, columns))
    model = str(ablated / 'ablation/b_1/weights.npz')
    folder = ablated / 'cuhk54/image'
    sheet.main(str(folder), str(ablated / 'sheet.png'), model, 'small')
    ((name, (photograph, ours, small)),), columns = drawn[0]
    assert (name, columns) == ('a', ['photograph', model, 'small'])
    np.testing.assert_array_equal(photograph,
                                  images.read_image(folder / 'a.png'))
    for found, source in ((ours, model), (small, 'small')):
        np.testing.assert_allclose(
            found, np.minimum(estimation.estimate(photograph, source) / 7, 1),
            atol=1e-6)
    assert (ablated / 'sheet.png').stat().st_size > 1000


def test_every_method_is_scored_on_every_set(stand_in, tmp_path):
    python, log = stand_in
    (tmp_path / 'work').mkdir()
    told = {'PYTHON': str(python), 'WORK': f'{tmp_path}/work', 'DATA': '/data',
            'BASELINES': 'lbp hifst', 'MODELS': 'small-v1',
            'FLAGS': '--workers=2'}
    assert script('evaluate_all.sh', **told).returncode == 0
    *scored, page = [line.split() for line in log.read_text().splitlines()]
    methods = ['--baseline=lbp', '--baseline=hifst', '--model=small-v1']
    assert all(set(methods + ['--split=all', '--workers=2']) <= set(words)
               for words in scored)
    given = [{key: value for word in words if (key := word.split('=')[0]) in (
        '--images', '--ground_truth', '--protocol', '--output_dir')
        for value in [word.split('=')[1]]} for words in scored]
    assert [tuple(one[f'--{name}'] for name in (
        'images', 'ground_truth', 'protocol', 'output_dir'))
        for one in given] == [
            ('cuhk54/image', 'cuhk54/gt', 'cuhk', 'all/cuhk54'),
            ('/data/rtf', '/data/rtf', 'rtf', 'all/rtf'),
            ('/data/cmu_pixel4/image', '/data/cmu_pixel4/gt', 'sigma',
             'all/cmu'),
            *((f'{name}/image', f'{name}/sigma', 'sigma', f'all/{name}')
              for name in ('onera_val_f28', 'onera_val_f8'))]
    assert page == [f'{ROOT}/experiments/results.py', 'all', 'all/results.md']
    done = script('evaluate_all.sh', 'cuhk', **told)
    assert done.returncode == 1
    assert done.stderr.startswith('error: cuhk: not one of cuhk54, rtf, cmu,')


@pytest.mark.long
def test_results_are_one_page_with_one_table_of_all_methods(tmp_path):
    from dmenet_tf.evaluate import Options, evaluate
    blocks = np.kron([[0, 1], [1, 0]], np.ones((16, 16), int))
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for name in 'ab':
        write(tmp_path / f'image/{name}.png', noise)
        write(tmp_path / f'gt/{name}.png', (255 * blocks).astype(np.uint8))
        write(tmp_path / f'sigma/{name}.png',
              (1000 + 2000 * blocks).astype(np.uint16))
    scored = tmp_path / 'all'
    given = {'images': tmp_path / 'image', 'split': 'all', 'sheet_images': 1}
    evaluate(Options('cuhk', scored / 'cuhk54', tmp_path / 'gt',
                     baseline=['laplacian', 'constant'], **given))
    results = evaluate(Options('sigma', scored / 'cmu', tmp_path / 'sigma',
                               baseline=['constant'], **given))
    results_py = load('results')
    results_py.main(scored, tmp_path / 'page.md')
    text = (tmp_path / 'page.md').read_text()
    assert text.startswith('# Results\n')
    rows = [[cell.strip() for cell in line.strip('|').split('|')]
            for line in text.split('\n\n')[2].splitlines()]
    assert rows[0] == ['method', 'CUHK: accuracy ↑',
                       'CUHK: accuracy one threshold ↑',
                       'CUHK: average precision ↑', 'Dual-pixel: mae ↓']
    assert [row[0] for row in rows[2:]] == ['laplacian', 'constant']
    # A constant that is fitted to a truth of 1 and 3 px is 1 px off.
    assert rows[2][-1] == '-' and rows[3][-1] == '1.0000 (fitted)'
    assert results['results'][0]['scores']['mae'] == pytest.approx(1)
    assert '\n## CUHK\n\n54 pairs' in text and '\n### sigma\n' in text
    assert text.count('↑: more is better') == 1
    shown = re.findall(r'!\[.*\]\((pictures/.*)\)', text)
    assert len(shown) == 3
    for picture in shown:
        assert Image.open(tmp_path / picture).width > 100
    with pytest.raises(SystemExit, match='has none of cuhk54, rtf'):
        results_py.main(tmp_path / 'gt', tmp_path / 'page.md')
