"""Trains B, D, C and S together: python -m dmenet_tf.train.

    python -m dmenet_tf.train --flagfile=experiments/paper_bdcs.flags \\
        --synthetic=SYNDOF --real=PHOTOS --binary=CUHK --workdir=runs/bdcs

Run again with the same flags, it continues from its last checkpoint. What the
working directory holds is told at the top of training.py.
"""

import dataclasses
import sys

from absl import app, flags, logging

from dmenet_tf.train.config import Config, resolve


def define_flags():
    """Defines one absl flag per setting."""
    define = {int: flags.DEFINE_integer, float: flags.DEFINE_float,
              str: flags.DEFINE_string, bool: flags.DEFINE_bool,
              list: flags.DEFINE_list}
    for field in dataclasses.fields(Config):
        values, help_text = field.metadata.get('values'), field.metadata['help']
        default = [] if field.type is list else field.default
        if values and field.type is str:
            flags.DEFINE_enum(field.name, default, values, help_text)
        else:
            define[field.type](field.name, default, help_text)


def config_from_flags():
    """The flags as a Config."""
    return Config(**{field.name: flags.FLAGS[field.name].value
                     for field in dataclasses.fields(Config)})


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected arguments: {argv[1:]}.')
    logging.set_verbosity(logging.INFO)
    try:
        config = resolve(config_from_flags())
        from dmenet_tf import training  # Seconds that --help need not wait.
        sys.exit(training.train_and_evaluate(config))
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    define_flags()
    app.run(main)


if __name__ == '__main__':
    define_flags()
    app.run(main)
