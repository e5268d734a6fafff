"""The README's Python blocks run, in order, as one session; its links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_python_blocks_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    session: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), session)
    assert "6 done [ 40  60  80 100 120 140]" in capsys.readouterr().out
    session["dataset"].close()


def test_the_law_in_the_page_on_stepping_is_fused() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/stepping.md").read_text("utf-8"), re.DOTALL)
    exec(compile(block, "stepping.md", "exec"), {})


def test_the_python_blocks_of_the_page_on_training_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/training.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    session: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "training.md", "exec"), session)


def test_the_page_on_long_runs_saves_a_run_and_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/runs.md").read_text("utf-8"), re.DOTALL):
        exec(compile(block, "runs.md", "exec"), session)
    assert session["saved"].description.step == 500
    with session["Recording"]("life.h5") as recording:
        assert list(recording.steps) == list(range(0, 1001, 10))


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_what_the_readme_links_to_exists(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "docs/sweeps.md").read_text("utf-8")))
def test_what_the_page_on_sweeps_links_to_exists(target: str) -> None:
    assert (ROOT / "docs" / target).exists()
