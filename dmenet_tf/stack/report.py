"""The focus curve of a stack: what each frame shows sharply."""

import csv
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from dmenet_tf import files, focus


@dataclasses.dataclass(frozen=True)
class Focus:
    """How much of a frame is in focus; the fields are the columns of the CSV.

    Attributes:
        frame: Its name.
        mean_sigma_px: Of all its pixels.
        sharpest_tenth_px: The 10th percentile of sigma.
        in_focus_share: Of its pixels, by focus.threshold.
        taken_share: Of the pixels, which are sharpest in this frame.
    """

    frame: str
    mean_sigma_px: float
    sharpest_tenth_px: float
    in_focus_share: float
    taken_share: float = 0.0


def measure(name: str, sigma: np.ndarray) -> Focus:
    """The figures of one frame, but for the share that is taken of it.

    Args:
        name: Of the frame.
        sigma: [h, w] px.
    """
    below = focus.threshold(sigma.shape)
    return Focus(name, *(round(float(x), 4) for x in (
        sigma.mean(), np.percentile(sigma, 10), (sigma <= below).mean())))


def with_taken(found: Sequence[Focus], index: np.ndarray) -> list[Focus]:
    """The figures with the share that the joined picture takes of each."""
    counts = np.bincount(index.ravel(), minlength=len(found)) / index.size
    return [dataclasses.replace(one, taken_share=round(float(count), 4))
            for one, count in zip(found, counts, strict=True)]


def sharpest(found: Sequence[Focus]) -> int:
    """Number of the frame with the least mean sigma."""
    return min(range(len(found)), key=lambda i: found[i].mean_sigma_px)


def write_csv(path: pathlib.Path, found: Sequence[Focus]) -> None:
    """Writes the curve as a table, whole or not at all."""
    with (files.atomic_path(path) as temporary,
          temporary.open('w', newline='', encoding='utf-8',
                         errors='backslashreplace') as file):
        table = csv.writer(file)
        table.writerow([field.name for field in dataclasses.fields(Focus)])
        table.writerows(dataclasses.astuple(one) for one in found)


def write_plot(path: pathlib.Path, found: Sequence[Focus]) -> None:
    """Draws the curve, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter
    figure = Figure(figsize=(7, 4), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel='frame', ylabel='sigma (px)')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    numbers = range(len(found))
    axes.plot(numbers, [one.mean_sigma_px for one in found], 'o-',
              label='mean sigma')
    axes.plot(numbers, [one.sharpest_tenth_px for one in found], 's--',
              label='10th percentile of sigma')
    axes.axvline(sharpest(found), color='0.6', zorder=0,
                 label='least mean sigma')
    axes.set_ylim(bottom=0)
    shares = axes.twinx()
    shares.bar(numbers, [one.taken_share for one in found], color='C2',
               alpha=0.3, label='share of the joined picture')
    shares.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    shares.set_ylabel('share of the joined picture')
    figure.legend(loc='outside upper center', ncols=2)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format='png', dpi=120)
