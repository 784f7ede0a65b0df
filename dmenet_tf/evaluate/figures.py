"""Figures 4, 5 and 7 of the paper, drawn without any display."""

import pathlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dmenet_tf import files

_WIDTH = 6.4  # inch
_FEW = 10  # curves that matplotlib's usual colours tell apart


def _new(height=4.4, width=_WIDTH):
    figure = Figure(figsize=(width, height), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: pathlib.Path) -> pathlib.Path:
    """Writes a figure whole or not at all."""
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary)
    return path


def precision_recall_plot(results: Mapping[str, Any]) -> Figure:
    """Figure 5: one curve per method, precision and recall averaged.

    Args:
        results: Dict label -> summary with `precision` and `recall`.
    """
    figure = _new()
    axes = figure.add_subplot(xlabel='recall', ylabel='precision',
                              xlim=(0, 1), ylim=(0, 1.01))
    if len(results) > _FEW:
        axes.set_prop_cycle(color=matplotlib.colormaps['tab20'].colors)
    for label, result in results.items():
        area = result['scores']['average_precision']
        line, = axes.plot(result['recall'], result['precision'],
                          label=f'{label} (mAP {area:.3f})')
        axes.plot(result['pooled_recall'], result['pooled_precision'], ':',
                  color=line.get_color(), linewidth=1)
    axes.plot([], [], ':', color='grey', label='dotted: pixels pooled')
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc='lower left')
    count = {f'{r["images"]} of {r["of"]}' for r in results.values()}
    axes.set_title(f'Blurred pixels, {", ".join(sorted(count))} images',
                   fontsize=10)
    return figure


def bar_plot(bars: Sequence[tuple[str, float, bool]], title: str,
             unit: str = '') -> Figure:
    """Figure 4: one bar per method; published ones are hatched.

    Args:
        bars: List of (label, value, published).
        title: Of the axis.
        unit: Behind the title.
    """
    figure = _new(height=0.36 * len(bars) + 1.2)
    axes = figure.add_subplot(xlabel=f'{title} {unit}'.strip())
    for row, (_, value, is_published) in enumerate(bars):
        axes.barh(row, value, height=0.7, edgecolor='black', linewidth=0.6,
                  color='white' if is_published else 'tab:blue',
                  hatch='///' if is_published else None)
        axes.text(value, row, f' {value:.3f}', va='center', fontsize=8)
    axes.set_yticks(range(len(bars)), [label for label, _, _ in bars],
                    fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max([value for _, value, _ in bars] + [1e-6]))
    return figure


def range_plot(results: Mapping[str, Any]) -> Figure:
    """Mean |error| by true sigma, px, one line per method.

    Args:
        results: Dict label -> summary with `ranges`.
    """
    figure = _new()
    axes = figure.add_subplot(xlabel='true sigma, px',
                              ylabel='mean |error|, px')
    rows = next(iter(results.values()))['ranges']
    shown = [i for i, row in enumerate(rows) if row['pixels']]
    for label, result in results.items():
        axes.plot(range(len(shown)),
                  [result['ranges'][i]['mae_px'] for i in shown], 'o-',
                  label=label)
    axes.set_xticks(range(len(shown)), [range_name(rows[i]) for i in shown])
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def range_name(row: Mapping[str, Any]) -> str:
    """'0.5 to 1' of a row of summary's ranges."""
    if row['to_px'] is None:
        return f'> {row["from_px"]:g}'
    return f'{row["from_px"]:g} to {row["to_px"]:g}'


def uniform_plot(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Median sigma over the true one, px, one line per method.

    Args:
        results: Summaries with `method`, `scores` and `intervals`, one for
            each method and blur.
    """
    figure = _new()
    axes = figure.add_subplot(xlabel='true sigma, px',
                              ylabel='median sigma, px')
    rows = [row for row in results if row['images']]
    for method in dict.fromkeys(row['method'] for row in rows):
        scores = [row['scores'] for row in rows if row['method'] == method]
        axes.plot([one['true_sigma'] for one in scores],
                  [one['median_sigma'] for one in scores], 'o-', label=method)
    axes.axline((0, 0), slope=1, color='grey', linewidth=1, linestyle=':')
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    if rows:
        axes.legend(fontsize=8)
    return figure


def sheet(rows: Sequence[tuple[str, Sequence[np.ndarray | None]]],
          columns: Sequence[str]) -> Figure:
    """Figure 7: input if there is, each method, truth; one row per image.

    Args:
        rows: List of (name, pictures): pictures [h, w] in [0, 1] or
            [h, w, 3], None where a method has none; the last is the truth.
        columns: Titles, as many as pictures in a row.
    """
    sizes = [pictures[-1].shape for _, pictures in rows]
    heights = [height / width for height, width in sizes]
    cell = max(1.2, 11 / len(columns))
    figure = _new(1.06 * cell * sum(heights) + 0.4, cell * len(columns) + 0.2)
    grid = figure.subplots(len(rows), len(columns), squeeze=False,
                           gridspec_kw={'height_ratios': heights})
    for axes_row, (name, pictures) in zip(grid, rows, strict=True):
        for axes, picture in zip(axes_row, pictures, strict=True):
            axes.set_axis_off()
            if picture is not None:
                axes.imshow(picture, cmap='gray', vmin=0, vmax=1)
        axes_row[0].text(-0.04, 0.5, textwrap.shorten(name, 30),
                         fontsize=8 if cell > 2 else 6, rotation=90,
                         ha='right', va='center',
                         transform=axes_row[0].transAxes)
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(title, fontsize=9)
    return figure


def in_range(values: npt.ArrayLike, low: float,
             high: float) -> npt.NDArray[np.float64]:
    """values -> [0, 1] for display; a constant map is grey."""
    if high <= low:
        return np.full(np.shape(values), 0.5)
    return np.clip((np.asarray(values, np.float64) - low) / (high - low), 0, 1)
