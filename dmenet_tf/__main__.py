"""Lists the commands, and runs one: dmenet COMMAND [--flags].

`python -m dmenet_tf COMMAND` and `python -m dmenet_tf.COMMAND` are the same;
deblur, magnify and depth are in dmenet_tf.applications.
"""

import difflib
import runpy
import sys

import dmenet_tf

COMMANDS = {
    'predict': 'Estimates defocus maps of photographs.',
    'rank': 'Tells which photographs are sharp, and where.',
    'stack': 'Joins photographs of several focal distances into a sharp one.',
    'deblur': 'Sharpens photographs by their defocus maps.',
    'magnify': 'Makes the background of photographs more blurred.',
    'depth': 'Turns blur into depth, for a known camera.',
    'demo': 'Opens a page in the browser that does all of these.',
    'train': 'Trains the networks.',
    'evaluate': 'Scores defocus maps under the protocols of the paper.',
    'syndof': 'Makes defocused pictures with exact maps to train on.',
    'export': 'Writes a model for TF Serving, ONNX or TFLite.',
}
_APPLICATIONS = ('deblur', 'magnify', 'depth')


def module_of(name: str) -> str:
    """'dmenet_tf.predict' of 'predict'.

    Args:
        name: Of COMMANDS.
    """
    package = 'dmenet_tf.applications' if name in _APPLICATIONS else (
        'dmenet_tf')
    return f'{package}.{name}'


def _usage() -> str:
    width = max(map(len, COMMANDS))
    return '\n'.join([
        f'dmenet_tf {dmenet_tf.__version__}: defocus maps from single '
        'photographs.', '',
        'dmenet COMMAND [--flags], where COMMAND is one of', '',
        *(f'  {name:<{width}}  {what}' for name, what in COMMANDS.items()), '',
        'COMMAND --help tells of its flags; --version tells the version.'])


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name.split('.')[-1], COMMANDS, n=1)
    meant = f'did you mean {close[0]}? ' if close else ''
    return (f'error: {name!r} is no command; {meant}'
            'dmenet --help lists all.')


def main(arguments: list[str] | None = None) -> str | None:
    """Runs a command, which ends the process; or prints the list.

    Args:
        arguments: The command's name and its arguments; None: those of the
            process.

    Returns:
        What is wrong with the name, in one line, or None.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ('--help', '-h', 'help'):
        print(_usage())
    elif arguments[0] == '--version':
        print(f'dmenet_tf {dmenet_tf.__version__}')
    elif arguments[0] not in COMMANDS:
        return _unknown(arguments[0])
    else:
        sys.argv = arguments
        runpy.run_module(module_of(arguments[0]), run_name='__main__',
                         alter_sys=True)
    return None


if __name__ == '__main__':
    sys.exit(main())
