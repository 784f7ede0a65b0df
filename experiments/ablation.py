"""The table and the pictures of what ablation.sh trained.

    python experiments/ablation.py WORK RTF

Scores the rows that are finished, each at its last step, on CUHK's photographs
that were set aside, on RTF, and on the validation renders. In WORK/ablation are
then

    ablation.md        the table
    figure3.png        Figure 3: the maps of the rows of seed 1
    discriminator.png  what D knew over time
    scores/            all that `evaluate` tells

Every difference stands beside the spread, the largest difference between two
seeds of one row. One that is not larger is reported as none.
"""

import math
import pathlib
import shutil
import sys
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from dmenet_tf import evaluate
from dmenet_tf.evaluate import figures

# Row -> (what it is, the row that it is compared with).
ROWS = {'b': ('B', None), 'bd': ('BD', 'b'), 'bdc': ('BDC', 'bd'),
        'bdcs': ('BDCS', 'bdc'), 'bdcs_no_aux': ('BDCS without L_aux', 'bdcs'),
        'photographs_b': ('B, `photographs`', 'b'),
        'photographs_bds': ('BDS, `photographs`', 'photographs_b'),
        'gaussian': ('B, Gaussian blur alone', 'b'),
        'linear': ('B, blurred in linear light', 'b'),
        'highlights': ('B, linear light, highlights lifted', 'linear')}
SEEDS = (1, 2)
# Heading -> (protocol, score).
COLUMNS = {'CUHK accuracy': ('cuhk', 'accuracy'),
           'CUHK mAP': ('cuhk', 'average_precision'),
           'CUHK, own threshold': ('cuhk', 'accuracy_own_threshold'),
           'RTF MAE': ('rtf', 'mae'), 'renders MAE': ('syndof', 'mae')}
Scores = dict[str, dict[int, float]]  # Of one column: row -> seed -> score.


def measure(work: pathlib.Path, rtf: str, seed: int) -> dict[str, dict]:
    """Scores the rows of a seed: protocol -> row -> its scores."""
    files = {row: work / f'ablation/{row}_{seed}/weights.npz' for row in ROWS}
    models = [f'{row}={file}' for row, file in files.items() if file.is_file()]
    pictures = {'cuhk': (work / 'cuhk54/image', work / 'cuhk54/gt'),
                'rtf': (rtf, rtf),
                'syndof': (work / 'val/image', work / 'val/sigma')}
    found = {}
    for protocol, (images, truths) in pictures.items() if models else ():
        results = evaluate.evaluate(evaluate.Options(
            protocol, work / f'ablation/scores/{protocol}_{seed}', truths,
            images, models, split='all', noise=[0.0]))
        found[protocol] = {row['method']: row['scores']
                           for row in results['results']}
    return found


def table(columns: Mapping[str, Scores]) -> list[str]:
    """Lines of the table in Markdown.

    Args:
        columns: By headings.
    """
    lines = ['| | seeds | ' + ' | '.join(columns) + ' |',
             '|---' * (len(columns) + 2) + '|']
    for row, (what, before) in ROWS.items():
        seeds = sorted(set().union(*(scores.get(row, ())
                                     for scores in columns.values())))
        if seeds:
            cells = [cell(scores, row, before) for scores in columns.values()]
            lines.append(f'| {what} | {len(seeds)} | {" | ".join(cells)} |')
    spreads = [spread(scores) for scores in columns.values()]
    return [*lines, '| spread of two seeds | - | ' + ' | '.join(
        'not measured' if one is None else f'{one:.4f}'
        for one in spreads) + ' |']


def cell(scores: Scores, row: str, before: str | None) -> str:
    """The mean of a row's seeds, and how it differs from the row before."""
    if before not in scores or spread(scores) is None:
        return f'{mean(scores, row):.4f}'
    by = mean(scores, row) - mean(scores, before)
    said = f'{by:+.4f}' if abs(by) > spread(scores) else 'none'
    return f'{mean(scores, row):.4f} ({said})'


def mean(scores: Scores, row: str) -> float:
    """Over the seeds that there are."""
    return float(np.mean(list(scores[row].values())))


def spread(scores: Scores) -> float | None:
    """The largest difference of two seeds of a row; None: no row has two."""
    return max((max(seeds.values()) - min(seeds.values())
                for seeds in scores.values() if len(seeds) > 1), default=None)


def discriminator_losses(folder: pathlib.Path) -> dict[int, float]:
    """Step -> L_D, the mean since the step before, of a run's event files."""
    found = {}
    for path in sorted((folder / 'events').glob('events.*')):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag == 'L_D':
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return found


def discriminator_plot(runs: Mapping[str, Mapping[int, float]]) -> Figure:
    """exp(-L_D) over the steps, one line per run that has a D.

    Args:
        runs: discriminator_losses by names.
    """
    figure = Figure(figsize=(6.4, 4), dpi=120, layout='constrained')
    axes = figure.add_subplot(
        xlabel='step', ylim=(0, 1), ylabel='exp(-L_D): probability that D '
        'gives to what is so')
    for name, losses in runs.items():
        axes.plot(losses.keys(), [math.exp(-loss) for loss in losses.values()],
                  label=name)
    axes.axhline(0.5, color='grey', linestyle=':', label='guessing')
    axes.legend(fontsize=8)
    return figure


def main(work: str, rtf: str) -> None:
    """Scores, and writes table and pictures."""
    folder = pathlib.Path(work) / 'ablation'
    found = {seed: measure(pathlib.Path(work), rtf, seed) for seed in SEEDS}
    columns = {heading: {row: {
        seed: scores[protocol][row][score] for seed, scores in found.items()
        if row in scores.get(protocol, {})} for row in ROWS}
        for heading, (protocol, score) in COLUMNS.items()}
    columns = {heading: {row: seeds for row, seeds in scores.items() if seeds}
               for heading, scores in columns.items()}
    lines = table(columns)
    (folder / 'ablation.md').write_text('\n'.join(lines) + '\n')
    print(*lines, sep='\n')
    shutil.copy(folder / 'scores/cuhk_1/sheet.png', folder / 'figure3.png')
    runs = {path.parent.name: discriminator_losses(path.parent)
            for path in sorted(folder.glob('*/weights.npz'))}
    figures.save(discriminator_plot({name: losses for name, losses
                                     in runs.items() if losses}),
                 folder / 'discriminator.png')


if __name__ == '__main__':
    main(*sys.argv[1:])
