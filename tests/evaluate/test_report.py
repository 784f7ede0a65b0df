"""Reports: rows of each noise level, and what is said below a table."""

import pytest

from dmenet_tf.evaluate import report


@pytest.fixture
def results():
    """Two methods, one of them at two noise levels."""
    def row(method, noise, **values):
        return {'method': method, 'kind': 'model', 'source': 'm.npz',
                'digest': 'ab' * 32, 'unit': 'px', 'noise': noise,
                'images': 3, 'of': 4, 'scores': {'mse': 0.5}, **values}
    return {
        'protocol': 'syndof',
        'results': [row('m', 0.0), row('m', 1.5, scores={}),
                    row('lbp', 0.0, unit='score', digest=None)],
        'published': [{'method': 'X', 'source': 'Y 2019', 'noise': 0.0,
                       'scores': {'mae': 0.25}}],
        'published_apart': [{'method': 'Z', 'source': 'W 2018', 'noise': 0.0,
                             'map': '(2 sigma + 1) / 15',
                             'scores': {'mse': 0.013},
                             'at_most': {'mse': 0.0149}}]}


def test_each_noise_level_has_its_table(results):
    first, second = report.tables(results)
    assert (first[0], second[0]) == ('syndof', 'syndof, noise 1.5')
    assert first[1][:4] == ['method', 'images', 'mse', 'mae']
    assert [(is_published, cells[:4]) for is_published, cells in first[2]] == [
        (False, ['m', '3 of 4', '0.5000', '-']),
        (False, ['lbp (fitted)', '3 of 4', '0.5000', '-']),
        (True, ['X, published (Y 2019)', '-', '-', '0.2500'])]
    assert [cells[:3] for _, cells in second[2]] == [['m', '3 of 4', '-']]


def test_notes_name_the_weights_once_and_other_units(results):
    means, fitted, weights, apart = report.notes(results)
    assert 'not over the images here' in means
    assert fitted.startswith('(fitted): ')
    assert weights == f'm: weights m.npz, sha256 {"ab" * 32}.'
    assert apart.startswith(
        'Z, published (W 2018), as errors of (2 sigma + 1) / 15: mse 0.0130; '
        'as errors of sigma / 7 at most mse 0.0149')
    assert report.as_text(results).endswith(
        f'{means}\n{fitted}\n{weights}\n{apart}')
    results['results'].pop()
    assert report.notes(results) == [means, weights, apart]


def test_a_mean_has_its_interval_in_brackets(results):
    results['results'][0]['intervals'] = {'mse': [0.25, 0.75]}
    assert report.tables(results)[0][2][0][1][2] == '0.5000 [0.250, 0.750]'
    assert any('95 % bootstrap intervals over the images' in line
               for line in report.notes(results))
    # All images alike: there is nothing to tell.
    results['results'][0]['intervals'] = {'mse': [0.5, 0.5 + 1e-15]}
    assert report.tables(results)[0][2][0][1][2] == '0.5000'


def test_versions_tell_of_tensorflow_where_it_ran(monkeypatch):
    import sys
    import types
    monkeypatch.setitem(sys.modules, 'tensorflow',
                        types.SimpleNamespace(__version__='2.x'))
    assert report.versions()['tensorflow'] == '2.x'
    monkeypatch.delitem(sys.modules, 'tensorflow')
    assert 'tensorflow' not in report.versions()
