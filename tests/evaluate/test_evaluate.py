"""The evaluate CLI: protocols, pairing, problems, resuming, what it writes."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from absl.testing import flagsaver
from PIL import Image

from dmenet_tf import evaluate, metrics, optics
from dmenet_tf.evaluation import (
    pairing,
    protocols,
    published,
    report,
    scoring,
    summary,
)

RNG = np.random.default_rng(0)
NAMES = [f'out_of_focus{i:04d}' for i in range(505, 509)]


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.npy':
        np.save(path, values)
    else:
        Image.fromarray(values).save(path)


def mask(height=30, width=40):
    values = np.zeros((height, width), np.uint8)
    values[:, width // 3:] = 255
    return values


@pytest.fixture
def cuhk(tmp_path):
    """Photographs, masks and perfect maps of four images of the test part."""
    for name in NAMES:
        save(tmp_path / 'image' / f'{name}.jpg',
             RNG.integers(0, 256, (30, 40, 3), np.uint8))
        save(tmp_path / 'gt' / f'{name}.png', mask())
        save(tmp_path / 'maps' / f'{name}.npy', mask() / np.float32(255))
    return tmp_path


@pytest.fixture
def undrawn(monkeypatch):
    """Plots take most of the time of a small run."""
    monkeypatch.setattr(report, 'draw', lambda *_: [])
    monkeypatch.setattr(report, 'draw_sheet', lambda *_: [])


def run(folder, protocol='cuhk', split='all', truth='gt', **given):
    """Runs evaluate() in this process; returns (problems, results)."""
    given.setdefault('predictions', [str(folder / 'maps')]
                     if not given.get('baseline') else [])
    with flagsaver.flagsaver(
            protocol=protocol, split=split, images=str(folder / 'image'),
            ground_truth=str(folder / truth), workers=1, sheet_images=2,
            output_dir=str(folder / 'out'), **given):
        evaluate.flags.FLAGS.mark_as_parsed()
        count = evaluate.evaluate(folder / 'out')
    return count, json.loads((folder / 'out' / 'results.json').read_text())


def test_perfect_maps_score_1_and_everything_is_written(cuhk, capsys):
    count, results = run(cuhk)
    found = results['results'][0]
    assert count == 0 and found['images'] == found['of'] == 4
    assert found['scores']['accuracy'] == 1
    assert found['scores']['average_precision'] == pytest.approx(1)
    assert results['flags']['protocol'] == 'cuhk'
    assert results['versions']['numpy'] == np.__version__
    printed = capsys.readouterr().out
    assert '4 of 4' in printed and 'published' in printed
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
def test_the_inverse_scores_0_until_it_is_called_sharp_is_bright(cuhk):
    for name in NAMES:
        save(cuhk / f'maps/{name}.npy', 1 - mask() / np.float32(255))
    _, results = run(cuhk)
    assert results['results'][0]['scores']['accuracy'] == 0
    _, results = run(cuhk, sharp_is_bright=True)
    assert results['results'][0]['scores']['accuracy'] == 1


@pytest.mark.usefixtures('undrawn')
def test_precision_and_recall_are_averaged_over_images(cuhk):
    cases = []
    for name in NAMES:
        values = RNG.random((30, 40)).astype(np.float32)
        save(cuhk / f'maps/{name}.npy', values)
        cases.append((values, mask() > 0))
    found = run(cuhk)[1]['results'][0]
    counts = [metrics.threshold_counts(*case) for case in cases]
    np.testing.assert_allclose(
        found['precision'],
        np.mean([metrics.precision_recall(c)[0] for c in counts], axis=0))
    np.testing.assert_allclose(found['pooled_precision'],
                               metrics.precision_recall(sum(counts))[0])
    assert found['scores']['average_precision'] == pytest.approx(
        np.mean([metrics.average_precision(*case) for case in cases]))


@pytest.mark.usefixtures('undrawn')
def test_maps_a_few_px_off_are_compared_where_both_are(cuhk):
    save(cuhk / f'maps/{NAMES[0]}.npy', mask()[:16, :32] / np.float32(255))
    count, results = run(cuhk)
    found = results['results'][0]
    assert count == 0 and found['cropped'] == 1
    assert found['scores']['accuracy'] == 1


def break_missing(folder):
    (folder / f'maps/{NAMES[1]}.npy').unlink()


def break_size(folder):
    save(folder / f'maps/{NAMES[1]}.npy', np.ones((64, 64), np.float32))


def break_nan(folder):
    values = np.ones((30, 40), np.float32)
    values[3, 3] = np.nan
    save(folder / f'maps/{NAMES[1]}.npy', values)


def break_mask(folder):
    values = mask()
    values[0, 0] = 128
    save(folder / f'gt/{NAMES[1]}.png', values)


def break_sharp_mask(folder):
    save(folder / f'gt/{NAMES[1]}.png', np.zeros((30, 40), np.uint8))


def break_file(folder):
    (folder / f'maps/{NAMES[1]}.npy').write_bytes(b'no array')


def break_colour(folder):
    (folder / f'maps/{NAMES[1]}.npy').unlink()
    save(folder / f'maps/{NAMES[1]}.png',
         RNG.integers(0, 256, (30, 40, 3), np.uint8))


def break_truth(folder):
    (folder / f'gt/{NAMES[1]}.png').unlink()


@pytest.mark.parametrize('break_it, reason', [
    (break_missing, 'has no map for 1 of 4 images'),
    (break_size, 'wrong size: the map has 64x64 px, the truth 40x30'),
    (break_nan, '1 pixels are NaN'),
    (break_mask, 'not a binary mask: it has 3 levels'),
    (break_sharp_mask, 'no pixel of the mask is blurred'),
    (break_file, 'not a readable map'),
    (break_colour, 'coloured picture'),
    (break_truth, 'has no truth for 1 of 4 images')])
@pytest.mark.usefixtures('undrawn')
def test_one_line_names_the_file_and_the_count_tells(cuhk, capsys, break_it,
                                                     reason):
    break_it(cuhk)
    count, results = run(cuhk)
    assert count == 1 and results['results'][0]['images'] == 3
    lines = [line for line in capsys.readouterr().err.splitlines()
             if line.startswith('error: ')]
    assert len(lines) == 1 and reason in lines[0] and NAMES[1] in lines[0]
    assert results['problems'] == [lines[0].removeprefix('error: ')]
    assert reason in (cuhk / 'out/report.html').read_text()


@pytest.mark.usefixtures('undrawn')
def test_an_extra_map_is_named_and_the_others_are_scored(cuhk, capsys):
    save(cuhk / 'maps/out_of_focus9999.npy', np.ones((3, 3)))
    count, results = run(cuhk)
    assert count == 1 and results['results'][0]['images'] == 4
    assert 'out_of_focus9999.npy' in capsys.readouterr().err


@pytest.mark.parametrize('given, reason', [
    ({'predictions': ['hollow']}, 'hollow: a folder without maps'),
    ({'predictions': ['nowhere']}, 'nowhere: no such folder'),
    ({'predictions': []}, 'Name at least one'),
    ({'split': 'half.txt'}, 'half.txt: no such list'),
    ({'split': 'train'}, 'lacks 504 of the 504 images')])
@pytest.mark.usefixtures('undrawn')
def test_nothing_to_score_is_one_error(cuhk, monkeypatch, given, reason):
    monkeypatch.chdir(cuhk)
    (cuhk / 'hollow').mkdir()
    with pytest.raises((ValueError, OSError), match=reason):
        run(cuhk, **given)


@pytest.mark.usefixtures('undrawn')
def test_an_interrupted_run_goes_on_where_it_stopped(cuhk, monkeypatch):
    run(cuhk)
    scores = cuhk / 'out/scores/predictions_maps.jsonl'
    lines = scores.read_text().splitlines()
    scores.write_text('\n'.join(lines[:2]) + '\n' + lines[2][:40])
    scored = []
    score_job = scoring.score_job
    monkeypatch.setattr(scoring, 'score_job', lambda job: (
        scored.append(job.case.name) or score_job(job)))
    count, results = run(cuhk)
    assert scored == NAMES[2:] and count == 0
    assert results['results'][0]['images'] == 4
    # A map that was made anew is scored anew, and it alone.
    scored.clear()
    save(cuhk / f'maps/{NAMES[3]}.npy', np.zeros((30, 40)))
    run(cuhk)
    assert scored == [NAMES[3]]


def test_splits_are_the_papers():
    train, test, hundred = (evaluate.split_names(*wanted) for wanted in (
        ('cuhk', 'train'), ('cuhk', None), ('detection', None)))
    assert (len(train), len(test), len(hundred)) == (504, 200, 100)
    assert train[0] == 'out_of_focus0001' and train[-1] == 'out_of_focus0504'
    assert test[0] == 'out_of_focus0505' and test[-1] == 'out_of_focus0704'
    assert set(hundred) < set(test) and not set(train) & set(test)
    assert evaluate.split_names('rtf', None) is None


@pytest.mark.usefixtures('undrawn')
def test_a_split_scores_its_images_alone(cuhk):
    (cuhk / 'two.txt').write_text(f'# a list\n{NAMES[2]}\n\n{NAMES[0]}.jpg\n')
    count, results = run(cuhk, split=str(cuhk / 'two.txt'))
    assert count == 0 and results['results'][0]['of'] == 2
    count, results = run(cuhk, split='test')
    found = results['results'][0]
    assert count == 1 and (found['images'], found['of']) == (4, 200)


def test_maps_are_matched_with_and_without_a_suffix(tmp_path):
    for name in ('a_sigma.png', 'a.npy', 'a_b-blur.png', 'c10.png', 'x.txt'):
        (tmp_path / name).touch()
    matches, problems = pairing.match_predictions(
        tmp_path, ['a', 'a_b', 'c1'], {'a', 'a_b', 'c1'})
    assert {name: path.name for name, path in matches.items()} == {
        'a': 'a.npy', 'a_b': 'a_b-blur.png'}
    assert len(problems) == 2
    assert 'c10.png' in problems[0] and 'no map for 1 of 3' in problems[1]


def test_two_files_of_one_name_are_a_problem(tmp_path):
    for name in ('a.png', 'a.tif'):
        (tmp_path / name).touch()
    found, problems = pairing.maps_in(tmp_path)
    assert not found and 'a.tif has the same name' in problems[0]


@pytest.fixture
def rtf(tmp_path):
    radius = np.full((24, 32), 0.5)
    radius[:, 16:] = 6.0
    save(tmp_path / 'image/image_05.png',
         RNG.integers(0, 256, (24, 32, 3), np.uint8))
    scipy.io.savemat(tmp_path / 'image/map_05.mat', {'blurMap': radius})
    return tmp_path


@pytest.mark.usefixtures('undrawn')
def test_rtf_is_the_hand_sum_of_both_sides_cut_and_divided(rtf):
    save(rtf / 'maps/05.npy', np.full((24, 32), 9.0))
    scores = run(rtf, 'rtf', truth='image')[1]['results'][0]['scores']
    # Radii 0.5 and 6 are sigma 0.3 and 3.275; the map is cut to 3.275.
    left = (3.275 - 0.3) / 3.275
    assert scores['mae'] == pytest.approx(left / 2)
    assert scores['mse'] == pytest.approx(left**2 / 2)


@pytest.mark.usefixtures('undrawn')
def test_rtf_runs_at_three_noise_levels_and_prints_what_was_published(
        rtf, capsys):
    _, results = run(rtf, 'rtf', truth='image', baseline=['laplacian'])
    assert [r['noise'] for r in results['results']] == [0, 1.0, 1.6]
    assert len({r['scores']['mae'] for r in results['results']}) == 3
    printed = capsys.readouterr().out
    assert 'laplacian (fitted)' in printed
    assert '0.1430' in printed and '0.1006' in printed


def test_noise_is_of_its_deviation_and_of_the_name_alone(tmp_path):
    save(tmp_path / 'a.png', np.full((64, 64, 3), 128, np.uint8))
    settings = protocols.Settings('rtf', noise=1.6)
    noisy = protocols.read_image(tmp_path / 'a.png', settings)
    assert noisy.std() == pytest.approx(np.hypot(1.6, 12**-0.5), rel=0.05)
    np.testing.assert_array_equal(
        noisy, protocols.read_image(tmp_path / 'a.png', settings))


@pytest.mark.usefixtures('undrawn')
def test_sigma_leaves_unknown_pixels_out_and_sorts_errors_by_blur(tmp_path):
    codes = np.uint8([[0, 10, 20, 100]] * 4)
    save(tmp_path / 'image/a.png', np.zeros((4, 4, 3), np.uint8))
    save(tmp_path / 'gt/a.png', codes)
    save(tmp_path / 'maps/a.npy', 0.05 * codes + 1.5)
    _, results = run(tmp_path, 'sigma', truth_scale=0.05, truth_offset=0.5,
                     unknown_code=0)
    found = results['results'][0]
    assert found['scores']['mae'] == pytest.approx(1)
    assert found['scores']['correlation'] == pytest.approx(1)
    pixels = {row['from_px']: row['pixels'] for row in found['ranges']}
    assert pixels[1.0] == 8 and pixels[5.0] == 4
    assert sum(pixels.values()) == 12


@pytest.mark.usefixtures('undrawn')
def test_syndof_compares_d(tmp_path):
    save(tmp_path / 'image/a.png', np.zeros((4, 4, 3), np.uint8))
    save(tmp_path / 'sigma/a.png', np.full((4, 4), 3500, np.uint16))
    save(tmp_path / 'maps/a.npy', np.full((4, 4), 7.0))
    _, results = run(tmp_path, 'syndof', truth='sigma')
    assert results['results'][0]['scores']['mae'] == pytest.approx(0.5)


@pytest.mark.parametrize('convention, sigma', [('sigma7', 6.5),
                                               ('legacy15', 2.75)])
def test_the_authors_blur_maps_need_their_convention(tmp_path, convention,
                                                     sigma):
    path = tmp_path / 'blur_map/a.png'
    save(path, np.full((4, 4), 65, np.uint16))
    with pytest.raises(ValueError, match='--convention=legacy15'):
        protocols.read_truth(path, protocols.Settings('syndof'))
    truth = protocols.read_truth(
        path, protocols.Settings('syndof', convention=convention))
    np.testing.assert_allclose(truth, sigma)


@pytest.mark.parametrize('unit, scale, expected', [
    ('px', 0.02, 5.1), ('sigma7', None, 7.0), ('legacy15', None, 7.0),
    ('score', None, 255)])
def test_foreign_codes_are_brought_to_px(tmp_path, unit, scale, expected):
    save(tmp_path / 'a.png', np.full((4, 4), 255, np.uint8))
    found = protocols.read_prediction(tmp_path / 'a.png', protocols.Settings(
        'sigma', prediction_unit=unit, prediction_scale=scale))
    np.testing.assert_allclose(found, expected)


def test_foreign_codes_without_a_unit_are_refused(tmp_path):
    save(tmp_path / 'a.png', np.full((4, 4), 255, np.uint8))
    with pytest.raises(ValueError, match='--prediction_scale'):
        protocols.read_prediction(tmp_path / 'a.png',
                                  protocols.Settings('rtf'))


@pytest.mark.parametrize('name', ['a.npy', 'a.npz', 'a.mat', 'a.tif',
                                  'a.png'])
def test_every_format_holds_the_same_map(tmp_path, name):
    values = RNG.integers(0, 60000, (5, 7)).astype(np.uint16)
    path = tmp_path / name
    if path.suffix == '.npz':
        np.savez(path, values)
    elif path.suffix == '.mat':
        scipy.io.savemat(path, {'map': values})
    else:
        save(path, values)
    np.testing.assert_array_equal(protocols.read_array(path)[0], values)


def test_every_published_row_has_a_column_and_a_source():
    for protocol, levels in published.ROWS.items():
        for rows in levels.values():
            for _, source, values in rows:
                assert source and set(values) <= set(report.COLUMNS[protocol])


def test_the_sums_do_not_grow_with_the_number_of_images(tmp_path):
    """A summary reads a line at a time."""
    line = {'image': 'a', 'cropped': False, 'scores': {'mae': 0.5},
            'ranges': [[1, 1, 1]] * 7}
    path = tmp_path / 'a.jsonl'
    path.write_text((json.dumps(line) + '\n') * 50)
    found = summary.summarize(path, 60)
    assert found['images'] == 50 and found['of'] == 60
    assert found['scores'] == {'mae': 0.5}
    assert found['ranges'][0]['pixels'] == 50


def test_the_command_scores_in_processes_and_without_tensorflow(cuhk):
    common = (f'--images={cuhk}/image', f'--ground_truth={cuhk}/gt',
              f'--output_dir={cuhk}/out', '--protocol=cuhk')
    (cuhk / 'tensorflow.py').write_text('raise SystemExit("imported")')
    (cuhk / 'flags').write_text('--split=all\n--workers=2\n')
    done = subprocess.run(
        [sys.executable, '-m', 'dmenet_tf.evaluate', *common,
         f'--flagfile={cuhk}/flags', f'--predictions=mine={cuhk}/maps',
         '--baseline=laplacian'], capture_output=True, text=True, check=False,
        env={'PYTHONPATH': str(cuhk), 'PATH': ''})
    assert done.returncode == 0, done.stderr
    assert re.search(r'mine +4 of 4 +1\.0000', done.stdout)
    assert re.search(r'laplacian +4 of 4', done.stdout)


def test_a_call_without_flags_says_which():
    done = subprocess.run([sys.executable, '-m', 'dmenet_tf.evaluate'],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert ('Pass --protocol, --images, --ground_truth, --output_dir'
            in done.stdout + done.stderr)


@pytest.mark.usefixtures('undrawn')
def test_a_model_is_scored_in_px(rtf):
    keras = pytest.importorskip('keras')
    from dmenet_tf import networks, weights
    keras.utils.set_random_seed(0)
    b = networks.build_blur_estimator(4, 0, side_heads=False)
    for variable in b.get_layer('uf_c3').weights:
        variable.assign(np.zeros(variable.shape))  # sigmoid(0) = 0.5
    (rtf / 'rate=1').mkdir()
    paths = [rtf / 'toy.npz', rtf / 'rate=1' / 'toy.npz']
    for path in paths:
        weights.save(path, networks.Networks(b, None, None),
                     {'convention': 'sigma7'})
    _, results = run(rtf, 'rtf', truth='image', noise=['0'], predictions=[],
                     model=[f'first={paths[0]}', str(paths[1])])
    scores = results['results'][0]['scores']
    # sigma = 3.5 everywhere, cut to 3.275.
    assert scores['mae'] == pytest.approx((1 - 0.3 / 3.275) / 2, abs=1e-4)
    assert [one['method'] for one in results['results']] == ['first', 'toy']
    assert optics.MAX_SIGMA * 0.5 == 3.5
