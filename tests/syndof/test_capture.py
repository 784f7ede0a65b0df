"""Samplers: Eq. 2, distributions, and how depths become layers."""

import numpy as np
import pytest
from scipy import stats

from dmenet_tf import optics
from dmenet_tf.syndof import capture


@pytest.fixture(scope='module')
def depth_m():
    """[60, 80]: a floor from 1.5 to 9 m and an object at 2 m."""
    depth = np.repeat(1 / np.linspace(1 / 9, 1 / 1.5, 60)[:, None], 80, 1)
    depth = depth + np.linspace(0, 0.01, 80)
    depth[10:30, 20:40] = 2.0
    return depth.astype(np.float32)


def draws(sampler, depth_m, count=300):
    return [capture.sample(sampler, depth_m, capture.capture_rng(5, k))
            for k in range(count)]


@pytest.mark.parametrize('sampler', capture.SAMPLERS)
def test_the_largest_coc_stays_within_eq_2(sampler, depth_m):
    for shot in draws(sampler, depth_m, 40):
        assert shot.sigma.max() <= optics.MAX_SIGMA
        assert shot.settings['max_coc'] <= optics.MAX_COC
        assert shot.settings['near'] <= shot.settings['S1']
        assert shot.settings['S1'] <= shot.settings['far']
        assert len(shot.sigma) == shot.settings['layers'] <= 350
        assert set(np.unique(shot.layer)) == set(range(len(shot.sigma)))


def test_paper_draws_are_uniform(depth_m):
    """S1 in [x_near, x_far], alpha in [0, alpha_up]; independent."""
    drawn = [shot.settings for shot in draws('paper', depth_m)]
    place = np.array([(s['S1'] - s['near']) / (s['far'] - s['near'])
                      for s in drawn])
    aperture = np.array([s['alpha'] / s['alpha_up'] for s in drawn])
    assert stats.kstest(place, 'uniform').pvalue > 0.01
    assert stats.kstest(aperture, 'uniform').pvalue > 0.01
    assert stats.spearmanr(place, aperture).pvalue > 0.01
    # The same test tells the other sampler from this one.
    drawn = [shot.settings for shot in draws('official', depth_m, 100)]
    place = [(s['S1'] - s['near']) / (s['far'] - s['near']) for s in drawn]
    assert stats.kstest(place, 'uniform').pvalue < 1e-6
    assert stats.kstest([s['alpha'] / s['alpha_up'] for s in drawn],
                        'uniform').pvalue < 1e-6


def test_paper_alpha_up_is_eq_2_by_hand():
    depth = np.array([[2.0, 4.0]], np.float32)
    shot = capture.sample('paper', depth, capture.capture_rng(0, 0))
    focus = shot.settings['S1']
    by_hand = 28 * min(4 / abs(4 - focus), 2 / abs(2 - focus))
    assert shot.settings['alpha_up'] == pytest.approx(by_hand)
    alpha = shot.settings['alpha']
    np.testing.assert_allclose(
        shot.sigma, [alpha * (4 - focus) / 4 / 4, alpha * (focus - 2) / 2 / 4],
        rtol=1e-5)
    assert shot.layer.tolist() == [[1, 0]] and shot.front == 1


def test_official_focus_is_a_half_gaussian_over_the_sorted_depths():
    """Depths equally apart: the place of S1 is what was drawn."""
    values = np.linspace(1.0, 3.0, 5000)
    drawn = [capture.draw_camera(values, capture.capture_rng(5, k), 29.0, 100)
             for k in range(300)]
    place = [(d['S1'] - d['near']) / (d['far'] - d['near']) for d in drawn]
    spread = stats.halfnorm(scale=1 / 3)

    def expected(x):
        return spread.cdf(x) / spread.cdf(1.0)

    assert stats.kstest(place, expected).pvalue > 0.01
    assert stats.kstest(place, 'uniform').pvalue < 1e-6
    lenses = [d['focal_length_mm'] for d in drawn]
    observed = [lenses.count(f) for f in (50.0, 70.0, 85.0)]
    odds = np.array([1, 4, 4]) * len(drawn) / 9
    assert stats.chisquare(observed, odds).pvalue > 0.01


def test_official_camera(depth_m):
    lenses = []
    for shot in draws('official', depth_m, 60):
        settings = shot.settings
        lenses.append(settings['focal_length_mm'])
        # Depths begin at five focal lengths; the largest coc is the bound.
        assert settings['near'] == pytest.approx(5 * lenses[-1] / 1000)
        assert settings['max_coc'] == pytest.approx(28.0)
        assert 200 <= settings['layers'] <= 350
        # The f-number gives back alpha, on a 36 mm sensor 80 px wide.
        assert optics.aperture_constant(
            lenses[-1], settings['f_number'], settings['S1'] * 1000, 36, 80
        ) == pytest.approx(settings['alpha'])
        coc = 4 * shot.sigma[shot.sigma > 0] + 1
        np.testing.assert_allclose(coc * 10, np.rint(coc * 10), atol=1e-4)
    assert set(lenses) == {50.0, 70.0, 85.0}
    assert lenses.count(50.0) < 20


def test_official_labels_are_eq_1_less_one_pixel(depth_m):
    shot = capture.sample('official', depth_m, capture.capture_rng(1, 2))
    shifted = depth_m.astype(np.float64) - depth_m.min() + \
        5 * shot.settings['focal_length_mm'] / 1000
    coc = optics.circle_of_confusion(shifted, shot.settings['S1'],
                                     shot.settings['alpha'])
    np.testing.assert_allclose(shot.sigma[shot.layer],
                               np.maximum(coc - 1, 0) / 4, atol=0.051 / 4)
    behind = shifted > shot.settings['S1']
    assert np.all(coc[behind & (shot.layer >= shot.front)] < 0.051)
    assert not np.any(~behind & (shot.layer < shot.front))


def test_few_depths_are_layers_of_their_own():
    depth = np.array([[3.0, 1.0], [2.0, 3.0]], np.float32)
    layer, depths = capture.depth_layers(depth)
    assert layer.tolist() == [[0, 2], [1, 0]]
    assert depths.tolist() == [3.0, 2.0, 1.0]


def test_many_depths_share_layers_evenly_in_coc(depth_m):
    layer, depths = capture.depth_layers(depth_m, limit=50)
    assert len(depths) <= 50 and layer.max() == len(depths) - 1
    assert np.all(np.diff(depths) < 0)
    exact = optics.circle_of_confusion(depth_m, 2.0, 10.0)
    layered = optics.circle_of_confusion(depths, 2.0, 10.0)[layer]
    step = 10.0 * 2.0 * (1 / depth_m.min() - 1 / depth_m.max()) / 49
    assert np.abs(exact - layered).max() <= step / 2 * 1.001
    assert depths[0] == pytest.approx(depth_m.max())
    assert depths[-1] == pytest.approx(depth_m.min())


def test_too_many_cocs_share_layers():
    """A range that no focus can put on 350 layers of 0.1 px."""
    depth = np.geomspace(1, 1.2, 9000, dtype=np.float32).reshape(90, 100)
    for shot in draws('official', depth, 10):
        assert shot.settings['layers'] <= 350
        assert shot.sigma.max() <= 7.0


def test_errors():
    rng = capture.capture_rng(0, 0)
    with pytest.raises(ValueError, match='not constant'):
        capture.sample('paper', np.ones((3, 3)), rng)
    with pytest.raises(ValueError, match='positive'):
        capture.sample('paper', np.array([[0.0, 1.0]]), rng)
    with pytest.raises(ValueError, match='sampler must be one of'):
        capture.sample('mine', np.array([[1.0, 2.0]]), rng)
