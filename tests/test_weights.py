"""Weights: our files, the authors', VGG19's, and what is wrong with them."""

import json
import pathlib
import pickle

import h5py
import keras
import numpy as np
import pytest

from dmenet_tf import inference, networks, weights


@pytest.fixture(scope='module')
def nets():
    keras.utils.set_random_seed(1)
    nets = networks.Networks(networks.build_blur_estimator(4, 1),
                             networks.build_discriminator(4, 4),
                             networks.build_sharpness(4))
    rng = np.random.default_rng(0)
    for model in nets:  # Fresh BN statistics are 0 and 1: hide nothing there.
        for variable in model.variables:
            variable.assign(rng.uniform(0.1, 1, variable.shape))
    return nets


@pytest.fixture(scope='module')
def saved(nets, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'toy.npz'
    weights.save(path, nets, {'convention': 'sigma7', 'licence': 'CC0'})
    return path


def rewritten(saved, path, drop=(), **changes):
    with np.load(saved) as archive:
        arrays = {k: archive[k] for k in archive.files if k not in drop}
    np.savez(path, **{**arrays, **changes})
    return path


def test_load_equals_save_bit_for_bit(nets, saved):
    loaded, metadata = weights.load(saved)
    assert metadata['licence'] == 'CC0'
    assert metadata['architecture'] == {
        'width': 4, 'refine_blocks': 1, 'side_heads': True,
        'padding': 'symmetric', 'encoder_norm': False,
        'discriminator_width': 4, 'sharpness_width': 4}
    for before, after in zip(nets, loaded, strict=True):
        for a, b in zip(before.variables, after.variables, strict=True):
            np.testing.assert_array_equal(a, b)


def test_average_is_the_mean_of_every_variable(nets, saved, tmp_path):
    with np.load(saved) as archive:
        doubled = {name: 2 * archive[name] for name in archive.files
                   if archive[name].dtype == np.float32}
    other = rewritten(saved, tmp_path / 'other.npz', **doubled)
    mean, metadata = weights.average([saved, other])
    assert metadata['licence'] == 'CC0'
    for before, after in zip(nets, mean, strict=True):
        for a, b in zip(before.variables, after.variables, strict=True):
            np.testing.assert_allclose(b, 1.5 * np.asarray(a), rtol=1e-6)
    weights.save(tmp_path / 'b.npz', nets._replace(S=None),
                 {'convention': 'sigma7'})
    with pytest.raises(ValueError, match='b.npz: cannot be averaged'):
        weights.average([saved, tmp_path / 'b.npz'])


def test_load_model_equals_the_network_it_was_saved_from(nets, saved):
    model = weights.load_model(saved)
    images = np.random.default_rng(0).integers(0, 256, (2, 37, 53, 3),
                                               np.uint8)
    sigma = model.predict(images, verbose=0)
    direct = inference.build_estimator(nets.B, 'sigma7')
    np.testing.assert_array_equal(sigma, direct.predict(images, verbose=0))
    assert sigma.shape == (2, 37, 53, 1) and sigma.dtype == np.float32


def test_b_alone_can_be_saved_in_half_precision(nets, tmp_path):
    path = tmp_path / 'half.npz'
    weights.save(path, networks.Networks(nets.B, None, None),
                 {'convention': 'legacy15'}, dtype=np.float16)
    loaded, metadata = weights.load(path)
    assert loaded.D is None and loaded.S is None
    assert metadata['convention'] == 'legacy15'
    for a, b in zip(nets.B.variables, loaded.B.variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3)
        assert np.asarray(b).dtype == np.float32


def test_files_hold_no_pickles(saved):
    with np.load(saved, allow_pickle=False) as archive:
        assert 'B/u3_c1/kernel' in archive.files
        assert all(archive[name].dtype != object for name in archive.files)


def test_save_needs_a_convention(nets, tmp_path):
    with pytest.raises(ValueError, match='needs `convention`'):
        weights.save(tmp_path / 'x.npz', nets, {})
    assert not list(tmp_path.iterdir())


def test_a_missing_variable_is_named(saved, tmp_path):
    path = rewritten(saved, tmp_path / 'x.npz', drop=['B/u2_b1/beta'])
    with pytest.raises(ValueError, match=r'x.npz lacks 1 .* B: u2_b1/beta'):
        weights.load(path)


def test_an_unknown_variable_is_named(saved, tmp_path):
    path = rewritten(saved, tmp_path / 'x.npz', **{'B/u9_c1/kernel': 0})
    with pytest.raises(ValueError, match='B/u9_c1/kernel'):
        weights.load(path)


def test_a_misshapen_variable_is_named(saved, tmp_path):
    path = rewritten(saved, tmp_path / 'x.npz',
                     **{'S/l4_c1/bias': np.zeros(3)})
    with pytest.raises(ValueError, match=r'S in .*l4_c1/bias \(3,\), needed'):
        weights.load(path)


def test_another_version_is_refused(saved, tmp_path):
    with np.load(saved) as archive:
        metadata = json.loads(str(archive['metadata']))
    path = rewritten(saved, tmp_path / 'x.npz',
                     metadata=json.dumps({**metadata, 'format_version': 9}))
    with pytest.raises(ValueError, match='version 9; .* reads version 1'):
        weights.load(path)


@pytest.mark.parametrize('content, reason', [
    (b'', 'not a readable .npz'), (b'text', 'not a readable .npz')])
def test_what_is_no_npz_is_one_line(tmp_path, content, reason):
    path = tmp_path / 'x.npz'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        weights.load_model(path)
    assert '\n' not in str(caught.value)


def test_a_truncated_file_is_one_line(saved, tmp_path):
    path = tmp_path / 'x.npz'
    path.write_bytes(saved.read_bytes()[:5000])
    with pytest.raises(ValueError, match='not a readable .npz'):
        weights.load_model(path)


def test_pickled_arrays_are_not_read(tmp_path):
    path = tmp_path / 'x.npz'
    np.savez(path, metadata=np.array({'a': 1}, dtype=object))
    with pytest.raises(ValueError, match='not a readable .npz'):
        weights.load(path)


def test_an_unknown_model_says_what_there_is():
    with pytest.raises(FileNotFoundError, match='neither .* Bundled:'):
        weights.load_model('huge')
    with pytest.raises(FileNotFoundError, match='no such weights file'):
        weights.load_model('runs/none.npz')


def test_a_variable_missing_from_the_authors_file_is_named(tmp_path):
    path = tmp_path / 'DMENet.npz'
    names = {weights.authors_name('B', 'u0_c_res3/kernel')}
    assert names == {'main_net/defocus_net/decoder/u0/c_res3/kernel:0'}
    nets = networks.Networks(networks.build_blur_estimator(),
                             networks.build_discriminator(),
                             networks.build_sharpness())
    np.savez(path, **{
        weights.authors_name(letter, name): np.asarray(variable)
        for letter, model in nets._asdict().items()
        for name, variable in weights.variables(model).items()
        if name != 'u0_c_res3/kernel'})
    with pytest.raises(ValueError, match='lacks 1 of the 313 .*'
                       'decoder/u0/c_res3/kernel:0'):
        weights.load_authors_checkpoint(path)


def vgg19_arrays(width):
    c = networks.build_blur_estimator(width, 0, side_heads=False)
    rng = np.random.default_rng(3)
    return {name: rng.standard_normal(variable.shape).astype(np.float32)
            for name, variable in weights.variables(c).items()
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
        weights.initialise_vgg19(model, str(path))
        found = {name: variable
                 for name, variable in weights.variables(model).items()
                 if name.startswith('conv')}
        assert len(found) == 2 * convs
        for name, variable in found.items():
            np.testing.assert_array_equal(variable, arrays[name])


def test_vgg19_of_another_width_names_the_variable(tmp_path):
    write_npz(tmp_path / 'vgg19.npz', vgg19_arrays(width=2))
    with pytest.raises(ValueError, match=r'conv1_1/kernel has shape.*width'):
        weights.initialise_vgg19(networks.build_content(4),
                                 tmp_path / 'vgg19.npz')


def test_vgg19_without_a_convolution_names_it(tmp_path):
    arrays = vgg19_arrays(width=2)
    del arrays['conv3_1/kernel']
    write_npz(tmp_path / 'vgg19.npz', arrays)
    with pytest.raises(ValueError, match='lacks conv3_1/kernel'):
        weights.initialise_vgg19(networks.build_content(2),
                                 tmp_path / 'vgg19.npz')


class Harmful:
    def __reduce__(self):
        return print, ('unpickled',)


def test_vgg19_npy_cannot_run_code(tmp_path, capsys):
    path = tmp_path / 'vgg19.npy'
    np.save(path, np.array({'conv1_1': Harmful()}, dtype=object),
            allow_pickle=True)
    with pytest.raises(ValueError, match='builtins.print is not an array'):
        weights.initialise_vgg19(networks.build_content(2), path)
    assert capsys.readouterr().out == ''
    assert pickle.loads(pickle.dumps(Harmful())) is None  # It would have.


def test_offline_imagenet_names_the_file_and_the_flag(monkeypatch):
    def offline(**_):
        raise Exception('URL fetch failure: [Errno -2] name not known')
    monkeypatch.setattr(keras.applications, 'VGG19', offline)
    with pytest.raises(OSError, match=r'notop\.h5 .* --vgg19=') as caught:
        weights.initialise_vgg19(networks.build_content(2), 'imagenet')
    assert '\n' not in str(caught.value)


def test_a_missing_vgg19_file_is_one_line():
    with pytest.raises(FileNotFoundError, match='no such file'):
        weights.initialise_vgg19(networks.build_content(2), 'nowhere.h5')


def test_a_bundled_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'small').mkdir()
    assert weights.find('small').name == 'small.npz'
    assert weights.describe('small')['architecture']['width'] == 16
    # A suffix or a separator makes it a path.
    assert weights.find('./small') == pathlib.Path('small')
    with pytest.raises(FileNotFoundError, match='small: no such weights file'):
        weights.load_model('./small')


def test_a_file_without_suffix_is_found_and_a_folder_is_no_model(
        saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine').write_bytes(saved.read_bytes())
    (tmp_path / 'huge').mkdir()
    assert weights.describe('mine')['licence'] == 'CC0'
    with pytest.raises(FileNotFoundError, match="'huge' is neither .* small"):
        weights.find('huge')


def test_digest_is_that_of_the_bytes(saved, tmp_path):
    path = tmp_path / 'x.npz'
    path.write_bytes(b'abc')
    assert weights.digest(path) == (
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    assert weights.digest('small') == weights.digest(weights.find('small'))
    assert weights.digest('small') != weights.digest(saved)
    with pytest.raises(FileNotFoundError, match='no such weights file'):
        weights.digest(tmp_path / 'none.npz')
