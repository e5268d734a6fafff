"""A motor on a larger grid, or under another law, goes on from the same cells."""

from pathlib import Path
from typing import Any

import pytest
import torch

from aetheria import resized, under_law
from aetheria.core.block import Block
from aetheria.core.errors import AetheriaError, ConfigError, LawError, StateError
from aetheria.laws import Generations, Ising, Law, Life, Margolus, SecondOrder, build_law
from aetheria.motor.initial import Initial
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder
from aetheria.runs.replay import repeat


def motor(law: Law, grid: tuple[int, ...] = (16, 20), plan: str = "eager", **given: object) -> Aetheria_Motor:
    return Aetheria_Motor(law, grid, None, "cpu", {"plan": plan}, **{"seed": 3, **given})  # type: ignore[arg-type]


GLIDER = torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 1, 1]])


def test_a_glider_on_a_larger_grid_goes_on_as_if_it_had_always_been_there() -> None:
    cells = torch.zeros(1, 16, 20)
    cells[0, 6:9, 8:11] = GLIDER
    small, large = motor(Life(), initial=cells), motor(Life(), (40, 50), initial=_around(cells, (40, 50), (12, 15)))
    small.step(7)
    made = resized(small, (40, 50))
    assert made.step_count == 7
    assert made.seed == small.seed
    made.step(100)
    large.step(107)
    assert torch.equal(made.cells, large.cells)
    assert small.step_count == 7  # it stays as it is
    moved = resized(made, (45, 54), at=(5, 0))
    assert torch.equal(moved.cells[..., 5:, :50], made.cells)
    made.restart()
    assert torch.equal(made.cells[0], _around(cells, (40, 50), (12, 15)))


def _around(cells: torch.Tensor, grid: tuple[int, ...], at: tuple[int, int]) -> torch.Tensor:
    large = torch.zeros(*cells.shape[:-2], *grid)
    large[..., at[0] : at[0] + cells.shape[-2], at[1] : at[1] + cells.shape[-1]] = cells
    return large


def test_cells_that_would_be_cut_off_are_refused_and_empty_ones_are_not() -> None:
    cells = torch.zeros(1, 16, 20)
    cells[0, 6:9, 8:11] = GLIDER
    one = motor(Life(), initial=cells)
    assert torch.equal(resized(one, (6, 8), at=(-4, -6)).cells[0, 0, 2:5, 2:5], GLIDER)
    with pytest.raises(StateError, match="resized: 5 cells that are not empty lie beyond the grid of 8 x 8; expected none"):
        resized(one, (8, 8), at=(0, 0))
    with pytest.raises(ConfigError, match="resized: a grid of 8 x 8 x 8 given; expected 2 sides"):
        resized(one, (8, 8, 8))
    with pytest.raises(ConfigError, match=r"resized: at \(1,\) given; expected 2 numbers"):
        resized(one, (18, 22), at=(1,))


def test_empty_space_that_is_alive_stays_so() -> None:
    one = motor(Life("B0/S8"), initial=torch.zeros(1, 16, 20))
    one.step(1)  # all cells are born
    assert resized(one, (30, 30)).cells.min() == 1


@pytest.mark.parametrize("law", [Margolus("critters"), Ising(1.0), SecondOrder("B3/S23")], ids=lambda law: law.name)
def test_phases_and_memories_keep_their_place(law: Law) -> None:
    one = motor(law, batch=2)
    one.step(3)
    made = resized(one, (26, 32))  # five cells above would part the blocks: four
    top = (26 - 16) // 2 // 2 * 2 if law.phases > 1 else 5
    assert torch.equal(made.cells[..., top : top + 16, 6:26], one.cells)
    assert [memory.shape[0] for memory in made.memory] == [memory.shape[0] for memory in one.memory]
    if law.phases > 1:
        with pytest.raises(ConfigError, match=r"at \(1, 0\) given; .* expected multiples of 2"):
            resized(one, (26, 32), at=(1, 0))
    made.step(2)


@pytest.mark.parametrize("name", ["GrowingNCA", "Lenia", "ConvLSTM", "Elementary", "Life3D", "ForestFire", "LangtonsAnt"])
def test_laws_of_any_kind_go_on(name: str) -> None:
    small: dict[str, dict[str, Any]] = {
        "ConvLSTM": {"d_state": 2, "hidden_channels": 4},
        "GrowingNCA": {"hidden_channels": 8},
        "Lenia": {"R": 4},
    }
    law = build_law(name, **small.get(name, {}))
    assert isinstance(law, Law)
    grid = {1: (30,), 2: (16, 16), 3: (8, 8, 8)}[min(law.ranks)]
    one = motor(law, grid)
    one.step(1)
    made = resized(one, tuple(side + 8 for side in grid))
    assert torch.equal(made.cells[Block((4,) * len(grid), grid).index], one.cells)
    made.step(1)


def test_a_recorded_motor_is_refused(tmp_path: Path) -> None:
    one = motor(Life())
    with Recorder(one, tmp_path / "run.h5"):
        for change in (lambda: resized(one, (30, 30)), lambda: under_law(one, Generations("345/2/4"))):
            with pytest.raises(
                StateError, match="a recorder is running, and its file is for this grid and law; finish it first"
            ):
                change()
    assert resized(one, (30, 30)).shape == (1, 1, 30, 30)


def test_the_edits_of_a_resized_motor_repeat_it() -> None:
    one = motor(Life())
    one.step(4)
    made = resized(one, (30, 30))
    made.step(3)
    other = motor(Life(), (30, 30))
    repeat(other, made.edits, 7)
    assert torch.equal(other.cells, made.cells)


def test_a_described_pattern_is_restarted_in_its_place() -> None:
    one = motor(Life(), initial="seed")
    made = resized(one, (30, 40), at=(2, 4))
    made.restart()
    assert made.cells[0, 0].nonzero().tolist() == [[10, 14]]
    again = motor(Life(), initial=Initial(kind="seed", at=[3, 5]))
    made = resized(again, (30, 40), at=(2, 4))
    made.restart()
    assert made.cells[0, 0].nonzero().tolist() == [[5, 9]]
    assert made.seed == 3


def test_the_cells_go_on_under_another_law() -> None:
    one = motor(Life())
    one.step(2)
    made = under_law(one, Generations("345/2/4"))
    assert torch.equal(made.cells, one.cells)
    assert (made.step_count, made.traits.name) == (2, "Generations")
    made.step(3)
    assert made.cells.max() > 1
    with pytest.raises(AetheriaError, match="Life"):  # states that it does not have
        under_law(made, Life())
    with pytest.raises(LawError):
        under_law(one, build_law("Elementary"))  # type: ignore[arg-type]
    with pytest.raises(StateError, match="under_law: GrowingNCA has"):
        under_law(one, build_law("GrowingNCA"))  # type: ignore[arg-type]
