"""What the tests of training share: settings of a toy, and its pictures."""

import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import imageio.v3 as iio
import numpy as np
import pytest

from dmenet_tf import sigma_files
from dmenet_tf.train.changes import AUGMENT
from dmenet_tf.train.config import Config, resolve

# B alone, of seconds. Nothing is read from these folders by settings alone.
TOY = {'synthetic': ['syn'], 'workdir': 'run', 'width': 4, 'refine_blocks': 0,
       'crop': 32, 'batch': 2, 'steps': 4, 'vgg19': 'none', 'lambda_adv': 0.0,
       'lambda_S': 0.0, 'lambda_aux': 0.0, 'learning_rate': 1e-3}


@pytest.fixture(scope='session')
def settings() -> Callable[..., Config]:
    """Function of changes to a resolved Config of a toy, B alone."""
    return lambda **changes: resolve(Config(**(TOY | changes)))


@pytest.fixture(scope='session')
def coded_picture() -> Callable[[int, int], np.ndarray]:
    """Function of (height, width) to a picture whose red tells its label."""
    def draw(height, width):
        y, x = np.mgrid[:height, :width]
        red = (2 * y + x) % 200
        return np.stack([red, y % 256, x % 256], axis=-1).astype(np.uint8)
    return draw


@pytest.fixture(scope='session')
def coded_folders(tmp_path_factory, coded_picture) -> pathlib.Path:
    """syn/, bin/, real/: sigma = red / 50 px; blurred where red > 100."""
    root = tmp_path_factory.mktemp('coded')
    for name in ('syn/image', 'syn/sigma', 'bin/image', 'bin/gt', 'real'):
        (root / name).mkdir(parents=True)
    for i in range(5):
        picture = coded_picture(40 + i, 48)
        red = picture[..., 0]
        for name in ('syn/image', 'bin/image', 'real'):
            iio.imwrite(root / name / f'{i}.png', picture)
        sigma_files.write_png(root / f'syn/sigma/{i}.png', red / 50)
        iio.imwrite(root / f'bin/gt/{i}.png',
                    np.where(red > 100, 255, 0).astype(np.uint8))
    return root


@pytest.fixture(scope='session')
def of_all_four(settings, coded_folders) -> Callable[..., Config]:
    """Function of (workdir, **changes) to a toy that trains B, D, S with C."""
    def joint(workdir, **changes):
        return settings(**{
            'workdir': workdir, 'synthetic': coded_folders / 'syn',
            'binary': coded_folders / 'bin', 'real': coded_folders / 'real',
            'lambda_adv': 1e-3, 'lambda_S': 2e-2, 'lambda_C': 1e-4,
            'lambda_aux': 1.0, 'checkpoint_every': 2, 'log_every': 1,
            'validate_every': 2, 'hold_out': 0.2, **changes})
    return joint


def _as_flag(value):
    if dataclasses.is_dataclass(value):
        return next(name for name in AUGMENT if AUGMENT[name] == value)
    return ','.join(value) if isinstance(value, list) else value


@pytest.fixture(scope='session')
def start() -> Callable[..., subprocess.Popen]:
    """Function of (Config, **environment) that starts the command."""
    root = pathlib.Path(__file__).parents[2]

    def popen(config, **environment):
        values = {field.name: _as_flag(getattr(config, field.name))
                  for field in dataclasses.fields(config)}
        return subprocess.Popen(
            [sys.executable, '-m', 'dmenet_tf.train',
             *(f'--{name}={value}' for name, value in values.items()
               if value not in (None, ''))],
            cwd=root, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=os.environ | environment)
    return popen
