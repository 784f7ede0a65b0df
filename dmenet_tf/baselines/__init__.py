"""Classical estimators to compare with: no training, one function each.

Every module here has `estimate(image)` and `UNIT`:

    estimate   uint8 RGB [h, w, 3] -> float32 [h, w], more = blurrier
    UNIT       'px': the map is sigma in px; 'score': it only ranks pixels

`load('zhuo_sim')` returns the module.
"""

import importlib
import types

NAMES = ('zhuo_sim', 'karaali_jung', 'lbp', 'hifst', 'laplacian',
         'constant')


def load(name: str) -> types.ModuleType:
    """Returns the module of a baseline.

    Raises:
        ValueError: There is none of this name.
        ImportError: It needs a package that is not installed; one line with
            the command that installs it.
    """
    if name not in NAMES:
        raise ValueError(f'There is no baseline {name!r}; there are '
                         f'{", ".join(NAMES)}.')
    return importlib.import_module(f'{__name__}.{name}')
