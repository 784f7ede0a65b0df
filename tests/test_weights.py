"""Weights: files of ours, names of models, and what is wrong with them."""

import json

import keras
import numpy as np
import pytest

from dmenet_tf import (
    foreign_weights,
    inference,
    model_files,
    networks,
    variables,
    weights,
)


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
        'width': 4, 'decoder_width': 4, 'encoder': 'vgg19',
        'refine_blocks': 1, 'side_heads': True,
        'padding': 'symmetric', 'encoder_norm': False,
        'discriminator_width': 4, 'sharpness_width': 4}
    for before, after in zip(nets, loaded, strict=True):
        for a, b in zip(before.variables, after.variables, strict=True):
            np.testing.assert_array_equal(a, b)


def test_in_16_bits_are_the_kernels_alone(nets, tmp_path):
    before = variables.of(nets.B)['u3_b1/moving_variance'].numpy()
    try:
        # VGG's features reach this; float16 ends at 65,504.
        variables.of(nets.B)['u3_b1/moving_variance'].assign(before + 1e12)
        weights.save(tmp_path / 'x.npz', nets, {'convention': 'sigma7'},
                     np.float16)
        loaded, _ = weights.load(tmp_path / 'x.npz')
        for name, ours in variables.of(nets.B).items():
            theirs = variables.of(loaded.B)[name]
            if name.endswith('kernel'):
                ours = np.float16(ours)
            np.testing.assert_array_equal(ours, theirs, name)
    finally:
        variables.of(nets.B)['u3_b1/moving_variance'].assign(before)


def test_networks_of_a_narrow_decoder_come_back(tmp_path):
    nets = networks.Networks(
        networks.build_blur_estimator(4, 0, decoder_width=2, encoder='vgg16'),
        networks.build_discriminator(2, 3), networks.build_sharpness(2))
    weights.save(tmp_path / 'x.npz', nets, {'convention': 'sigma7'})
    loaded, metadata = weights.load(tmp_path / 'x.npz')
    assert metadata['architecture'].items() >= {
        'width': 4, 'decoder_width': 2, 'encoder': 'vgg16',
        'discriminator_width': 3}.items()
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    for a, b in zip(nets.B(image)['side'], loaded.B(image)['side'],
                    strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_that_names_no_decoder_is_of_the_papers_shape(saved, tmp_path):
    with np.load(saved) as archive:
        metadata = json.loads(str(archive['metadata']))
    for name in ('decoder_width', 'encoder'):
        del metadata['architecture'][name]
    path = rewritten(saved, tmp_path / 'x.npz', metadata=json.dumps(metadata))
    for source, width in ((path, 4), ('small-v1', 16)):
        said = weights.describe(source)['architecture']
        assert (said['decoder_width'], said['encoder']) == (width, 'vgg19')
        assert weights.load(source)[1]['architecture'] == said


@pytest.fixture(scope='module')
def stages(saved, tmp_path_factory):
    """Two files of one training; the variables of the later are doubled."""
    folder = tmp_path_factory.mktemp('stages')
    with np.load(saved) as archive:
        arrays = dict(archive)
    said = json.loads(str(arrays.pop('metadata')))
    paths = []
    for factor in (1, 2):
        metadata = {**said, 'trained': {'steps': 100 * factor}}
        paths.append(folder / f'stage{factor}.npz')
        np.savez(paths[-1], metadata=json.dumps(metadata), **{
            name: factor * array for name, array in arrays.items()})
    return paths


@pytest.mark.long
def test_average_is_the_mean_of_every_variable(nets, stages, tmp_path):
    mean, _ = weights.average(stages)
    for before, after in zip(nets, mean, strict=True):
        for a, b in zip(before.variables, after.variables, strict=True):
            np.testing.assert_allclose(b, 1.5 * np.asarray(a), rtol=1e-6)
    weights.save(tmp_path / 'b.npz', nets._replace(S=None),
                 {'convention': 'sigma7'})
    with pytest.raises(ValueError, match='b.npz: cannot be averaged'):
        weights.average([stages[0], tmp_path / 'b.npz'])


@pytest.mark.long
def test_a_mean_says_what_all_its_parts_are(nets, stages):
    one, two = stages
    mean, metadata = weights.average([two, one, two, two])
    np.testing.assert_allclose(  # (3 x 2 + 1) / 4
        mean.B.get_layer('u3_c1').kernel,
        1.75 * np.asarray(nets.B.get_layer('u3_c1').kernel), rtol=1e-6)
    assert 'trained' not in metadata
    assert metadata['licence'] == 'CC0'
    assert metadata['convention'] == 'sigma7'
    assert metadata['mean_of'] == [
        {'weight': 3, 'digest': model_files.digest(two),
         'trained': {'steps': 200}},
        {'weight': 1, 'digest': model_files.digest(one),
         'trained': {'steps': 100}}]


def test_one_file_is_no_mean(stages):
    _, metadata = weights.average([stages[1]] * 2)
    assert metadata['trained'] == {'steps': 200}
    assert 'mean_of' not in metadata


@pytest.mark.long
def test_a_bundled_model_is_loaded_and_averaged_by_its_name(saved):
    assert weights.load('small', inference_only=True)[1]['architecture'] == (
        weights.describe('small')['architecture'])
    with pytest.raises(ValueError, match='toy.npz: cannot be averaged with '
                       'small: other networks'):
        weights.average(['small', saved], inference_only=True)


def test_small_v1_tells_of_its_own_training():
    """Three parts of the twelfth stage and one of the eighth."""
    said = weights.describe('small-v1')
    assert said['trained']['steps'] == 18100
    assert said['trained']['batch'] == 8
    assert 'non-commercial' in said['licence']
    assert 'afterwards' in said['note']
    twelfth, eighth = said['mean_of']
    assert (twelfth['weight'], twelfth['stage']) == (3, 12)
    assert (eighth['weight'], eighth['stage']) == (1, 8)
    assert twelfth['trained']['steps'] == 300
    assert twelfth['trained']['flags']['init_weights'] == [
        'runs/small/b8/weights.npz', 'runs/small/b11/weights.npz']
    assert twelfth['trained']['flags']['grain'] == 1
    assert eighth['trained']['steps'] == 3000
    assert eighth['trained']['flags']['init_weights'] == (
        'runs/small/b7/weights.npz')


@pytest.fixture
def ten_versions(monkeypatch, tmp_path):
    """Stands for the bundled models: files whose bytes are their names."""
    for name in ('small-v1', 'small-v9', 'small-v10', 'base-v2'):
        (tmp_path / f'{name}.npz').write_text(name)
    monkeypatch.setattr(model_files, '_BUNDLED', tmp_path)


def test_a_name_without_a_version_is_the_newest(ten_versions):
    assert model_files.bundled_models() == [
        'base', 'base-v2', 'small', 'small-v1', 'small-v10', 'small-v9']
    assert {name: model_files.find(name).stem
            for name in model_files.bundled_models()} == {
        'base': 'base-v2', 'base-v2': 'base-v2', 'small': 'small-v10',
        'small-v1': 'small-v1', 'small-v9': 'small-v9',
        'small-v10': 'small-v10'}
    with pytest.raises(FileNotFoundError, match="'small-v2' is neither .* "
                       'Bundled: base, base-v2, small, small-v1, small-v10'):
        model_files.find('small-v2')


def test_every_bundled_model_is_described_by_card_file_and_digest(saved):
    names = model_files.bundled_models()
    assert {'small', 'small-v1'} <= set(names)
    for name in names:
        path, said = model_files.find(name), weights.describe(name)
        assert (said['file'], said['digest']) == (
            path.name, model_files.digest(path))
        card = path.with_suffix('.md').read_text()
        assert f'`{path.stem}`' in card.splitlines()[0]
        assert said['digest'] in card
    said = weights.describe(saved)
    assert (said['file'], said['digest']) == (
        'toy.npz', model_files.digest(saved))


def test_load_model_equals_the_network_it_was_saved_from(nets, saved):
    model = weights.load_model(saved)
    images = np.random.default_rng(0).integers(0, 256, (2, 37, 53, 3),
                                               np.uint8)
    sigma = model.predict(images, verbose=0)
    direct = inference.build_estimator(nets.B, 'sigma7')
    np.testing.assert_array_equal(sigma, direct.predict(images, verbose=0))
    assert sigma.shape == (2, 37, 53, 1) and sigma.dtype == np.float32


def test_load_model_computes_in_float32_under_every_policy(saved):
    images = np.random.default_rng(0).integers(0, 256, (1, 37, 53, 3),
                                               np.uint8)
    expected = weights.load_model(saved).predict(images, verbose=0)
    with networks.policy('mixed_float16'):
        model = weights.load_model(saved)
        found = model.predict(images, verbose=0)
    np.testing.assert_array_equal(found, expected)
    # The maps of this toy are even, and the same in any precision.
    assert {layer.compute_dtype for layer in model.get_layer('B').layers} == {
        'float32'}


@pytest.mark.long
def test_the_authors_checkpoint_is_a_start_for_training(tmp_path):
    theirs = networks.Networks(networks.build_blur_estimator(),
                               networks.build_discriminator(),
                               networks.build_sharpness())
    path = tmp_path / 'DMENet_BDCS.npz'
    np.savez(path, **{
        foreign_weights.authors_name(letter, name): np.asarray(variable)
        for letter, model in theirs._asdict().items()
        for name, variable in variables.of(model).items()})
    [loaded, metadata] = weights.average([path])
    assert metadata['convention'] == 'legacy15'
    for model, other in zip(loaded, theirs, strict=True):
        expected = variables.of(other)
        for name, variable in variables.of(model).items():
            np.testing.assert_array_equal(variable, expected[name])
    alone, _ = weights.load(path, inference_only=True)
    assert (alone.D, alone.S) == (None, None)
    assert not any('_aux_' in name for name in variables.of(alone.B))


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


def test_a_bundled_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'small').mkdir()
    assert model_files.find('small').parent.name == 'bundled'
    assert weights.describe('small-v1')['architecture']['width'] == 16
    # A suffix or a separator makes it a path.
    with pytest.raises(IsADirectoryError, match='small: is a folder; name a'):
        weights.load_model('./small')


def test_a_file_without_suffix_is_found_and_a_folder_is_no_model(
        saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine').write_bytes(saved.read_bytes())
    (tmp_path / 'huge').mkdir()
    assert weights.describe('mine')['licence'] == 'CC0'
    with pytest.raises(IsADirectoryError, match='huge: is a folder; name a'):
        model_files.find('huge')
    with pytest.raises(FileNotFoundError, match="'none' is neither .* small"):
        model_files.find('none')


def test_digest_is_that_of_the_bytes(saved, tmp_path):
    path = tmp_path / 'x.npz'
    path.write_bytes(b'abc')
    assert model_files.digest(path) == (
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    assert model_files.digest('small') == model_files.digest(
        model_files.find('small'))
    assert model_files.digest('small') != model_files.digest(saved)
    with pytest.raises(FileNotFoundError, match='no such weights file'):
        model_files.digest(tmp_path / 'none.npz')
