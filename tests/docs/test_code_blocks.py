"""Every code block of the README and of the site is run."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
from site_pages import PAGES

from tests.docs.code_blocks import Block, Page, blocks, check_config, run_command
from tests.paths import ROOT
from viewer.window import embed

WRITTEN = {str(path.relative_to(ROOT)): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]}
TEXTS: dict[str, Callable[[], str]] = {
    **{name: path.read_text for name, path in WRITTEN.items() if "```" in path.read_text("utf-8")},
    **{name: make for name, make in PAGES.items() if "```" in make()},
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.usefixtures("kept_laws")
def test_the_code_blocks_of_a_page_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs", ignore=shutil.ignore_patterns("thumbnails"))
    if "show(motor)" in TEXTS[name]():
        monkeypatch.setattr(
            embed, "open_motor_window", create_autospec(embed.open_motor_window)
        )  # windows have tests of their own
    if "import serve_motor" in TEXTS[name]() or ".serve(" in TEXTS[name]():
        pytest.importorskip("websockets")
    if "import plot" in TEXTS[name]():
        pytest.importorskip("matplotlib").use("Agg")
    if "motor.show(" in TEXTS[name]():
        pytest.importorskip("anywidget")
        pytest.importorskip("av")
    page = Page(name)
    for block in blocks(TEXTS[name]()):
        if not (block.language == "python" and name.startswith("docs/tutorials/")):  # test_notebooks.py runs those
            page.run(block)
    for value in page.session.values():
        if hasattr(value, "close") and type(value).__module__.startswith(("xarray", "aetheria")):
            value.close()
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    if name in CHECKS:
        CHECKS[name](page.session)


def _went_on(session: dict[str, Any]) -> None:
    assert session["saved"].description.step == 500
    with session["Recording"]("life.h5") as recording:
        assert list(recording.steps) == list(range(0, 1001, 10))


def _recorded(session: dict[str, Any]) -> None:
    with session["Recording"]("lizard.h5") as recording:
        assert (len(recording), recording.status) == (6, "done")
        assert list(recording.steps) == [0, 20, 40, 60, 80, 100]
    assert [edit.step for edit in session["motor"].edits] == [100, 100]


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {"README.md": _recorded, "docs/runs.md": _went_on}


def test_code_in_the_pages_is_fenced_and_names_its_language() -> None:
    for name, path in WRITTEN.items():
        before = ""
        for line in path.read_text("utf-8").splitlines():
            bare = line.startswith("    ") and not before.strip() and not line.strip().startswith(("```", "|"))
            assert not (bare and line.strip().startswith(("aetheria ", "pip ", "import ", "from "))), f"{name}: {line}"
            before = line


def test_a_block_that_is_wrong_is_found() -> None:
    with pytest.raises(NameError):
        Page("x").run(Block("python", "", "missing"))
    with pytest.raises(AssertionError):
        check_config("[grid]\nhieght = 3\n")
    check_config("[grid]\nheight = 3\n")
    with pytest.raises(AssertionError):
        run_command(["make", "nothing"])
    with pytest.raises(AssertionError):
        run_command(["pip", "install", ".[nothing]"])
    with pytest.raises(AssertionError):
        run_command(["rm", "-r", "x"])
    with pytest.raises(AssertionError):
        run_command(["aetheria", "view", "no_such_config"])
    with pytest.raises(Exception, match="No such option"):
        run_command(["aetheria", "view", "--nothing"])
    (loop,) = blocks("```sh\nfor a in 1 2; do make test$a; done\n```\n")
    assert loop.language == "sh"
