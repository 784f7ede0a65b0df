"""What all commands share: flags, --help, one line for an error, exit status.

A command is a module with `main(arguments)` and `define_flags()`, which ends

    if __name__ == '__main__':
        command.run(main, define_flags, __doc__)

so that importing it defines no flag and starts nothing.
"""

import contextlib
import ctypes
import importlib
import logging as std_logging
import math
import os
import pathlib
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence

from absl import flags, logging
from PIL import Image

_HELP = ('--help', '-help', '-h', '--helpfull', '--helpshort', '-?')
# What a user can mend: his flags, his files, his installation.
ERRORS = (ValueError, OSError, ImportError, FloatingPointError)

_PREFIXES = {std_logging.WARNING: 'warning: ', std_logging.ERROR: 'error: ',
             std_logging.CRITICAL: 'error: '}
_PIPE_CLOSED = 141  # As shells report it: 128 + SIGPIPE.


class UsageError(ValueError):
    """The command line is not as the command needs it."""


def run(main: Callable[[list[str]], int | None],
        define_flags: Callable[[], None], usage: str,
        groups: Mapping[str, Sequence[str]] | None = None) -> None:
    """Parses the command line, runs a command and ends the process.

    Exits with what main returns (None: 0); with 1 and one line `error: ...`
    on stderr for one of ERRORS or a wrong flag; with 130 on Ctrl-C.

    Args:
        main: Takes the arguments that are no flags.
        define_flags: Defines the flags of this command.
        usage: What --help begins with: the module's docstring.
        groups: Headings of --help, in order, and the flags under each; what
            is in none of them comes last. None: one list.
    """
    before = set(flags.FLAGS)
    define_flags()
    names = _own_flags(before)
    _open_streams()
    quieten_libraries()
    logging.use_absl_handler()
    logging.get_absl_handler().setFormatter(_PlainLines())
    logging.get_absl_handler().python_handler.addFilter(_is_for_users)
    # What follows `--` is no flag.
    said = sys.argv[1:sys.argv.index('--')] if '--' in sys.argv else sys.argv
    try:
        if set(said) & set(_HELP):
            print(help_text(usage, names, groups or {}))
            status = 0
        else:
            arguments = flags.FLAGS(sys.argv)[1:]
            _find_home(names)
            status = main([os.path.expanduser(word) for word in arguments])
        sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:
        # Who read has gone, as `head` does; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_PIPE_CLOSED)
    except flags.Error as error:
        sys.exit(f'error: {_sentence(error)} --help tells of all flags.')
    except UsageError as error:
        sys.exit(f'error: {_sentence(error)} --help tells more.')
    except ERRORS as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        print('Interrupted; the same command goes on from here.',
              file=sys.stderr)
        sys.exit(130)


def _is_for_users(record):
    """Not TensorFlow's own notes, such as how long a callback of it took."""
    place = pathlib.Path(record.pathname).as_posix()
    return (record.levelno >= std_logging.WARNING
            or '/tensorflow/python/' not in place)


class _PlainLines(std_logging.Formatter):
    """What is logged as it reads: no time and no place in the code."""

    def format(self, record):
        return _PREFIXES.get(record.levelno, '') + super().format(record)


def require(package: str, extra: str) -> None:
    """Asks for a package of an extra before a command begins its work.

    Raises:
        ImportError: It is not installed; says which extra has it.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f'This needs {package}: pip install '
                          f"'dmenet_tf[{extra}]'.") from error


def low_high(flag: str, meaning: str) -> tuple[float, float] | None:
    """The two numbers of a flag LOW,HIGH; None where it is not given.

    Args:
        flag: Its name.
        meaning: What the two are, for errors.

    Raises:
        UsageError: It is not two numbers, the smaller one first.
    """
    text = flags.FLAGS[flag].value
    if text is None:
        return None
    try:
        low, high = map(float, text.split(','))
    except ValueError:
        low = high = math.nan
    if not (low < high and math.isfinite(high - low)):
        raise UsageError(f'--{flag} needs LOW,HIGH, {meaning}, two numbers, '
                         f'the smaller one first. Received: {text!r}.')
    return low, high


def _open_streams():
    """Something to print to, whatever the terminal's code, or without one."""
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:  # Closed, or a program of windows.
            setattr(sys, name, open(os.devnull, 'w'))  # noqa: SIM115
        getattr(sys, name).reconfigure(errors='backslashreplace')


def _find_home(names):
    """Puts the home folder for ~, which shells leave alone after a `=`."""
    for flag in (flags.FLAGS[name] for name in names):
        if isinstance(flag.value, str):
            flag.value = os.path.expanduser(flag.value)
        elif isinstance(flag.value, list):
            flag.value = [os.path.expanduser(one) if isinstance(one, str)
                          else one for one in flag.value]


def quieten_libraries() -> None:
    """What they say to themselves does not tell which file it is of.

    Nor does it concern a user which parts of TensorFlow will be replaced.
    """
    warnings.filterwarnings('ignore',
                            module=r'PIL|tifffile|imageio|tensorflow\.lite')
    for name in ('tifffile', 'imagecodecs', 'PIL'):
        std_logging.getLogger(name).setLevel(std_logging.CRITICAL)
    # The libtiff that Pillow brought, or was linked to, prints by itself. On
    # Windows it cannot be asked for like this.
    with contextlib.suppress(OSError, AttributeError):
        libtiff = ctypes.CDLL(Image.core.__file__)
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)


def _sentence(error):
    line = ' '.join(str(error).split()).replace(' ?', '?')
    return line if line.endswith(('.', '?')) else f'{line}.'


def _own_flags(before):
    """Names of the flags that were defined since, in that order."""
    return [flag.name for defined in flags.FLAGS.flags_by_module_dict().values()
            for flag in defined if flag.name not in before]


def help_text(usage: str, names: Sequence[str],
              groups: Mapping[str, Sequence[str]]) -> str:
    """What --help prints.

    Args:
        usage: Its first part.
        names: Of the command's flags.
        groups: See run.
    """
    grouped = {name for group in groups.values() for name in group}
    rest = [name for name in names if name not in grouped]
    parts = [usage.strip()]
    for heading, group in [*groups.items(),
                           ('More flags' if groups else 'Flags', rest)]:
        if group:
            lines = [_flag_text(flags.FLAGS[name]) for name in group]
            parts.append('\n'.join([f'{heading}:', *lines]))
    return '\n\n'.join(parts)


def _flag_text(flag):
    """One flag: its form, what it does, its default."""
    values = getattr(flag.parser, 'enum_values', None)
    form, text = f'--{flag.name}=...', flag.help or ''
    if flag.boolean:
        form = f'--{flag.name}'
    elif values:
        form = f'--{flag.name}={"|".join(values)}'
        text = text.removeprefix(f'<{"|".join(values)}>: ')  # absl's
    if isinstance(flag, flags.MultiFlag):
        text = text.partition(';\n')[0] + ' May be given several times.'
    default = (flag.default_as_str or '').strip("'")  # '' of empty lists
    if default not in ('', '[]') and not (flag.boolean and not flag.default):
        text += f' [{default}]'
    return textwrap.fill(f'{form}  {text}', 79, initial_indent='  ',
                         subsequent_indent='      ', break_on_hyphens=False)
