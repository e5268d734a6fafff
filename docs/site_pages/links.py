"""Links of pages to files outside docs/: to the page made of the file, or to a copy of it in the site."""

import os
import re
from pathlib import Path

from site_pages.folders import CONFIGS, DOCS, RESULTS, ROOT
from site_pages.project import PROJECT_FILES

Copies = dict[str, Path]  # by the copy's place in the site
_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)#\s]+)(#[^)\s]*)?\)")


def page_links(markdown: str, page: str, copies: Copies) -> str:
    """The text of a page with its links led into the site; files to be copied are added to `copies`."""
    return _LINK.sub(lambda found: _led(found, page, copies), markdown)


def _led(found: re.Match[str], page: str, copies: Copies) -> str:
    label, target, anchor = found[1], found[2], found[3] or ""
    if re.match(r"\w+:", target):
        return found[0]
    source = _source(page, target)
    if source is None:
        return found[0]
    place = _place(source, copies)
    if place is None:
        return label.strip("[]")  # a folder, or a file that the site does not have: its name alone
    return f"{label}({os.path.relpath(place, Path(page).parent)}{anchor})"


def _source(page: str, target: str) -> Path | None:
    """The file outside docs/ that a link leads to; None for one in docs/."""
    folder = {"results": RESULTS, "project": ROOT}.get(page.split("/")[0], DOCS / Path(page).parent)
    path = Path(os.path.normpath(folder / target))
    if not path.exists() or (path.is_relative_to(DOCS) and folder not in (RESULTS, ROOT)):
        return None
    return path


def _place(source: Path, copies: Copies) -> str | None:
    """The place in the site of a file of the checkout."""
    if source == RESULTS:
        return "performance.md"
    if source.is_relative_to(DOCS):
        return str(source.relative_to(DOCS))
    if source.parent == RESULTS and source.suffix == ".md":
        return f"results/{source.name}"
    if source.parent == ROOT and source.stem in PROJECT_FILES:
        return f"project/{source.stem.lower()}.md"
    if source.parent == CONFIGS and source.suffix == ".toml":
        return "gallery.md"
    if source == ROOT / "README.md":
        return "index.md"
    if not source.is_file():
        return None
    name = f"files/{source.relative_to(ROOT)}"
    copies[name] = source
    return name
