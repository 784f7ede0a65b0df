"""Numbers of the literature, to be printed beside ours and marked as such.

A row with a `convention` is of maps in another unit. The SYNDOF figures of
the authors' checkpoint are errors of d15 = (2 sigma + 1) / 15, ours of
d7 = sigma / 7. An error of d15 is 15/14 of an error of d7 where an estimate
is at least 1/15. Below, sigma would be negative: here it is cut to 0, there
it counts in full, and sharp pixels, which d15 labels 1/15, are just where
estimates go below. So the figures cannot be converted; they stand apart from
the table, with what they can be at most in our unit: cutting to sigma >= 0
brings no estimate away from a truth that is >= 0.
"""

import dataclasses

from dmenet_tf import optics


@dataclasses.dataclass(frozen=True)
class Row:
    """A method's figures.

    Attributes:
        method, source: Names for the table.
        scores: Means over the images of the source.
        convention: Of the map that they are errors of, where it is not ours.
    """
    method: str
    source: str
    scores: dict[str, float]
    convention: str | None = None


# What the map of a convention is, for people.
FORMULAS = {'sigma7': 'sigma / 7', 'legacy15': '(2 sigma + 1) / 15'}
_LEE = 'Lee 2019, Table 2'
_RELEASED = "the authors' checkpoint"
_DETECTION = 'CUHK-100, as reported by the detection literature'

# protocol -> noise -> rows.
ROWS = {
    'rtf': {
        0.0: [Row('Zhuo & Sim', _LEE, {'mse': 0.037, 'mae': 0.143}),
              Row('JNB', _LEE, {'mse': 0.082, 'mae': 0.241}),
              Row("D'Andres", _LEE, {'mse': 0.033, 'mae': 0.106}),
              Row('Park', _LEE, {'mse': 0.024, 'mae': 0.129}),
              Row('Karaali & Jung', _LEE, {'mse': 0.064, 'mae': 0.199}),
              Row('DMENet', _LEE, {'mse': 0.012, 'mae': 0.088}),
              Row('DMENet released', _RELEASED,
                  {'mse': 0.0093, 'mae': 0.0767})],
        1.0: [Row('DMENet released', _RELEASED,
                  {'mse': 0.0207, 'mae': 0.1006})],
        1.6: [Row('DMENet released', _RELEASED,
                  {'mse': 0.0491, 'mae': 0.1579})]},
    'cuhk': {
        0.0: [Row('DMENet released', f'{_RELEASED}, 0505-0704',
                  {'accuracy': 0.8783, 'average_precision': 0.987}),
              Row('Zhang', 'no figures; its data set SmartBlur was never '
                  'published', {})]},
    'syndof': {
        0.0: [Row('DMENet released', _RELEASED,
                  {'mse': 0.013, 'mae': 0.084}, convention='legacy15')]},
    'detection': {
        0.0: [Row(method, _DETECTION, {'mae': mae, 'f_curve': f, 'iou': iou})
              for method, mae, f, iou in (
                  ('LBP', 0.154, 0.917, 0.755),
                  ('HiFST', 0.223, 0.803, 0.743),
                  ('BTBNet', 0.110, 0.949, 0.914),
                  ('CENet', 0.061, 0.945, 0.932),
                  ('IS2CNet', 0.049, 0.964, 0.937),
                  ('DD', 0.045, 0.966, 0.941),
                  ('DFFNet', 0.039, 0.971, 0.947),
                  ('D-DFFNet', 0.036, 0.973, 0.951))]},
}


def rows(protocol: str, noise: float) -> list[Row]:
    """Published rows of a protocol at a noise level; [] if there are none."""
    return ROWS.get(protocol, {}).get(noise, [])


def at_most(row: Row) -> dict[str, float]:
    """Bounds of a row's figures in our unit, sigma7; see the module.

    Args:
        row: Its scores are `mse` and `mae` of maps of row.convention.
    """
    ratio = _per_px('sigma7') / _per_px(row.convention)
    return {'mse': row.scores['mse'] * ratio**2,
            'mae': row.scores['mae'] * ratio}


def _per_px(convention):
    """By how much d grows with each px of sigma."""
    return (optics.defocus_from_sigma(1.0, convention)
            - optics.defocus_from_sigma(0.0, convention))
