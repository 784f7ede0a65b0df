"""Trains B, D, C and S together.

    python -m dmenet_tf.syndof --source=procedural --output_dir=SYNDOF
    python -m dmenet_tf.train --synthetic=SYNDOF --lambda_adv=0 --lambda_S=0 \\
        --workdir=runs/b

trains B alone. As the paper does, on synthetic pictures, photographs and
masks:

    python -m dmenet_tf.train --flagfile=experiments/paper_bdcs.flags \\
        --synthetic=SYNDOF --real=PHOTOGRAPHS --binary=CUHK \\
        --workdir=runs/bdcs

On from the bundled model, with pictures of your own:

    python -m dmenet_tf.train --init_weights=small --synthetic=MINE \\
        --lambda_adv=0 --lambda_S=0 --augment=photographs --epochs=5 \\
        --workdir=runs/mine

Run again with the same flags, it goes on from its last checkpoint. In the
working directory are then weights.npz, best.npz (best on held-out pictures),
model_card.md, and events/ for TensorBoard; predict and evaluate take the
weights as --model.
"""

import dataclasses
import os
import sys
import typing

from absl import flags, logging

from dmenet_tf import command
from dmenet_tf.train.changes import AUGMENT
from dmenet_tf.train.config import Config, Paths

_PARSERS = {int: flags.IntegerParser, float: flags.FloatParser}
# Of each pair the flag that comes later counts: one in a flag file can be
# overruled.
_INSTEAD_OF = {'epochs': 'steps', 'steps': 'epochs'}


class _Instead(flags.Flag):
    """A flag that takes the value of another one away when it is given."""

    def parse(self, argument):
        super().parse(argument)
        flags.FLAGS[_INSTEAD_OF[self.name]].unparse()


def define_flags() -> None:
    """Defines one absl flag per setting."""
    for field in dataclasses.fields(Config):
        _define(field, field.metadata['help'], field.metadata['values'])


def _define(field, help_text, values):
    kind = (typing.get_args(field.type) or (field.type,))[0]
    if field.name in _INSTEAD_OF:
        flags.DEFINE_flag(_Instead(_PARSERS[kind](), flags.ArgumentSerializer(),
                                   field.name, field.default, help_text))
    elif field.name == 'augment':
        flags.DEFINE_enum(field.name, None, list(values), help_text)
    elif values:
        flags.DEFINE_enum(field.name, field.default, values, help_text)
    elif field.type == Paths:
        flags.DEFINE_list(field.name, [], help_text)
    else:
        define = {int: flags.DEFINE_integer, float: flags.DEFINE_float,
                  str: flags.DEFINE_string, bool: flags.DEFINE_bool}
        define[kind](field.name, field.default, help_text)


def config_from_flags() -> Config:
    """The flags as a Config, not yet resolved."""
    values = {field.name: flags.FLAGS[field.name].value
              for field in dataclasses.fields(Config)}
    return Config(**values | {'augment': AUGMENT.get(values['augment'])})


def groups() -> dict[str, list[str]]:
    """The headings of --help with their flags."""
    found = {}
    for field in dataclasses.fields(Config):
        found.setdefault(field.metadata['group'], []).append(field.name)
    return found


def main(arguments: list[str]) -> int:
    """Trains as the flags say; see loop.run for the exit status."""
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    logging.set_verbosity(logging.INFO)
    config = config_from_flags()
    from dmenet_tf.train import loop  # Seconds that --help need not wait.
    return loop.run(config)


def _main_that_ends(arguments):
    """main(), but after an error of the training the process ends at once.

    On its way out Python waits for threads of tf.data, and where one of them
    is about to enter Python code both wait for ever.
    """
    try:
        return main(arguments)
    except command.UsageError:
        raise
    except command.ERRORS as error:
        print(f'error: {error}', file=sys.stderr)
        logging.flush()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


if __name__ == '__main__':
    command.run(_main_that_ends, define_flags, __doc__, groups())
