"""Weights: our files, the authors' checkpoint, VGG19, and load_model().

A weights file is one `.npz` without pickled objects:

    <network>/<layer>/<variable>   one array per variable, e.g. B/u3_c1/kernel
    metadata                       a JSON string: format_version, architecture
                                   (read off the networks), convention
                                   (optics), and what the writer adds: how it
                                   was trained, on what, licence
"""

import hashlib
import json
import os
import pathlib
import pickle
import re
import zipfile

import h5py
import keras
import numpy as np

from dmenet_tf import files, inference, networks, optics

FORMAT_VERSION = 1
_BUNDLED = pathlib.Path(__file__).parent / 'bundled'
_SEPARATORS = {os.sep, os.altsep}
_VGG19_FILE = 'vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5'
# How the authors' TF1 graph calls our three networks.
_AUTHORS_SCOPES = {'B': ('main_net/defocus_net/encoder',
                         'main_net/defocus_net/decoder'),
                   'S': ('main_net/binary_net',),
                   'D': ('discriminator/feature',)}


def variables(model):
    """The model's variables by '<layer>/<variable>', e.g. 'u3_c1/kernel'.

    The names are the same on Keras 2 and 3 and whatever order layers are in.
    """
    named = {}
    for layer in model.layers:
        for variable in layer.weights:
            leaf = variable.name.split('/')[-1].split(':')[0]
            named[f'{layer.name}/{leaf}'] = variable
    return named


def _assign(model, arrays, source):
    """Sets every variable of `model` from `arrays`, all or none.

    Args:
        model: Keras model.
        arrays: '<layer>/<variable>' -> array; names that the model lacks are
            ignored.
        source: Words for where the arrays came from, for errors.

    Raises:
        ValueError: Names the variables that are missing or misshapen.
    """
    wanted = variables(model)
    missing = sorted(set(wanted) - set(arrays))
    if missing:
        raise ValueError(f'{source} lacks {len(missing)} of the '
                         f'{len(wanted)} variables of network {model.name}: '
                         f'{_shortened(missing)}.')
    misshapen = [f'{name} {np.shape(arrays[name])}, needed '
                 f'{tuple(variable.shape)}'
                 for name, variable in wanted.items()
                 if tuple(np.shape(arrays[name])) != tuple(variable.shape)]
    if misshapen:
        raise ValueError(f'{source} has variables of network {model.name} in '
                         f'other shapes: {_shortened(misshapen)}.')
    for name, variable in wanted.items():
        variable.assign(np.asarray(arrays[name], np.float32))


def _shortened(names, limit=5):
    rest = f' and {len(names) - limit} more' if len(names) > limit else ''
    return '; '.join(names[:limit]) + rest


# Arguments of networks.build_blur_estimator that a file's metadata holds.
_OF_B = frozenset({'width', 'refine_blocks', 'side_heads', 'padding',
                   'encoder_norm'})


def architecture(nets):
    """What builds these networks again, read off their variables.

    Args:
        nets: Networks; D and S may be None.

    Returns:
        Dict of JSON values.
    """
    built = networks.architecture(nets.B)
    if nets.D is not None:
        kernel = nets.D.get_layer('h0_c1').kernel
        built['discriminator_width'] = int(kernel.shape[-1])
    if nets.S is not None:
        kernel = nets.S.get_layer('l1_c1').kernel
        built['sharpness_width'] = int(kernel.shape[-1])
    return built


def _build(built):
    """Networks of an `architecture`."""
    width = built['width']
    d, s = built.get('discriminator_width'), built.get('sharpness_width')
    return networks.Networks(
        B=networks.build_blur_estimator(**{k: built[k] for k in _OF_B}),
        D=networks.build_discriminator(width, d) if d else None,
        S=networks.build_sharpness(s) if s else None)


def save(path, nets, metadata, dtype=np.float32):
    """Writes a weights file.

    Args:
        path: Of the .npz; written whole or not at all.
        nets: Networks; D and S may be None.
        metadata: Dict of JSON values with at least `convention` ('sigma7' for
            anything trained here); training, data and licence belong here.
        dtype: Of the stored arrays; np.float16 halves the file.

    Raises:
        ValueError: The convention is missing or unknown.
    """
    if metadata.get('convention') not in optics.CONVENTIONS:
        raise ValueError(f'metadata needs `convention`, one of '
                         f'{optics.CONVENTIONS}. Received: {metadata}.')
    arrays = {f'{letter}/{name}': np.asarray(variable).astype(dtype)
              for letter, model in nets._asdict().items() if model is not None
              for name, variable in variables(model).items()}
    metadata = {**metadata, 'format_version': FORMAT_VERSION,
                'architecture': architecture(nets)}
    with files.atomic_path(path) as temporary, temporary.open('wb') as file:
        np.savez_compressed(file, metadata=np.array(json.dumps(metadata)),
                            **arrays)


def _read_npz(path):
    """All arrays of an .npz, never unpickling.

    Raises:
        FileNotFoundError, ValueError: One line with the file's name.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such weights file.')
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError,
            AttributeError, TypeError) as error:
        raise ValueError(f'{path}: not a readable .npz of plain arrays '
                         f'({error}).') from error


def _metadata(arrays, path):
    if 'metadata' not in arrays:
        raise ValueError(f'{path}: has no `metadata`, so it is no weights '
                         'file of dmenet_tf.')
    try:
        metadata = json.loads(str(arrays['metadata']))
        version = metadata['format_version']
        convention = metadata['convention']
        missing = _OF_B - set(metadata['architecture'])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: damaged metadata: {error!r}.') from error
    if version != FORMAT_VERSION:
        raise ValueError(f'{path}: format version {version}; this release of '
                         f'dmenet_tf reads version {FORMAT_VERSION}.')
    if convention not in optics.CONVENTIONS or missing:
        raise ValueError(f'{path}: damaged metadata: convention '
                         f'{convention!r}, architecture without '
                         f'{sorted(missing)}.')
    return metadata


def load(path, inference_only=False):
    """Reads a weights file and builds its networks.

    Args:
        path: Of the .npz.
        inference_only: Only B, without its side heads.

    Returns:
        (Networks, metadata); networks that the file lacks are None.

    Raises:
        FileNotFoundError, ValueError: One line saying what is wrong or what
            differs: version, missing, unknown or misshapen variables.
    """
    return _from_arrays(_read_npz(path), path, inference_only)


def average(paths, inference_only=False):
    """The mean of the weights of several stages of one training.

    Where the stages went on from each other it is often better than each
    [Izmailov 2018, "Averaging weights leads to wider optima"].

    Args:
        paths: Of .npz files of one architecture; the metadata is the first's.
        inference_only: As of load.

    Returns:
        (Networks, metadata), as of load.

    Raises:
        FileNotFoundError, ValueError: See load; or the files differ in their
            networks or convention.
    """
    (mean, metadata), *others = [load(path, inference_only) for path in paths]
    for path, (nets, other) in zip(paths[1:], others, strict=True):
        if (architecture(nets) != architecture(mean)
                or other['convention'] != metadata['convention']):
            raise ValueError(f'{path}: cannot be averaged with {paths[0]}: '
                             'other networks or another convention.')
    for letter, model in mean._asdict().items():
        if model is None:
            continue
        same = [variables(getattr(nets, letter)) for nets, _ in others]
        for name, variable in variables(model).items():
            arrays = [np.asarray(v) for v in
                      (variable, *(named[name] for named in same))]
            variable.assign(np.mean(arrays, axis=0))
    return mean, metadata


def _from_arrays(arrays, path, inference_only):
    metadata = _metadata(arrays, path)
    built = metadata['architecture']
    if inference_only:
        built = {k: built[k] for k in _OF_B} | {'side_heads': False}
    nets = _build(built)
    for letter, model in nets._asdict().items():
        if model is not None:
            _assign(model, _under(arrays, letter), path)
    if not inference_only:
        known = {f'{letter}/{name}' for letter, model in nets._asdict().items()
                 if model is not None for name in variables(model)}
        unknown = sorted(set(arrays) - known - {'metadata'})
        if unknown:
            raise ValueError(f'{path}: has {len(unknown)} variables that its '
                             f'architecture lacks: {_shortened(unknown)}.')
    return nets, metadata


def _under(arrays, letter):
    """The arrays of one network, '<letter>/' taken off their names."""
    return {name[2:]: array for name, array in arrays.items()
            if name.startswith(f'{letter}/')}


def authors_name(letter, name):
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


def load_authors_checkpoint(path):
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
    return _from_authors(_read_npz(path), path)


def _from_authors(arrays, path):
    nets = networks.Networks(networks.build_blur_estimator(),
                             networks.build_discriminator(),
                             networks.build_sharpness())
    names = {(letter, name): authors_name(letter, name)
             for letter, model in nets._asdict().items()
             for name in variables(model)}
    missing = sorted(set(names.values()) - set(arrays))
    if missing:
        raise ValueError(f'{path} lacks {len(missing)} of the {len(names)} '
                         f'variables of DMENet: {_shortened(missing)}.')
    for letter, model in nets._asdict().items():
        _assign(model, {name: arrays[names[letter, name]]
                        for name in variables(model)}, path)
    return nets


def initialise_vgg19(model, source):
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
    named = variables(model)
    arrays = _vgg19_arrays(source)
    wanted = [name for name in named if name.startswith('conv')]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise ValueError(f'{source}: lacks {_shortened(missing)} of VGG19.')
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
        return _flat_names(_read_npz(path))
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


def bundled_models():
    """Names of the models that come with the package."""
    return sorted(file.stem for file in _BUNDLED.glob('*.npz'))


def find(source: str | pathlib.Path) -> pathlib.Path:
    """The file of a bundled model's name, or the path itself.

    A bundled name wins over what is called so in the working directory. What
    has a suffix or a separator is a path, and so is a pathlib.Path.

    Args:
        source: As of load_model.

    Returns:
        Path; whether a file is there is for its reader to see.

    Raises:
        FileNotFoundError: The name is neither a bundled model nor a file.
    """
    path = pathlib.Path(source)
    if not isinstance(source, str) or path.suffix or set(source) & _SEPARATORS:
        return path
    bundled = _BUNDLED / f'{source}.npz'
    if bundled.is_file():
        return bundled
    if path.is_file():
        return path
    raise FileNotFoundError(
        f'{source!r} is neither a weights file nor a bundled model. '
        f'Bundled: {", ".join(bundled_models()) or "none yet"}. '
        'python -m dmenet_tf.train makes weights files.')


def digest(source: str | pathlib.Path) -> str:
    """SHA-256 of a model's file, hexadecimal: which weights these are.

    Args:
        source: As of load_model.

    Raises:
        FileNotFoundError: There is no such file.
    """
    path = find(source)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such weights file.')
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_authors(arrays):
    return any(name.startswith('main_net/') for name in arrays)


def load_model(source='small'):
    """The public model: RGB photograph in [0, 255] -> sigma in px.

    Args:
        source: Name of a bundled model, a weights file, or the authors'
            checkpoint (DMENet_BDCS.npz).

    Returns:
        Keras model, uint8 or float [b, h, w, 3] in [0, 255], any size ->
        float32 [b, h, w, 1] px.

    Raises:
        FileNotFoundError, ValueError: One line: what is missing or differs.
    """
    path = find(source)
    arrays = _read_npz(path)
    if _is_authors(arrays):
        return inference.build_estimator(_from_authors(arrays, path).B,
                                         'legacy15')
    nets, metadata = _from_arrays(arrays, path, inference_only=True)
    return inference.build_estimator(nets.B, metadata['convention'])


def describe(source='small'):
    """What is known of a model: the metadata of its file.

    Args:
        source: As of load_model.

    Returns:
        Dict of JSON values: convention, architecture, training, licence.
    """
    path = find(source)
    arrays = _read_npz(path)
    if _is_authors(arrays):
        return {'convention': 'legacy15',
                'architecture': {'width': 64, 'refine_blocks': 7,
                                 'side_heads': True, 'padding': 'symmetric',
                                 'encoder_norm': False},
                'training': "the authors' released checkpoint"}
    return _metadata(arrays, path)
