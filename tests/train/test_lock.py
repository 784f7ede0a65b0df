"""One training for each working directory."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from dmenet_tf.train import lock


def test_the_second_one_is_told_who_is_first(tmp_path):
    held = lock.hold(tmp_path / 'run')
    with pytest.raises(ValueError, match=(
            rf'^{tmp_path}/run: process {os.getpid()} on '
            rf'{socket.gethostname()} is training here')) as error:
        lock.hold(tmp_path / 'run')
    assert '\n' not in str(error.value)
    held.close()
    lock.hold(tmp_path / 'run').close()


def test_a_killed_process_holds_nothing(tmp_path):
    code = ('import sys, time; from dmenet_tf.train import lock; '
            'held = lock.hold(sys.argv[1]); print("held", flush=True); '
            'time.sleep(600)')
    other = subprocess.Popen([sys.executable, '-c', code, str(tmp_path)],
                             stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == 'held\n'
    with pytest.raises(ValueError, match=f'process {other.pid} on'):
        lock.hold(tmp_path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    held = lock.hold(tmp_path)
    assert f'process {os.getpid()} ' in (tmp_path / '.lock').read_text()
    held.close()
