"""Estimators to compare with, classical or of the paper's rivals, one module
each. What some learnt lies in fitted/, as plain arrays.

Every module of NAMES has `estimate(image)` and `UNIT`:

    estimate   uint8 RGB [h, w, 3] -> float32 [h, w], more = blurrier
    UNIT       'px': the map is sigma in px; 'score': it only ranks pixels

`load('zhuo_sim')` returns the module.
"""

import importlib
import types

NAMES = ('zhuo_sim', 'tang', 'xu', 'karaali_jung', 'jnb', 'dandres', 'park',
         'shi', 'lbp', 'hifst', 'laplacian', 'constant')
# Methods that the paper compares with and nobody can make again, and why.
ABSENT = {'zhang': 'it learnt from the data set SmartBlur, which was never '
                   'published (Zhang et al. 2018)'}


def load(name: str) -> types.ModuleType:
    """Returns the module of a baseline.

    Raises:
        ValueError: There is none of this name, or it is ABSENT.
        ImportError: It needs a package that is not installed; one line with
            the command that installs it.
    """
    if name in ABSENT:
        raise ValueError(f'The baseline {name!r} cannot be made: '
                         f'{ABSENT[name]}.')
    if name not in NAMES:
        raise ValueError(f'There is no baseline {name!r}; there are '
                         f'{", ".join(NAMES)}.')
    return importlib.import_module(f'{__name__}.{name}')
