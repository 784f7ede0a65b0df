"""What a run leaves behind: CSV, JSON, plots, sheet, page, and a table."""

import csv
import json
import platform

import numpy as np
from PIL import Image

from dmenet_tf import __version__, files
from dmenet_tf.evaluate import (
    figures,
    page,
    protocols,
    published,
    scoring,
)

# Columns of the tables, by kind of truth.
COLUMNS = {
    'cuhk': ('accuracy', 'average_precision', 'pooled_average_precision',
             'f_curve', 'f_max', 'mae', 'iou'),
    'rtf': ('mse', 'mae', 'bias', 'correlation', 'rank_correlation')}
COLUMNS['detection'] = ('mae', 'f_curve', 'f_max', 'iou', 'accuracy',
                        'average_precision')
COLUMNS['syndof'] = COLUMNS['sigma'] = COLUMNS['rtf']
_FITTED = ' (fitted)'
_CSV = 'per_image.csv'


def versions():
    """Versions of what the figures depend on."""
    import scipy
    import skimage
    return {'dmenet_tf': __version__, 'python': platform.python_version(),
            'numpy': np.__version__, 'scipy': scipy.__version__,
            'scikit-image': skimage.__version__}


def write_csv(path, score_files):
    """One row per image, method and noise.

    Args:
        path: Of the .csv.
        score_files: Dict (method, noise) -> .jsonl.
    """
    with files.atomic_path(path) as temporary, temporary.open(
            'w', newline='') as file:
        writer = None
        for (method, noise), score_file in score_files.items():
            for line in scoring.read_lines(score_file):
                row = {'method': method.label, 'noise': noise,
                       'image': line['image'], 'cropped': line['cropped'],
                       **line['scores']}
                if writer is None:
                    writer = csv.DictWriter(file, row)
                    writer.writeheader()
                writer.writerow(row)
    return path


def table(protocol, noise, summaries):
    """Rows of ours, then the published ones.

    Args:
        protocol: One of protocols.NAMES.
        noise: Level.
        summaries: Dict Method -> summary.

    Returns:
        (columns, rows): a row is (is_published, cells).
    """
    names = COLUMNS[protocol]
    rows = [(False, [_label(method, protocol),
                     f'{found["images"]} of {found["of"]}',
                     *(_number(found['scores'].get(n)) for n in names)])
            for method, found in summaries.items()]
    rows += [(True, [f'{label}, published ({source})', '-',
                     *(_number(values.get(n)) for n in names)])
             for label, source, values in published.rows(protocol, noise)]
    return ['method', 'images', *(n.replace('_', ' ') for n in names)], rows


def _label(method, protocol):
    fitted = method.unit == 'score' and protocol not in protocols.MASKS
    return method.label + (_FITTED if fitted else '')


def _number(value):
    return '-' if value is None else f'{value:.4f}'


def as_text(columns, rows):
    """A table for the terminal."""
    cells = [columns, *(row for _, row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return '\n'.join(
        '  '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                  for i, (cell, width) in enumerate(
                      zip(row, widths, strict=True))).rstrip()
        for row in cells)


def draw(output_dir, protocol, noise, summaries):
    """Plots of one noise level.

    Returns:
        List of (caption, path).
    """
    suffix = f'_noise{noise:g}' if noise else ''
    results = {_label(method, protocol): found
               for method, found in summaries.items() if found['images']}
    if not results:
        return []
    column = COLUMNS[protocol][1 if protocol == 'rtf' else 0]
    bars = [(label, found['scores'][column], False)
            for label, found in results.items()]
    bars += [(f'{label}, published', values[column], True)
             for label, _, values in published.rows(protocol, noise)
             if column in values]
    name = column.replace('_', ' ').replace('mae', 'MAE').replace('mse', 'MSE')
    drawn = [(f'{name}{_level(noise)}', figures.save(
        figures.bar_plot(bars, name, 'px' if protocol == 'sigma' else ''),
        output_dir / f'bars{suffix}.png'))]
    if protocol in protocols.MASKS:
        plot = figures.precision_recall_plot(results)
        drawn.append(('Precision and recall', figures.save(
            plot, output_dir / f'precision_recall{suffix}.png')))
    else:
        plot = figures.range_plot(results)
        drawn.append((f'Error by blur{_level(noise)}', figures.save(
            plot, output_dir / f'error_by_blur{suffix}.png')))
    return drawn


def _level(noise):
    return f', noise {noise:g}' if noise else ''


def draw_sheet(output_dir, jobs_by_method):
    """Side by side: input, each method, truth.

    Args:
        output_dir: Where sheet.png goes.
        jobs_by_method: Dict Method -> jobs that kept a thumbnail, the same
            cases in the same order.

    Returns:
        List with (caption, path), or [].
    """
    first = next(iter(jobs_by_method.values()), [])
    rows = [row for row in (_sheet_row(jobs) for jobs in
                            zip(*jobs_by_method.values(), strict=True)) if row]
    if not first or not rows:
        return []
    protocol = first[0].settings.protocol
    columns = ['input', *(_label(m, protocol) for m in jobs_by_method),
               'truth']
    return [('Side by side', figures.save(figures.sheet(rows, columns),
                                          output_dir / 'sheet.png'))]


def _sheet_row(jobs):
    """(name, pictures) of one case; maps in px share the truth's scale."""
    case, settings = jobs[0].case, jobs[0].settings
    try:
        image = protocols.read_image(case.image, settings)
        truth = protocols.read_truth(case.truth, settings).astype(np.float32)
    except (ValueError, OSError):
        return None
    small = Image.fromarray(image)
    small.thumbnail((scoring.THUMBNAIL, scoring.THUMBNAIL))
    top = max(float(np.nanmax(truth)), 1e-6)
    pictures = [np.asarray(small)]
    for job in jobs:
        pictures.append(_sheet_map(job, top))
    truth = figures.in_range(np.nan_to_num(truth), 0, top)
    return case.name, [*pictures, truth]


def _sheet_map(job, top):
    if not job.thumbnail.exists():
        return None
    values = np.load(job.thumbnail)
    in_px = (job.method.unit == 'px'
             and job.settings.protocol not in protocols.MASKS)
    low, high = (0, top) if in_px else (values.min(), values.max())
    return figures.in_range(values, low, high)


def write(output_dir, record, tables, pictures, problems, score_files):
    """Writes per_image.csv, results.json and report.html.

    Args:
        output_dir: pathlib.Path.
        record: JSON values: protocol, flags, versions, figures.
        tables: List of (heading, columns, rows).
        pictures: List of (caption, path).
        problems: Lines.
        score_files: Dict (method, noise) -> .jsonl.

    Returns:
        Paths.
    """
    csv_path = write_csv(output_dir / _CSV, score_files)
    json_path = output_dir / 'results.json'
    with files.atomic_path(json_path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + '\n')
    shown = {key: record[key] for key in ('protocol', 'flags', 'versions')}
    title = f'Evaluation: {record["protocol"]}'
    return [csv_path, json_path, *(path for _, path in pictures),
            page.write(output_dir / 'report.html', title, tables, pictures,
                       problems, shown)]
