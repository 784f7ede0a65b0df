"""Numbers of the literature, to be printed beside ours and marked as such.

A row with a `convention` is of maps in another unit. The SYNDOF figures of
the authors' checkpoint are errors of d15 = (2 sigma + 1) / 15, ours of
d7 = sigma / 7. An error of d15 is 15/14 of an error of d7 where an estimate
is at least 1/15. Below, sigma would be negative: here it is cut to 0, there
it counts in full, and sharp pixels, which d15 labels 1/15, are just where
estimates go below. So the figures cannot be converted; they stand apart from
the table, with what they can be at most in our unit: cutting to sigma >= 0
brings no estimate away from a truth that is >= 0.

Every row is of a split. Where ours is another, told by its number of
photographs, the row has a table of its own.
"""

import dataclasses

from dmenet_tf import optics


@dataclasses.dataclass(frozen=True)
class Split:
    """The photographs that figures are of.

    Attributes:
        name: For people.
        photographs: How many; None where the set has no parts, and its
            number is not at hand.
    """
    name: str
    photographs: int | None


@dataclasses.dataclass(frozen=True)
class Row:
    """A method's figures.

    Attributes:
        method, source: Names for the table.
        split: Split.
        scores: Means over the images of the split.
        convention: Of the map that they are errors of, where it is not ours.
    """
    method: str
    source: str
    split: Split
    scores: dict[str, float]
    convention: str | None = None


# What the map of a convention is, for people.
FORMULAS = {'sigma7': 'sigma / 7', 'legacy15': '(2 sigma + 1) / 15'}
_LEE = 'Lee 2019, Table 2'
_RELEASED = "the authors' checkpoint"
_DETECTION = 'as reported by the detection literature'
_RTF = Split('RTF', 22)
_CUHK = Split('CUHK 0505-0704', 200)
_CUHK_100 = Split("CUHK, BTBNet's 100", 100)
_DUT = Split("DUT-DBD's test part", 500)
_CTCUG = Split('CTCUG', None)
_EBD = Split('EBD', 1605)


def _by_mae(split, figures):
    return [Row(method, _DETECTION, split, {'mae': mae})
            for method, mae in figures]


ROWS = {
    ('rtf', 0.0): [
        *(Row(method, _LEE, _RTF, {'mse': mse, 'mae': mae})
          for method, mse, mae in (
              ('Zhuo & Sim', 0.037, 0.143), ('JNB', 0.082, 0.241),
              ("D'Andres", 0.033, 0.106), ('Park', 0.024, 0.129),
              ('Karaali & Jung', 0.064, 0.199), ('DMENet', 0.012, 0.088))),
        Row('DMENet released', _RELEASED, _RTF,
            {'mse': 0.0093, 'mae': 0.0767})],
    ('rtf', 1.0): [Row('DMENet released', _RELEASED, _RTF,
                       {'mse': 0.0207, 'mae': 0.1006})],
    ('rtf', 1.6): [Row('DMENet released', _RELEASED, _RTF,
                       {'mse': 0.0491, 'mae': 0.1579})],
    ('cuhk', 0.0): [Row('DMENet released', _RELEASED, _CUHK,
                        {'accuracy': 0.8783, 'average_precision': 0.987}),
                    # It cannot be made, see baselines.ABSENT.
                    Row('Zhang', 'Lee 2019, Figure 6, without figures', _CUHK,
                        {})],
    ('syndof', 0.0): [Row('DMENet released', _RELEASED, Split('SYNDOF', None),
                          {'mse': 0.013, 'mae': 0.084},
                          convention='legacy15')],
    ('detection', 'cuhk'): [
        *(Row(method, _DETECTION, _CUHK_100,
              {'mae': mae, 'f_curve': f, 'iou': iou})
          for method, mae, f, iou in (
              ('LBP', 0.154, 0.917, 0.755), ('HiFST', 0.223, 0.803, 0.743),
              ('BTBNet', 0.110, 0.949, 0.914), ('CENet', 0.061, 0.945, 0.932),
              ('IS2CNet', 0.049, 0.964, 0.937), ('DD', 0.045, 0.966, 0.941),
              ('DFFNet', 0.039, 0.971, 0.947),
              ('D-DFFNet', 0.036, 0.973, 0.951))),
        Row('FOCUS-L', _DETECTION, _CUHK_100,
            {'mae': 0.035, 'balanced_error_rate': 0.035})],
    ('detection', 'dut'): _by_mae(_DUT, (
        ('CENet', 0.141), ('BTBNet2', 0.145), ('BR2Net', 0.083),
        ('DD', 0.074), ('D-DFFNet', 0.070), ('FOCUS-L', 0.047))),
    ('detection', 'ctcug'): _by_mae(_CTCUG, [('D-DFFNet', 0.074)]),
    ('detection', 'ebd'): _by_mae(_EBD, [('IS2CNet', 0.070)]),
}


def rows(protocol: str, noise: float, dataset: str = 'cuhk') -> list[Row]:
    """Published rows of a protocol and, of detection, of a dataset.

    Args:
        protocol, dataset: See options.Options.
        noise: Level; [] where nothing was published for it.
    """
    if protocol != 'detection':
        return ROWS.get((protocol, noise), [])
    return [] if noise else ROWS[protocol, dataset]


def is_of(row: Row, wanted: int) -> bool:
    """Whether a row may stand among ours: the split is the same.

    Args:
        row: Of `rows`.
        wanted: How many photographs our split has.
    """
    return row.split.photographs in (None, wanted)


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
