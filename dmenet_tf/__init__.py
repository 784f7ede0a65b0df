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
from typing import Any

# Python's first argument while it imports the package of a module that it is
# to run: this is one of the commands, not a program of the user's.
if sys.argv[:1] == ['-m'] and 'TF_CPP_MIN_LOG_LEVEL' not in os.environ:
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

_HOMES = {'estimate': 'estimation', 'load_model': 'weights',
          'read_image': 'images'}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    home = importlib.import_module(f'dmenet_tf.{_HOMES[name]}')
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
