"""Makes examples/*.ipynb from the tutorials: their text and Python blocks as cells.

python docs/notebooks.py
"""

import json
import os
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
TUTORIALS, EXAMPLES = DOCS / "tutorials", DOCS.parent / "examples"
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)(\{[^}]*\})?")


def notebook(tutorial: Path) -> dict[str, Any]:
    """A tutorial as a notebook of format 4.5: Python blocks are code cells, all else is Markdown; nothing has been run."""
    parts = re.split(r"^```python\n(.*?)^```$", tutorial.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    cells = []
    for i, part in enumerate(parts):
        is_code = i % 2 == 1
        text = part if is_code else _LINK.sub(lambda found: _led(found, tutorial), part)
        if not text.strip():
            continue
        cell: dict[str, Any] = {
            "cell_type": "code" if is_code else "markdown",
            "id": f"cell-{i}",
            "metadata": {},
            "source": _lines(text.strip()),
        }
        cells.append({**cell, "execution_count": None, "outputs": []} if is_code else cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _led(found: re.Match[str], tutorial: Path) -> str:
    """A link of the tutorial, as seen from examples/; other tutorials are notebooks there."""
    target = Path(os.path.normpath(tutorial.parent / found[1]))
    if target.parent == TUTORIALS:
        return f"]({target.stem}.ipynb{found[2] or ''})"
    return f"]({os.path.relpath(target, EXAMPLES)}{found[2] or ''})"


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Writes a notebook for every tutorial."""
    EXAMPLES.mkdir(exist_ok=True)
    for tutorial in sorted(TUTORIALS.glob("*.md")):
        text = json.dumps(notebook(tutorial), indent=1, ensure_ascii=False)
        (EXAMPLES / f"{tutorial.stem}.ipynb").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
