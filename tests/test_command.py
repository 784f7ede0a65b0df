"""What every command does with its flags, its errors and --help."""

import os
import subprocess
import sys

import pytest
from absl import flags

from dmenet_tf import command

COMMAND = '''
"""Does a thing.

    python -m thing PATH
"""
from absl import flags, logging
from dmenet_tf import command

def define_flags():
    flags.DEFINE_integer('count', 3, 'How many.', lower_bound=1)
    flags.DEFINE_enum('kind', None, ['round', 'flat'], 'Of what kind.')
    flags.DEFINE_bool('fast', False, 'Do it fast.')
    flags.DEFINE_string('to', None, 'Where to.')
    flags.DEFINE_multi_string('also', [], 'What else.')

def main(arguments):
    print(arguments, flags.FLAGS.count)
    if flags.FLAGS.to:
        print(flags.FLAGS.to, flags.FLAGS.also)
    exec(flags.FLAGS.kind == 'flat' and 'raise ValueError("too flat.")' or '')
    if arguments == ['log']:
        logging.set_verbosity(logging.INFO)
        logging.info('Step %d.', 3)
        logging.warning('a.tif: dark.')
        exec(compile('logging.info("Callback: 3 us.")',
                     '/lib/tensorflow/python/saver.py', 'exec'))
        import logging as others
        others.getLogger('PIL.TiffImagePlugin').error('More samples.')
    if arguments == ['nothing']:
        raise command.UsageError('Name something')
    if arguments == ['stop']:
        raise KeyboardInterrupt
    if arguments == ['half']:
        return 1

if __name__ == '__main__':
    command.run(main, define_flags, __doc__, {'First': ['kind']})
'''


@pytest.fixture(scope='module')
def call(tmp_path_factory):
    path = tmp_path_factory.mktemp('command') / 'thing.py'
    path.write_text(COMMAND)

    def call(*arguments, **environment):
        ran = subprocess.run([sys.executable, str(path), *arguments],
                             capture_output=True, text=True,
                             env={**os.environ, **environment})
        return ran.returncode, ran.stdout, ran.stderr
    call.path = path
    return call


def test_arguments_and_flags_are_parsed(call):
    assert call('a', '--count=5', 'b', '--', '--help') == (
        0, "['a', 'b', '--help'] 5\n", '')


def test_the_status_is_what_main_returns(call):
    assert call('half')[0] == 1


@pytest.mark.parametrize('form', ['--help', '-h', '--helpfull', '--helpshort'])
def test_help_shows_the_docstring_and_the_own_flags(call, form):
    status, out, err = call('a', form)
    assert (status, err) == (0, '')
    assert out.startswith('Does a thing.\n\n    python -m thing PATH\n')
    first = out.index('First:\n  --kind=round|flat  Of what kind.\n')
    assert first < out.index('More flags:\n  --count=...  How many. [3]')
    assert '--fast  Do it fast.\n' in out
    assert 'verbosity' not in out  # absl's own


@pytest.mark.parametrize('arguments, line', [
    (['--coutn=2'], "error: Unknown command line flag 'coutn'. Did you mean: "
     'count? --help tells of all flags.'),
    (['--count=0'], 'error: flag --count=0: 0 is not a positive integer. '
     '--help tells of all flags.'),
    (['nothing'], 'error: Name something. --help tells more.'),
    (['a', '--kind=flat'], 'error: too flat.')])
def test_what_is_wrong_is_one_line(call, arguments, line):
    status, _, err = call(*arguments)
    assert status == 1
    assert err == f'{line}\n'


def test_what_is_logged_is_plain_lines(call):
    assert call('log')[2] == 'Step 3.\nwarning: a.tif: dark.\n'


def test_an_interruption_says_that_it_goes_on(call):
    status, _, err = call('stop')
    assert status == 130 and err.startswith('Interrupted; the same command')


def test_home_is_found_where_shells_do_not_look(call):
    status, out, _ = call('~/a', '--to=~/b', '--also=~', HOME='/home/me')
    assert status == 0
    assert out == "['/home/me/a'] 3\n/home/me/b ['/home/me']\n"


def test_any_terminal_will_do(call):
    status, out, err = call('\u2264', '--to=\u03c3', PYTHONIOENCODING='ascii')
    assert (status, err) == (0, '')
    assert '\\u2264' in out and '\\u03c3' in out


def test_a_reader_that_leaves_is_no_error(call):
    ran = subprocess.run(
        f'{sys.executable} {call.path} a {"b" * 99999} | head -c 1; '
        'exit ${PIPESTATUS[0]}', shell=True, capture_output=True, text=True,
        executable='/bin/bash')
    assert (ran.returncode, ran.stderr) == (141, '')


def test_without_streams_nothing_is_said(call):
    ran = subprocess.run(f'{sys.executable} {call.path} half >&- 2>&-',
                         shell=True, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, '', '')


def test_flags_that_may_be_repeated_say_so(call):
    assert ('  --also=...  What else. May be given several times.\n'
            in call('--help')[1])


def test_importing_defines_nothing():
    assert 'count' not in flags.FLAGS
    assert issubclass(command.UsageError, ValueError)
