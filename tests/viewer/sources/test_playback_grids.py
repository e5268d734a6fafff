"""Recordings of one and three axes: space-time pictures up to the playhead, and slices of the recorded volume; no Qt."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder
from tests.viewer.fakes import FakeView, wait_until
from tests.viewer.grids import shift
from tests.viewer.recordings import EAGER, Turning
from viewer.controllers.controller import Controller
from viewer.model.frame import CellValues
from viewer.model.plane import PlaneSlice
from viewer.model.region import Region
from viewer.sources.opening import open_recording

WIDTH, ROWS, GRID = 20, 128, (6, 9, 12)


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    yield controller
    controller.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def record(motor: Aetheria_Motor, path: Path, steps: int, **options: Any) -> Path:
    torch.set_num_threads(1)
    with Recorder(motor, path, **{"fields": ["channel_0"], "every": 1, **options}):
        motor.step(steps)
    motor.close()
    return path


def stored(path: Path, field: str = "channel_0") -> NDArray[Any]:
    with h5py.File(path) as file:
        return np.asarray(file["data" if "data" in file else "/"][field] if field not in file else file[field])


def rows_shown(view: FakeView, step: int, rows: NDArray[Any]) -> bool:
    if not view.frames:
        return False
    frame = view.frames[-1]
    region = Region(ROWS - len(rows), 0, len(rows), WIDTH)
    return (frame.step, frame.region) == (step, region) and np.array_equal(frame.pixels > 127, rows == 1)


def slice_shown(view: FakeView, at: PlaneSlice, values: NDArray[Any]) -> bool:
    if not view.frames or view.frames[-1].slice != at:
        return False
    pixels = view.frames[-1].pixels
    return pixels.shape == values.shape and bool(np.allclose(pixels / 255, values, atol=0.5 / 255))


def test_a_recorded_row_is_a_space_time_picture_up_to_the_playhead(controller: Controller, view: FakeView, path: Path) -> None:
    record(shift(WIDTH), path, 40)
    controller.open(open_recording(path))
    rows = stored(path)
    assert rows.shape == (41, WIDTH)
    for index in (0, 17, 40, 3):
        controller.go_to(index)
        wait_until(partial(lambda index: rows_shown(view, index, rows[: index + 1]), index), controller)


def test_a_long_recording_shows_its_newest_rows(controller: Controller, view: FakeView, path: Path) -> None:
    record(shift(WIDTH), path, 300, every=2)
    controller.open(open_recording(path))
    rows = stored(path)
    controller.player.last()
    wait_until(lambda: rows_shown(view, 300, rows[-ROWS:]), controller)
    controller.player.back()
    wait_until(lambda: rows_shown(view, 298, rows[-ROWS - 1 : -1]), controller)


def test_playing_scrolls(controller: Controller, view: FakeView, path: Path) -> None:
    record(shift(WIDTH), path, 30)
    controller.open(open_recording(path))
    rows = stored(path)
    controller.unlimited()
    controller.toggle_play()
    wait_until(lambda: rows_shown(view, 30, rows), controller)
    assert all(np.array_equal(frame.pixels > 127, rows[: frame.step + 1] == 1) for frame in view.frames)


def test_a_cell_of_an_earlier_row_has_the_step_of_its_frame(controller: Controller, view: FakeView, path: Path) -> None:
    record(shift(WIDTH), path, 30, every=3)
    source = open_recording(path)
    controller.open(source)
    controller.player.last()
    wait_until(lambda: view.frames and view.frames[-1].step == 30, controller)
    cells: list[CellValues] = []
    for y in (ROWS - 1, ROWS - 3, 0):
        source.inspect(y, 7, 0, cells.append)
        wait_until(lambda: source._waiting == {}, controller)
        controller.tick()
    wanted = [(30, stored(path)[10, 7]), (24, stored(path)[8, 7])]
    assert [(cell.step, float(cell.fields["channel_0"][0])) for cell in cells] == wanted


@pytest.mark.parametrize(("axis", "cut"), [("z", 0), ("y", 8), ("x", 5), ("z", "mean"), ("y", "max"), ("x", "mean")])
def test_a_recorded_volume_is_seen_as_slices(controller: Controller, view: FakeView, path: Path, axis: str, cut: Any) -> None:
    record(shift(*GRID), path, 4)
    controller.open(open_recording(path))
    controller.model.change_view(level_mode="locked", levels=(0.0, 1.0))
    controller.set_slice(axis, cut)
    volumes, k = stored(path), "zyx".index(axis)
    assert volumes.shape == (5, *GRID)
    for index in (2, 4):
        controller.go_to(index)
        values = volumes[index].take(cut, k) if isinstance(cut, int) else getattr(volumes[index], cut)(k)
        wait_until(partial(slice_shown, view, PlaneSlice(axis, cut), values), controller)


def test_the_mean_of_phases_is_that_of_their_directions(controller: Controller, view: FakeView, path: Path) -> None:
    class Volume(Turning):
        ranks = (1, 2, 3)

    phase = torch.tensor([3.0, -3.0, 3.1, -3.1]).reshape(4, 1, 1).expand(4, 2, 3)
    motor = Aetheria_Motor(Volume(), (4, 2, 3), 1, "cpu", EAGER, initial=torch.stack((phase.cos(), phase.sin())))
    record(motor, path, 1, fields=["phase_0"])
    controller.open(open_recording(path))
    controller.set_slice("z", "mean")
    wait_until(lambda: view.frames and view.frames[-1].slice == PlaneSlice("z", "mean"), controller)
    low, high = view.frames[-1].levels
    values = low + view.frames[-1].pixels / 255 * (high - low)
    assert np.all(np.abs(values) > 3.0), "not about 0, as the mean of the numbers would be"


def test_a_recorded_slice_plays_back_as_the_plane_it_is(controller: Controller, view: FakeView, path: Path) -> None:
    record(shift(*GRID), path, 3, slice={"y": 4})
    source = open_recording(path)
    controller.open(source)
    assert (source.plane.axes, source.plane.grid, source.plane.slice) == (("z", "x"), (6, 12), None)
    wait_until(lambda: view.frames and np.array_equal(view.frames[-1].pixels > 127, stored(path)[0] == 1), controller)
