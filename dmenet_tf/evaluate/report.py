"""What a run leaves behind: CSV, JSON, plots, sheet, page, and a table."""

import csv
import json
import pathlib
import platform
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from dmenet_tf import __version__, files, metrics
from dmenet_tf.evaluate import figures, page, protocols, scoring
from dmenet_tf.evaluate.options import MASKS
from dmenet_tf.evaluate.published import FORMULAS
from dmenet_tf.evaluate.scoring import Job, Run

# Columns of the tables, by kind of truth.
COLUMNS = {
    'cuhk': ('accuracy', 'accuracy_one_threshold', 'accuracy_own_threshold',
             'average_precision', 'pooled_average_precision', 'f_curve',
             'f_max', 'mae', 'iou'),
    'detection': ('mae', 'f_curve', 'f_max', 'iou', 'balanced_error_rate',
                  'accuracy', 'accuracy_one_threshold', 'average_precision'),
    'rtf': ('mse', 'mae', 'bias', 'correlation', 'rank_correlation'),
    'sigma': ('mae', 'bias', 'rmse', 'correlation', 'rank_correlation',
              'constant_mae'),
    'uniform': ('true_sigma', 'median_sigma', 'relative_error',
                'within_15_percent')}
COLUMNS['syndof'] = COLUMNS['rtf']

_MEANS = (
    'Every figure is a mean over the images that were scored. Published '
    'figures are means over the whole dataset of their source, not over the '
    'images here.')
_INTERVALS = (
    'In brackets: 95 % bootstrap intervals over the images; they say how far '
    'a figure hangs on which images these were, and of few images they are '
    'too narrow.')
_MEDIANS = (
    'median sigma: of each map, then of these over the images; relative '
    'error: the median; within 15 percent: the share of the images.')
_CONSTANT = (
    'constant mae: of a constant that is fitted to each truth, which flatters '
    'it.')
_OWN = (
    'accuracy: at 0.3 of the way from the smallest to the largest value of '
    'each map; accuracy own threshold: at the best one of each map.')
_BEST = ('{}, accuracy one threshold: {:g} px, the best single threshold, '
         'chosen on these very images.')
_GIVEN = '{}, accuracy one threshold: {:g} px for all images, as was given.'
_TRAINED = (
    'in 0001-0504: of the part of CUHK that DMENet is trained on.')
_FITTED = (
    '(fitted): the method ranks pixels without a unit; each of its maps was '
    'first fitted to its truth by a straight line, which flatters it.')

Pictures = list[tuple[str, pathlib.Path]]  # (caption, path)


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    import scipy
    import skimage
    found = {'dmenet_tf': __version__, 'python': platform.python_version(),
             'numpy': np.__version__, 'scipy': scipy.__version__,
             'scikit-image': skimage.__version__}
    if 'tensorflow' in sys.modules:
        found['tensorflow'] = sys.modules['tensorflow'].__version__
    return found


def write_csv(path: pathlib.Path, runs: Iterable[Run]) -> None:
    """One row per image, method and noise.

    Args:
        path: Of the .csv.
        runs: Scored ones.
    """
    rows = [{'method': run.method.label, 'noise': run.noise,
             'image': line['image'], 'cropped': line['cropped'],
             **line['scores'], **_range_scores(line.get('ranges', []))}
            for run in runs for line in scoring.read_lines(run.path)]
    columns = dict.fromkeys(name for row in rows for name in row)
    with files.atomic_path(path) as temporary, temporary.open(
            'w', newline='') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _range_scores(sums):
    """MAE of one image, px, in each range of true sigma; '' without pixels.
    """
    return {f'mae_from_{low:g}_px': total / pixels if pixels else ''
            for low, (pixels, total, _) in zip(metrics.RANGES, sums,
                                               strict=False)}


def tables(results: dict[str, Any]) -> list[page.Table]:
    """One table per noise level: our rows, then the published ones.

    Behind it, where truths are sigma, errors by true sigma.

    Args:
        results: See run.evaluate.
    """
    protocol = results['protocol']
    names = COLUMNS[protocol]
    columns = ['method', 'images', *(n.replace('_', ' ') for n in names)]
    found = []
    for noise, ours, published in _levels(results):
        rows = [(False, [_label(row, protocol), _images(row),
                         *(_figure(row, n) for n in names)]) for row in ours]
        rows += [(True, [f'{row["method"]}, published ({row["source"]})', '-',
                         *(_number(row['scores'].get(n)) for n in names)])
                 for row in published]
        found.append((f'{protocol}{_level(noise)}', columns, rows))
        if any(row.get('ranges') for row in ours):
            found.append(_range_table(ours, protocol, noise))
    return found


def _images(row):
    """How many were scored, of how many."""
    trained = row.get('in_cuhk_training')
    return f'{row["images"]} of {row["of"]}' + (
        f', {trained} in 0001-0504' if trained else '')


def _figure(row, name):
    """A mean, with its interval where there is one."""
    text = _number(row['scores'].get(name))
    low, high = row.get('intervals', {}).get(name, (0, 0))
    # A constant has none, up to rounding.
    return text if high - low < 1e-9 else f'{text} [{low:.3f}, {high:.3f}]'


def _range_table(ours, protocol, noise):
    """MAE and bias in px by true sigma, pixels of all images pooled."""
    rows = [row for row in ours if row.get('ranges')]
    columns = ['method', *map(figures.range_name, rows[0]['ranges']), 'all']
    return (f'MAE (bias), px, by true sigma, px{_level(noise)}', columns, [
        (False, [_label(row, protocol), *map(_error, row['ranges']),
                 _error(row['pooled'])]) for row in rows])


def _error(row):
    if not row['pixels']:
        return '-'
    return f'{row["mae_px"]:.2f} ({row["bias_px"]:+.2f})'


def _levels(results):
    """Yields (noise, its rows of results, its published rows)."""
    for noise in dict.fromkeys(row['noise'] for row in results['results']):
        yield noise, *([row for row in results[key] if row['noise'] == noise]
                       for key in ('results', 'published'))


def _label(row, protocol):
    return row['method'] + (' (fitted)' if _is_fitted(row, protocol) else '')


def _is_fitted(row, protocol):
    return row['unit'] == 'score' and protocol not in MASKS


def _number(value):
    return '-' if value is None else f'{value:.4f}'


def _level(noise):
    return f', noise {noise:g}' if noise else ''


def notes(results: dict[str, Any]) -> list[str]:
    """What is to be said below the tables: which images, unit and weights."""
    protocol = results['protocol']
    lines = [_MEDIANS if protocol == 'uniform' else _MEANS]
    lines += [line for line, wanted in (
        (_INTERVALS, any(row.get('intervals') for row in results['results'])),
        (_CONSTANT, protocol == 'sigma'), (_OWN, protocol == 'cuhk'),
        (_TRAINED, any(row.get('in_cuhk_training')
                       for row in results['results'])),
        (_FITTED, any(_is_fitted(row, protocol)
                      for row in results['results']))) if wanted]
    lines += [(_GIVEN if row['sigma_threshold']['given'] else _BEST).format(
        row['method'], row['sigma_threshold']['px'])
              for row in results['results'] if 'sigma_threshold' in row]
    weights = {row['method']: row for row in results['results']
               if row['digest'] is not None}
    lines += [f'{label}: weights {row["source"]}, sha256 {row["digest"]}.'
              for label, row in weights.items()]
    for row in results['published_apart']:
        lines.append(
            f'{row["method"]}, published ({row["source"]}), as errors of '
            f'{row["map"]}: {_sums(row["scores"])}; as errors of '
            f'{FORMULAS["sigma7"]} at most {_sums(row["at_most"])}: estimates '
            'below sigma = 0 count there and are cut here.')
    return lines


def _sums(scores):
    return ', '.join(f'{name} {_number(value)}'
                     for name, value in scores.items())


def as_text(results: dict[str, Any]) -> str:
    """Tables and notes for the terminal."""
    parts = [f'{heading}\n{_aligned(columns, rows)}'
             for heading, columns, rows in tables(results)]
    return '\n\n'.join(parts + ['\n'.join(notes(results))]).rstrip()


def _aligned(columns, rows):
    cells = [columns, *(row for _, row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return '\n'.join(
        '  '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                  for i, (cell, width) in enumerate(
                      zip(row, widths, strict=True))).rstrip()
        for row in cells)


def draw(output_dir: pathlib.Path, results: dict[str, Any]) -> Pictures:
    """Plots of every noise level.

    Args:
        output_dir: Where they go.
        results: See run.evaluate.
    """
    drawn = []
    for noise, ours, published in _levels(results):
        if results['protocol'] == 'uniform':
            drawn.append((f'Median sigma{_level(noise)}', figures.save(
                figures.uniform_plot(ours), output_dir
                / f'median_sigma{_suffix(noise)}.png')))
            continue
        scored = {_label(row, results['protocol']): row for row in ours
                  if row['images']}
        if scored:
            drawn += _draw_level(output_dir, results['protocol'], noise,
                                 scored, published)
    return drawn


def _draw_level(output_dir, protocol, noise, scored, published):
    column = COLUMNS[protocol][1 if protocol == 'rtf' else 0]
    bars = [(label, row['scores'][column], False)
            for label, row in scored.items()]
    bars += [(f'{row["method"]}, published', row['scores'][column], True)
             for row in published if column in row['scores']]
    name = column.replace('_', ' ').replace('mae', 'MAE').replace('mse', 'MSE')
    unit = 'px' if protocol == 'sigma' else ''
    plots = [(f'{name}{_level(noise)}', 'bars',
              figures.bar_plot(bars, name, unit))]
    if protocol in MASKS:
        plots.append((f'Precision and recall{_level(noise)}',
                      'precision_recall',
                      figures.precision_recall_plot(scored)))
    else:
        plots.append((f'Error by blur{_level(noise)}', 'error_by_blur',
                      figures.range_plot(scored)))
    return [(caption, figures.save(
        plot, output_dir / f'{stem}{_suffix(noise)}.png'))
            for caption, stem, plot in plots]


def _suffix(noise):
    return f'_noise{noise:g}' if noise else ''


def draw_sheet(output_dir: pathlib.Path, runs: Sequence[Run]) -> Pictures:
    """Side by side: input where there is one, each method, truth.

    Args:
        output_dir: Where sheet.png goes.
        runs: Those of the first noise level are shown, on the images that
            all of them have a thumbnail for.
    """
    runs = [run for run in runs if run.noise == runs[0].noise]
    by_name = [{job.case.name: job for job in run.jobs if job.thumbnail}
               for run in runs]
    rows = [_sheet_row([jobs[name] for jobs in by_name]) for name in by_name[0]
            if all(name in jobs for jobs in by_name)]
    rows = [row for row in rows if row is not None]
    if not rows:
        return []
    job = runs[0].jobs[0]
    columns = ['input'] if job.case.image is not None else []
    columns += [_label({'method': run.method.label, 'unit': run.method.unit},
                       job.settings.protocol) for run in runs]
    return [('Side by side', figures.save(
        figures.sheet(rows, [*columns, 'truth']), output_dir / 'sheet.png'))]


def _sheet_row(jobs: list[Job]):
    """(name, pictures) of one case; maps in px share the truth's scale."""
    case, settings = jobs[0].case, jobs[0].settings
    try:
        pictures = [] if case.image is None else [_small(
            protocols.read_image(case.image, settings))]
        truth = protocols.read_truth(case.truth, settings).astype(np.float32)
    except (ValueError, OSError):
        return None
    top = max(float(np.nanmax(truth)), 1e-6)
    truth = figures.in_range(np.nan_to_num(truth), 0, top)
    return case.name, [*pictures, *(_sheet_map(job, top) for job in jobs),
                       truth]


def _small(image):
    picture = Image.fromarray(image)
    picture.thumbnail((scoring.THUMBNAIL, scoring.THUMBNAIL))
    return np.asarray(picture)


def _sheet_map(job, top):
    if not job.thumbnail.exists():
        return None
    values = np.load(job.thumbnail)
    in_px = job.method.unit == 'px' and job.settings.protocol not in MASKS
    low, high = (0, top) if in_px else (values.min(), values.max())
    return figures.in_range(values, low, high)


def write(output_dir: pathlib.Path, results: dict[str, Any],
          pictures: Pictures, runs: Iterable[Run]) -> None:
    """Writes per_image.csv, results.json and report.html.

    Args:
        output_dir: Folder.
        results: See run.evaluate.
        pictures: For the page.
        runs: Scored ones.
    """
    write_csv(output_dir / 'per_image.csv', runs)
    with files.atomic_path(output_dir / 'results.json') as temporary:
        temporary.write_text(json.dumps(results, indent=1) + '\n')
    shown = {key: results[key] for key in ('protocol', 'options', 'versions')}
    page.write(output_dir / 'report.html', f'Evaluation: {shown["protocol"]}',
               tables(results), notes(results), pictures, results['problems'],
               shown)
