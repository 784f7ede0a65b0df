"""Weights: files of ours, and load_model(), which also reads the authors'.

A weights file is one `.npz` without pickled objects:

    <network>/<layer>/<variable>   one array per variable, e.g. B/u3_c1/kernel
    metadata                       a JSON string: format_version, architecture
                                   (read off the networks), convention
                                   (optics), and what the writer adds: how it
                                   was trained, on what, licence
"""

import collections
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from dmenet_tf import (
    files,
    foreign_weights,
    inference,
    model_files,
    networks,
    optics,
    variables,
)

FORMAT_VERSION = 1
# Arguments of networks.build_blur_estimator that a file's metadata holds.
_OF_B = frozenset({'width', 'decoder_width', 'encoder', 'refine_blocks',
                   'side_heads', 'padding', 'encoder_norm'})
# The kernel whose last axis each number of an architecture is.
_WIDTHS = {'width': 'B/conv1_1/kernel', 'decoder_width': 'B/uf_c1/kernel',
           'discriminator_width': 'D/h0_c1/kernel',
           'sharpness_width': 'S/l1_c1/kernel'}


def architecture(nets: networks.Networks) -> dict[str, Any]:
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
    d, s = built.get('discriminator_width'), built.get('sharpness_width')
    return networks.Networks(
        B=networks.build_blur_estimator(**{k: built[k] for k in _OF_B}),
        D=networks.build_discriminator(built['decoder_width'], d)
        if d else None,
        S=networks.build_sharpness(s) if s else None)


def save(path: str | pathlib.Path, nets: networks.Networks,
         metadata: Mapping[str, Any],
         dtype: npt.DTypeLike = np.float32) -> None:
    """Writes a weights file.

    Args:
        path: Of the .npz; written whole or not at all.
        nets: Networks; D and S may be None.
        metadata: Dict of JSON values with at least `convention` ('sigma7' for
            anything trained here); training, data and licence belong here.
        dtype: Of the stored kernels; np.float16 halves the file. Vectors stay
            float32: they are small, and the variances of VGG's features are
            beyond float16.

    Raises:
        ValueError: The convention is missing or unknown.
    """
    if metadata.get('convention') not in optics.CONVENTIONS:
        raise ValueError(f'metadata needs `convention`, one of '
                         f'{optics.CONVENTIONS}. Received: {metadata}.')
    arrays = {f'{letter}/{name}': np.asarray(variable).astype(
        dtype if name.endswith('kernel') else np.float32)
        for letter, model in nets._asdict().items() if model is not None
        for name, variable in variables.of(model).items()}
    metadata = {**metadata, 'format_version': FORMAT_VERSION,
                'architecture': architecture(nets)}
    with files.atomic_path(path) as temporary, temporary.open('wb') as file:
        np.savez_compressed(file, metadata=np.array(json.dumps(metadata)),
                            **arrays)


def _metadata(arrays, path):
    if 'metadata' not in arrays:
        raise ValueError(f'{path}: has no `metadata`, so it is no weights '
                         'file of dmenet_tf.')
    try:
        metadata = json.loads(str(arrays['metadata']))
        version = metadata['format_version']
        convention = metadata['convention']
        built = metadata['architecture']
        # Files from before these had names; B was of one width.
        built.setdefault('decoder_width', built.get('width'))
        built.setdefault('encoder', 'vgg19')
        missing = _OF_B - set(built)
    except (ValueError, KeyError, TypeError, AttributeError,
            RecursionError) as error:
        raise ValueError(f'{path}: damaged metadata: {error!r}.') from error
    if version != FORMAT_VERSION:
        raise ValueError(f'{path}: format version {version}; this release of '
                         f'dmenet_tf reads version {FORMAT_VERSION}.')
    if convention not in optics.CONVENTIONS or missing:
        raise ValueError(f'{path}: damaged metadata: convention '
                         f'{convention!r}, architecture without '
                         f'{sorted(missing)}.')
    return metadata


def load(source: str | pathlib.Path, inference_only: bool = False
         ) -> tuple[networks.Networks, dict[str, Any]]:
    """Reads a weights file and builds its networks.

    Args:
        source: Name of a bundled model, a weights file, or the authors'
            checkpoint.
        inference_only: Only B, without its side heads.

    Returns:
        (Networks, metadata); networks that the file lacks are None.

    Raises:
        FileNotFoundError, ValueError: One line saying what is wrong or what
            differs: version, missing, unknown or misshapen variables.
    """
    return _read(model_files.find(source), inference_only)


def _read(path, inference_only):
    """(Networks, metadata) of a file of ours, or of the authors'."""
    arrays = variables.read_npz(path)
    if not foreign_weights.is_authors(arrays):
        return _from_arrays(arrays, path, inference_only)
    nets = foreign_weights.authors_networks(arrays, path, inference_only)
    return nets, _of_the_authors()


def _of_the_authors():
    """What is known of their released checkpoint."""
    return {'convention': 'legacy15',
            'architecture': {'width': 64, 'decoder_width': 64,
                             'encoder': 'vgg19', 'refine_blocks': 7,
                             'side_heads': True, 'padding': 'symmetric',
                             'encoder_norm': False},
            'trained': "the authors' released checkpoint"}


def average(sources: Sequence[str | pathlib.Path],
            inference_only: bool = False
            ) -> tuple[networks.Networks, dict[str, Any]]:
    """The mean of the weights of several stages of one training.

    Where the stages went on from each other it is often better than each
    [Izmailov 2018, "Averaging weights leads to wider optima"].

    Args:
        sources: As of load, of one architecture; one that is there n times
            counts n times.
        inference_only: As of load.

    Returns:
        (Networks, metadata), as of load. The metadata of several files has
        what all say alike, and under `mean_of` what each says: `weight`
        (times), `digest` and the rest.

    Raises:
        FileNotFoundError, ValueError: See load; or the files differ in their
            networks or convention.
    """
    paths, times = {}, collections.Counter()
    for source in sources:
        key = model_files.digest(source)
        paths.setdefault(key, source)
        times[key] += 1
    parts = {key: load(path, inference_only) for key, path in paths.items()}
    first, *others = parts
    for key in others:
        _check_alike(parts[first], parts[key], paths[first], paths[key])
    mean, metadata = parts[first]
    if others:
        _assign_mean({key: nets for key, (nets, _) in parts.items()}, times,
                     mean)
        metadata = _metadata_of_mean(
            {key: said for key, (_, said) in parts.items()}, times)
    return mean, metadata


def _check_alike(first, other, first_path, other_path):
    (nets, said), (other_nets, other_said) = first, other
    if (architecture(nets) != architecture(other_nets)
            or said['convention'] != other_said['convention']):
        raise ValueError(f'{other_path}: cannot be averaged with {first_path}:'
                         ' other networks or another convention.')


def _assign_mean(parts, times, mean):
    """Sets the networks `mean`, one of the parts, to the mean of all."""
    total = sum(times.values())
    for letter, model in mean._asdict().items():
        if model is None:
            continue
        named = {key: variables.of(getattr(nets, letter))
                 for key, nets in parts.items()}
        for name, variable in variables.of(model).items():
            variable.assign(sum(
                np.asarray(named[key][name], np.float64) * times[key]
                for key in parts) / total)


def _metadata_of_mean(parts, times):
    first, *_ = parts.values()
    common = {key: value for key, value in first.items()
              if all(said.get(key) == value for said in parts.values())}
    return {**common, 'mean_of': [
        {'weight': times[key], 'digest': key,
         **{name: value for name, value in said.items()
            if name not in common}} for key, said in parts.items()]}


def _from_arrays(arrays, path, inference_only):
    metadata = _metadata(arrays, path)
    built = metadata['architecture']
    if inference_only:
        built = {k: built[k] for k in _OF_B} | {'side_heads': False}
    _check_widths(built, arrays, path)
    nets = _build(built)
    for letter, model in nets._asdict().items():
        if model is not None:
            variables.assign(model, _under(arrays, letter), path)
    if not inference_only:
        known = {f'{letter}/{name}' for letter, model in nets._asdict().items()
                 if model is not None for name in variables.of(model)}
        unknown = sorted(set(arrays) - known - {'metadata'})
        if unknown:
            raise ValueError(
                f'{path}: has {len(unknown)} variables that its architecture '
                f'lacks: {variables.shortened(unknown)}.')
    return nets, metadata


def _check_widths(built, arrays, path):
    """Raises ValueError unless the arrays are of the networks to be built.

    Before that: the memory of a network follows from a few numbers alone.
    """
    for key, name in _WIDTHS.items():
        said = built.get(key)
        if said and said != (np.shape(arrays.get(name)) or [0])[-1]:
            raise ValueError(f'{path}: its architecture has {key} {said}, its '
                             f'{name} another, or there is none.')
    if built['refine_blocks'] not in range(len(arrays)):
        raise ValueError(f"{path}: {built['refine_blocks']} refine_blocks are "
                         f'not in its {len(arrays)} arrays.')


def _under(arrays, letter):
    """The arrays of one network, '<letter>/' taken off their names."""
    return {name[2:]: array for name, array in arrays.items()
            if name.startswith(f'{letter}/')}


def load_model(source: str | pathlib.Path = 'small') -> keras.Model:
    """The public model: RGB photograph in [0, 255] -> sigma in px.

    It computes in float32 whatever Keras's policy is: an encoder without
    normalisation leaves the range of float16 (inference.fold scales it).

    Args:
        source: Name of a bundled model, a weights file, the authors'
            checkpoint (DMENet_BDCS.npz), or a model of the Hugging Face hub,
            hf://owner/name (extra hub).

    Returns:
        Keras model, uint8 or float [b, h, w, 3] in [0, 255], any size ->
        float32 [b, h, w, 1] px.

    Raises:
        OSError, ValueError: One line: what is missing or differs, or that
            Keras is set to channels_first.
        RuntimeError: See inference.check_tensorflow.
    """
    inference.check_tensorflow()
    path = model_files.find(source)
    with networks.policy('float32'):
        nets, metadata = _read(path, inference_only=True)
        return inference.build_estimator(nets.B, metadata['convention'])


def describe(source: str | pathlib.Path = 'small') -> dict[str, Any]:
    """What is known of a model: the metadata of its file.

    Args:
        source: As of load_model.

    Returns:
        Dict of JSON values: `file`, its name, with the version of a bundled
        model; `digest`, see digest; convention, architecture, and what the
        writer of the file added: `trained`, or `mean_of` and what each part
        says; licence.
    """
    path = model_files.find(source)
    return {'file': path.name, 'digest': model_files.digest(path),
            **_known(path)}


def _known(path):
    """Metadata of a weights file of ours, or the like of the authors'."""
    arrays = variables.read_npz(path)
    if foreign_weights.is_authors(arrays):
        return _of_the_authors()
    return _metadata(arrays, path)
