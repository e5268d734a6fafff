"""The benchmark of the discrete laws at a tiny size, without asserting times; its peers compute what ours do."""

import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aetheria.files.rle import read_rle
from aetheria.laws import Life3D
from aetheria.stepping import first_plan
from benchmarks.harness import cellular_peers
from benchmarks.harness.processes import UnavailableError
from benchmarks.speed import discrete


def test_a_table_of_packed_plans_with_the_peers_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def call(task: str, **_: Any) -> dict[str, Any]:
        asked.append(task)
        return {"missing": "not installed"} if task.endswith("cellpylib") else {"seconds": 1.0}

    monkeypatch.setattr(discrete, "run_isolated", call)
    out = tmp_path / "discrete.md"
    arguments = ["--quick", "--laws", "Elementary", "Life3D", "RuleTable", "--golly", "bgolly", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["discrete", *arguments])
    discrete.main()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.read_text().splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == [
        "RuleTable WireWorld",
        "RuleTable JvN29",
        "Elementary 110",
        "Life3D",
        "Life3D B4/S 5",
    ]
    assert all(float(row[2]) > 0 and float(row[3].replace(",", "")) > 0 for row in rows[2:])
    assert [row[5].split()[0] for row in rows[2:]] == ["bgolly", "bgolly", "CAX", "convolution", "–"]  # noqa: RUF001 - as in tables
    assert "CellPyLib: not installed" in rows[4][5]
    assert len(asked) == 4


@pytest.mark.parametrize("case", discrete.CASES, ids=lambda case: case.name)
def test_every_case_has_a_packed_plan(case: discrete.Case) -> None:
    law = discrete.build(case)
    cells = discrete.soup(law, discrete.Options(shrink=64).grid(case))[None]
    memory = law.initial_memory(cells, 1) if law.stochastic else ()  # type: ignore[call-arg]
    assert first_plan(law, (cells, *memory), "fp32").name == "packed"


def test_the_plain_convolution_is_the_law() -> None:
    law, cells = Life3D(), (torch.rand(1, 1, 9, 8, 7, generator=torch.Generator().manual_seed(1)) < 0.2).float()
    assert torch.equal(discrete.convolved(cells), law(cells))
    assert law(cells).any()


@pytest.mark.parametrize("states", [2, 3, 29, 256])
def test_a_pattern_for_bgolly_is_read_back(states: int) -> None:
    cells = np.random.default_rng(states).integers(states, size=(7, 9))
    cells[0, 0] = cells[-1, -1] = states - 1  # so that the box is the whole
    rule = "B3/S23" if states == 2 else f"23/3/{states}"
    found = read_rle(f"x = 9, y = 7, rule = {rule}\n{cellular_peers.rle(cells, states)}!\n", "here")
    assert np.array_equal(np.asarray(found.cells), cells)


def test_a_program_that_fails_is_no_peer_and_one_that_runs_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bgolly"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no rule here' if 'Nothing' in sys.argv else 0)\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(cellular_peers, "_MOST_STEPS", 2)
    settings: dict[str, Any] = {"law": "Life", "settings": {"rule": "B3/S23"}, "golly": str(program)}
    assert cellular_peers.bgolly(0.01, [16, 16], algorithm="QuickLife", **settings)["seconds"] > 0
    with pytest.raises(UnavailableError, match="no rule here"):
        cellular_peers.bgolly(0.01, [16, 16], algorithm="Nothing", **settings)
