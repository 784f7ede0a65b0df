"""Lenses: moments by the disc's formula, shapes, zones, measured files."""

import numpy as np
import pytest

from dmenet_tf import optics
from dmenet_tf.syndof import apertures, render

LENSES = {'pentagon': apertures.polygon(5, 0.3),
          'nonagon': apertures.polygon(9, 0.0),
          'cats_eye': apertures.cats_eye(1.0)}


def moments(kernel):
    """Centre (y, x), covariance [2, 2]; px."""
    reach = len(kernel) // 2
    places = np.stack(np.mgrid[-reach:reach + 1, -reach:reach + 1], -1)
    places = places.reshape(-1, 2)
    weights = kernel.ravel() / kernel.sum()
    centre = weights @ places
    return centre, (places - centre).T @ ((places - centre)
                                          * weights[:, None])


@pytest.mark.parametrize('name', LENSES)
@pytest.mark.parametrize('sigma', [1.0, 2.0, 7.0])
def test_every_shape_has_the_variance_of_the_disc(name, sigma):
    lens = LENSES[name]
    _, disc = moments(render.disc_kernel(sigma))
    assert np.trace(disc) / 2 == pytest.approx(
        optics.disc_radius_from_sigma(sigma)**2 / 4 + 1 / 12, rel=0.05)
    for zone in range(lens.zones):
        kernel = lens.kernel(sigma, zone)
        centre, covariance = moments(kernel)
        assert kernel.sum() == pytest.approx(1) and kernel.min() >= 0
        assert abs(centre).max() < 0.04
        assert np.trace(covariance) == pytest.approx(np.trace(disc), rel=0.05)


def test_a_round_shape_is_the_disc():
    for sigma in (0.05, 0.5, 3.0):
        disc, found = render.disc_kernel(sigma), LENSES['cats_eye'].kernel(
            sigma, 0)
        disc = np.pad(disc, (len(found) - len(disc)) // 2)
        np.testing.assert_allclose(found, disc, atol=1e-3)


def test_a_polygon_has_its_blades():
    kernel = apertures.polygon(6, 0.0).kernel(7.0, 0)
    reach = len(kernel) // 2
    # A corner right and left, a side above and below: 2 / sqrt(3) as wide.
    wide, high = (np.sum(kernel[reach]), np.sum(kernel[:, reach]))
    assert wide / high == pytest.approx(2 / 3**0.5, rel=0.02)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-12)


def test_eyes_are_narrow_away_from_the_centre_and_more_so_outside():
    lens = apertures.cats_eye(1.0)
    zone = lens.zone((101, 151))
    assert zone[50, 75] == 0 and zone.max() < lens.zones
    ratios = []
    for y, x, along in ((50, 149, [0, 1]), (50, 110, [0, 1]), (99, 75, [1, 0]),
                        (0, 0, [50, 75]), (100, 150, [50, 75])):
        _, covariance = moments(lens.kernel(7.0, zone[y, x]))
        along = np.array(along) / np.linalg.norm(along)
        across = along[::-1] * [1, -1]
        ratios.append((along @ covariance @ along)
                      / (across @ covariance @ across))
    assert max(ratios) < 0.95 and ratios[1] > ratios[0] > ratios[3]
    assert ratios[3] == pytest.approx(ratios[4])
    even = apertures.cats_eye(0.0)
    np.testing.assert_allclose(even.kernel(3.0, 12), even.kernel(3.0, 0),
                               atol=1e-3)


def test_lenses_are_drawn():
    rng = np.random.default_rng(0)
    blades = {apertures.draw('polygon', rng)[1]['blades'] for _ in range(60)}
    assert blades == {5, 6, 7, 8, 9}
    _, drawn = apertures.draw('cats_eye', rng)
    assert 0 <= drawn['vignetting'] <= 1


def gaussians(*sigmas, size=41):
    x = np.arange(size) - size // 2
    return np.array([np.outer(g, g) for g in
                     (np.exp(-x**2 / (2 * s**2)) for s in sigmas)])


def test_a_measured_lens_is_as_measured(tmp_path):
    psf = gaussians(1.0, 3.0)
    np.savez(tmp_path / 'lens.npz', psf=psf, sigma=[1.0, 3.0])
    lens, _ = apertures.draw(str(tmp_path / 'lens.npz'),
                             np.random.default_rng(0))
    kernel = lens.kernel(3.0, 0)
    np.testing.assert_allclose(kernel, psf[1] / psf[1].sum(), atol=1e-6)
    for sigma in (2.0, 4.5):  # From the next larger one, and the last.
        _, covariance = moments(lens.kernel(sigma, 0))
        assert np.sqrt(np.trace(covariance) / 2) == pytest.approx(sigma,
                                                                  rel=0.03)
    assert lens.kernel(0.01, 0).tolist() == [[1.0]]


def test_a_sigma_that_is_not_given_is_measured(tmp_path):
    psf = np.pad(render.disc_kernel(3.0), 5)[None]
    np.save(tmp_path / 'lens.npy', np.roll(psf, (2, 1), (1, 2)))
    _, sigma = apertures.read_stack(tmp_path / 'lens.npy')
    assert sigma[0] == pytest.approx(3.0, rel=0.02)
    lens = apertures.measured(*apertures.read_stack(tmp_path / 'lens.npy'))
    centre, _ = moments(lens.kernel(3.0, 0))
    assert abs(centre).max() < 0.05  # The measured one lay beside the middle.


@pytest.mark.parametrize('arrays, reason', [
    ({'psf': np.ones((3, 3))}, r'they must be \[n, k, k\]'),
    ({'psf': -gaussians(1.0)}, 'not negative'),
    ({'psf': np.zeros((1, 3, 3))}, 'not all 0'),
    ({'psf': gaussians(1.0, 2.0), 'sigma': [2.0, 1.0]}, 'increasing'),
    ({'sigma': [1.0]}, 'psf')])
def test_what_is_no_lens_is_refused_by_name(tmp_path, arrays, reason):
    np.savez(tmp_path / 'lens.npz', **arrays)
    with pytest.raises(ValueError, match=f'lens.npz: .*{reason}'):
        apertures.read_stack(tmp_path / 'lens.npz')
    (tmp_path / 'torn.npz').write_bytes(b'PK\x03\x04')
    with pytest.raises(ValueError, match='torn.npz: not point spread'):
        apertures.read_stack(tmp_path / 'torn.npz')
    with pytest.raises(FileNotFoundError, match='none.npz: no such file'):
        apertures.read_stack(tmp_path / 'none.npz')
