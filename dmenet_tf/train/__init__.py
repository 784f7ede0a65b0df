"""Training of B, D, C and S together.

    from dmenet_tf import train
    train.run(train.Config(synthetic='SYNDOF', workdir='runs/b',
                           lambda_adv=0, lambda_S=0))

does what python -m dmenet_tf.train does with the same settings as flags.
TensorFlow is imported by the first use of `run`.
"""

from typing import TYPE_CHECKING, Any

from dmenet_tf.train.changes import AUGMENT, Augment
from dmenet_tf.train.config import Config

if TYPE_CHECKING:  # What __getattr__ gives.
    from dmenet_tf.train.loop import run

__all__ = ['AUGMENT', 'Augment', 'Config', 'run']


def __getattr__(name: str) -> Any:
    if name == 'run':
        from dmenet_tf.train.loop import run
        return run
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
