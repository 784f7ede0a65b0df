"""The authors' checkpoint and VGG19's files, and what is wrong with them."""

import pickle

import h5py
import keras
import numpy as np
import pytest

from dmenet_tf import foreign_weights, networks, variables


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
        foreign_weights.initialise_vgg19(model, str(path))
        found = {name: variable
                 for name, variable in variables.of(model).items()
                 if name.startswith('conv')}
        assert len(found) == 2 * convs
        for name, variable in found.items():
            np.testing.assert_array_equal(variable, arrays[name])


def test_vgg19_of_another_width_names_the_variable(tmp_path):
    write_npz(tmp_path / 'vgg19.npz', vgg19_arrays(width=2))
    with pytest.raises(ValueError, match=r'conv1_1/kernel has shape.*width'):
        foreign_weights.initialise_vgg19(networks.build_content(4),
                                         tmp_path / 'vgg19.npz')


def test_vgg19_without_a_convolution_names_it(tmp_path):
    arrays = vgg19_arrays(width=2)
    del arrays['conv3_1/kernel']
    write_npz(tmp_path / 'vgg19.npz', arrays)
    with pytest.raises(ValueError, match='lacks conv3_1/kernel'):
        foreign_weights.initialise_vgg19(networks.build_content(2),
                                         tmp_path / 'vgg19.npz')


class Harmful:
    def __reduce__(self):
        return print, ('unpickled',)


def test_vgg19_npy_cannot_run_code(tmp_path, capsys):
    path = tmp_path / 'vgg19.npy'
    np.save(path, np.array({'conv1_1': Harmful()}, dtype=object),
            allow_pickle=True)
    with pytest.raises(ValueError, match='builtins.print is not an array'):
        foreign_weights.initialise_vgg19(networks.build_content(2), path)
    assert capsys.readouterr().out == ''
    assert pickle.loads(pickle.dumps(Harmful())) is None  # It would have.


def test_offline_imagenet_names_the_file_and_the_flag(monkeypatch):
    def offline(**_):
        raise Exception('URL fetch failure: [Errno -2] name not known')
    monkeypatch.setattr(keras.applications, 'VGG19', offline)
    with pytest.raises(OSError, match=r'notop\.h5 .* --vgg19=') as caught:
        foreign_weights.initialise_vgg19(networks.build_content(2), 'imagenet')
    assert '\n' not in str(caught.value)


def test_a_missing_vgg19_file_is_one_line():
    with pytest.raises(FileNotFoundError, match='no such file'):
        foreign_weights.initialise_vgg19(networks.build_content(2),
                                         'nowhere.h5')
