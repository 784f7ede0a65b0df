"""experiments/onera.py measures shifts that are known here."""

import importlib.util
import pathlib

import numpy as np
from PIL import Image
from scipy import ndimage

from dmenet_tf.syndof import cameras, pairs

SCRIPT = pathlib.Path(__file__).parents[2] / 'experiments/onera.py'


def write(folder, scene, depth_by, wide_by):
    """Blocks at 1 and 3 m, seen bright and dark; depth and f2.8 moved."""
    rng = np.random.default_rng(int(scene))
    near = ndimage.zoom(rng.random((7, 9)) > 0.5, 24, order=0)
    for kind, values, by in (
            ('depth', np.where(near, 1000, 3000).astype(np.uint16), depth_by),
            ('f8', np.where(near, 200, 60).astype(np.uint8), (0, 0)),
            ('f2.8', np.where(near, 200, 60).astype(np.uint8), wide_by)):
        (folder / kind).mkdir(exist_ok=True)
        suffix = 'png' if kind == 'depth' else 'JPG'
        Image.fromarray(np.roll(values, by, (0, 1))).save(
            folder / kind / f'{scene}.{suffix}')


def test_shifts_are_measured_and_written_as_a_table(tmp_path):
    write(tmp_path, '004', depth_by=(9, -3), wide_by=(0, 2))
    write(tmp_path, '060', depth_by=(7, 1), wide_by=(-1, 0))
    spec = importlib.util.spec_from_file_location('onera', SCRIPT)
    onera = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(onera)
    onera.main(str(tmp_path), str(tmp_path / 'table.csv'))
    found = {name: (camera.dy, camera.dx) for name, camera in
             cameras.read(tmp_path / 'table.csv').items()}
    # Drawn to the mean of the scenes by up to a pixel.
    for scene, moved, wide in (('004', (-9, 3), (0, 2)),
                               ('060', (-7, -1), (-1, 0))):
        f8, f28 = (np.array(found[f'{scene}_{name}'])
                   for name in ('f8', 'f2.8'))
        assert abs(f8 - moved).max() <= 1
        assert (f28 - f8).tolist() == list(wide)
    train, _ = pairs.find_pairs(tmp_path / 'table.csv', split='train')
    assert [pair.name for pair in train] == ['004_f2.8', '004_f8']
    assert cameras.read(tmp_path / 'table.csv')['004_f8'].scene == '004'
