"""The variables of a network by name, and .npz files of them."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from dmenet_tf import budgets, images


def of(model: keras.Model) -> dict[str, Any]:
    """The model's variables by '<layer>/<variable>', e.g. 'u3_c1/kernel'.

    The names are the same on Keras 2 and 3 and whatever order layers are in.
    """
    named = {}
    for layer in model.layers:
        for variable in layer.weights:
            leaf = variable.name.split('/')[-1].split(':')[0]
            named[f'{layer.name}/{leaf}'] = variable
    return named


def assign(model: keras.Model, arrays: Mapping[str, npt.ArrayLike],
           source: str | pathlib.Path) -> None:
    """Sets every variable of a model, all or none.

    Args:
        model: Keras model.
        arrays: '<layer>/<variable>' -> array; names that the model lacks are
            ignored.
        source: Words for where the arrays came from, for errors.

    Raises:
        ValueError: Names the variables that are missing or misshapen.
    """
    wanted = of(model)
    missing = sorted(set(wanted) - set(arrays))
    if missing:
        raise ValueError(f'{source} lacks {len(missing)} of the '
                         f'{len(wanted)} variables of network {model.name}: '
                         f'{shortened(missing)}.')
    misshapen = [f'{name} {np.shape(arrays[name])}, needed '
                 f'{tuple(variable.shape)}'
                 for name, variable in wanted.items()
                 if tuple(np.shape(arrays[name])) != tuple(variable.shape)]
    if misshapen:
        raise ValueError(f'{source} has variables of network {model.name} in '
                         f'other shapes: {shortened(misshapen)}.')
    for name, variable in wanted.items():
        variable.assign(np.asarray(arrays[name], np.float32))


def shortened(names: Sequence[str], limit: int = 5) -> str:
    """The first `limit` names, and how many more there are."""
    rest = f' and {len(names) - limit} more' if len(names) > limit else ''
    return '; '.join(names[:limit]) + rest


def read_npz(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz, never unpickling.

    Raises:
        FileNotFoundError, ValueError: One line with the file's name.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such weights file.')
    try:
        with budgets.open_npz(path) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # Whatever a damaged file makes NumPy throw.
        raise ValueError(f'{path}: not a readable .npz of plain arrays '
                         f'({images.one_line(error)}).') from error
