"""One HTML page with everything in it: tables, pictures, settings."""

import base64
import html
import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from dmenet_tf import files
from dmenet_tf.evaluate.tables import Table

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem;
       margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-spacing: 0; margin: 1rem 0; display: block;
        overflow-x: auto; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd;
         text-align: right; }
th:first-child, td:first-child { text-align: left; }
tr { background: #fff; }
tr.published { color: #666; font-style: italic; background: #f6f6f6; }
img { max-width: 100%; }
p { overflow-wrap: anywhere; }
p.problem { color: #a00; margin: .2rem 0; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; }
@media (max-width: 40rem) {  /* A phone: what a row is of stays in sight. */
  body { margin: 1rem auto; padding: 0 .7rem; }
  h1 { font-size: 1.4rem; }
  h2 { font-size: 1.1rem; }
  table { font-size: 13px; }
  th, td { padding: .25rem .4rem; }
  th:first-child, td:first-child { position: sticky; left: 0;
                                   background: inherit; max-width: 8rem; }
}
"""


def write(path: pathlib.Path, title: str, tables: Sequence[Table],
          notes: Sequence[str],
          pictures: Sequence[tuple[str, pathlib.Path]],
          problems: Sequence[str], record: dict[str, Any]) -> None:
    """Writes the page.

    Args:
        path: Of the .html.
        title: Plain text.
        tables: To show first.
        notes: Lines below the tables.
        pictures: List of (caption, path of a PNG), embedded.
        problems: Lines.
        record: JSON values shown at the end.
    """
    parts = [f'<h1>{html.escape(title)}</h1>']
    if problems:
        parts.append(f'<h2>{len(problems)} problems</h2>')
        parts += [f'<p class="problem">{html.escape(line)}</p>'
                  for line in problems]
    parts += [_table(*table) for table in tables]
    parts += [f'<p>{html.escape(note)}</p>' for note in notes]
    parts += [_figure(caption, picture) for caption, picture in pictures]
    parts.append('<h2>How these figures were made</h2><pre>'
                 + html.escape(json.dumps(record, indent=2)) + '</pre>')
    text = ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f'<title>{html.escape(title)}</title><style>{_STYLE}</style>'
            '</head><body>\n' + '\n'.join(parts) + '\n</body></html>\n')
    with files.atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def _table(heading, columns, rows):
    head = ''.join(f'<th>{html.escape(name)}</th>' for name in columns)
    body = ''.join(
        f'<tr class="{"published" if is_published else "ours"}">'
        + ''.join(f'<td>{_unbroken(html.escape(cell))}</td>'
                  for cell in cells) + '</tr>'
        for is_published, cells in rows)
    return (f'<h2>{html.escape(heading)}</h2><table><thead><tr>{head}</tr>'
            f'</thead><tbody>{body}</tbody></table>')


def _unbroken(cell):
    """An interval stays on one line."""
    return re.sub(r', (?=[^[]*\])', ',&nbsp;', cell).replace(
        '] *', ']&nbsp;*')


def _figure(caption, path):
    data = base64.b64encode(path.read_bytes()).decode()
    return (f'<h2>{html.escape(caption)}</h2>'
            f'<img alt="{html.escape(caption)}" '
            f'src="data:image/png;base64,{data}">')
