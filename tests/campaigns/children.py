"""Processes that a campaign starts: limited, watched, ended."""

import os
import pathlib
import resource
import subprocess
import sys
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]


def start(arguments: list[str], gib: float | None = None,
          **options: Any) -> subprocess.Popen:
    """Starts Python with this checkout's package.

    Args:
        arguments: Of Python.
        gib: Memory it may ask for.
        options: Of Popen.
    """
    def limit():
        if gib:
            most = int(gib * 2**30)
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    environment = {**os.environ, 'PYTHONPATH': str(ROOT),
                   'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': '-1'}
    return subprocess.Popen([sys.executable, *arguments], env=environment,
                            preexec_fn=limit, **options)
