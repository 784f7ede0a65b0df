"""What a run leaves behind: CSV, JSON, Markdown, plots, sheet, page."""

import csv
import json
import pathlib
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from dmenet_tf import __version__, files
from dmenet_tf.evaluate import figures, page, protocols, scoring, tables
from dmenet_tf.evaluate.options import MASKS
from dmenet_tf.evaluate.scoring import Job, Run

Pictures = list[tuple[str, pathlib.Path]]  # (caption, path)


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    import scipy
    import skimage
    found = {'dmenet_tf': __version__, 'python': platform.python_version(),
             'numpy': np.__version__, 'scipy': scipy.__version__,
             'scikit-image': skimage.__version__}
    # Of what is not loaded, nothing depends on it.
    found |= {name: sys.modules[name].__version__
              for name in ('tensorflow', 'keras') if name in sys.modules}
    return found


def write_csv(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One row per image, method, noise and blur.

    Args:
        path: Of the .csv.
        rows: Of results.per_image.
    """
    columns = dict.fromkeys(name for row in rows for name in row)
    with files.atomic_path(path) as temporary, temporary.open(
            'w', newline='') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def plots(results: Mapping[str, Any]
          ) -> Iterator[tuple[str, str, Figure]]:
    """Yields (caption, name, figure) of every noise level.

    Args:
        results: See run.evaluate.
    """
    for noise, ours, published in tables.levels(results):
        if results['protocol'] == 'uniform':
            drawn = [('Median sigma', 'median_sigma',
                      figures.uniform_plot(ours))]
        else:
            drawn = _level_plots(results['protocol'], ours, published)
        for caption, name, figure in drawn:
            yield (caption + tables.level_name(noise),
                   name + (f'_noise{noise:g}' if noise else ''), figure)


def draw(output_dir: pathlib.Path, results: Mapping[str, Any]) -> Pictures:
    """Writes the plots.

    Args:
        output_dir: Where they go.
        results: See run.evaluate.
    """
    return [(caption, figures.save(figure, output_dir / f'{name}.png'))
            for caption, name, figure in plots(results)]


def _level_plots(protocol, ours, published):
    scored = {tables.label(row, protocol): row for row in ours
              if row['images']}
    if not scored:
        return
    column = tables.COLUMNS[protocol][1 if protocol == 'rtf' else 0]
    bars = [(label, row['scores'][column], False)
            for label, row in scored.items()]
    bars += [(f'{row["method"]}, published', row['scores'][column], True)
             for row in published
             if column in row['scores'] and row['same_split']]
    name = column.replace('mae', 'MAE').replace('mse', 'MSE')
    unit = 'px' if protocol == 'sigma' else ''
    yield name, 'bars', figures.bar_plot(bars, name, unit)
    if protocol in MASKS:
        yield ('Precision and recall', 'precision_recall',
               figures.precision_recall_plot(scored))
    else:
        yield 'Error by blur', 'error_by_blur', figures.range_plot(scored)


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
    columns += [tables.label({'method': run.method.label,
                              'unit': run.method.unit},
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


def write(output_dir: pathlib.Path, results: Mapping[str, Any],
          per_image: Sequence[Mapping[str, Any]], pictures: Pictures) -> None:
    """Writes per_image.csv, results.json, report.md and report.html.

    Args:
        output_dir: Folder.
        results: See run.evaluate.
        per_image: Of results.per_image.
        pictures: For the page.
    """
    write_csv(output_dir / 'per_image.csv', per_image)
    title = f'Evaluation: {results["protocol"]}'
    made_with = 'Made with ' + ', '.join(
        ' '.join(item) for item in results['versions'].items()) + '.'
    with files.atomic_path(output_dir / 'results.json') as temporary:
        temporary.write_text(json.dumps(results, indent=1) + '\n')
    with files.atomic_path(output_dir / 'report.md') as temporary:
        temporary.write_text(
            '\n\n'.join([f'# {title}', tables.as_markdown(results),
                         *tables.notes(results), made_with]) + '\n',
            encoding='utf-8')
    page.write(output_dir / 'report.html', title, tables.tables(results),
               [*tables.notes(results), made_with], pictures,
               results['problems'], results['options'])
