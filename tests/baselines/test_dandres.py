"""Trees by hand, bands, the weighted mean."""

import importlib.util
import pathlib

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf.baselines import dandres

RNG = np.random.default_rng(0)


def test_two_trees_by_hand():
    trees = {'root': np.array([0, 3]),
             # x0 <= 1 ? 2 : (a leaf) 4; then x1 <= 0 ? 6 : (x0 <= 5 ? 8 : 10)
             'feature': np.array([0, -1, -1, 1, -1, 0, -1, -1]),
             'threshold': np.array([1.0, 0, 0, 0.0, 0, 5.0, 0, 0]),
             'left': np.array([1, -1, -1, 4, -1, 6, -1, -1]),
             'right': np.array([2, -1, -1, 5, -1, 7, -1, -1]),
             'value': np.array([0, 2.0, 4, 0, 6, 0, 8, 10])}
    values = np.array([[1.0, 0.0], [1.5, -1], [2, 3], [6, 3]])
    assert dandres.predict(trees, values).tolist() == [4, 5, 6, 7]


def test_trees_are_those_of_scikit_learn():
    ensemble = pytest.importorskip('sklearn.ensemble')
    path = pathlib.Path(__file__).parents[2] / 'experiments/baselines.py'
    spec = importlib.util.spec_from_file_location('fits', path)
    fits = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fits)
    values = RNG.random((200, 3)).astype(np.float32)
    forest = ensemble.ExtraTreesRegressor(3, random_state=0).fit(
        values, values @ [1, 2, 3])
    arrays = fits.arrays_of_trees([one.tree_ for one in forest.estimators_])
    np.testing.assert_allclose(dandres.predict(arrays, values[:50]),
                               forest.predict(values[:50]), rtol=1e-5)


def test_a_wave_is_in_the_band_of_its_frequency():
    columns = np.arange(80)
    strongest = []
    for period in (3, 8, 20):
        grey = 0.5 + 0.3 * np.sin(2 * np.pi * columns / period) * np.ones(
            (60, 1))
        values = dandres.features(grey)[15, 20]
        strongest.append(values[:5].argmax())
        # A band's share of the contrast is as large whatever the contrast.
        fainter = dandres.features(0.5 + (grey - 0.5) / 3)[15, 20]
        np.testing.assert_allclose(fainter[values.argmax()],
                                   values[values.argmax()], atol=0.02)
    assert strongest == sorted(set(strongest))


def test_what_has_no_contrast_takes_the_radius_of_what_has():
    radius = np.full((40, 60), 6.0)
    weight = np.full((40, 60), 1e-6)
    radius[10:30, 20:40], weight[10:30, 20:40] = 2.0, 1.0
    found = dandres.smoothed(radius, weight, np.full((40, 60), 0.5))
    assert found[20, 30] == pytest.approx(2, abs=0.01)
    assert found[9, 30] < 2.5 and found.min() >= 2 and found.max() <= 6


@pytest.mark.long
def test_discs_of_a_texture_are_told_apart():
    texture = ndimage.zoom(RNG.random((24, 32)), 4, order=1)
    found = []
    for sigma in (0.5, 1.5, 3.0):
        grey = 20 + 200 * ndimage.gaussian_filter(texture, sigma)
        image = np.repeat(np.uint8(grey)[..., None], 3, -1)
        found.append(np.median(dandres.estimate(image)))
    assert found[0] < found[1] < found[2]
