"""HTML by which notebooks show a motor, plan, recording, frame, config or sweep: a small table, and a picture beside it."""

import base64
import html
from collections.abc import Mapping, Sequence

from aetheria.core.printable import printable


def html_table(title: str, rows: Mapping[str, object], png: bytes | None = None, more: str = "") -> str:
    """A table as HTML; texts are escaped, and rows without a value left out.

    Args:
        title: of the table.
        rows: values by name.
        png: a picture to show beside it.
        more: a long text, folded away below.
    """
    body = "".join(
        f'<tr><th style="text-align:left">{_safe(name)}</th><td style="text-align:left">{_safe(value)}</td></tr>'
        for name, value in rows.items()
        if str(value)
    )
    table = f"<table><caption><b>{_safe(title)}</b></caption><tbody>{body}</tbody></table>"
    if png is not None:
        source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        picture = f'<img src="{source}" alt="{_safe(title)}" style="width:192px;image-rendering:pixelated">'
        table = f'<div style="display:flex;gap:1em;align-items:flex-start">{picture}{table}</div>'
    if more:
        table += f"<details><summary>config</summary><pre>{html.escape(printable(more, keep=chr(10)))}</pre></details>"
    return table


def html_rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], more: int = 0) -> str:
    """A table of several columns as HTML; texts are escaped.

    Args:
        title: of the table.
        columns: names of the columns.
        rows: a value for each column.
        more: number of rows that are left out.
    """
    head = "".join(f"<th>{_safe(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_safe(value)}</td>' for value in row)}</tr>" for row in rows)
    note = f"<p>and {more:,} more</p>" if more else ""
    return f"<table><caption><b>{_safe(title)}</b></caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _safe(text: object) -> str:
    return html.escape(printable(text))
