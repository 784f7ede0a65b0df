"""evaluate(options): files in, figures out; resuming; problems."""

import csv
import hashlib
import json
import re
import sys
import types

import numpy as np
import pytest
from PIL import Image

from dmenet_tf import evaluate, metrics, model_files
from dmenet_tf.evaluate import scoring, tables
from dmenet_tf.evaluate.run import find_methods

RNG = np.random.default_rng(0)
NAMES = [f'out_of_focus{i:04d}' for i in range(505, 509)]


def test_perfect_maps_score_1_and_everything_is_written(cuhk, run):
    results = run(cuhk)
    found = results['results'][0]
    assert not results['problems'] and found['images'] == found['of'] == 4
    assert found['scores']['accuracy'] == 1
    assert found['scores']['average_precision'] == pytest.approx(1)
    assert results['options']['protocol'] == 'cuhk'
    assert results['versions']['numpy'] == np.__version__
    assert results == json.loads((cuhk / 'out/results.json').read_text())
    rows = list(csv.DictReader((cuhk / 'out/per_image.csv').open()))
    assert [row['image'] for row in rows] == NAMES
    for name in ('bars', 'precision_recall', 'sheet'):
        with Image.open(cuhk / f'out/{name}.png') as picture:
            assert len(np.unique(np.asarray(picture))) > 2
    text = (cuhk / 'out/report.html').read_text()
    assert text.count('data:image/png;base64,') == 3
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert 'class="published"' in text


@pytest.mark.usefixtures('undrawn')
def test_the_inverse_scores_0_until_it_is_called_sharp_is_bright(cuhk, save,
                                                                 mask, run):
    for name in NAMES:
        save(cuhk / f'maps/{name}.npy', 1 - mask / np.float32(255))
    for bright, accuracy in ((False, 0), (True, 1)):
        results = run(cuhk, sharp_is_bright=bright)
        assert results['results'][0]['scores']['accuracy'] == accuracy


@pytest.mark.long
def test_foreign_maps_need_no_photographs(cuhk, save, run):
    with_images = run(cuhk)['results'][0]
    results = run(cuhk, images=None)
    assert not results['problems']
    assert results['results'][0]['scores'] == with_images['scores']
    with Image.open(cuhk / 'out/sheet.png') as picture:
        assert len(np.unique(np.asarray(picture))) > 2
    # A truth without a map and a map without a truth are still said.
    (cuhk / f'maps/{NAMES[0]}.npy').rename(cuhk / 'maps/other.npy')
    results = run(cuhk, images=None)
    assert len(results['problems']) == 2
    assert 'other.npy' in results['problems'][0]
    assert 'has no map for 1 of 4 images' in results['problems'][1]
    assert (results['results'][0]['images'], results['results'][0]['of']) == (
        3, 4)


def break_missing(folder, save, mask):
    (folder / f'maps/{NAMES[1]}.npy').unlink()


def break_nan(folder, save, mask):
    values = np.ones((30, 40), np.float32)
    values[3, 3] = np.nan
    save(folder / f'maps/{NAMES[1]}.npy', values)


def break_mask(folder, save, mask):
    mask[0, 0] = 128
    save(folder / f'gt/{NAMES[1]}.png', mask)


def break_file(folder, save, mask):
    (folder / f'maps/{NAMES[1]}.npy').write_bytes(b'no array')


def break_colour(folder, save, mask):
    (folder / f'maps/{NAMES[1]}.npy').unlink()
    save(folder / f'maps/{NAMES[1]}.png',
         np.arange(3600, dtype=np.uint8).reshape(30, 40, 3))


def break_truth(folder, save, mask):
    (folder / f'gt/{NAMES[1]}.png').unlink()


@pytest.mark.parametrize('break_it, reason', [
    (break_missing, 'has no map for 1 of 4 images'),
    (break_nan, '1 pixels are NaN'),
    (break_mask, 'not a binary mask: it has 3 levels'),
    (break_file, 'not a readable map'),
    (break_colour, 'coloured picture'),
    (break_truth, 'has no truth for 1 of 4 images')])
@pytest.mark.usefixtures('undrawn')
def test_one_line_names_the_file_and_the_count_tells(
        cuhk, save, mask, run, capsys, break_it, reason):
    break_it(cuhk, save, mask)
    results = run(cuhk)
    assert results['results'][0]['images'] == 3
    lines = [line for line in capsys.readouterr().err.splitlines()
             if line.startswith('error: ')]
    assert len(lines) == 1 and reason in lines[0] and NAMES[1] in lines[0]
    assert results['problems'] == [lines[0].removeprefix('error: ')]
    assert reason in (cuhk / 'out/report.html').read_text()


@pytest.mark.usefixtures('undrawn')
def test_an_extra_map_is_named_and_the_others_are_scored(cuhk, save, run):
    save(cuhk / 'maps/out_of_focus9999.npy', np.ones((3, 3)))
    results = run(cuhk)
    assert results['results'][0]['images'] == 4
    assert len(results['problems']) == 1
    assert 'out_of_focus9999.npy' in results['problems'][0]


@pytest.mark.parametrize('given, reason', [
    ({'predictions': ['hollow']}, 'hollow: a folder without maps'),
    ({'predictions': ['nowhere']}, 'nowhere: no such folder'),
    ({'split': 'half.txt'}, 'half.txt: no such list'),
    ({'split': 'train'}, 'lacks 504 of the 504 images'),
    ({'predictions': ['a b=maps', 'a_b=maps']}, 'another label'),
    ({'images': 'hollow'}, 'hollow: has no pictures'),
    ({'images': 'nowhere'}, 'nowhere: no such folder')])
@pytest.mark.usefixtures('undrawn')
def test_nothing_to_score_is_one_error(cuhk, run, monkeypatch, given, reason):
    monkeypatch.chdir(cuhk)
    (cuhk / 'hollow').mkdir()
    with pytest.raises((ValueError, OSError), match=reason):
        run(cuhk, **given)


@pytest.mark.usefixtures('undrawn')
def test_an_interrupted_run_goes_on_where_it_stopped(cuhk, save, run,
                                                     monkeypatch):
    run(cuhk)
    scores = cuhk / 'out/scores/predictions_maps.jsonl'
    lines = scores.read_text().splitlines()
    scores.write_text('\n'.join(lines[:2]) + '\n' + lines[2][:40])
    scored = []
    score_job = scoring.score_job
    monkeypatch.setattr(scoring, 'score_job', lambda job: (
        scored.append(job.case.name) or score_job(job)))
    results = run(cuhk)
    assert scored == NAMES[2:] and not results['problems']
    assert results['results'][0]['images'] == 4
    # A map that was made anew is scored anew, and it alone.
    scored.clear()
    save(cuhk / f'maps/{NAMES[3]}.npy', np.zeros((30, 40)))
    run(cuhk)
    assert scored == [NAMES[3]]


@pytest.mark.usefixtures('undrawn')
def test_a_split_scores_its_images_alone(cuhk, run):
    (cuhk / 'two.txt').write_text(f'# a list\n{NAMES[2]}\n\n{NAMES[0]}.jpg\n')
    results = run(cuhk, split=str(cuhk / 'two.txt'))
    assert not results['problems'] and results['results'][0]['of'] == 2
    results = run(cuhk, split='test')
    found = results['results'][0]
    assert len(results['problems']) == 1
    assert (found['images'], found['of']) == (4, 200)


@pytest.mark.usefixtures('undrawn')
def test_rtf_is_the_hand_sum_of_both_sides_cut_and_divided(rtf, save, run):
    save(rtf / 'maps/05.npy', np.full((24, 32), 9.0))
    scores = run(rtf, 'rtf', truth='image')['results'][0]['scores']
    # Radii 0.5 and 6 are sigma 0.3 and 3.275; the map is cut to 3.275.
    left = (3.275 - 0.3) / 3.275
    assert scores['mae'] == pytest.approx(left / 2)
    assert scores['mse'] == pytest.approx(left**2 / 2)


@pytest.mark.usefixtures('undrawn')
def test_rtf_runs_at_three_noise_levels_beside_what_was_published(rtf, run):
    results = run(rtf, 'rtf', truth='image', baseline=['laplacian'])
    assert [r['noise'] for r in results['results']] == [0, 1.0, 1.6]
    assert len({r['scores']['mae'] for r in results['results']}) == 3
    published = {(row['noise'], row['scores']['mae'])
                 for row in results['published']}
    assert {(0, 0.143), (1.0, 0.1006), (1.6, 0.1579)} <= published


@pytest.mark.usefixtures('undrawn')
def test_sigma_leaves_unknown_pixels_out_and_sorts_errors_by_blur(
        tmp_path, save, run):
    codes = np.uint8([[0, 10, 20, 100]] * 4)
    save(tmp_path / 'gt/a.png', codes)
    save(tmp_path / 'maps/a.npy', 0.05 * codes + 1.5)
    found = run(tmp_path, 'sigma', images=None, truth_scale=0.05,
                truth_offset=0.5, unknown_code=0)['results'][0]
    assert found['scores']['mae'] == pytest.approx(1)
    assert found['scores']['correlation'] == pytest.approx(1)
    pixels = {row['from_px']: row['pixels'] for row in found['ranges']}
    assert pixels[1.0] == 8 and pixels[5.0] == 4
    assert sum(pixels.values()) == 12


@pytest.mark.usefixtures('undrawn')
def test_errors_by_true_sigma_are_told_of_each_image_and_of_all(tmp_path,
                                                                save, run):
    for name, error in (('a', 1), ('b', 3)):
        save(tmp_path / f'gt/{name}.npy', np.float32([[0.25, 1.5]]))
        save(tmp_path / f'maps/{name}.npy', np.float32([[0.25, 1.5 + error]]))
    results = run(tmp_path, 'sigma', images=None)
    rows = list(csv.DictReader((tmp_path / 'out/per_image.csv').open()))
    assert [float(row['mae_from_1_px']) for row in rows] == [1, 3]
    assert [float(row['mae_from_0_px']) for row in rows] == [0, 0]
    assert rows[0]['mae_from_7_px'] == ''
    _, by_sigma = tables.tables(results)
    assert by_sigma[1][1:5] == ['0 to 0.5', '0.5 to 1', '1 to 2', '2 to 3']
    assert by_sigma[2] == [(False, [
        'maps', '0.00 (+0.00)', '-', '2.00 [1.00, 3.00] (+2.00)', '-', '-',
        '-', '-', '1.00 [0.50, 1.50] (+1.00)'])]


@pytest.mark.usefixtures('undrawn')
def test_a_threshold_in_px_is_given_or_said_to_be_the_best_of_these(cuhk,
                                                                    run):
    results = run(cuhk, prediction_scale=3.0)
    found = results['results'][0]
    assert found['sigma_threshold'] == {'px': 0.01, 'given': False}
    assert found['scores']['accuracy_one_threshold'] == 1
    text = tables.as_text(results)
    assert 'threshold: 0.01 px, the best single threshold, chosen on these' in (
        text)
    # Another threshold scores nothing anew.
    results = run(cuhk, prediction_scale=3.0, sigma_threshold=3.5)
    found = results['results'][0]
    assert found['scores']['accuracy_one_threshold'] == pytest.approx(13 / 40)
    assert '3.5 px for all images, as was given' in tables.as_text(results)
    # Maps without a unit have none, which is said where one is asked for.
    found = run(cuhk)
    assert 'sigma_threshold' not in found['results'][0]
    assert 'its maps have no unit' not in tables.as_text(found)
    found = run(cuhk, sigma_threshold=3.5)
    assert 'its maps have no unit' in tables.as_text(found)


@pytest.mark.usefixtures('undrawn')
def test_a_row_tells_of_images_that_dmenet_is_trained_on(cuhk, save, mask,
                                                         run):
    name = 'out_of_focus0001'
    save(cuhk / f'image/{name}.jpg', np.zeros((30, 40, 3), np.uint8))
    save(cuhk / f'gt/{name}.png', mask)
    save(cuhk / f'maps/{name}.npy', mask / np.float32(255))
    results = run(cuhk)
    assert tables.tables(results)[0][2][0][1][1] == '5 of 5, 1 in 0001-0504'
    assert any('part of CUHK that DMENet is trained on' in line
               for line in tables.notes(results))


def test_uniform_blurs_each_photograph_and_tells_medians(tmp_path, save, run,
                                                         monkeypatch):
    from dmenet_tf import baselines
    for name in 'ab':
        save(tmp_path / f'image/{name}.png',
             RNG.integers(0, 256, (40, 50, 3), np.uint8))
    seen = []

    def estimate(image):
        seen.append((image.dtype, image.std()))
        return np.full(image.shape[:2], 1.5)
    monkeypatch.setattr(baselines, 'load', lambda name: types.SimpleNamespace(
        UNIT='px', estimate=estimate))
    results = evaluate.evaluate(evaluate.Options(
        'uniform', images=tmp_path / 'image', baseline=['zhuo_sim'],
        blurs=[0, 1, 2], output_dir=tmp_path / 'out'))
    scores = [row['scores'] for row in results['results']]
    assert [(one['true_sigma'], one['median_sigma'],
             one.get('relative_error'), one.get('within_15_percent'))
            for one in scores] == [(0, 1.5, None, None), (1, 1.5, 0.5, 0),
                                   (2, 1.5, -0.25, 0)]
    assert {dtype for dtype, _ in seen} == {np.dtype(np.uint8)}
    # White noise through a Gaussian: 1 / (2 sqrt(pi) s) of its deviation.
    ratio = seen[2][1] / seen[0][1], seen[4][1] / seen[0][1]
    assert ratio == pytest.approx((0.28, 0.14), rel=0.1)
    assert (tmp_path / 'out/median_sigma.png').is_file()
    rows = list(csv.DictReader((tmp_path / 'out/per_image.csv').open()))
    assert [row['relative_error'] for row in rows] == ['', '', '0.5', '0.5',
                                                       '-0.25', '-0.25']


def test_all_baselines_are_those_that_the_protocol_can_use(monkeypatch,
                                                           tmp_path):
    from dmenet_tf import baselines
    from dmenet_tf.evaluate import run
    monkeypatch.setattr(baselines, 'load', lambda name: types.SimpleNamespace(
        UNIT='score' if name == 'lbp' else 'px'))

    def labels(protocol, *named, **given):
        return [method.label for method in run.find_methods(evaluate.Options(
            protocol, images=tmp_path, baseline=named, output_dir=tmp_path,
            **given))]
    every = list(baselines.NAMES)
    assert labels('cuhk', 'all', ground_truth=tmp_path) == every
    assert sorted(labels('cuhk', 'all', 'xu', ground_truth=tmp_path)) == sorted(
        every)
    assert labels('uniform', 'all') == [x for x in every if x != 'lbp']


def test_what_only_ranks_pixels_says_nothing_of_uniform_blur(tmp_path, save):
    save(tmp_path / 'image/a.png', np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match='maps in px; laplacian only ranks'):
        evaluate.evaluate(evaluate.Options(
            'uniform', images=tmp_path / 'image', baseline=['laplacian'],
            output_dir=tmp_path / 'out'))


@pytest.mark.usefixtures('undrawn')
def test_syndof_compares_d_and_keeps_another_unit_apart(tmp_path, save, run):
    save(tmp_path / 'gt/a.png', np.full((4, 4), 3500, np.uint16))
    save(tmp_path / 'maps/a.npy', np.full((4, 4), 7.0))
    results = run(tmp_path, 'syndof', images=None)
    assert results['results'][0]['scores']['mae'] == pytest.approx(0.5)
    assert results['published'] == []
    apart, = results['published_apart']
    assert apart['map'] == '(2 sigma + 1) / 15'
    assert apart['scores'] == {'mse': 0.013, 'mae': 0.084}
    assert apart['at_most']['mae'] == pytest.approx(0.09)
    assert apart['map'] in (tmp_path / 'out/report.html').read_text()


@pytest.mark.usefixtures('undrawn')
def test_a_missing_package_is_said_before_the_work(cuhk, run, monkeypatch):
    from dmenet_tf import baselines

    def load(name):
        raise ImportError('needs a package')
    monkeypatch.setattr(baselines, 'load', load)
    with pytest.raises(ImportError, match='needs a package'):
        run(cuhk, baseline=['zhuo_sim'], predictions=[str(cuhk / 'maps')])
    assert not (cuhk / 'out').exists()


@pytest.fixture
def toy():
    """toy(path, d): weights of a narrow B whose map is d everywhere."""
    keras = pytest.importorskip('keras')
    from dmenet_tf import networks, weights

    keras.utils.set_random_seed(0)
    b = networks.build_blur_estimator(4, 0, side_heads=False)
    kernel, bias = b.get_layer('uf_c3').weights
    kernel.assign(np.zeros(kernel.shape))

    def write(path, d):
        bias.assign(np.full(bias.shape, np.log(d / (1 - d))))
        path.parent.mkdir(exist_ok=True)
        weights.save(path, networks.Networks(b, None, None),
                     {'convention': 'sigma7'})
        return path
    return write


@pytest.mark.long
@pytest.mark.usefixtures('undrawn')
def test_other_weights_of_the_same_name_are_scored_anew(rtf, run, toy,
                                                        monkeypatch):
    found = []
    for d in (0.1, 0.3):
        path = toy(rtf / f'{d}/toy.npz', d)
        monkeypatch.setattr(model_files, 'find', lambda source, path=path: path)
        row, = run(rtf, 'rtf', truth='image', noise=[0],
                   model=['toy'])['results']
        assert row['source'] == 'toy'
        assert row['digest'] == model_files.digest(path)
        text = (rtf / 'out/report.html').read_text()
        assert f'toy: weights toy, sha256 {row["digest"]}.' in text
        found.append(row['scores']['mse'])
    # sigma is 0.7 and 2.1 px, the truth 0.3 and 3.275.
    assert found == pytest.approx(
        [((sigma - 0.3)**2 + (3.275 - sigma)**2) / 2 / 3.275**2
         for sigma in (0.7, 2.1)], abs=1e-4)


@pytest.mark.long
@pytest.mark.usefixtures('undrawn')
def test_a_model_is_loaded_once_for_all_levels(tmp_path, save, toy,
                                               monkeypatch):
    from dmenet_tf import weights
    save(tmp_path / 'image/a.png', np.zeros((32, 32, 3), np.uint8))
    loaded, load_model = [], weights.load_model
    monkeypatch.setattr(weights, 'load_model', lambda source: (
        loaded.append(source) or load_model(source)))
    path = str(toy(tmp_path / 'toy/once.npz', 0.1))
    results = evaluate.evaluate(evaluate.Options(
        'uniform', images=tmp_path / 'image', model=[path], blurs=[0, 1],
        output_dir=tmp_path / 'out'))
    assert loaded == [path]
    assert [row['scores']['median_sigma'] for row in results['results']] == (
        pytest.approx([0.7, 0.7], abs=1e-3))


def test_labels_are_given_or_the_names_of_what_is_there(rtf):
    pytest.importorskip('keras')
    first, second = rtf / 'toy.npz', rtf / 'rate=1/toy.npz'
    second.parent.mkdir()
    (rtf / 'k=3').mkdir()
    for path in (first, second):
        path.write_bytes(b'weights')
    found = find_methods(evaluate.Options(
        'rtf', rtf, rtf, images=rtf, model=[f'first={first}', str(second)],
        predictions=[str(rtf / 'k=3'), f'other={rtf}'],
        baseline=['laplacian']))
    assert [(method.label, method.source) for method in found] == [
        ('first', str(first)), ('toy', str(second)), ('k=3', f'{rtf}/k=3'),
        ('other', str(rtf)), ('laplacian', 'laplacian')]
    assert [method.digest for method in found] == 2 * [
        hashlib.sha256(b'weights').hexdigest()] + 3 * [None]
    assert [method.unit for method in found] == ['px'] * 4 + ['score']


@pytest.mark.usefixtures('undrawn')
def test_measures_of_another_package_are_had_where_they_are_asked_for(
        cuhk, run, monkeypatch):
    monkeypatch.setitem(sys.modules, 'py_sod_metrics', None)
    with pytest.raises(ImportError, match=r"dmenet_tf\[detection\]'\.$"):
        run(cuhk, structure=True)
    assert not (cuhk / 'out').exists()
    assert 'e measure ↑' not in tables.tables(run(cuhk))[0][1]


@pytest.mark.usefixtures('undrawn')
def test_what_makes_its_maps_here_is_timed(cuhk, run):
    results = run(cuhk, baseline=['laplacian'])
    [row] = results['results']
    assert 0 < row['seconds'] < 60
    _, columns, rows = tables.tables(results)[0]
    assert columns[-1] == 'seconds'
    assert rows[0][1][-1] == f'{row["seconds"]:.2f}'
    assert run(cuhk)['results'][0]['seconds'] is None  # Maps of others.


@pytest.mark.extra
@pytest.mark.usefixtures('undrawn')
def test_perfect_maps_have_the_measures_of_objects_too(cuhk, run):
    pytest.importorskip('py_sod_metrics')
    results = run(cuhk, structure=True)
    assert results['results'][0]['scores']['s_measure'] == pytest.approx(1)
    assert tables.tables(results)[0][1][-2:] == ['e measure ↑', 's measure ↑']


@pytest.mark.usefixtures('undrawn')
def test_masks_of_dut_are_read_its_way_and_its_rows_stand_apart(cuhk, save,
                                                                mask, run):
    for name in NAMES:
        save(cuhk / f'gt/{name}.png', 255 - mask)
    results = run(cuhk, 'detection', dataset='dut', split=None)
    assert results['results'][0]['scores']['mae'] == 0
    ours, published = tables.tables(results)
    assert [cells[0] for _, cells in ours[2]] == ['maps']
    assert published[0] == ("Published, of another split: DUT-DBD's test part")
    assert published[1] == ['method', 'mae ↓']
    with pytest.raises(ValueError, match='no list of test pictures of dut'):
        run(cuhk, 'detection', dataset='dut', split='test')


@pytest.mark.usefixtures('undrawn')
def test_results_give_tables_and_figures(cuhk, save, mask, run):
    for i, name in enumerate(NAMES):
        maps = mask / np.float32(255)
        maps[:i, :] = 0  # A worse one each time.
        save(cuhk / f'worse/{name}.npy', maps)
    results = run(cuhk, predictions=[str(cuhk / 'maps'), str(cuhk / 'worse')])
    best, worse, published, zhang = results.rows()
    assert (best['method'], best['images'], best['accuracy']) == ('maps', 4, 1)
    assert not best['published'] and published['published']
    assert published['split'] == zhang['split'] == 'CUHK 0505-0704'
    assert zhang['published'] and 'accuracy' not in zhang  # Has no figures.
    # 0 to 3 of 30 rows, 27 of 40 columns.
    wrong = np.array([0, 1, 2, 3]) / 30 * 27 / 40
    assert worse['accuracy'] == pytest.approx(1 - wrong.mean())
    assert (worse['accuracy_low'], worse['accuracy_high']) == pytest.approx(
        metrics.interval(1 - wrong))
    row, = results.differences()
    assert (row['method'], row['other']) == ('maps', 'worse')
    assert row['accuracy'] == pytest.approx(wrong.mean())
    assert row['accuracy_low'] == pytest.approx(metrics.interval(wrong)[0])
    assert [row['accuracy'] for row in results.per_image] == pytest.approx(
        [1] * 4 + list(1 - wrong))
    assert set(results.figures()) == {'bars', 'precision_recall'}
    pandas = pytest.importorskip('pandas')
    frame = results.frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.set_index('method').accuracy['maps'] == 1
    assert len(results.frame(results.per_image)) == 8


@pytest.mark.usefixtures('undrawn')
def test_the_page_fits_a_phone_and_the_report_is_markdown_too(cuhk, run):
    results = run(cuhk)
    page = (cuhk / 'out/report.html').read_text()
    assert '<meta name="viewport" content="width=device-width">' in page
    text = (cuhk / 'out/report.md').read_text()
    assert text.startswith('# Evaluation: cuhk\n\n## cuhk\n\n| method | ')
    made_with = f'Made with dmenet_tf {results["versions"]["dmenet_tf"]}, '
    assert made_with in text and made_with in page


def test_the_package_exports_what_runs_it():
    assert evaluate.evaluate.__module__ == 'dmenet_tf.evaluate.run'
    with pytest.raises(AttributeError, match="no attribute 'score'"):
        evaluate.score  # noqa: B018
