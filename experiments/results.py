"""One page of all that evaluate_all.sh scored: docs/results.md.

    python experiments/results.py FOLDER PAGE.md

FOLDER holds SET/results.json of `dmenet_tf.evaluate`, for the sets of SETS.
The page begins with one table of all methods and sets; then each set has its
own tables, as its report has them, and CUHK's the pictures too, which are
written to pictures/ beside the page.
"""

import collections
import json
import pathlib
import sys

from PIL import Image

from dmenet_tf import files
from dmenet_tf.evaluate import tables

# What a set is called, which photographs it has, and its figures in the first
# table.
SETS = {
    'cuhk54': ('CUHK', '54 pairs of its training part that are set aside '
               '(`experiments/cuhk_set_aside.txt`)',
               ('accuracy', 'accuracy_one_threshold', 'average_precision')),
    'rtf': ('RTF', 'photograph 05 alone', ('mae',)),
    'cmu': ('Dual-pixel', 'five scenes with measured blur, px', ('mae',)),
    'onera_val_f28': ('ONERA f/2.8', 'validation scenes 060 to 080, sigma by '
                      'measured depth, px', ('mae',)),
    'onera_val_f8': ('ONERA f/8', 'the same scenes at f/8', ('mae',)),
}

# Pictures of CUHK's run: the file, and what it is.
PICTURES = {
    'bars': 'Every method (Figure 4)',
    'precision_recall': 'Precision and recall of every method (Figure 5)',
    'sheet': 'Four photographs by every method: black is sharp (Figure 7)',
}
_SUFFIX = {'sheet': '.jpg'}  # A photograph is in it.
PICTURES_OF = 'cuhk54'
_SIDE = 1600  # px

_HEAD = '''# Results

Every baseline and every bundled model on every set at hand, as
`experiments/evaluate_all.sh` measures them and `experiments/results.py` writes
them down. [Tables and figures](reproduce.md) explains protocols and columns.
What is missing or `-` was not run yet.

'''


def first_table(found: dict[str, dict]) -> str:
    """One row a method, the figures of SETS as columns.

    Args:
        found: Set -> what its results.json holds.
    """
    columns, cells = ['method'], collections.defaultdict(dict)
    for name, results in found.items():
        title, _, figures = SETS[name]
        for figure in figures:
            column = f'{title}: {tables.titled(figure)}'
            columns.append(column)
            for row in results['results']:
                fitted = tables.label(row, results['protocol'])
                cells[row['method']][column] = (
                    tables.figure(row, figure)
                    + (' (fitted)' if fitted != row['method'] else ''))
    return tables.piped(columns, [
        (False, [method, *(said.get(column, '-') for column in columns[1:])])
        for method, said in cells.items()])


def page(found: dict[str, dict]) -> str:
    """The whole page, Markdown."""
    notes = {name: tables.notes(results) for name, results in found.items()}
    times = collections.Counter(line for lines in notes.values()
                                for line in lines)
    parts = [_HEAD.rstrip(), first_table(found),
             *(line for line, count in times.items() if count > 1)]
    for name, results in found.items():
        title, said, _ = SETS[name]
        parts += [f'## {title}', f'{said[0].upper()}{said[1:]}.',
                  tables.as_markdown(results, '###'),
                  *(line for line in notes[name] if times[line] == 1),
                  *(f'Problem: {line}' for line in results['problems'])]
        if name == PICTURES_OF:
            parts += [f'![{said}](pictures/{_file(picture)})'
                      for picture, said in PICTURES.items()]
    return '\n\n'.join(parts) + '\n'


def _file(name):
    return f'results_{name}{_SUFFIX.get(name, ".png")}'


def write_pictures(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Puts the pictures of a run where the page looks for them.

    Args:
        folder: Of the run.
        target: Made if it is not there.
    """
    target.mkdir(exist_ok=True)
    for name in PICTURES:
        with Image.open(folder / f'{name}.png') as picture:
            shown = picture.convert('RGB')
        shown.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        with files.atomic_path(target / _file(name)) as temporary:
            if name in _SUFFIX:
                shown.save(temporary, quality=80, optimize=True)
            else:
                shown.quantize(64).save(temporary, optimize=True)


def main(folder: str, path: str) -> None:
    """Writes the page of the sets that there are."""
    found = {name: json.loads(file.read_text()) for name in SETS
             if (file := pathlib.Path(folder, name, 'results.json')).is_file()}
    if not found:
        sys.exit(f'error: {folder}: has none of {", ".join(SETS)}, each with '
                 'results.json; run experiments/evaluate_all.sh first.')
    with files.atomic_path(pathlib.Path(path)) as temporary:
        temporary.write_text(page(found), encoding='utf-8')
    if PICTURES_OF in found:
        write_pictures(pathlib.Path(folder, PICTURES_OF),
                       pathlib.Path(path).parent / 'pictures')


if __name__ == '__main__':
    main(*sys.argv[1:])
