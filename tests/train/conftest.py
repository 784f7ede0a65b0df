"""What the tests of training share: settings of a toy."""

from collections.abc import Callable

import pytest

from dmenet_tf.train.config import Config, resolve

# B alone, of seconds. Nothing is read from these folders by settings alone.
TOY = {'synthetic': ['syn'], 'workdir': 'run', 'width': 4, 'refine_blocks': 0,
       'crop': 32, 'batch': 2, 'steps': 4, 'vgg19': 'none', 'lambda_adv': 0.0,
       'lambda_S': 0.0, 'lambda_aux': 0.0, 'learning_rate': 1e-3}


@pytest.fixture
def settings() -> Callable[..., Config]:
    """Function of changes to a resolved Config of a toy, B alone."""
    return lambda **changes: resolve(Config(**(TOY | changes)))
