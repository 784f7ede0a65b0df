"""estimate(): any image in; every way to a map gives the same map."""

import pathlib

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from dmenet_tf import (
    engines,
    estimation,
    images,
    inference,
    networks,
    optics,
    scales,
    weights,
)

SAMPLES = pathlib.Path(__file__).parents[1] / 'data/samples/photographs'
RNG = np.random.default_rng(0)


@pytest.fixture(scope='module')
def model(tamed):
    """A network whose BN statistics are not the trivial 0 and 1."""
    keras.utils.set_random_seed(3)
    b = tamed(networks.build_blur_estimator(4, 1, side_heads=False))
    for layer in b.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            beta, mean, variance = layer.get_weights()
            layer.set_weights([beta + 0.1, mean - 0.2,
                               variance * RNG.uniform(0.5, 2, beta.shape)])
    return inference.build_estimator(b, 'sigma7')


@pytest.fixture(scope='module')
def folded(model):
    return inference.fold(model)


def noise(*shape):
    return RNG.integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.parametrize('size', [(1, 1), (5, 3000), (16, 32), (37, 53)])
def test_any_size_gives_a_map_of_that_size(folded, size):
    sigma = estimation.estimate(noise(*size), folded)
    assert sigma.shape == size and sigma.dtype == np.float32
    assert 0 <= sigma.min() <= sigma.max() <= optics.MAX_SIGMA


def computed_in(model):
    return model.get_layer('B').get_layer('conv1_2').compute_dtype


def test_a_named_model_computes_in_what_the_machine_is_fast_in(monkeypatch):
    def layers_of(*precision):
        model = estimation._model('small', *precision)
        assert model.get_layer('sigma').compute_dtype == 'float32'
        return computed_in(model)

    assert layers_of('float16') == 'float16'
    for best in ('bfloat16', 'float32'):
        monkeypatch.setattr(engines, '_best_precision', lambda _: best)  # noqa: B023
        assert layers_of('auto') == best


def test_a_loaded_model_keeps_its_precision(model, monkeypatch):
    monkeypatch.setattr(engines, '_best_precision', lambda _: 'bfloat16')
    assert computed_in(estimation._model(model, 'auto')) == 'float32'
    assert computed_in(inference.fold(model, 'bfloat16')) == 'bfloat16'
    assert computed_in(inference.fold(model)) == 'float32'
    with pytest.raises(ValueError, match=r"fold it: inference.fold\(model, "
                                         r"'bfloat16'\)"):
        estimation.estimate(noise(8, 8), model, precision='bfloat16')
    with pytest.raises(ValueError, match='precision must be auto or one of'):
        estimation.estimate(noise(8, 8), precision='int8')


def test_uint8_and_float_images_give_the_same_map(folded):
    image = noise(20, 30)
    np.testing.assert_array_equal(
        estimation.estimate(image, folded),
        estimation.estimate(image.astype(np.float64), folded))


def test_padding_is_symmetric(folded):
    """The map of an image is the corner of the map of its mirrored self."""
    image = noise(20, 27)
    mirrored = np.pad(image, ((0, 12), (0, 5), (0, 0)), 'symmetric')
    np.testing.assert_allclose(
        estimation.estimate(image, folded),
        estimation.estimate(mirrored, folded)[:20, :27], atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize('convention, sigma', [('sigma7', 3.5),
                                               ('legacy15', 3.25)])
def test_the_convention_of_the_weights_sets_the_unit(convention, sigma):
    b = networks.build_blur_estimator(4, 0, side_heads=False)
    for variable in b.get_layer('uf_c3').weights:
        variable.assign(np.zeros(variable.shape))  # sigmoid(0) = 0.5
    model = inference.build_estimator(b, convention)
    np.testing.assert_allclose(estimation.estimate(noise(9, 9), model), sigma)


@pytest.mark.parametrize('image, reason', [
    (np.zeros((4, 4, 4)), r'\(4, 4, 4\)'), (np.zeros((0, 4, 3)), r'\(0, 4'),
    (np.full((4, 4, 3), np.nan), 'nan'), (np.full((4, 4, 3), 300.), '300'),
    (np.zeros((4, 4, 3), complex), 'complex')])
def test_what_is_no_image_is_refused(folded, image, reason):
    with pytest.raises(ValueError, match=reason):
        estimation.estimate(image, folded)


def assert_folded(folded, model, image, atol):
    """The same map, of some contrast, without batch normalisation."""
    expected = model.predict(image, verbose=0)
    assert expected.std() > 0.01
    np.testing.assert_allclose(folded.predict(image, verbose=0), expected,
                               atol=atol)
    assert not [layer for layer in folded.get_layer('B').layers
                if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.mark.long
def test_folding_keeps_the_map_and_drops_the_norms(model, folded):
    assert_folded(folded, model, noise(1, 70, 50), atol=1e-4)


@pytest.mark.long
def test_a_normalised_encoder_is_folded_too():
    b = networks.build_blur_estimator(4, 0, side_heads=False, padding='zero',
                                      encoder_norm=True)
    b(RNG.uniform(0, 1, (2, 32, 32, 3)).astype(np.float32), training=True)
    model = inference.build_estimator(b, 'sigma7')
    assert_folded(inference.fold(model), model, noise(1, 40, 50), atol=1e-3)


@pytest.mark.long
def test_the_receptive_field_is_what_the_layers_add_up_to():
    # 3x3 convolutions per level: 2, 2, 4, 4, 4 in the encoder at 1 .. 16 px;
    # 3, 3, 3 in the decoder at 8 .. 2, 1 + 2 blocks + 3 at 1. Pooling and
    # upsampling each look 1 + 2 + 4 + 8 px to one side.
    encoder = 2 * 1 + 2 * 2 + 4 * 4 + 4 * 8 + 4 * 16
    decoder = 3 * (8 + 4 + 2) + 1
    for blocks in (1, 7):
        b = networks.build_blur_estimator(4, blocks)
        assert inference.receptive_field(b) == (
            (encoder + decoder + 2 * blocks + 3 + 15,) * 2)


@pytest.mark.long
def test_the_receptive_field_is_reached_and_not_left():
    """Changing a pixel moves the map as far as computed, and no farther."""
    b = networks.build_blur_estimator(4, 0, side_heads=False, folded=True)
    for layer in b.layers:  # Positive weights: no influence cancels or dies.
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            layer.set_weights([np.full_like(kernel, 1 / kernel[..., 0].size),
                               bias])
    left, right = inference.receptive_field(b)
    # On zeros, so that no influence is too small to be seen beside them.
    logits = keras.Model(b.get_layer('preprocess').output,
                         b.get_layer('uf_c3').output)
    places = range(400, 416)  # Everywhere in a window of four poolings.
    images = np.zeros((16, 16, 800, 3), np.float32)
    for image, changed in zip(images, places, strict=True):
        image[:, changed] = 1.0
    moved = [np.nonzero(row)[0]
             for row in logits.predict(images, verbose=0)[:, 8, :, 0]]
    reached = [(row.max() - place, place - row.min())
               for row, place in zip(moved, places, strict=True)]
    assert tuple(np.max(reached, 0)) == (left, right)


@pytest.mark.parametrize('size, tile', [((150, 260), 64), ((37, 411), 100),
                                        ((210, 20), 16)])
def test_the_tiled_map_is_the_untiled_one(folded, size, tile):
    image = noise(*size)
    np.testing.assert_allclose(
        estimation.estimate(image, folded, tile=tile),
        estimation.estimate(image, folded, tile=0), atol=1e-4)


def test_large_images_are_tiled_by_themselves(folded, monkeypatch):
    image = noise(250, 600)
    whole = estimation.estimate(image, folded)
    seen = []
    run = inference.compiled(folded)
    monkeypatch.setattr(estimation, 'MEMORY_BUDGET', 2**22)
    tiled = estimation.estimate(
        image, folded, runner=lambda x: seen.append(x.shape) or run(x))
    np.testing.assert_allclose(tiled, whole, atol=1e-4)
    assert len(seen) == 3  # Tiles of 256 px, their least side.


def test_a_halo_too_small_would_be_noticed(folded, monkeypatch):
    image = noise(300, 500)
    whole = estimation.estimate(image, folded, tile=0)
    monkeypatch.setattr(estimation, '_halo', lambda _: 16)
    tiled = estimation.estimate(image, folded, tile=64)
    assert np.abs(tiled - whole).max() > 2e-4


def test_one_scale_is_the_models_map(folded, monkeypatch):
    image = noise(40, 60)
    expected = folded.predict(image[None], verbose=0)[0, ..., 0]
    np.testing.assert_array_equal(
        estimation.estimate(image, folded),
        estimation.estimate(image, folded, scales=1))
    monkeypatch.setattr(scales, 'COARSEST', 40 * 60 - 1)
    np.testing.assert_allclose(
        estimation.estimate(image, folded, scales=1), expected, atol=1e-4)
    assert np.abs(estimation.estimate(image, folded) - expected).max() > 0.01


class Brightness:
    """A runner whose sigma is a pixel's brightness / 20, and what it saw."""

    def __init__(self):
        self.seen = []

    def __call__(self, batch):
        self.seen.append(batch.shape[1:3])
        return batch[..., :1].astype(np.float32) / 20


def brightness(values, folded, monkeypatch):
    """The map of rows of brightness, twice as large as the coarsest scale."""
    image = np.broadcast_to(np.reshape(values, (-1, 1, 1)), (64, 48, 3))
    monkeypatch.setattr(scales, 'COARSEST', 32 * 24)
    runner = Brightness()
    sigma = estimation.estimate(image.astype(np.float32), folded,
                                runner=runner)
    np.testing.assert_allclose(sigma, sigma[:, :1] + 0 * sigma)
    return sigma[:, 0], runner.seen


def test_what_is_blurred_everywhere_never_runs_at_full_size(
        folded, monkeypatch):
    sigma, seen = brightness(64 * [100], folded, monkeypatch)
    np.testing.assert_allclose(sigma, 10)  # 5 px of the half.
    assert seen == [(32, 24)]


def test_what_is_sharp_is_told_by_full_size(folded, monkeypatch):
    sigma, seen = brightness(64 * [10], folded, monkeypatch)
    np.testing.assert_allclose(sigma, 0.5)
    assert seen == [(32, 24), (64, 48)]


def test_the_scales_join_by_the_rule(folded, monkeypatch):
    """Rows of sigma .5 px to 2.5 px, so c = 1 px to 5 px."""
    values = np.linspace(10, 50, 64)
    sigma, seen = brightness(values, folded, monkeypatch)
    f, c = values / 20, values / 10
    t = np.clip((c - 2) / 1.5, 0, 1)
    w = 1 - t**2 * (3 - 2 * t)
    np.testing.assert_allclose(sigma[1:-1], (w * f + (1 - w) * c)[1:-1],
                               atol=1e-5)
    assert seen == [(32, 24), (64, 48)]
    assert np.abs(np.diff(sigma)).max() < 0.25


@pytest.mark.parametrize('tile', [estimation.AUTO, 0, 64])
def test_a_part_of_a_map_is_that_of_the_whole(folded, tile):
    image = noise(250, 600)
    needed = np.zeros((250, 600), bool)
    needed[3:30, 590] = needed[200:, 10:50] = True
    runner, seen = inference.compiled(folded), []
    part = estimation._estimate_where(
        needed, image, folded, tile,
        lambda x: seen.append(x[..., 0].size) or runner(x))
    whole = estimation.estimate(image, folded, tile=0)
    np.testing.assert_allclose(part[needed], whole[needed], atol=1e-4)
    assert sum(seen) < 0.9 * needed.size


def sample(name, size):
    """A sample photograph, mirrored downwards and enlarged to (w, h)."""
    photograph = images.read_image(SAMPLES / name)
    both = np.concatenate([photograph, photograph[::-1]])
    return lambda s: np.asarray(Image.fromarray(np.rint(
        ndimage.gaussian_filter(both.astype(np.float32), (s, s, 0))).astype(
            np.uint8)).resize(size, Image.Resampling.BICUBIC))


@pytest.mark.long
@pytest.mark.parametrize('s', [2, 4])
def test_blur_beyond_the_network_is_measured(s):
    """4 sqrt(s^2 + .44^2) px: enlarging blurs by .44 px of what it enlarges.

    At full size the network could say 7 px at most.
    """
    image = sample('coffee.jpg', (2400, 3200))(s)
    run, pixels = inference.compiled(estimation._model(None, 'float32')), []
    sigma = estimation.estimate(
        image, runner=lambda x: pixels.append(x[..., 0].size) or run(x))
    assert np.median(sigma) == pytest.approx(4 * np.hypot(s, 0.44), rel=0.2)
    assert sum(pixels) < 0.4 * sigma.size


@pytest.mark.long
@pytest.mark.parametrize('s', [0, 1, 2])
def test_1_4_and_1_6_megapixels_agree(s):
    """One scale below 1.5 megapixels, two above: medians within 15 %.

    The single scale says too little of large sigma, the joined one less so.
    """
    found = []
    for width in (1024, 1096):
        image = sample('coffee.jpg', (width, width * 4 // 3))(s)
        found.append(np.median(estimation.estimate(image)) / width)
    assert found[1] == pytest.approx(found[0], rel=0.15)


@pytest.mark.long
def test_half_sharp_half_blurred_has_no_seam():
    """Rows are 0 and 8 px blurred; their map rises as at one scale alone."""
    coffee = images.read_image(SAMPLES / 'coffee.jpg').astype(np.float32)
    image = np.tile(coffee, (4, 3, 1))
    image[800:] = ndimage.gaussian_filter(image, (8, 8, 0))[800:]
    rows, one_scale = (np.median(estimation.estimate(image, scales=scales), 1)
                       for scales in ('auto', 1))
    assert np.median(rows[:700]) < 1
    assert np.median(rows[900:]) == pytest.approx(8, rel=0.2)
    assert np.abs(np.diff(rows)).max() <= np.abs(np.diff(one_scale)).max()


@pytest.mark.parametrize('arguments, reason', [
    ({'tile': -1}, 'tile must be'), ({'tile': 1.5}, 'tile must be'),
    ({'scales': 2}, "scales must be 'auto' or 1")])
def test_arguments_out_of_range(folded, arguments, reason):
    with pytest.raises(ValueError, match=reason):
        estimation.estimate(noise(8, 8), folded, **arguments)


def test_a_picture_in_0_to_1_is_refused_with_the_hint(folded):
    image = noise(8, 8) / np.float32(255)
    with pytest.raises(ValueError, match=r'multiply a picture in \[0, 1\] by '
                       '255'):
        estimation.estimate(image, folded)
    black = estimation.estimate(np.zeros((8, 8, 3), np.uint8), folded)
    np.testing.assert_array_equal(
        estimation.estimate(np.zeros((8, 8, 3)), folded), black)


def test_codes_of_16_bits_are_scaled_by_their_type(folded):
    image = noise(8, 9)
    np.testing.assert_allclose(
        estimation.estimate(image.astype(np.uint16) * 257, folded),
        estimation.estimate(image, folded), atol=1e-5)


def test_a_list_of_photographs_gives_the_list_of_their_maps(folded):
    photographs = [noise(20, 30), noise(17, 9)[..., 0], noise(20, 30)]
    found = estimation.estimate(photographs, folded, scales=1)
    assert isinstance(found, list)
    for photograph, sigma in zip(photographs, found, strict=True):
        np.testing.assert_array_equal(
            sigma, estimation.estimate(photograph, folded, scales=1))
    assert estimation.estimate((noise(4, 4),), folded)[0].shape == (4, 4)
    assert estimation.estimate([], folded) == []


def test_a_list_is_checked_before_any_of_it_is_mapped(folded):
    def run(batch):
        raise AssertionError(batch.shape)
    with pytest.raises(ValueError, match=r'^image 1 of the list: .*300'):
        estimation.estimate([noise(8, 8), np.full((8, 8), 300.0)], folded,
                            runner=run)


def test_a_batch_and_a_path_are_told_what_to_call(folded):
    with pytest.raises(ValueError, match='a list, or model.predict'):
        estimation.estimate(np.stack([noise(8, 8)] * 2), folded)
    for path in ('photo.jpg', pathlib.Path('photo.jpg')):
        with pytest.raises(ValueError, match=r'read_image reads photo\.jpg'):
            estimation.estimate(path, folded)


@pytest.mark.long
def test_a_model_by_its_name_or_path_is_loaded_once(model, tmp_path,
                                                    monkeypatch):
    path = tmp_path / 'toy.npz'
    weights.save(path, networks.Networks(model.get_layer('B'), None, None),
                 {'convention': 'sigma7'})
    loaded = []
    load = weights.load_model
    monkeypatch.setattr(weights, 'load_model',
                        lambda source: loaded.append(source) or load(source))
    image = noise(20, 30)
    expected = estimation.estimate(image, model)
    for source in (path, str(path), path):
        np.testing.assert_allclose(estimation.estimate(image, source),
                                   expected, atol=1e-4)
    assert len(loaded) == 1
    with pytest.raises(FileNotFoundError, match="'smal' is neither"):
        estimation.estimate(image, 'smal')


@pytest.mark.long
def test_a_file_that_changed_is_loaded_again(model, tmp_path):
    path = tmp_path / 'toy.npz'
    b = keras.models.clone_model(model.get_layer('B'))
    b.set_weights(model.get_layer('B').get_weights())
    image = noise(20, 30)
    maps = []
    for _ in range(2):
        weights.save(path, networks.Networks(b, None, None),
                     {'convention': 'sigma7'})
        maps.append(estimation.estimate(image, path))
        kernel, bias = b.get_layer('uf_c3').get_weights()
        b.get_layer('uf_c3').set_weights([kernel, bias + 1])
    assert (maps[1] > maps[0]).all()


def test_a_model_of_another_kind_is_refused():
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match='load_model returns'):
        estimation.estimate(noise(8, 8), keras.Model(image, image))
    with pytest.raises(ValueError, match='load_model returns'):
        estimation.estimate(noise(8, 8), 480)


@pytest.mark.long
def test_the_default_is_the_bundled_model_by_its_name():
    image = noise(16, 16)
    np.testing.assert_array_equal(estimation.estimate(image, 'small'),
                                  estimation.estimate(image))
