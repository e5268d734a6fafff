"""Progress bars of calls that take long, on a terminal or in a notebook."""

import html
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

_T = TypeVar("_T")
Progress = Callable[[_T], None] | bool | None  # None for a bar where a person watches, True, False, or what is called instead
_PERIOD_S = 0.1  # between two updates of a notebook's bar


class Bar(Protocol):
    """A progress bar, which is there in a `with` block."""

    def move(self, done: int, total: int, note: str) -> None:
        """Shows how much is done."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def watched(items: Iterable[_T], total: int, name: str, show: bool | None = None) -> Iterator[_T]:
    """The items, with a progress bar that goes when they end.

    Args:
        items: whatever is worked on, one after the other.
        total: their number.
        name: shown beside the bar.
        show: None for a bar where a person watches: where stderr is a terminal, or in a notebook.
    """
    if not _wanted(show):
        yield from items
        return
    with _bar(name) as bar:
        bar.move(0, total, "")
        for done, item in enumerate(items, 1):
            yield item
            bar.move(done, total, "")


@contextmanager
def reported(progress: Progress[_T], name: str, read: Callable[[_T], tuple[int, int, str]]) -> Iterator[Callable[[_T], None]]:
    """What is to be called with each status: the caller's own function, or one that moves a bar.

    Args:
        progress: a function; or whether a bar is shown, as `watched` has it.
        name: shown beside the bar.
        read: a status as the number done, the total and a note.
    """
    if callable(progress):
        yield progress
    elif _wanted(progress):
        with _bar(name) as bar:
            yield lambda status: bar.move(*read(status))
    else:
        yield lambda _: None


def _wanted(show: bool | None) -> bool:
    return sys.stderr.isatty() or _notebook() if show is None else show


def _notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")


def _bar(name: str) -> Bar:
    return NotebookBar(name) if _notebook() else TerminalBar(name)


class TerminalBar:
    """A bar on stderr, by rich."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Columns

        texts = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[note]}", markup=False)
        columns = texts[0], BarColumn(), MofNCompleteColumn(), texts[1], TimeRemainingColumn()
        console = Console(stderr=True)
        self._columns = Columns(*columns, console=console, transient=console.is_terminal)  # else the last line stays
        self._task = self._columns.add_task(name, total=None, note="")

    def move(self, done: int, total: int, note: str) -> None:
        """See `Bar`."""
        self._columns.update(self._task, completed=done, total=total, note=note)

    def __enter__(self) -> Self:
        self._columns.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._columns.stop()


class NotebookBar:
    """A bar below a notebook's cell, of HTML: rich has one of ipywidgets, which may be missing, and leaves an empty output."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began, self._shown = time.monotonic(), -_PERIOD_S

    def move(self, done: int, total: int, note: str) -> None:
        """See `Bar`."""
        now = time.monotonic()
        if now - self._shown < _PERIOD_S and done < total:
            return
        self._shown = now
        left = f", {(now - self._began) * (total - done) / done:,.0f} s left" if 0 < done < total else ""
        text = html.escape(f"{self._name}: {done:,} of {total:,}{left}  {note}")
        self._put(f'<progress value="{done}" max="{max(total, 1)}"></progress> {text}')

    def __enter__(self) -> Self:
        ipython: Any = sys.modules["IPython"]
        self._html = ipython.display.HTML
        self._handle = ipython.display.display(self._html(""), display_id=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._put("")

    def _put(self, text: str) -> None:
        self._handle.update(self._html(text))
