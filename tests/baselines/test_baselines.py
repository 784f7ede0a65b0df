"""Classical baselines: order, degenerate pictures, names."""

import pathlib
import re

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf import baselines

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng(0)
NEED_PYMATTING = ('zhuo_sim', 'tang', 'xu', 'park')
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


def test_an_unknown_name_is_one_line():
    with pytest.raises(ValueError, match="no baseline 'bm3d'; there are zhuo"):
        baselines.load('bm3d')


def test_one_that_cannot_be_made_says_why():
    with pytest.raises(ValueError, match="'zhang' cannot be made: .*SmartBlur"):
        baselines.load('zhang')


def test_a_new_method_is_one_file_and_one_name(tmp_path, monkeypatch):
    page = (ROOT / 'docs/baselines.md').read_text()
    text, = re.findall(r'^```python\n(""".*?)^```$', page,
                       re.MULTILINE | re.DOTALL)
    (tmp_path / 'mean_slope.py').write_text(text)
    monkeypatch.setattr(baselines, '__path__',
                        [*baselines.__path__, str(tmp_path)])
    monkeypatch.setattr(baselines, 'NAMES', (*baselines.NAMES, 'mean_slope'))
    method = baselines.load('mean_slope')
    blur = method.estimate(half_blurred())
    assert method.UNIT == 'score'
    assert blur[8:-8, 46:-8].mean() > blur[8:-8, 8:28].mean()


def test_the_page_names_every_method():
    page = (ROOT / 'docs/baselines.md').read_text()
    rows = ''.join(re.findall(r'^\| (`[^|]*)\|', page, re.MULTILINE))
    assert set(re.findall(r'`(\w+)`', rows)) == set(baselines.NAMES)
