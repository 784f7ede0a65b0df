"""A fixed camera against its reference."""

import pathlib

import numpy as np
import pytest
from scipy import ndimage

from dmenet_tf import images, inference, networks
from dmenet_tf.rank import watch

SAMPLE = (pathlib.Path(__file__).parents[2]
          / 'data/samples/photographs/chelsea.jpg')
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (160, 240, 3)).astype(np.float32)
GOOD = watch.Reference('a.jpg', 240, 160, (100, 10, 60, 40), 0.5, 'digest')


def spread(batch):
    """A stand-in for the network: sigma is red / 50."""
    return batch[..., :1] / np.float32(50)


@pytest.fixture(scope='module')
def model(tamed):
    return inference.build_estimator(
        tamed(networks.build_blur_estimator(4, 1, side_heads=False)),
        'sigma7')


def test_the_median_of_the_region_alone_counts(model):
    sigma, region = watch.measure(IMAGE, (100, 10, 60, 40), model, spread)
    expected = np.median(IMAGE[10:50, 100:160, 0] / 50)
    assert sigma == pytest.approx(expected, rel=1e-6)
    assert region == (100, 10, 60, 40)
    sigma, region = watch.measure(IMAGE, None, model, spread)
    assert sigma == pytest.approx(np.median(IMAGE[..., 0] / 50), rel=1e-6)
    assert region == (0, 0, 240, 160)


@pytest.mark.parametrize('region', [
    (0, 0, 0, 9), (0, 0, 9, 0), (-1, 0, 9, 9), (232, 0, 9, 9),
    (0, 152, 9, 9)])
def test_an_impossible_region_is_one_line(region, model):
    with pytest.raises(ValueError, match=r'is empty or leaves the photograph '
                                         r'of 240 x 160 px\.'):
        watch.measure(IMAGE, region, model, spread)


def test_blur_is_told_in_times_of_the_reference(model):
    found = watch.compare('b.jpg', np.full_like(IMAGE, 100), GOOD, model,
                          spread)
    assert found == {'photograph': 'b.jpg', 'sigma_px': 2.0,
                     'reference_px': 0.5, 'times': 4.0}


def test_a_photograph_of_another_size_is_refused(model):
    with pytest.raises(ValueError, match=(
            'b.jpg: has 120 x 160 px, the photograph of the reference 240 x '
            '160')):
        watch.compare('b.jpg', IMAGE[:, :120], GOOD, model, spread)


def test_a_reference_is_read_as_it_was_written(tmp_path):
    watch.write(tmp_path / 'ref.json', GOOD)
    assert watch.read(tmp_path / 'ref.json') == GOOD


@pytest.mark.parametrize('text', [
    '', '[]', '{}', '{"region": [1, 2, 3]}', 'no json',
    '{"region": [0, 0, 9, 9], "photograph": "a", "width_px": 9, '
    '"height_px": 9, "model": "", "sigma_px": -1}'])
def test_what_is_no_reference_is_one_line(tmp_path, text):
    path = tmp_path / 'ref.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'{path}: not a reference') as error:
        watch.read(path)
    assert '\n' not in str(error.value)


def test_a_missing_reference_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match='--save_reference makes one'):
        watch.read(tmp_path / 'none.json')


@pytest.mark.long
def test_a_camera_that_went_out_of_focus_is_seen():
    image = images.read_image(SAMPLE)
    region = (150, 80, 120, 80)
    sigma, _ = watch.measure(image, region)
    reference = watch.Reference('a', image.shape[1], image.shape[0], region,
                                sigma, '')
    blurred = ndimage.gaussian_filter(image.astype(np.float32), (2, 2, 0))
    assert watch.compare('a', image, reference)['times'] == pytest.approx(1)
    assert watch.compare('b', blurred, reference)['times'] > 1.5
