"""Scores defocus maps under the paper's protocols; callable without flags.

    from dmenet_tf.evaluate import Options, evaluate
    results = evaluate(Options(
        protocol='rtf', images='RTF', ground_truth='RTF', model=['small'],
        output_dir='evaluation/rtf'))
    results.rows()      # of each method and of the literature, plain dicts
    results.frame()     # the same for pandas
    results.figures()   # name -> figure of Matplotlib

The modules, in the order in which data flows:

    options     what is asked for
    pairing     folders and splits -> which image, truth and map belong together
    structure   E- and S-measure, by another package
    protocols   files -> arrays in the protocol's unit -> scores of one image
    scoring     a method over all images: processes, resuming, problems
    summary     scores of images -> figures of a method, differences of two
    published   the numbers to print beside ours
    figures     precision-recall plot, bar plots, side-by-side sheet
    tables      figures as tables of text, and what is said below them
    page        the HTML page
    report      all that a run leaves behind
    results     what evaluate returns
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
