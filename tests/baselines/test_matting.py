"""Matting: known values and colours; the package it needs."""

import sys

import numpy as np
import pytest

from dmenet_tf import baselines


@pytest.mark.slow
def test_matting_keeps_to_known_values_and_to_colours():
    pytest.importorskip('pymatting')
    from dmenet_tf.baselines import matting
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, 12:] = 200
    known = np.full((16, 24), np.nan)
    known[::4, 1:11:3], known[::4, 14::3] = 1.0, 3.0
    spread = matting.propagate(known, image)
    np.testing.assert_allclose(spread[:, :11], 1.0, atol=0.05)
    np.testing.assert_allclose(spread[:, 13:], 3.0, atol=0.05)


def test_a_missing_package_is_said_on_loading(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pymatting', None)
    for name in ('matting', 'zhuo_sim', 'propagation', 'tang', 'xu', 'park'):
        monkeypatch.delitem(sys.modules, f'dmenet_tf.baselines.{name}',
                            raising=False)
        monkeypatch.delattr(baselines, name, raising=False)
    for name in ('zhuo_sim', 'tang', 'xu', 'park'):
        with pytest.raises(ImportError, match=r"install 'dmenet_tf\[evaluate"):
            baselines.load(name)
