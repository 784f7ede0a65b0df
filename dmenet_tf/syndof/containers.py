"""Files that hold pictures and depth maps as arrays: HDF5 and MATLAB's.

| file                       | picture              | depth                  |
|----------------------------|----------------------|------------------------|
| NYUv2 labelled .mat (HDF5) | `images` [n, 3, w, h]| `depths` [n, w, h]     |
| iBims-1 .mat (struct data) | `data.rgb` [h, w, 3] | `data.depth`, without  |
|                            |                      | what its masks leave   |
|                            |                      | out                    |
| other .hdf5, .h5           | -                    | `dataset`, `depth` or  |
|                            |                      | the only array         |

MATLAB stores columns first; what h5py reads of NYUv2 is transposed.
"""

import math
import pathlib

import numpy as np
import numpy.typing as npt

from dmenet_tf import budgets

Path = str | pathlib.Path
SUFFIXES = ('.mat', '.hdf5', '.h5')
NYU_IMAGES, NYU_DEPTHS = 'images', ('depths', 'rawDepths')
IBIMS, IBIMS_MASKS = 'data', ('mask_invalid', 'mask_transp')
_DEPTHS = ('dataset', 'depth')


class NoDepth(ValueError):
    """A file that says by itself why no depth can be read from it."""


def read_depth(path: Path, index: int | None = None) -> np.ndarray:
    """Reads one depth map, [h, w], as stored; nan where a mask leaves it out.

    Args:
        path: A file of one of SUFFIXES.
        index: Which of the maps of NYUv2; None: the file holds one.

    Raises:
        NoDepth: There is none where it should be.
        Exception: Whatever h5py and SciPy say of a damaged file.
    """
    if not _is_hdf5(path):
        return _ibims_depth(path)
    import h5py
    with h5py.File(path, 'r') as file:
        if index is not None:
            name = next(name for name in NYU_DEPTHS if name in file)
            return _values(file[name], path, index).T
        names = [name for name in _DEPTHS if name in file] or list(file)
        if len(names) != 1 or not isinstance(file[names[0]], h5py.Dataset):
            raise NoDepth('it must hold one array, or one named dataset or '
                          f'depth. Received: {list(file)}')
        return _values(file[names[0]], path)


def read_image(path: Path, index: int | None = None
               ) -> npt.NDArray[np.uint8]:
    """Reads the picture that belongs to read_depth(path, index), [h, w, 3].

    Raises:
        ValueError: One line, `PATH: reason`.
    """
    try:
        picture = _image(path, index)
    except Exception as error:  # Whatever h5py and SciPy say of it.
        reason = ' '.join(str(error).split()).rstrip('.')
        raise ValueError(f'{path}: no picture can be read from it: '
                         f'{reason or type(error).__name__}.') from error
    if picture.dtype != np.uint8 or picture.shape[2:] != (3,):
        raise ValueError(f'{path}: a picture must be uint8 [h, w, 3]. '
                         f'Received: {picture.dtype} {picture.shape}.')
    return picture


def count_nyu(path: Path) -> int:
    """How many pictures with depth an NYUv2 file holds; 0: it is none."""
    if not _is_hdf5(path):
        return 0
    import h5py
    with h5py.File(path, 'r') as file:
        depths = [name for name in NYU_DEPTHS if name in file]
        return len(file[NYU_IMAGES]) if NYU_IMAGES in file and depths else 0


def is_ibims(path: Path) -> bool:
    """Whether a file is MATLAB's, not HDF5, with a struct named data."""
    import scipy.io
    if _is_hdf5(path):
        return False
    try:
        listed = scipy.io.whosmat(path)
    except Exception:  # Another kind of file, or damaged.
        return False
    return (IBIMS, 'struct') in [(name, kind) for name, _, kind in listed]


def _values(dataset, path, index=None):
    """A dataset of HDF5, or one entry of it."""
    size, held = dataset.dtype.itemsize, budgets.length(path)
    whole = dataset.shape if index is None else dataset.shape[1:]
    budgets.check(size * math.prod(whole), held)
    budgets.check(size * math.prod(dataset.chunks or ()), held)
    return dataset[() if index is None else index]


def _is_hdf5(path):
    import h5py
    return h5py.is_hdf5(path)


def _image(path, index):
    if not _is_hdf5(path):
        return _field(_ibims(path), 'rgb')
    import h5py
    with h5py.File(path, 'r') as file:
        return _values(file[NYU_IMAGES], path, index).T


def _ibims(path):
    content = budgets.read_mat(path)
    if IBIMS not in content or not content[IBIMS].dtype.names:
        raise NoDepth('it must be HDF5, or hold a struct named data as '
                      'iBims-1 does')
    return content[IBIMS].flat[0]


def _field(struct, name):
    if name not in struct.dtype.names:
        raise NoDepth(f'its struct has no {name}. Received: '
                      f'{", ".join(struct.dtype.names)}')
    return struct[name]


def _ibims_depth(path):
    struct = _ibims(path)
    depth = _field(struct, 'depth').astype(np.float32)
    for name in IBIMS_MASKS:
        if name in struct.dtype.names:
            depth[struct[name] == 0] = np.nan
    return depth
