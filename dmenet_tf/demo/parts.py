"""What every tab of the page is built of.

Whatever needs the network or takes long waits in one queue (HEAVY), so ten
visitors take ten times as long, not ten times the memory; pictures follow
sliders (LIVE).
"""

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from dmenet_tf.demo import told

HEAVY: dict[str, Any] = {'concurrency_limit': 1, 'concurrency_id': 'network'}
# Where a function has it as a default, gradio shows a bar.
PROGRESS = gr.Progress()
# While a slider moves, only its last place counts.
LIVE: dict[str, Any] = {
    'concurrency_limit': 1, 'concurrency_id': 'render',
    'trigger_mode': 'always_last', 'show_progress': 'hidden'}


def answered(function: Callable) -> Callable:
    """Puts what is wrong with an input on the page, as one line."""
    @functools.wraps(function)
    def answer(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except (ValueError, OSError) as error:
            raise gr.Error(told.said(error), title='That did not work',
                           print_exception=False) from None
    return answer


def needs_map(function: Callable) -> Callable:
    """answered, and the first argument is a job."""
    @functools.wraps(function)
    def answer(job, *args, **kwargs):
        if job is None:
            raise ValueError('Choose a photograph first.')
        return function(job, *args, **kwargs)
    return answered(answer)


def image(elem_id: str, file_format: str) -> gr.Image:
    """A picture without the label that would hide its corner."""
    return gr.Image(format=file_format, interactive=False, show_label=False,
                    buttons=['fullscreen'], elem_id=elem_id)


def files(elem_id: str) -> gr.Files:
    """A list of files to download."""
    return gr.Files(label='Downloads', interactive=False, elem_id=elem_id,
                    elem_classes='files')


def if_mapped(function: Callable) -> Callable:
    """Like needs_map, but nothing happens without a map."""
    @functools.wraps(function)
    def answer(job, *args):
        return None if job is None else answered(function)(job, *args)
    return answer
