"""One grid over two processes equals one process, bit for bit, and what cannot be split is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.split.equality import SUITE, Split
from tests.split.pairs import PATIENCE_S, pair_of_processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("split")


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    """What each of two gloo processes found."""
    command = [sys.executable, "-m", "tests.split.two_processes", str(folder)]
    with pair_of_processes(command) as started:
        said = [process.communicate(timeout=PATIENCE_S)[1] for process in started]
        assert [process.returncode for process in started] == [0, 0], said
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("case", SUITE, ids=str)
def test_two_processes_step_as_one(found: list[dict[str, Any]], case: Split) -> None:
    cells, largest, moved = found[0][str(case)]
    assert moved
    assert (cells, largest) == (0, 0.0)


def test_edits_controls_and_restarts_reach_every_process(found: list[dict[str, Any]]) -> None:
    assert found[0]["edits"] == found[1]["edits"]
    assert len(set(found[0]["edits"])) > 3


def test_a_state_goes_on_in_one_process_and_in_two(found: list[dict[str, Any]]) -> None:
    assert [rank["saved_state"] for rank in found] == [True, True]


def test_a_reversible_law_runs_back_across_tiles(found: list[dict[str, Any]]) -> None:
    assert [rank["reversed_run"] for rank in found] == [True, True]


def test_fields_are_those_of_one_process(found: list[dict[str, Any]]) -> None:
    assert found[0]["fields"] == []


def test_a_run_is_recorded_and_resumed_on_another_split_as_by_one_process(found: list[dict[str, Any]]) -> None:
    assert found[0]["recording"] == [8, "done", True, True, [True] * 8, [2, 2], True, 4]


def test_rank_0_records_what_every_process_steps(found: list[dict[str, Any]]) -> None:
    assert [rank["recorder"] for rank in found] == [[10, 6], [10, 6]]


def test_a_process_holds_its_tile_and_margins_alone(found: list[dict[str, Any]]) -> None:
    assert found[0]["own_tiles"] == [[0, 0, 12, 20], [1, 1, 12, 20], [1, 1, 16, 20]]
    assert found[1]["own_tiles"] == [[12, 0, 12, 20], [1, 1, 12, 20], [1, 1, 16, 20]]


def test_no_process_makes_a_tensor_of_the_whole_grid(found: list[dict[str, Any]]) -> None:
    for rank in found:
        largest, own = rank["memory"]
        assert own == 132 * 128
        assert own <= largest < 1.25 * own  # a step pads the window; the grid has 1.94 times as many cells


def test_a_run_from_a_file_to_its_picture_makes_no_tensor_of_the_whole_grid(found: list[dict[str, Any]]) -> None:
    own = found[0]["memory_of_real_cells"][1]
    for rank in found:
        assert own <= rank["memory_of_real_cells"][0] < 1.25 * own


def test_observables_of_real_cells_are_those_of_one_process_with_exact_sums(found: list[dict[str, Any]]) -> None:
    assert found[0]["observables"] == []


def test_means_and_maxima_along_an_axis_are_taken_on_each_tile(found: list[dict[str, Any]]) -> None:
    assert found[0]["reductions"] == []


def test_cells_that_are_given_reach_the_tiles_they_lie_in(found: list[dict[str, Any]]) -> None:
    assert [rank["given_cells"] for rank in found] == [True, True]


def test_what_cannot_be_split_is_refused_with_the_reason(found: list[dict[str, Any]]) -> None:
    for rank in found:
        said = rank["refusals"]
        assert said["radius"].startswith("LawError: [law.unet] split: ")
        assert "far-away cell" in said["radius"]
        assert "klein-x" in said["twisted"]
        assert "fewer than its margin of 13" in said["narrow"]
        assert said["axes"] == "ConfigError: mesh: 2 x 1 processes given; the grid has 1 axes, and the mesh 2"
        assert said["both"].startswith("StateError: step(-1)")
    assert found[0]["refusals"]["role"].startswith("follow: this process leads")
    assert found[1]["refusals"]["role"] == "subscribe: called on rank 1; expected on rank 0, which leads"
