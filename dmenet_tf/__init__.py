"""Defocus maps from single photographs: DMENet in TensorFlow 2.

    import dmenet_tf
    model = dmenet_tf.load_model()
    image = dmenet_tf.read_image('photograph.jpg')
    sigma = dmenet_tf.estimate(image, model)  # [h, w] px

TensorFlow is imported on first use, so that the tools which do not need it
(python -m dmenet_tf.syndof) start at once. `python -m dmenet_tf` lists all
commands.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from dmenet_tf import import_hooks

# The script, or Python's first argument while it imports the package of a
# module that it is to run: a command, not a program of the user's.
_SCRIPTS = ('-m', 'dmenet', 'dmenet.exe')
if (os.path.basename(''.join(sys.argv[:1])) in _SCRIPTS
        and 'TF_CPP_MIN_LOG_LEVEL' not in os.environ):
    importlib.import_module('dmenet_tf.quiet').install()
# TensorFlow 2.15 starts with three errors about GPU libraries that it has
# twice. What fails later raises Python's own exceptions. It reads this when it
# is first imported.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# On CPUs without AVX-512 TensorFlow leaves oneDNN's convolutions off, though
# they are faster there too. It decides this when it is first imported.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')

__version__ = '0.2.0'
__all__ = ['estimate', 'load_model', 'read_image']

if TYPE_CHECKING:  # What __getattr__ gives.
    from dmenet_tf.estimation import estimate
    from dmenet_tf.images import read_image
    from dmenet_tf.weights import load_model

_HOMES = {'estimate': 'estimation', 'load_model': 'weights',
          'read_image': 'images'}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    home = importlib.import_module(f'dmenet_tf.{_HOMES[name]}')
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _register_layers():
    """Lets keras.models.load_model know the layers of a model saved by it."""
    importlib.import_module('dmenet_tf.networks')
    # Under another backend of Keras it would take seconds, for nothing.
    if 'tensorflow' in sys.modules:
        importlib.import_module('dmenet_tf.inference')


def _and_register(execute):
    def run(module):
        execute(module)
        _register_layers()
    return run


if 'keras' in sys.modules:
    _register_layers()
else:
    import_hooks.Hook('keras', _and_register).install()
