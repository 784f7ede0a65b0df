"""B, D, S and C against the authors' graph and against themselves."""

import json
import pathlib
import zlib

import keras
import numpy as np
import pytest

from dmenet_tf import foreign_weights, layers, networks, variables, weights

DATA = pathlib.Path(__file__).parent / 'data'
SIDE_LEVELS = (4, 3, 2, 1, 0)


def stand_in(name, shape, seed=1):
    """A variable of the stand-in checkpoint that the authors' graph was run on.

    Its values are a function of (seed, name): anyone can make them again.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    leaf = name.split('/')[-1]
    if leaf == 'kernel:0':
        value = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
        # Its input is in 0..255: this keeps activations near 1.
        value *= 0.01 if 'conv1_1' in name else 1
    elif leaf == 'moving_variance:0':
        value = rng.uniform(1, 3, shape)
    else:
        value = 0.1 * rng.standard_normal(shape)
    return value.astype(np.float32)


@pytest.fixture(scope='session')
def authors_shapes():
    return json.loads((DATA / 'authors_variables.json').read_text())


@pytest.fixture(scope='session')
def authors_checkpoint(tmp_path_factory, authors_shapes):
    path = tmp_path_factory.mktemp('authors') / 'DMENet_BDCS.npz'
    np.savez(path, global_step=np.int64(7),  # An extra name, to be ignored.
             **{k: stand_in(k, shape) for k, shape in authors_shapes.items()})
    return path


@pytest.fixture(scope='session')
def authors_networks(authors_checkpoint):
    return foreign_weights.load_authors_checkpoint(authors_checkpoint)


EXPECTED = np.load(DATA / 'authors_graph_seed1.npz')


@pytest.fixture(scope='session')
def outputs(authors_networks):
    """Every array of the authors' graph, computed here in one pass a mode."""
    nets = authors_networks
    image = np.random.default_rng(101).random((2, 48, 64, 3))
    encoder = keras.Model(nets.B.input, {
        name: nets.B.get_layer(name).output for name in ('conv4_4',
                                                         'conv5_4')})
    computed = {}
    for mode, training in (('infer', False), ('train', True)):
        image = image.astype(np.float32)
        maps = nets.B(image, training=training)
        for level, side in zip(SIDE_LEVELS, maps['side'], strict=True):
            computed[f'{mode}_aux{level}'] = side
        for name, phi in encoder(image).items():
            computed[f'{mode}_encoder_{name}'] = phi
        computed |= {
            f'{mode}_defocus': maps['defocus'],
            f'{mode}_features': maps['features'][..., ::8],
            f'{mode}_s_logits': nets.S(maps['defocus'], training=training),
            f'{mode}_s_on_their_map': nets.S(EXPECTED[f'{mode}_defocus'],
                                             training=training),
            f'{mode}_d_logits': nets.D(maps['features'], training=training)}
    return {name: np.asarray(value) for name, value in computed.items()}


# Where 1e-4 is finer than float32 through 60 layers. In training mode BN
# divides by the spread of few pixels; the same networks in float64 are no
# nearer to the authors' float32 graph: 3e-4 at the features, 6e-4 at the map,
# 1.2e-2 at S. In inference S's logits are -0.11 +- 7e-5: one unit in the last
# place of -0.11 is 1.1e-4 of that spread.
ROUNDING = {'infer_s_logits': 4e-3, 'infer_aux3': 2e-4, 'train_s_logits': 2e-2,
            'train_defocus': 1e-3, 'train_features': 5e-4, 'train_aux0': 4e-4,
            'train_aux1': 4e-4, 'train_aux2': 2e-4, 'train_aux3': 2e-4}


@pytest.mark.parametrize('name', EXPECTED.files)
def test_networks_give_the_authors_numbers(outputs, name):
    error = np.abs(outputs[name] - EXPECTED[name]).max()
    assert error <= ROUNDING.get(name, 1e-4) * EXPECTED[name].std()


@pytest.mark.parametrize('mode', ['infer', 'train'])
def test_s_on_the_authors_map_gives_their_logits(outputs, mode):
    expected = EXPECTED[f'{mode}_s_logits']
    error = np.abs(outputs[f'{mode}_s_on_their_map'] - expected).max()
    assert error <= max(1e-4 * expected.std(), 3e-7)  # Or a few units of 1.


def test_all_variables_of_the_authors_are_used(authors_networks,
                                               authors_shapes):
    used = {foreign_weights.authors_name(letter, name): tuple(variable.shape)
            for letter, model in authors_networks._asdict().items()
            for name, variable in variables.of(model).items()}
    assert len(used) == 313
    assert used == {k: tuple(shape) for k, shape in authors_shapes.items()}


def test_the_checkpoint_is_described_by_what_its_networks_are(
        authors_networks, authors_checkpoint):
    said = weights.describe(authors_checkpoint)
    assert said['convention'] == 'legacy15'
    assert said['architecture'] == networks.architecture(authors_networks.B)
    assert 'authors' in said['trained']


@pytest.mark.long
def test_numbers_of_parameters_are_the_papers(authors_networks):
    nets = authors_networks
    bare = networks.build_blur_estimator(side_heads=False)
    assert bare.count_params() == 25_354_721
    assert [m.count_params() for m in nets] == [26_946_549, 2_829_120, 14_737]


@pytest.fixture(scope='module')
def toy_b():
    keras.utils.set_random_seed(0)
    return networks.build_blur_estimator(width=4, refine_blocks=1)


def test_side_maps_come_deepest_first_and_halve(toy_b):
    maps = toy_b(np.zeros((1, 32, 48, 3), np.float32))
    assert [tuple(m.shape[1:3]) for m in maps['side']] == [
        (2, 3), (4, 6), (8, 12), (16, 24), (32, 48)]


def test_a_constant_image_gives_a_map_without_a_frame(toy_b):
    """With zero padding the border would differ from the middle."""
    defocus = np.asarray(
        toy_b(np.full((1, 48, 48, 3), 0.7, np.float32))['defocus'])
    np.testing.assert_allclose(defocus, defocus[0, 24, 24, 0], atol=1e-6)


def test_zero_padding_saves_the_padding_layers():
    b = networks.build_blur_estimator(width=4, refine_blocks=1, padding='zero')
    assert networks.architecture(b) == {
        'width': 4, 'decoder_width': 4, 'encoder': 'vgg19',
        'refine_blocks': 1, 'side_heads': True, 'padding': 'zero',
        'encoder_norm': False}
    assert not any(isinstance(layer, layers.SymmetricPadding)
                   for layer in b.layers)
    assert b(np.zeros((1, 32, 48, 3), np.float32))['defocus'].shape == (
        1, 32, 48, 1)
    with pytest.raises(ValueError, match='padding must be one of'):
        networks.build_blur_estimator(padding='mirror')


def kernels(model):
    """(channels in, out) of every convolution, by its name."""
    return {name.split('/')[0]: tuple(variable.shape[2:])
            for name, variable in variables.of(model).items()
            if name.endswith('kernel')}


def test_a_narrow_decoder_leaves_the_encoder_as_it_is(toy_b):
    narrow = networks.build_blur_estimator(width=4, refine_blocks=1,
                                           decoder_width=2)
    found, wide = kernels(narrow), kernels(toy_b)
    assert found.keys() == wide.keys()
    for name, shape in found.items():
        assert (shape == wide[name]) == name.startswith('conv'), name
    # conv5_4 has 32, skips 32, 16, 8 and 4 channels; the decoder 8, 4, 2, 2.
    assert [found[name] for name in ('u3_c1', 'u2_c1', 'u1_c1', 'u0_c_init')
            ] == [(64, 8), (24, 4), (12, 2), (6, 2)]
    assert [found[f'u{level}_aux_c1'] for level in SIDE_LEVELS] == [
        (32, 8), (8, 4), (4, 2), (2, 1), (2, 1)]
    assert [found[name] for name in ('u0_c_res0', 'uf_c1', 'uf_c2', 'uf_c3')
            ] == [(2, 2), (2, 2), (2, 1), (1, 1)]
    assert narrow.output['features'].shape[-1] == 2


def test_vgg16_has_three_convolutions_where_vgg19_has_four(toy_b):
    b = networks.build_blur_estimator(width=4, refine_blocks=1,
                                      encoder='vgg16')
    assert kernels(toy_b).keys() - kernels(b).keys() == {
        'conv3_4', 'conv4_4', 'conv5_4'}
    assert kernels(b).items() < kernels(toy_b).items()
    with pytest.raises(ValueError, match='encoder must be one of'):
        networks.build_blur_estimator(encoder='vgg11')


@pytest.mark.long
@pytest.mark.parametrize('changes', [
    {'decoder_width': 2}, {'encoder': 'vgg16'},
    {'decoder_width': 1, 'encoder': 'vgg16', 'refine_blocks': 0}])
def test_the_architecture_builds_the_network_again(changes):
    b = networks.build_blur_estimator(width=4, **changes)
    built = networks.architecture(b)
    assert built.items() >= changes.items()
    assert kernels(networks.build_blur_estimator(**built)) == kernels(b)


def test_without_side_heads_the_map_is_the_same(toy_b):
    bare = networks.build_blur_estimator(width=4, refine_blocks=1,
                                         side_heads=False)
    source = variables.of(toy_b)
    for name, variable in variables.of(bare).items():
        variable.assign(source[name])
    image = np.random.default_rng(0).random((1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(bare(image)['defocus'],
                                  toy_b(image)['defocus'])
    assert 'side' not in bare.output


def test_s_looks_at_one_pixel():
    s = networks.build_sharpness(width=4)
    defocus = np.full((1, 8, 8, 1), 0.5, np.float32)
    changed = defocus.copy()
    changed[0, 3, 4] = 0.9
    moved = np.asarray(s(changed)) != np.asarray(s(defocus))
    assert [tuple(i) for i in np.argwhere(moved[0, ..., 0])] == [(3, 4)]


def test_c_is_frozen_and_sees_the_map_as_grey():
    c = networks.build_content(width=4)
    assert not c.trainable_weights
    assert c(np.zeros((1, 32, 32, 1), np.float32)).shape == (1, 4, 4, 32)
    names = list(variables.of(c))
    assert names[-1] == 'conv4_4/bias' and len(names) == 24


@pytest.mark.long
@pytest.mark.parametrize('policy', ['mixed_float16', 'mixed_bfloat16'])
def test_maps_and_logits_stay_float32(policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        nets = networks.Networks(networks.build_blur_estimator(4, 1),
                                 networks.build_discriminator(4, 4),
                                 networks.build_sharpness(4))
    finally:
        keras.mixed_precision.set_global_policy('float32')
    maps = nets.B(np.full((1, 32, 32, 3), 0.5, np.float32))
    kept = [maps['defocus'], *maps['side'], nets.D(maps['features']),
            nets.S(maps['defocus'])]
    assert {np.asarray(k).dtype for k in kept} == {np.dtype('float32')}
    assert np.asarray(maps['features']).dtype == policy.removeprefix('mixed_')
