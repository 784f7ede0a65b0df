"""Small datasets of each protocol, and a short way to evaluate them."""

import numpy as np
import pytest
import scipy.io
from PIL import Image

from dmenet_tf import evaluate
from dmenet_tf.evaluate import report

RNG = np.random.default_rng(0)


def save_file(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.npy':
        np.save(path, values)
    elif path.suffix == '.npz':
        np.savez(path, values)
    elif path.suffix == '.mat':
        scipy.io.savemat(path, {'map': values})
    else:
        Image.fromarray(values).save(path)


@pytest.fixture(scope='session')
def save():
    """save(path, array), in the form of its suffix."""
    return save_file


@pytest.fixture
def mask():
    """Codes 0 and 255, [30, 40]: the left third is sharp."""
    values = np.zeros((30, 40), np.uint8)
    values[:, 13:] = 255
    return values


@pytest.fixture
def cuhk(tmp_path, mask):
    """Photographs, masks and perfect maps of four images of the test part."""
    for i in range(505, 509):
        name = f'out_of_focus{i:04d}'
        save_file(tmp_path / 'image' / f'{name}.jpg',
                  RNG.integers(0, 256, (30, 40, 3), np.uint8))
        save_file(tmp_path / 'gt' / f'{name}.png', mask)
        save_file(tmp_path / 'maps' / f'{name}.npy', mask / np.float32(255))
    return tmp_path


@pytest.fixture
def rtf(tmp_path):
    """One photograph; its discs have radii 0.5 and 6 px, half of it each."""
    radius = np.full((24, 32), 0.5)
    radius[:, 16:] = 6.0
    save_file(tmp_path / 'image/image_05.png',
              RNG.integers(0, 256, (24, 32, 3), np.uint8))
    scipy.io.savemat(tmp_path / 'image/map_05.mat', {'blurMap': radius})
    return tmp_path


@pytest.fixture
def undrawn(monkeypatch):
    """Plots take most of the time of a small run."""
    monkeypatch.setattr(report, 'draw', lambda *_: [])
    monkeypatch.setattr(report, 'draw_sheet', lambda *_: [])


@pytest.fixture(scope='session')
def run():
    """run(folder, ...) -> results of the folder's image, gt and maps."""
    def evaluate_folder(folder, protocol='cuhk', truth='gt', **given):
        options = {'split': 'all', 'images': folder / 'image',
                   'sheet_images': 2, **given}
        if not {'model', 'baseline', 'predictions'} & set(given):
            options['predictions'] = [str(folder / 'maps')]
        return evaluate.evaluate(evaluate.Options(
            protocol=protocol, ground_truth=folder / truth,
            output_dir=folder / 'out', **options))
    return evaluate_folder
