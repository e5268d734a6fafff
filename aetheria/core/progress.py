"""Progress bars of calls that take long, on a terminal or in a notebook."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")


def watched(items: Iterable[_T], total: int, name: str, show: bool | None = None) -> Iterator[_T]:
    """The items, with a progress bar on stderr, which goes when they end.

    Args:
        items: whatever is worked on, one after the other.
        total: their number.
        name: shown beside the bar.
        show: None for a bar where a person watches: where stderr is a terminal, or in a notebook.
    """
    if show is None:
        show = sys.stderr.isatty() or "ipykernel" in sys.modules
    if not show:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, name, total, console=Console(stderr=True), transient=True)
