"""Scores defocus maps under the paper's protocols; callable without flags.

    from dmenet_tf.evaluate import Options, evaluate
    results = evaluate(Options(
        protocol='rtf', images='RTF', ground_truth='RTF', model=['small'],
        output_dir='evaluation/rtf'))

The modules, in the order in which data flows:

    options     what is asked for
    pairing     folders and splits -> which image, truth and map belong together
    protocols   files -> arrays in the protocol's unit -> scores of one image
    scoring     a method over all images: processes, resuming, problems
    summary     scores of images -> figures of a method
    published   the numbers to print beside ours
    figures     precision-recall plot, bar plots, side-by-side sheet
    page        the HTML page
    report      all that a run leaves behind
    run         the whole: evaluate(options)
"""

from typing import TYPE_CHECKING, Any

from dmenet_tf.evaluate.options import Options

if TYPE_CHECKING:  # What __getattr__ gives.
    from dmenet_tf.evaluate.run import evaluate

__all__ = ['Options', 'evaluate']


def __getattr__(name: str) -> Any:
    if name == 'evaluate':
        from dmenet_tf.evaluate.run import evaluate
        return evaluate
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
