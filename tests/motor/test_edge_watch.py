"""The word that live cells have reached the edge of the grid: once, and only where empty space was around a pattern."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.laws import Elementary, Generations, Law, Lenia, Life, Life3D
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording
from aetheria.stepping.edges import edge_cells, margin

GLIDER = torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 1, 1]])  # to the lower right, a cell in four steps


def motor(law: Law, grid: tuple[int, ...] = (70, 80), plan: str = "eager", batch: int = 1, **cells: Tensor) -> Aetheria_Motor:
    initial = cells.get("initial", torch.zeros(batch, 1, *grid))
    return Aetheria_Motor(law, grid, law.channels, "cpu", {"plan": plan}, initial=initial, batch=batch)


def with_glider(top: int, grid: tuple[int, int] = (70, 80), batch: int = 1, universe: int = 0) -> Tensor:
    cells = torch.zeros(batch, 1, *grid)
    cells[universe, 0, top : top + 3, 20:23] = GLIDER
    return cells


@pytest.mark.parametrize("boundary", ["periodic", "zero", "klein-x"])
@pytest.mark.parametrize("plan", ["eager", "packed"])
def test_a_glider_at_the_edge_is_told_once(boundary: str, plan: str, caplog: pytest.LogCaptureFixture) -> None:
    one = motor(Life(boundary=boundary), plan=plan, initial=with_glider(40))  # its lowest row is 42, the edge is 69
    one.step(100)  # row 67 at the most
    assert not caplog.records
    one.step(200)
    assert one.edge_step is not None
    assert one.edge_step in range(105, 113)
    one.step(200)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"live cells reached the edge of the grid by step {one.edge_step:,}; " in caplog.messages[0]


@pytest.mark.parametrize("law", [Life(), Generations("345/2/4")], ids=["bits", "planes"])
@pytest.mark.parametrize("width", [64, 80, 128, 130])
def test_every_form_of_the_state_gives_edges_and_margin(law: Law, width: int) -> None:
    one = motor(law, (20, width), "packed", batch=2)
    plan = one.warm_up()
    assert plan.name == "packed"
    for y, x in [(5, 0), (5, width - 1), (0, 70 % width), (19, 33), (7, 63), (9, width - 3), (1, 1)]:
        cells = torch.zeros(2, 1, 20, width)
        cells[1, 0, y, x] = 1
        held = plan.pack((cells,))
        distance = min(y, 19 - y, x, width - 1 - x)
        assert plan.margin(held).tolist() == [20, distance] == margin(cells[:, 0]).tolist()
        assert plan.edges(held).ne(0).any(1).tolist() == [False, distance == 0]
        assert edge_cells(cells[:, 0]).ne(0).any(1).tolist() == [False, distance == 0]


def test_every_universe_is_watched_and_named(caplog: pytest.LogCaptureFixture) -> None:
    cells = with_glider(60, batch=3, universe=1)
    cells[2, 0, 0] = 1  # at the edge from the start
    one = motor(Life(), batch=3, initial=cells)
    one.step(300)
    assert one.edge_step is not None
    assert " in universe 1;" in caplog.messages[0]


def test_nothing_is_said_where_there_was_no_empty_space(caplog: pytest.LogCaptureFixture) -> None:
    Aetheria_Motor(Life(), (64, 64), 1, "cpu", {"plan": "eager"}).step(150)  # noise
    motor(Lenia(), (40, 40), initial=torch.zeros(1, 1, 40, 40)).step(2)  # real values
    all_born = motor(Life("B0/S012345678"), (20, 20))
    for _ in range(3):
        all_born.step(100)
    assert all_born.edge_step is None
    assert not caplog.records


def test_grids_of_one_and_three_axes_are_watched() -> None:
    row = torch.zeros(1, 1, 101)
    row[..., 50] = 1
    for plan in ("eager", "packed"):
        one = motor(Elementary(90), (101,), plan, initial=row)
        one.step(120)
        assert one.edge_step in range(50, 54)
    cube = torch.zeros(1, 1, 9, 9, 9)
    cube[..., 4, 4, 4] = 1
    solid = motor(Life3D("B1/S"), (9, 9, 9), initial=cube)
    solid.step(200)
    assert solid.edge_step is not None


def test_it_is_seen_when_a_frame_is_made_and_again_after_a_restart() -> None:
    one = motor(Life(), initial=with_glider(40))
    with one.subscribe(every=10, delivery="recent"):
        one.step(200)
    first = one.edge_step
    assert first in range(105, 121)
    one.restart()
    assert one.edge_step is None
    one.step(100)
    assert one.edge_step is None


def test_a_recording_holds_the_step(tmp_path: Path) -> None:
    one = motor(Life(), initial=with_glider(40))
    with Recorder(one, tmp_path / "run.h5", every=10):
        one.step(80)
        with Recording(tmp_path / "run.h5") as recording:
            assert recording.edge_step is None
        one.step(120)
    with Recording(tmp_path / "run.h5") as recording:
        assert recording.edge_step == one.edge_step
        assert recording.edge_step in range(105, 121)
        assert np.array_equal(recording.steps, np.arange(0, 201, 10))
