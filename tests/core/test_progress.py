"""Progress bars: where they are shown, what they say, and the function that may be called instead."""

import io
import sys
from typing import Any

import pytest

from aetheria.core.progress import Progress, reported, watched


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """For a test's own phase: pytest sets stderr anew between a fixture and it."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    return made


@pytest.mark.parametrize(("show", "expected"), [(None, True), (True, True), (False, False)])
def test_a_bar_is_shown_on_a_terminal_unless_it_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, show: bool | None, expected: bool
) -> None:
    terminal = on_a_terminal(monkeypatch)
    assert list(watched(range(3), 3, "Life [1]", show)) == [0, 1, 2]
    assert ("Life [1]" in terminal.getvalue() and "3/3" in terminal.getvalue()) == expected


def test_none_is_shown_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    assert list(watched(range(3), 3, "Life")) == [0, 1, 2]
    assert not out.getvalue()


def report(progress: Progress[int]) -> None:
    with reported(progress, "points", lambda status: (status, 4, f"{status} [done]")) as told:
        for status in (1, 4):
            told(status)


def test_a_call_moves_the_bar_or_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    report(None)
    assert "points" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    assert "4 [done]" in terminal.getvalue()
    written = len(terminal.getvalue())
    report(False)
    given: list[int] = []
    report(given.append)
    assert (given, len(terminal.getvalue())) == ([1, 4], written)


class Shell:
    """What IPython has in a notebook's kernel."""

    kernel = object()

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.display = self

    def get_ipython(self) -> "Shell":
        return self

    def HTML(self, text: str) -> str:  # noqa: N802
        return text

    def update(self, text: str) -> None:
        self.shown.append(text)

    def __call__(self, text: str, *, display_id: bool) -> "Shell":
        assert display_id
        return self


def test_a_notebook_has_a_bar_of_html_which_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    shell: Any = Shell()
    shell.display = type("display", (), {"HTML": shell.HTML, "display": shell})
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert list(watched(range(1000), 1000, "<Life>")) == list(range(1000))
    assert shell.shown[0].startswith('<progress value="0" max="1000"></progress> &lt;Life&gt;: 0 of 1,000')
    assert "1,000 of 1,000" in shell.shown[-2]
    assert shell.shown[-1] == ""
    assert len(shell.shown) < 100, "an update for each of many fast items"
    assert not terminal.getvalue()
    with pytest.raises(ZeroDivisionError):
        list(watched((1 // n for n in (1, 0)), 2, "Life"))
    assert shell.shown[-1] == ""
