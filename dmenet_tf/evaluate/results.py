"""What evaluate returns: a dict of JSON values that also gives tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dmenet_tf import metrics
from dmenet_tf.evaluate import report, scoring
from dmenet_tf.evaluate.scoring import Run

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


def per_image(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row per image, method, noise and blur.

    Args:
        runs: Scored ones.

    Returns:
        Dicts of `method`, `noise`, `blur`, `image`, `cropped`, the scores
        and, of sigma, the image's MAE in each range of true sigma, px, ''
        where it has no pixel.
    """
    return [{'method': run.method.label, 'noise': run.noise, 'blur': run.blur,
             'image': line['image'], 'cropped': line['cropped'],
             **line['scores'], **_range_scores(line.get('ranges', []))}
            for run in runs for line in scoring.read_lines(run.path)]


def _range_scores(sums):
    return {f'mae_from_{low:g}_px': total / pixels if pixels else ''
            for low, (pixels, total, _) in zip(metrics.RANGES, sums,
                                               strict=False)}


class Results(dict[str, Any]):
    """What results.json holds, as a dict; see run.evaluate.

    Args:
        found: That dict.
        per_image: Of the function of that name.

    Attributes:
        per_image: One row per image, method, noise and blur, plain dicts.
    """

    def __init__(self, found: Mapping[str, Any],
                 per_image: Sequence[Mapping[str, Any]]):
        super().__init__(found)
        self.per_image = per_image

    def rows(self) -> list[dict[str, Any]]:
        """The figures as plain dicts, one for each method and level.

        Returns:
            Dicts of `method`, `published`, `split` (of published ones, else
            None), `noise`, `blur`, `images`, each score, and beside it
            NAME_low and NAME_high, its interval.
        """
        return [{'method': row['method'], 'published': 'split' in row,
                 'split': row.get('split'), 'noise': row['noise'],
                 'blur': row.get('blur', 0.0), 'images': row.get('images'),
                 **row['scores'], **_bounds(row.get('intervals', {}))}
                for row in [*self['results'], *self['published']]]

    def differences(self) -> list[dict[str, Any]]:
        """How each two methods differ: method minus other, as `rows`."""
        return [{**{key: value for key, value in row.items()
                    if key not in ('scores', 'intervals')},
                 **row['scores'], **_bounds(row['intervals'])}
                for row in self['differences']]

    def frame(self, rows: Sequence[Mapping[str, Any]] | None = None
              ) -> 'pandas.DataFrame':
        """The same for pandas, which has to be installed.

        Args:
            rows: Of differences() or per_image; None: those of rows().
        """
        import pandas
        return pandas.DataFrame(self.rows() if rows is None else rows)

    def figures(self) -> dict[str, 'Figure']:
        """Name -> figure: those that were written, to be drawn again."""
        return {name: figure for _, name, figure in report.plots(self)}


def _bounds(intervals):
    return {f'{name}_{end}': bound for name, bounds in intervals.items()
            for end, bound in zip(('low', 'high'), bounds, strict=True)}
