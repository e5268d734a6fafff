"""Edits and parameters from readers, over real sockets: the motor's own edits, refused in one line."""

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aetheria import Aetheria_Motor
from aetheria.core.errors import ConfigError
from aetheria.laws import build_law
from aetheria.motor.edits import CellsEdit, ControlEdit
from aetheria.recording import Recorder
from aetheria.runs.steering import Steering
from aetheria.serve.cells import CellBlock, cells_message, read_cells
from aetheria.serve.client import Done, Edits, Refusal, RemoteRun
from aetheria.serve.editing import CellEditor
from aetheria.serve.protocol import MAX_CELL_BYTES, MAX_TEXT_BYTES, Picture, ProtocolError, View, packed
from aetheria.serve.server import Server


def small_motor(law: str = "Life", grid: tuple[int, int] = (16, 24), **options: Any) -> Aetheria_Motor:
    return Aetheria_Motor(build_law(law), grid, device="cpu", cfg={"plan": "eager"}, initial="noise", **options)


@contextlib.contextmanager
def reader(motor: Aetheria_Motor, **options: Any) -> Iterator[tuple[RemoteRun, Server]]:
    with motor.serve(port=0, **options) as server, RemoteRun(server.url) as run:
        yield run, server


def answer(run: RemoteRun, kind: type) -> Any:
    """The next message of a kind."""
    while True:
        message = run.receive(10)
        assert message is not None or run.status
        if isinstance(message, kind):
            return message


def read(run: RemoteRun, *at: int, size: tuple[int, ...] = (2, 2)) -> Any:
    run.send("read", at=at, size=size)
    return answer(run, CellBlock)


def test_cells_that_a_reader_sets_are_the_motors_and_stand_in_its_log() -> None:
    motor = small_motor(batch=2)
    values = np.array([[[1, 0], [1, 1]]], np.uint8)
    with reader(motor) as (run, _):
        run.set_cells(CellBlock((3, 5), values, universe=1))
        run.send("read", at=[3, 5], size=[2, 2], universe=1)
        found = answer(run, CellBlock)
    assert np.array_equal(found.values, values)
    assert found.step == 0
    assert np.array_equal(motor.cells[1, :, 3:5, 5:7].numpy(), values)
    (edit,) = motor.edits
    assert isinstance(edit, CellsEdit)
    assert (edit.at, edit.universe) == ((3, 5), 1)


def test_a_run_with_a_readers_edits_is_the_run_with_the_same_edits_in_code() -> None:
    motor, alike = small_motor(), small_motor()
    with reader(motor) as (run, _):
        motor.step(4)
        run.set_cells(CellBlock((0, 0), np.ones((1, 4, 4), np.float32)))
        read(run, 0, 0)
        motor.step(4)
    alike.step(4)
    alike.set_cells(torch.ones(1, 4, 4), (0, 0))
    alike.step(4)
    assert torch.equal(motor.cells, alike.cells)


def test_edits_are_undone_and_repeated() -> None:
    motor = small_motor()
    before = motor.cells[0, 0].numpy()
    with reader(motor) as (run, _):
        for top in (0, 1):  # overlapping
            run.set_cells(CellBlock((top, 0), np.full((1, 2, 2), top == 0, np.uint8)))
        for command, rows in (("undo", [1, 1]), ("undo", None), ("redo", [1, 1]), ("redo", [1, 0])):
            run.send(command)
            shown = read(run, 0, 0).values[0, :, 0]
            assert np.array_equal(shown, before[:2, 0] if rows is None else rows), command
        run.send("redo")
        assert answer(run, Refusal).message == "redo: no edit of a reader is left to redo"
    assert len(motor.edits) == 6


def test_what_undo_keeps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.serve.editing._KEPT_BYTES", 100)
    editor = CellEditor(small_motor())
    for _ in range(20):
        editor.set(CellBlock((0, 0), np.ones((1, 3, 3), np.uint8)))  # 36 bytes are replaced each time
    for _ in range(2):
        editor.undo()
    with pytest.raises(ConfigError, match="no edit"):
        editor.undo()


def test_an_edit_of_a_run_that_stands_still_is_seen() -> None:
    motor = small_motor()
    with reader(motor) as (run, _):
        assert answer(run, Picture)
        run.set_cells(CellBlock((0, 0), np.zeros((1, 16, 24), np.uint8)))
        while any(answer(run, Picture).pixels):
            pass


def test_a_parameter_is_changed_logged_and_told_to_all() -> None:
    motor = small_motor("Lenia", (32, 32))
    with reader(motor) as (run, server), RemoteRun(server.url) as other:
        assert {"m", "s"} <= {control["name"] for control in run.welcome["controls"]}
        run.send("control", name="m", value=0.2)
        while other.status.get("controls", {}).get("m") != 0.2:
            other.receive(10)
    assert motor.get_control("m") == 0.2
    assert [edit.name for edit in motor.edits if isinstance(edit, ControlEdit)] == ["m"]


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"type": "control", "name": "rule", "value": "nonsense"}, "rule"),
        ({"type": "control", "name": "speed", "value": 1}, "control"),
        ({"type": "control", "name": "rule", "value": [1]}, "expected a name, and a number or a text"),
        ({"type": "control"}, "expected a name"),
        ({"type": "read", "at": [0], "size": [1, 1]}, "2 whole numbers"),
        ({"type": "read", "at": [0, 0], "size": [1, True]}, "2 whole numbers"),
        ({"type": "read", "at": [0, 0], "size": [1 << 40, 1 << 40]}, "values wanted"),
        ({"type": "read", "at": [15, 0], "size": [2, 2]}, "the grid is 16 x 24"),
        ({"type": "read", "at": [0, 0], "size": [1, 1], "universe": 1}, "expected 0 to 0"),
        ({"type": "undo"}, "no edit"),
        ({"type": "cells", "at": [0, 0], "values": [[1]]}, "binary message"),
        (CellBlock((15, 0), np.ones((1, 2, 2), np.uint8)), "the grid is 16 x 24"),
        (CellBlock((0, 0), np.full((1, 2, 2), 2, np.uint8)), "the states 0 and 1"),
        (CellBlock((0, 0), np.full((1, 2, 2), np.nan, np.float32)), "NaN"),
        (CellBlock((0, 0), np.ones((2, 2, 2), np.uint8)), "shape"),
        (CellBlock((0, 0), np.ones((1, 2, 2), np.uint8), universe=7), "expected 0 to 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(message: Any, line: str) -> None:
    motor = small_motor()
    before = motor.cells
    with reader(motor) as (run, _):
        if isinstance(message, CellBlock):
            run.set_cells(message)
        else:
            run.send(message.pop("type"), **message)
        said = answer(run, Refusal).message
        assert line in said
        assert "\n" not in said
        assert read(run, 0, 0)  # the connection is as it was
    assert torch.equal(motor.cells, before)
    assert not motor.edits


@pytest.mark.parametrize(
    "message", [b"", b"\x80\x04garbage", packed("frame", b""), packed("cells", b"1", at=[0], shape=[1, 9])]
)
def test_bytes_that_are_no_cells_are_refused(message: bytes) -> None:
    with pytest.raises(ProtocolError, match="cells: damaged"):
        read_cells(message)


def test_cells_are_read_as_they_were_written() -> None:
    block = CellBlock((3, 4), np.arange(6, dtype=np.float32).reshape(1, 2, 3) / 7, 2, 9)
    found = read_cells(cells_message(block))
    assert np.array_equal(found.values, block.values)
    assert (found.at, found.universe, found.step) == ((3, 4), 2, 9)


def test_of_a_block_only_the_cells_that_are_meant_are_set_whatever_steps_were_taken() -> None:
    motor, alike = small_motor(), small_motor()
    where = np.random.default_rng(1).random((5, 7)) < 0.4
    block = CellBlock((3, 4), np.ones((1, 5, 7), np.uint8), where=where)
    found = read_cells(cells_message(block)).where
    assert found is not None
    assert np.array_equal(found, where)
    with reader(motor) as (run, _):
        motor.step(3)
        run.set_cells(block)
        assert answer(run, Done) == Done("cells")
    alike.step(3)
    cells = alike.cells
    cells[0, 0, 3:8, 4:11][torch.from_numpy(where)] = 1
    assert torch.equal(motor.cells, cells)


def test_the_next_step_is_read_and_not_taken() -> None:
    motor, alike = small_motor(), small_motor()
    with reader(motor) as (run, _):
        run.send("read", at=[0, 0], size=[16, 24], ahead=True)
        found = answer(run, CellBlock)
    alike.step(1)
    assert np.array_equal(found.values, alike.cells[0].numpy())
    assert motor.step_count == 0


def test_the_largest_amplitude_of_a_complex_law_is_told() -> None:
    motor = Aetheria_Motor(build_law("DiracQCA"), (12,), device="cpu", cfg={"plan": "eager"}, initial="noise")
    with reader(motor) as (run, _):
        run.send("amplitude", universe=None)
        assert answer(run, Done).value == pytest.approx(float(motor.read("density").max()) ** 0.5)


def test_a_program_that_sends_faster_than_the_server_takes_is_slowed_and_not_cut() -> None:
    motor = small_motor()
    with reader(motor) as (run, _):
        for _ in range(50):
            run.set_cells(CellBlock((0, 0), np.ones((1, 1, 1), np.uint8)))
        for _ in range(50):
            assert answer(run, Done)


def test_more_cells_than_a_message_holds_are_not_sent() -> None:
    with pytest.raises(ProtocolError, match="expected up to 65,536"):
        cells_message(CellBlock((0, 0), np.zeros((1, 1, MAX_CELL_BYTES + 1), np.uint8)))


def test_a_text_as_large_as_cells_may_be_ends_the_connection() -> None:
    with reader(small_motor()) as (run, _):
        run._send(json.dumps({"type": "view", "field": "x" * MAX_TEXT_BYTES}))
        assert "expected up to 4,096" in answer(run, Refusal).message
        with pytest.raises(ConfigError, match="expected up to 4,096"):
            list(run.pictures())


def test_a_read_only_server_reads_cells_and_changes_none() -> None:
    motor = small_motor()
    with reader(motor, read_only=True) as (run, _):
        assert run.welcome["commands"] == ["read", "amplitude", "edits"]
        run.set_cells(CellBlock((0, 0), np.zeros((1, 16, 24), np.uint8)))
        assert "--read-only" in answer(run, Refusal).message
        for command, values in (
            ("control", {"name": "rule", "value": "B2/S"}),
            ("read", {"at": [0, 0], "size": [1, 1], "ahead": True}),
        ):
            run.send(command, **values)
            assert "--read-only" in answer(run, Refusal).message
        assert read(run, 0, 0).values.shape == (1, 2, 2)
    assert not motor.edits


def test_a_view_of_a_region_shows_its_cells_and_says_so() -> None:
    motor = small_motor()
    with reader(motor) as (run, _):
        run.choose(View(region=(2, 3, 4, 5)))
        picture = next(picture for picture in run.pictures() if picture.view.region)
        assert picture.view.region == (2, 3, 4, 5)
        pixels = np.frombuffer(picture.pixels, np.uint8).reshape(4, 5)
        assert np.array_equal(pixels > 127, motor.cells[0, 0, 2:6, 3:8].numpy() > 0)
        run.choose(View(region=(0, 0, 17, 5)))
        with pytest.raises(ConfigError, match="region"):
            list(run.pictures())


def test_a_reader_takes_the_run_back_to_its_start_with_its_first_parameters() -> None:
    motor, alike = small_motor("Lenia", (32, 32)), small_motor("Lenia", (32, 32))
    steering, stop = Steering(), threading.Event()
    stepper = threading.Thread(target=steering.step, args=(motor, 10**9, stop.is_set))
    with reader(motor, steering=steering) as (run, _):
        stepper.start()
        try:
            run.send("control", name="m", value=0.2)
            run.send("edits")
            assert answer(run, Edits).lines[-1].endswith(": m = 0.2")
            run.send("restart", step=3)
            assert answer(run, Done) == Done("restart")
            while motor.step_count < 3:
                run.receive(1)
            assert steering.waits
            assert (motor.step_count, motor.get_control("m"), motor.edits) == (3, 0.15, ())
            alike.step(3)
            assert torch.equal(motor.cells, alike.cells)
            run.send("undo")  # of nothing: what was changed before is gone
            assert "no edit" in answer(run, Refusal).message
            run.send("restart", step=-1)
            assert answer(run, Refusal).message == "restart step: -1 given; expected up to 1,000,000 steps from 0"
        finally:
            stop.set()
            stepper.join()


def test_a_run_that_is_recorded_is_not_taken_back_and_goes_on(tmp_path: Path) -> None:
    motor, steering = small_motor("Lenia", (32, 32)), Steering()
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0"]), reader(motor, steering=steering) as (run, _):
        motor.step(2)
        motor.set_control("m", 0.2)
        run.send("restart")
        assert answer(run, Refusal).message.startswith("restart: a recorder is running")
        assert (motor.step_count, motor.get_control("m"), steering.paused) == (2, 0.2, False)


def test_a_run_that_is_only_shown_lists_its_edits_and_is_not_taken_back() -> None:
    motor = small_motor()
    motor.set_control("rule", "B36/S23")
    with reader(motor, steering=Steering(), read_only=True) as (run, _):
        run.send("edits")
        assert answer(run, Edits).lines == ("step 0: rule = B36/S23",)
        run.send("restart")
        assert "--read-only" in answer(run, Refusal).message
