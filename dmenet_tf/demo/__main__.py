"""A page to try the library on, in a browser.

    python -m dmenet_tf.demo --model=MODEL.npz

prints an address on this machine (--host=0.0.0.0 opens it to the network):
drop a photograph to see its defocus map, refocus it, sharpen it, turn it into
depth, or make training data from an RGB-D pair. Needs gradio: pip install
'dmenet_tf[demo]'. Works without internet; what visitors upload is removed
after an hour, and when the command ends.
"""

import contextlib
import logging
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time

from absl import flags

from dmenet_tf import command, engines, network_flags
from dmenet_tf.demo import origins

KEPT_S = 3600
_SWEEP_S = 300
# Not openvino_int8: there are no photographs to calibrate it on.
RUNTIMES = [name for name in engines.RUNTIMES if name != 'openvino_int8']
_SESSIONS = 200  # gradio keeps a copy of the page for each.


def define_flags() -> None:
    """Defines the flags of this command."""
    network_flags.define_flags(RUNTIMES)
    flags.DEFINE_string('host', '127.0.0.1', 'Address to listen on; 0.0.0.0 '
                        'lets others on the network in.')
    flags.DEFINE_integer('port', 7860, 'Port to listen on.', lower_bound=1,
                         upper_bound=65535)
    flags.DEFINE_integer('max_megabytes', 40, 'Largest upload.', lower_bound=1)
    flags.DEFINE_float('max_megapixels', 50, 'Largest photograph.',
                       lower_bound=0.1)
    flags.DEFINE_integer('max_waiting', 50, 'Visitors who may wait for the '
                         'network; more are asked to come back.',
                         lower_bound=1)


def main(arguments: list[str]) -> None:
    """Serves the page until the process is interrupted."""
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    # Whatever ends the process, its temporary files are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix='dmenet_demo_') as folder:
        serve(pathlib.Path(folder))


def serve(folder: pathlib.Path) -> None:
    """Serves the page until the process is interrupted.

    Args:
        folder: For uploads and results.

    Raises:
        ImportError: gradio is not installed.
        ValueError, OSError: No such model, or the port is taken.
    """
    uploads = folder / 'uploads'
    uploads.mkdir()
    os.environ['GRADIO_TEMP_DIR'] = str(uploads)
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    logging.getLogger('httpx').setLevel(logging.WARNING)
    try:
        import gradio
        from starlette.middleware import Middleware
        from starlette.requests import ClientDisconnect
        from starlette.responses import Response
    except ImportError:
        raise ImportError('The page needs gradio: pip install '
                          "'dmenet_tf[demo]'.") from None
    from dmenet_tf.demo import page, told, work
    flag = flags.FLAGS
    engine = network_flags.engine()
    work.load_model(flag.model, engine)
    threading.Thread(target=_sweep_for_ever, args=[uploads],
                     daemon=True).start()
    blocks = page.build(page.Settings(
        flag.model, engine, uploads, int(flag.max_megapixels * 1e6),
        told.copy_samples(folder / 'samples')))
    blocks.queue(max_size=flag.max_waiting)
    blocks.launch(
        server_name=flag.host, server_port=flag.port,
        max_file_size=flag.max_megabytes * gradio.FileSize.MB,
        theme=page.THEME, head=page.STYLE, footer_links=[], share=False,
        show_error=False, ssr_mode=False, enable_monitoring=False, quiet=True,
        state_session_capacity=_SESSIONS, prevent_thread_lock=True,
        app_kwargs={
            'middleware': [Middleware(origins.OwnPagesOnly,
                                      local=flag.host in origins.LOCAL)],
            # Who leaves in the middle of an upload is no error of ours.
            'exception_handlers': {
                ClientDisconnect: lambda *_: Response(status_code=499)}})
    print(f'{blocks.local_url} is open until Ctrl-C, and estimates by '
          f'{engine}.', flush=True)
    blocks.block_thread()


def _sweep_for_ever(folder):
    while True:
        sweep(folder, KEPT_S)
        time.sleep(_SWEEP_S)


def sweep(folder: pathlib.Path, kept_s: float) -> None:
    """Removes files that are older than kept_s, and folders left empty.

    Not gradio's delete_cache, which knows nothing of uploads that were
    cancelled half-way.
    """
    oldest = time.time() - kept_s
    for path in sorted(folder.rglob('*'), reverse=True):
        # A folder that was just made may be about to be filled.
        with contextlib.suppress(OSError):
            if path.stat().st_ctime < oldest:
                path.rmdir() if path.is_dir() else path.unlink()


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
