"""Classical baselines: edges of known blur, order, degenerate pictures."""

import sys

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf import baselines
from dmenet_tf.baselines import (
    edges,
    guided,
    hifst,
    karaali_jung,
    lbp,
    matting,
    zhuo_sim,
)

RNG = np.random.default_rng(0)
NEED_PYMATTING = ('zhuo_sim',)
# pymatting compiles itself on its first use, for a minute.
NAMES = [pytest.param(name, marks=pytest.mark.slow)
         if name in NEED_PYMATTING else name for name in baselines.NAMES]


def half_blurred(size=72, sigma=3.0):
    """A texture, sharp on the left and blurred on the right: uint8 RGB."""
    texture = (ndimage.zoom(RNG.random((size // 4, size // 4)), 4, order=0)
               + RNG.random((size, size))) / 2
    blurred = ndimage.gaussian_filter(texture, sigma)
    texture[:, size // 2:] = blurred[:, size // 2:]
    grey = np.round(20 + 215 * texture).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


@pytest.mark.parametrize('name', NAMES[:-1])  # All but `constant`.
def test_the_blurred_half_is_brighter_at_the_images_size(name):
    if name in NEED_PYMATTING:
        pytest.importorskip('pymatting')
    baseline = baselines.load(name)
    image = half_blurred()[:, :70]
    blur = baseline.estimate(image)
    assert blur.dtype == np.float32 and blur.shape == image.shape[:2]
    sharp, blurred = blur[8:-8, 8:28], blur[8:-8, 46:-8]
    assert np.median(blurred) > np.median(sharp)
    assert np.mean(blurred > np.median(sharp)) > 0.9
    assert baseline.UNIT in ('px', 'score')
    assert 'Chosen' in baseline.__doc__ or name == 'laplacian'


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('size', [(9, 70), (1, 1)])
def test_a_flat_picture_of_any_size_has_a_finite_map(name, size):
    if name in NEED_PYMATTING:
        pytest.importorskip('pymatting')
    blur = baselines.load(name).estimate(np.full((*size, 3), 90, np.uint8))
    assert blur.shape == size and np.isfinite(blur).all()


@pytest.mark.parametrize('sigma', [1.0, 2.0, 4.0])
def test_the_reblur_ratio_gives_the_sigma_of_a_step(sigma):
    row = [0.2] * 40 + [0.5] + [0.8] * 40
    step = ndimage.gaussian_filter(np.repeat([row], 9, 0), (0, sigma))
    found = edges.sigma_at_edges(step, np.ones(step.shape, bool), 1.0)
    # A difference over 2 px and a step of 1 px blur by 1/3 + 1/6 px^2.
    assert found[4, 40] == pytest.approx(np.sqrt(sigma**2 + 0.5), rel=0.03)


def test_the_ratio_is_inverted_as_in_the_paper():
    # sigma = 2, s = 1: R = sqrt(5 / 4).
    assert edges.sigma_from_ratio(np.sqrt(1.25), 1.0) == pytest.approx(2.0)
    assert np.isnan(edges.sigma_from_ratio(1.0, 1.0))


@pytest.mark.parametrize('module, low, high', [
    pytest.param(zhuo_sim, 1.7, 2.6, marks=pytest.mark.slow),
    (karaali_jung, 1.5, 2.6)])
def test_edge_methods_find_the_blur_of_a_step(module, low, high):
    if module is zhuo_sim:
        pytest.importorskip('pymatting')
    grey = np.full((60, 80), 50.0)
    grey[:, 40:] = 200
    grey = ndimage.gaussian_filter(grey, 2.0)
    image = np.repeat(np.round(grey).astype(np.uint8)[..., None], 3, -1)
    sigma = module.estimate(image)
    assert low < np.median(sigma[:, 36:44]) < high


@pytest.mark.slow
def test_matting_keeps_to_known_values_and_to_colours():
    pytest.importorskip('pymatting')
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, 12:] = 200
    known = np.full((16, 24), np.nan)
    known[::4, 1:11:3], known[::4, 14::3] = 1.0, 3.0
    spread = matting.propagate(known, image)
    np.testing.assert_allclose(spread[:, :11], 1.0, atol=0.05)
    np.testing.assert_allclose(spread[:, 13:], 3.0, atol=0.05)


def test_the_joint_bilateral_filter_is_its_sum_over_pixels():
    grey = RNG.random((12, 12))
    sparse = np.where(RNG.random((12, 12)) < 0.3, RNG.random((12, 12)), np.nan)
    found = zhuo_sim.joint_bilateral(sparse, grey, reach=2.0, tolerance=0.5)
    i, j = np.argwhere(np.isfinite(sparse))[len(grey) // 2]
    rows, columns = np.indices(grey.shape)
    weight = np.isfinite(sparse) * np.exp(
        -((rows - i)**2 + (columns - j)**2) / 8
        - np.square((grey - grey[i, j]) / (0.5 * np.ptp(grey))) / 2)
    # The blur mirrors at borders and levels are interpolated: a few percent.
    assert found[i, j] == pytest.approx(
        np.nansum(weight * sparse) / weight.sum(), rel=0.15)
    assert np.isnan(found[np.isnan(sparse)]).all()


def test_contours_are_smoothed_and_do_not_mix():
    sparse = np.full((7, 9), np.nan)
    sparse[1], sparse[5] = [1, 3] * 4 + [1], 8.0
    smooth = karaali_jung.smooth_along_contours(sparse)
    assert np.ptp(smooth[1]) < 1 and np.allclose(smooth[5], 8.0)
    assert np.isnan(smooth[3]).all()


def test_only_edges_that_last_over_scales_are_kept():
    grey = np.full((40, 60), 0.2)
    grey[:, 30:] = 0.8
    index = karaali_jung.consistent_scale(grey)
    assert index[20].max() == len(karaali_jung.SCALES) - 1
    assert not index[:, :20].any()


def test_pattern_kinds_of_hand_made_neighbourhoods():
    flat = np.full((3, 3), 0.5)
    assert lbp.pattern_kinds(flat)[1, 1] == 0
    edge = flat.copy()
    edge[:, 2] = 1.0
    assert lbp.pattern_kinds(edge)[1, 1] == 3
    point = np.ones((3, 3))
    point[1, 1] = 0.0
    assert lbp.pattern_kinds(point)[1, 1] == 8
    cross = flat.copy()
    cross[0, 1] = cross[2, 1] = 1.0  # Two runs of bits: not uniform.
    assert lbp.pattern_kinds(cross)[1, 1] == 9


def test_hifst_sorts_the_coefficients_of_all_windows():
    layers = hifst.sorted_coefficients(RNG.random((9, 13)))
    assert layers.shape == (3, 4, hifst.LAYERS)
    assert (np.diff(layers, axis=-1) >= 0).all() and (layers >= 0).all()


def test_the_guided_filter_keeps_edges_of_the_guide():
    guide = np.zeros((20, 40))
    guide[:, 20:] = 1.0
    noisy = guide + 0.1 * RNG.normal(size=guide.shape)
    smooth = guided.guided_filter(noisy, guide, 5, 1e-4)
    np.testing.assert_allclose(smooth, guide, atol=0.06)


def test_unknown_names_and_missing_packages_are_one_line(monkeypatch):
    with pytest.raises(ValueError, match="no baseline 'jnb'; there are zhuo"):
        baselines.load('jnb')
    monkeypatch.setitem(sys.modules, 'pymatting', None)
    known = np.full((4, 4), np.nan)
    known[0, 0], known[3, 3] = 0.0, 1.0
    with pytest.raises(ImportError, match='pip install'):
        matting.propagate(known, np.zeros((4, 4, 3)))
