"""What baselines learnt: small, plain, described; tables."""

import hashlib
import importlib.resources

import numpy as np
import pytest

from dmenet_tf import baselines
from dmenet_tf.baselines import fitted

FOLDER = importlib.resources.files(fitted)
FILES = [path for path in FOLDER.iterdir() if path.name.endswith('.npz')]


def test_between_two_scores_sigma_is_linear_and_ends_are_kept():
    table = np.array([[-4.0, -2, 0], [1, 2, 5]])
    found = fitted.interpolate([-9, -3, -1.5, 7, np.nan], table)
    np.testing.assert_allclose(found, [1, 1.5, 2.75, 5, np.nan])


def test_files_are_plain_arrays_and_together_small():
    assert sum(path.stat().st_size for path in FILES) < 3e6
    assert {path.name.removesuffix('.npz') for path in FILES} <= set(
        baselines.NAMES)
    for path in FILES:
        with np.load(path) as arrays:  # Pickles are refused.
            assert all(arrays[name].dtype.kind in 'fi' for name in arrays)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_file_has_a_card_of_this_very_file(path):
    card = path.with_suffix('.md').read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert 'experiments/baselines.sh' in card


@pytest.mark.parametrize('name', ['tang', 'xu', 'jnb'])
def test_tables_rise_from_sharp_to_blurred(name):
    scores, sigma = fitted.load(name)['sigma']
    assert (np.diff(scores) > 0).all() and (np.diff(sigma) > 0).all()
    assert sigma[0] == 0
    assert sigma[-1] == baselines.load(name).MAX_SIGMA
