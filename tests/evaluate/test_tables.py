"""Tables: rows of each noise level, and what is said below a table."""

import pytest

from dmenet_tf.evaluate import tables


@pytest.fixture
def results():
    """Two methods, one of them at two noise levels."""
    def row(method, noise, **values):
        return {'method': method, 'kind': 'model', 'source': 'm.npz',
                'digest': 'ab' * 32, 'unit': 'px', 'noise': noise, 'blur': 0.0,
                'images': 3, 'of': 4, 'scores': {'mse': 0.5}, **values}
    return {
        'protocol': 'syndof',
        'results': [row('m', 0.0), row('m', 1.5, scores={}),
                    row('lbp', 0.0, unit='score', digest=None)],
        'differences': [],
        'published': [{'method': 'X', 'source': 'Y 2019', 'noise': 0.0,
                       'split': 'all', 'same_split': True,
                       'scores': {'mae': 0.25}}],
        'published_apart': [{'method': 'Z', 'source': 'W 2018', 'noise': 0.0,
                             'map': '(2 sigma + 1) / 15',
                             'scores': {'mse': 0.013},
                             'at_most': {'mse': 0.0149}}]}


def test_each_noise_level_has_its_table(results):
    first, second = tables.tables(results)
    assert (first[0], second[0]) == ('syndof', 'syndof, noise 1.5')
    assert first[1][:4] == ['method', 'images', 'mse ↓', 'mae ↓']
    assert [(is_published, cells[:4]) for is_published, cells in first[2]] == [
        (False, ['m', '3 of 4', '0.5000', '-']),
        (False, ['lbp (fitted)', '3 of 4', '0.5000', '-']),
        (True, ['X, published (Y 2019)', '-', '-', '0.2500'])]
    assert [cells[:3] for _, cells in second[2]] == [['m', '3 of 4', '-']]


def test_notes_name_the_weights_once_and_other_units(results):
    means, arrows, fitted, weights, apart = tables.notes(results)
    assert 'have a table of their own' in means
    assert '↓: less is better' in arrows
    assert fitted.startswith('(fitted): ')
    assert weights == f'm: weights m.npz, sha256 {"ab" * 32}.'
    assert apart.startswith(
        'Z, published (W 2018), as errors of (2 sigma + 1) / 15: mse 0.0130; '
        'as errors of sigma / 7 at most mse 0.0149')
    assert tables.as_text(results).endswith(
        f'{means}\n{arrows}\n{fitted}\n{weights}\n{apart}')
    results['results'].pop()
    assert tables.notes(results) == [means, arrows, weights, apart]


def test_a_table_wider_than_the_terminal_goes_on_below(results):
    whole = tables.as_text(results).splitlines()
    longest = max(map(len, whole[:5]))
    assert tables.as_text(results, longest).splitlines()[:5] == whole[:5]
    # The first column has 21 characters, the next two 6, and 2 between.
    narrow = tables.as_text(results, 37).splitlines()
    assert narrow[1] == f'{"method":21}  images   mse ↓'
    assert narrow[2] == f'{"m":21}  3 of 4  0.5000'
    assert narrow[5:7] == ['', f'{"method":21}   mae ↓']
    # However narrow: one column after the other.
    assert tables.as_text(results, 1).splitlines()[1:3] == [
        f'{"method":21}  images', f'{"m":21}  3 of 4']


def test_a_mean_has_its_interval_in_brackets(results):
    results['results'][0]['intervals'] = {'mse': [0.25, 0.75]}
    assert tables.tables(results)[0][2][0][1][2] == '0.5000 [0.250, 0.750]'
    assert any('95 % bootstrap intervals over the images' in line
               for line in tables.notes(results))
    # All images alike: there is nothing to tell.
    results['results'][0]['intervals'] = {'mse': [0.5, 0.5 + 1e-15]}
    assert tables.tables(results)[0][2][0][1][2] == '0.5000'


def test_published_rows_of_another_split_stand_in_a_table_of_their_own(
        results):
    results['published'][0] |= {'split': "others' 22", 'same_split': False}
    ours, theirs, _ = tables.tables(results)
    assert [cells[0] for _, cells in ours[2]] == ['m', 'lbp (fitted)']
    assert theirs == ("Published, of another split: others' 22",
                      ['method', 'mae ↓'],
                      [(True, ['X, published (Y 2019)', '0.2500'])])


def test_arrows_say_which_way_is_better():
    assert [tables.titled(name) for name in (
        'accuracy', 'balanced_error_rate', 'bias', 'constant_mae')] == [
            'accuracy ↑', 'balanced error rate ↓', 'bias →0', 'constant mae']
    # Every column of every table is told of.
    lower = {name for names in tables.COLUMNS.values() for name in names
             if tables.titled(name).endswith('↓')}
    assert lower == {'mse', 'mae', 'rmse', 'balanced_error_rate'}


def test_methods_are_set_against_the_first(results):
    results['differences'] = [
        {'noise': 0.0, 'blur': 0.0, 'method': one, 'other': other,
         'images': 3, 'scores': {'mse': 0.25}, 'intervals': intervals}
        for one, other, intervals in (
            ('m', 'lbp', {'mse': [0.1, 0.4]}), ('m', 'n', {'mse': [-0.1, 0.4]}),
            ('m', 'o', {}), ('lbp', 'n', {}))]
    _, differences, _ = tables.tables(results)
    assert differences == ('m minus the others', ['minus', 'images', 'mse ↓'], [
        (False, ['lbp', '3', '+0.2500 [+0.100, +0.400] *']),
        (False, ['n', '3', '+0.2500 [-0.100, +0.400]']),
        (False, ['o', '3', '+0.2500'])])
    assert any('*: the interval does not hold 0' in line
               for line in tables.notes(results))


def test_markdown_has_the_same_cells(results):
    results['results'][0]['method'] = 'm|n'
    text = tables.as_markdown(results)
    assert text.startswith(
        '## syndof\n\n| method | images | mse ↓ | mae ↓ | bias →0 |')
    assert '\n| m\\|n | 3 of 4 | 0.5000 | - | - | - | - |\n' in text
    assert '\n| *X, published (Y 2019)* | - | - | 0.2500 |' in text
