"""Weights of others: the authors' checkpoint, and VGG19.

Both are arrays by other names than ours; what is read is checked whole before
a network changes, and nothing but arrays is unpickled.
"""

import pathlib
import pickle
import re
from collections.abc import Mapping

import h5py
import keras
import numpy as np

from dmenet_tf import networks, variables

_VGG19_FILE = 'vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5'
# How the authors' TF1 graph calls our three networks.
_AUTHORS_SCOPES = {'B': ('main_net/defocus_net/encoder',
                         'main_net/defocus_net/decoder'),
                   'S': ('main_net/binary_net',),
                   'D': ('discriminator/feature',)}


def authors_name(letter: str, name: str) -> str:
    """Our variable -> its TF1 name in the authors' checkpoint.

    ('B', 'u4_aux_c1/kernel') is
    'main_net/defocus_net/decoder/u4_aux/c1/kernel:0'.
    """
    layer, leaf = name.split('/')
    scopes = _AUTHORS_SCOPES[letter]
    if letter == 'B' and layer.startswith('conv'):
        return f'{scopes[0]}/{layer}/{leaf}:0'
    level, layer = re.fullmatch(r'(\w\d_aux|[a-z]\w)_(\w+)', layer).groups()
    return f'{scopes[-1]}/{level}/{layer}/{leaf}:0'


def load_authors_checkpoint(path: str | pathlib.Path) -> networks.Networks:
    """Reads the authors' DMENet_BDCS.npz: B with side heads, D and S.

    Their maps mean `legacy15` (optics). Variables that the networks do not
    have (optimiser slots, global step) are ignored.

    Args:
        path: .npz with one array per TF1 variable name, 313 of them.

    Returns:
        Networks of width 64.

    Raises:
        FileNotFoundError, ValueError: One line; missing or misshapen
            variables are named as the checkpoint would name them.
    """
    return authors_networks(variables.read_npz(path), path)


def authors_networks(arrays: Mapping[str, np.ndarray],
                     path: str | pathlib.Path) -> networks.Networks:
    """The networks of a checkpoint that was read; see load_authors_checkpoint.

    Args:
        arrays: Of all variables, by their TF1 names.
        path: Where they came from, for errors.
    """
    nets = networks.Networks(networks.build_blur_estimator(),
                             networks.build_discriminator(),
                             networks.build_sharpness())
    names = {(letter, name): authors_name(letter, name)
             for letter, model in nets._asdict().items()
             for name in variables.of(model)}
    missing = sorted(set(names.values()) - set(arrays))
    if missing:
        raise ValueError(f'{path} lacks {len(missing)} of the {len(names)} '
                         f'variables of DMENet: {variables.shortened(missing)}'
                         '.')
    for letter, model in nets._asdict().items():
        variables.assign(model, {name: arrays[names[letter, name]]
                                 for name in variables.of(model)}, path)
    return nets


def is_authors(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether these are the variables of an authors' checkpoint."""
    return any(name.startswith('main_net/') for name in arrays)


def initialise_vgg19(model: keras.Model, source: str | pathlib.Path) -> None:
    """Sets the VGG19 convolutions of B's encoder or of C.

    Args:
        model: B or C, of width 64.
        source: 'imagenet' (downloaded and hash-checked by Keras), or a file:
            Keras's .h5 without or with the top, or vgg19.npy / vgg19.npz
            (name -> kernel and bias), as the authors use.

    Raises:
        FileNotFoundError, ValueError, OSError: One line: what is missing,
            misshapen or not downloadable, and what to do.
    """
    named = variables.of(model)
    arrays = _vgg19_arrays(source)
    wanted = [name for name in named if name.startswith('conv')]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise ValueError(f'{source}: lacks '
                         f'{variables.shortened(missing)} of VGG19.')
    for name in wanted:
        if arrays[name].shape != tuple(named[name].shape):
            raise ValueError(
                f'{source}: {name} has shape {arrays[name].shape}; network '
                f'{model.name} needs {tuple(named[name].shape)}. VGG19 fits '
                'networks of width 64 only.')
    for name in wanted:
        named[name].assign(arrays[name])


def _vgg19_arrays(source):
    """'conv1_1/kernel' -> array, from any of the sources."""
    if source == 'imagenet':
        return _vgg19_from_keras()
    path = pathlib.Path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f'{source}: no such file. VGG19 comes from `imagenet` (download) '
            'or from an .h5, .npy or .npz file.')
    if path.suffix == '.h5':
        return _vgg19_from_h5(path)
    if path.suffix == '.npz':
        return _flat_names(variables.read_npz(path))
    if path.suffix == '.npy':
        return _flat_names(_read_vgg19_npy(path))
    raise ValueError(f'{source}: VGG19 is read from .h5, .npy or .npz files.')


def _vgg19_from_keras():
    try:
        vgg = keras.applications.VGG19(include_top=False, weights='imagenet')
    except Exception as error:  # Keras raises a bare Exception on no network.
        raise OSError(
            f'VGG19 could not be downloaded ({error}). Fetch {_VGG19_FILE} '
            'from the keras-applications storage by hand and pass '
            f'--vgg19=/path/to/{_VGG19_FILE}') from error
    return {f'{_our_layer(layer.name)}/{leaf}': array
            for layer in vgg.layers if '_conv' in layer.name
            for leaf, array in zip(('kernel', 'bias'), layer.get_weights(),
                                   strict=True)}


def _our_layer(name):
    """block3_conv2 -> conv3_2."""
    return re.sub(r'block(\d)_conv(\d)', r'conv\1_\2', name)


def _vgg19_from_h5(path):
    """Reads Keras's own .h5: one group per layer, kernel before bias."""
    arrays = {}
    try:
        with h5py.File(path) as file:
            root = file.get('model_weights', file)
            for layer in (name for name in root if '_conv' in name):
                names = root[layer].attrs['weight_names']
                for leaf, name in zip(('kernel', 'bias'), names, strict=True):
                    name = name.decode() if isinstance(name, bytes) else name
                    arrays[f'{_our_layer(layer)}/{leaf}'] = (
                        root[layer][name][()])
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f'{path}: not a readable Keras .h5 of VGG19 '
                         f'({error}).') from error
    return arrays


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays in lists and dicts, and nothing else."""

    _ALLOWED = {('numpy', 'ndarray'), ('numpy', 'dtype'),
                ('numpy.core.multiarray', '_reconstruct'),
                ('numpy._core.multiarray', '_reconstruct'),
                ('numpy.core.multiarray', 'scalar'),
                ('_codecs', 'encode')}

    def find_class(self, module, name):
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f'{module}.{name} is not an array')
        return super().find_class(module, name)


def _read_vgg19_npy(path):
    """vgg19.npy: a pickled dict, name -> [kernel, bias], from Python 2."""
    try:
        with path.open('rb') as file:
            version = np.lib.format.read_magic(file)
            read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
                    else np.lib.format.read_array_header_2_0)
            read(file)
            return _ArrayUnpickler(file, encoding='latin1').load().item()
    except (ValueError, pickle.UnpicklingError, EOFError, AttributeError,
            IndexError) as error:
        raise ValueError(f'{path}: not a readable vgg19.npy '
                         f'({error}).') from error


def _flat_names(arrays):
    """conv1_1: [kernel, bias], conv1_1_W or conv1_1/W -> conv1_1/kernel."""
    leaves = {'W': 'kernel', 'weights': 'kernel', 'kernel': 'kernel',
              'b': 'bias', 'biases': 'bias', 'bias': 'bias'}
    flat = {}
    for name, value in arrays.items():
        matched = re.fullmatch(r'(conv\d_\d)[/_]?(\w*)', name)
        if not matched:
            continue
        layer, leaf = matched.groups()
        if leaf in leaves:
            flat[f'{layer}/{leaves[leaf]}'] = np.asarray(value)
        elif not leaf and len(value) == 2:
            flat[f'{layer}/kernel'] = np.asarray(value[0])
            flat[f'{layer}/bias'] = np.asarray(value[1])
    return flat
