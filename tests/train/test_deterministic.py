"""--deterministic at a real size; takes minutes."""

import imageio.v3 as iio
import numpy as np
import pytest

from dmenet_tf import sigma_files

pytestmark = pytest.mark.slow


def test_two_runs_of_a_real_size_give_the_same_bits(coded_picture, start,
                                                    of_all_four, tmp_path):
    """With a width and crops at which order matters to the rounding."""
    for name in ('image', 'sigma', 'gt'):
        (tmp_path / 'large' / name).mkdir(parents=True)
    for k in range(2):
        picture = coded_picture(200 + k, 200)
        name = f'{k}.png'
        iio.imwrite(tmp_path / 'large/image' / name, picture)
        sigma_files.write_png(tmp_path / 'large/sigma' / name,
                              picture[..., 0] / 50)
        iio.imwrite(tmp_path / 'large/gt' / name,
                    np.where(picture[..., 0] > 100, 255, 0).astype(np.uint8))
    runs = [of_all_four(
        tmp_path / run, synthetic=tmp_path / 'large', hold_out=0, width=16,
        binary=tmp_path / 'large', real=tmp_path / 'large/image', batch=4,
        crop=160, steps=2, deterministic=True) for run in ('first', 'second')]
    for run in runs:
        process = start(run)
        output = process.communicate(timeout=1200)[0]
        assert process.returncode == 0, output
    first, second = (np.load(tmp_path / run / 'weights.npz')
                     for run in ('first', 'second'))
    for key in set(first) - {'metadata'}:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)
