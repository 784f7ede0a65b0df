"""Figures as tables of text: for the terminal, Markdown and the page."""

from collections.abc import Iterator, Sequence
from typing import Any

from dmenet_tf.evaluate import figures
from dmenet_tf.evaluate.options import MASKS
from dmenet_tf.evaluate.published import FORMULAS

# (heading, columns, rows); a row is (is_published, cells).
Table = tuple[str, list[str], list[tuple[bool, list[str]]]]

# Columns of the tables, by kind of truth.
COLUMNS = {
    'cuhk': ('accuracy', 'accuracy_one_threshold', 'accuracy_own_threshold',
             'average_precision', 'pooled_average_precision', 'f_curve',
             'f_max', 'mae', 'iou', 'e_measure', 's_measure'),
    'detection': ('mae', 'f_curve', 'f_max', 'iou', 'balanced_error_rate',
                  'accuracy', 'accuracy_one_threshold', 'average_precision',
                  'e_measure', 's_measure'),
    'rtf': ('mse', 'mae', 'bias', 'correlation', 'rank_correlation'),
    'sigma': ('mae', 'bias', 'rmse', 'correlation', 'rank_correlation',
              'constant_mae'),
    'uniform': ('true_sigma', 'median_sigma', 'relative_error',
                'within_15_percent')}
COLUMNS['syndof'] = COLUMNS['rtf']
# Which way is better; 0: the nearer to 0; what is not here is no score.
_LOWER = {'mse', 'mae', 'rmse', 'balanced_error_rate'}
_NEAR_0 = {'bias', 'relative_error'}
_NO_SCORE = {'constant_mae', 'true_sigma', 'median_sigma'}

_MEANS = (
    'Every figure is a mean over the images that were scored. Published '
    'figures are means over the images of their split; those of another '
    'split than ours have a table of their own.')
_ARROWS = '↑: more is better; ↓: less is better; →0: near 0 is better.'
_SECONDS = (
    'seconds: that one map took on this machine, beside whatever else it did, '
    'the median of those that were timed; baselines run in several processes.')
_INTERVALS = (
    'In brackets: 95 % bootstrap intervals over the images; they say how far '
    'a figure hangs on which images these were, and of few images they are '
    'too narrow.')
_DIFFERENCES = (
    'Differences are of the images that both were scored on, and their '
    'intervals of the same images drawn for both. *: the interval does not '
    'hold 0. Every pair of methods is in results.json.')
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
_NO_UNIT = ('{}, accuracy one threshold: none, its maps have no unit (of files '
            '--prediction_scale or --prediction_unit says it).')
_GIVEN = '{}, accuracy one threshold: {:g} px for all images, as was given.'
_TRAINED = (
    'in 0001-0504: of the part of CUHK that DMENet is trained on.')
_FITTED = (
    '(fitted): the method ranks pixels without a unit; each of its maps was '
    'first fitted to its truth by a straight line, which flatters it.')


def titled(name: str) -> str:
    """'balanced error rate ↓' of a score."""
    arrow = ('' if name in _NO_SCORE else ' →0' if name in _NEAR_0
             else ' ↓' if name in _LOWER else ' ↑')
    return name.replace('_', ' ') + arrow


def tables(results: dict[str, Any]) -> list[Table]:
    """Of each noise level: our rows with the published ones of this split,
    those of other splits, errors by true sigma where truths are sigma, and
    how the methods differ from the first.

    Args:
        results: See run.evaluate.
    """
    return [table for noise, ours, published in levels(results)
            for table in _level_tables(results, noise, ours, published)]


def _level_tables(results, noise, ours, published):
    protocol, level = results['protocol'], level_name(noise)
    names = [name for name in COLUMNS[protocol]
             if name not in ('e_measure', 's_measure')
             or any(name in row['scores'] for row in ours)]
    timed = any(row.get('seconds') for row in ours)
    rows = [(False, [label(row, protocol), _images(row),
                     *(figure(row, name) for name in names),
                     *([_seconds(row)] if timed else [])])
            for row in ours]
    rows += [(True, [f'{row["method"]}, published ({row["source"]})', '-',
                     *(_number(row['scores'].get(name)) for name in names),
                     *(['-'] if timed else [])])
             for row in published if row['same_split']]
    yield (f'{protocol}{level}',
           ['method', 'images', *map(titled, names),
            *(['seconds'] if timed else [])], rows)
    yield from _other_splits(
        [row for row in published if not row['same_split']], protocol, level)
    if any(row.get('ranges') for row in ours):
        yield _range_table(ours, protocol, level)
    yield from _difference_tables(
        [row for row in results['differences'] if row['noise'] == noise],
        names, level)


def _other_splits(published, protocol, level) -> Iterator[Table]:
    for split in dict.fromkeys(row['split'] for row in published):
        rows = [row for row in published if row['split'] == split]
        names = [name for name in COLUMNS[protocol]
                 if any(name in row['scores'] for row in rows)]
        yield (f'Published, of another split: {split}{level}',
               ['method', *map(titled, names)],
               [(True, [f'{row["method"]}, published ({row["source"]})',
                        *(_number(row['scores'].get(name)) for name in names)])
                for row in rows])


def _difference_tables(differences, names, level) -> Iterator[Table]:
    """One for each level of blur; of all pairs those with the first method."""
    for blur in dict.fromkeys(row['blur'] for row in differences):
        of_blur = [row for row in differences if row['blur'] == blur]
        first = of_blur[0]['method']
        rows = [row for row in of_blur if row['method'] == first]
        shown = [name for name in names if name not in _NO_SCORE
                 and any(name in row['scores'] for row in rows)]
        heading = f'{first} minus the others{level}' + (
            f', blur {blur:g} px' if blur else '')
        yield (heading, ['minus', 'images', *map(titled, shown)],
               [(False, [row['other'], str(row['images']),
                         *(_change(row, name) for name in shown)])
                for row in rows])


def _change(row, name):
    value = row['scores'].get(name)
    if value is None:
        return '-'
    if name not in row['intervals']:
        return f'{value:+.4f}'
    low, high = row['intervals'][name]
    return (f'{value:+.4f} [{low:+.3f}, {high:+.3f}]'
            + ('' if low <= 0 <= high else ' *'))


def _seconds(row):
    return f'{row["seconds"]:.2f}' if row.get('seconds') else '-'


def _images(row):
    """How many were scored, of how many."""
    trained = row.get('in_cuhk_training')
    return f'{row["images"]} of {row["of"]}' + (
        f', {trained} in 0001-0504' if trained else '')


def figure(row: dict[str, Any], name: str) -> str:
    """A mean of a row of results, with its interval where there is one."""
    text = _number(row['scores'].get(name))
    low, high = row.get('intervals', {}).get(name, (0, 0))
    # A constant has none, up to rounding.
    return text if high - low < 1e-9 else f'{text} [{low:.3f}, {high:.3f}]'


def _range_table(ours, protocol, level):
    """MAE and bias in px by true sigma, pixels of all images pooled."""
    rows = [row for row in ours if row.get('ranges')]
    columns = ['method', *map(figures.range_name, rows[0]['ranges']), 'all']
    return (f'MAE [interval] (bias), px, by true sigma, px{level}', columns, [
        (False, [label(row, protocol), *map(_error, row['ranges']),
                 _error(row['pooled'])]) for row in rows])


def _error(row):
    if not row['pixels']:
        return '-'
    low, high = row.get('mae_interval', (0, 0))
    between = f' [{low:.2f}, {high:.2f}]' if high - low > 1e-9 else ''
    return f'{row["mae_px"]:.2f}{between} ({row["bias_px"]:+.2f})'


def levels(results: dict[str, Any]
           ) -> Iterator[tuple[float, list[dict], list[dict]]]:
    """Yields (noise, its rows of results, its published rows)."""
    for noise in dict.fromkeys(row['noise'] for row in results['results']):
        yield noise, *([row for row in results[key] if row['noise'] == noise]
                       for key in ('results', 'published'))


def label(row: dict[str, Any], protocol: str) -> str:
    """What a method is called in a table."""
    return row['method'] + (' (fitted)' if _is_fitted(row, protocol) else '')


def _is_fitted(row, protocol):
    return row['unit'] == 'score' and protocol not in MASKS


def _number(value):
    return '-' if value is None else f'{value:.4f}'


def level_name(noise: float) -> str:
    """Behind a heading: ', noise 1.6'."""
    return f', noise {noise:g}' if noise else ''


def notes(results: dict[str, Any]) -> list[str]:
    """What is to be said below the tables: which images, unit and weights."""
    protocol, ours = results['protocol'], results['results']
    lines = [_MEDIANS if protocol == 'uniform' else _MEANS, _ARROWS]
    if any(row.get('seconds') for row in results['results']):
        lines.append(_SECONDS)
    lines += [line for line, wanted in (
        (_INTERVALS, any(row.get('intervals') for row in ours)),
        (_DIFFERENCES, results['differences']),
        (_CONSTANT, protocol == 'sigma'), (_OWN, protocol == 'cuhk'),
        (_TRAINED, any(row.get('in_cuhk_training') for row in ours)),
        (_FITTED, any(_is_fitted(row, protocol) for row in ours))) if wanted]
    lines += [(_GIVEN if row['sigma_threshold']['given'] else _BEST).format(
        row['method'], row['sigma_threshold']['px'])
              for row in ours if 'sigma_threshold' in row]
    if results.get('options', {}).get('sigma_threshold') is not None:
        lines += [_NO_UNIT.format(label) for label in dict.fromkeys(
            row['method'] for row in ours if 'sigma_threshold' not in row)]
    weights = {row['method']: row for row in ours if row['digest'] is not None}
    lines += [f'{label}: weights {row["source"]}, sha256 {row["digest"]}.'
              for label, row in weights.items()]
    return lines + [_apart(row) for row in results['published_apart']]


def _apart(row):
    return (f'{row["method"]}, published ({row["source"]}), as errors of '
            f'{row["map"]}: {_sums(row["scores"])}; as errors of '
            f'{FORMULAS["sigma7"]} at most {_sums(row["at_most"])}: estimates '
            'below sigma = 0 count there and are cut here.')


def _sums(scores):
    return ', '.join(f'{name} {_number(value)}'
                     for name, value in scores.items())


def as_text(results: dict[str, Any], width: int | None = None) -> str:
    """Tables and notes for the terminal.

    Args:
        results: See run.evaluate.
        width: Of the terminal, in characters. Wider tables go on below, each
            part with the first column. None: as wide as they are.
    """
    parts = [f'{heading}\n{_aligned(columns, rows, width)}'
             for heading, columns, rows in tables(results)]
    return '\n\n'.join([*parts, '\n'.join(notes(results))]).rstrip()


def as_markdown(results: dict[str, Any], heading: str = '##') -> str:
    """Tables in Markdown.

    Args:
        results: See run.evaluate.
        heading: What a table's heading begins with.
    """
    return '\n\n'.join(f'{heading} {title}\n\n{piped(columns, rows)}'
                       for title, columns, rows in tables(results))


def _aligned(columns, rows, width):
    names, *others = zip(columns, *(row for _, row in rows), strict=True)
    names = [name.ljust(max(map(len, names))) for name in names]
    parts = [names]  # Each is a list of lines.
    for column in others:
        longest = max(map(len, column))
        if width and parts[-1] is not names and (
                len(parts[-1][0]) + 2 + longest > width):
            parts.append(names)
        parts[-1] = [f'{line}  {cell.rjust(longest)}'
                     for line, cell in zip(parts[-1], column, strict=True)]
    return '\n\n'.join('\n'.join(line.rstrip() for line in lines)
                       for lines in parts)


def piped(columns: Sequence[str],
          rows: Sequence[tuple[bool, list[str]]]) -> str:
    """A table in Markdown, of what `tables` gives; published rows slanted."""
    lines = [columns, ['---', *['--:'] * (len(columns) - 1)],
             *([f'*{row[0]}*' if is_published else row[0], *row[1:]]
               for is_published, row in rows)]
    return '\n'.join(f'| {" | ".join(_escaped(cell) for cell in line)} |'
                     for line in lines)


def _escaped(cell):
    return cell.replace('|', '\\|')
