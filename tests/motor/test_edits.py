"""Edits: logged by the motor, kept in the recording, made again by a replay that gives the same cells to the last bit."""

import base64
import json
import math
import re
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import xarray
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from aetheria.cli import app
from aetheria.core.errors import ConfigError, RecordingError, StateError
from aetheria.laws import MLP, GrowingNCA, Life
from aetheria.laws.controls import Value
from aetheria.motor import edit_log
from aetheria.motor.edits import CellsEdit, ControlEdit, Edit, RestartEdit, StateEdit, from_json, to_json
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording
from aetheria.runs.config import RunConfig
from aetheria.runs.replay import repeat, replay
from aetheria.runs.run import build_motor
from tests.paths import GOLDEN


def lines(edits: Any) -> list[str]:
    return [to_json(edit) for edit in edits]


def nca(**changes: Any) -> Aetheria_Motor:
    law = GrowingNCA(4, 8)
    generator = torch.Generator().manual_seed(1)
    for parameter in law.update.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    for parameter in law.hidden.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return Aetheria_Motor(law, (12, 16), 4, "cpu", {"plan": "eager"}, initial="noise", seed=5, **changes)


# -- one line each -----------------------------------------------------------------------------------------------

whole = st.integers(0, 2**63 - 1)
arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_, np.uint8]),
    hnp.array_shapes(min_dims=4, max_dims=4, max_side=4),
)
anything = st.one_of(
    st.builds(CellsEdit, whole, st.tuples(whole, whole), st.none() | whole, arrays),
    st.builds(
        ControlEdit, whole, st.text(max_size=20), st.text(max_size=20) | st.floats(allow_nan=False, allow_infinity=False)
    ),
    st.builds(RestartEdit, whole),
    st.builds(StateEdit, whole, whole, whole, arrays, st.lists(arrays, max_size=2).map(tuple)),
)


@given(edit=anything)
def test_an_edit_comes_back_from_its_line(edit: Edit) -> None:
    line = to_json(edit)
    assert "\n" not in line
    back = from_json(line)
    assert type(back) is type(edit)
    assert to_json(back) == line
    if isinstance(edit, CellsEdit) and isinstance(back, CellsEdit):
        assert back.values.dtype == edit.values.dtype
        np.testing.assert_array_equal(back.values, edit.values)


def packed(**changes: Any) -> dict[str, Any]:
    values = np.ones((1, 2, 3), np.float32)
    given = {"type": "<f4", "shape": [1, 2, 3], "zlib": base64.b64encode(zlib.compress(values.tobytes())).decode()}
    return given | changes


BOMB = base64.b64encode(zlib.compress(bytes(2**26), 9)).decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "expected a line of JSON"),
        ("{", "expected a line of JSON"),
        ("[" * 100_000, "expected a line of JSON"),
        ("[]", 'expected "edit"'),
        ({"edit": "shell", "step": 0}, 'expected "edit"'),
        ({"edit": "control", "step": -1, "name": "m", "value": 1}, "edit step: -1 given"),
        ({"edit": "control", "step": 1.5, "name": "m", "value": 1}, "edit step: 1.5 given"),
        ({"edit": "control", "step": True, "name": "m", "value": 1}, "edit step: True given"),
        ({"edit": "control", "step": 2**70, "name": "m", "value": 1}, "edit step: 1180591620717411303424 given"),
        ({"edit": "control", "step": 0, "name": 3, "value": 1}, "edit name: 3 given"),
        ({"edit": "control", "step": 0, "name": "m", "value": math.nan}, "edit value: nan given"),
        ({"edit": "control", "step": 0, "name": "m", "value": math.inf}, "edit value: inf given"),
        ({"edit": "control", "step": 0, "name": "m", "value": 10**400}, "edit value: 1000"),
        ({"edit": "control", "step": 0, "name": "m", "value": None}, "edit value: None given"),
        ({"edit": "restart", "step": 0}, "edit seed: None given"),
        *(
            ({"edit": "cells", "step": 0, "at": at, "universe": None, "values": packed()}, "edit at: ")
            for at in (None, [], [0, 0, 0, 0], [0, -1], [0, 0.5], "00")
        ),
        *(
            ({"edit": "cells", "step": 0, "at": [0, 0], "universe": None, "values": values}, words)
            for values, words in (
                (None, "edit values: None given"),
                (packed(type="|O"), 'edit values: .*expected "type"'),
                (packed(type=">f4"), 'edit values: .*expected "type"'),
                (packed(shape=[6]), "edit values shape: .*3 or 4 whole numbers"),
                (packed(shape=[1, 2, -3]), "edit values shape: "),
                (packed(shape=[1, 2, 4]), "edit values shape: .*expected that of the bytes given"),
                (packed(shape=[1, 2, 2]), "edit values shape: .*expected that of the bytes given"),
                (packed(shape=[0, 0, 0]), "edit values shape: .*expected that of the bytes given"),
                (packed(shape=[2**30, 2**30, 2**30]), "edit values shape: .*expected at most 2,147,483,648 bytes"),
                (packed(shape=[1, 1, 2**28]), "edit values shape: .*no more than"),
                (packed(zlib="!!"), "expected base64"),
                (packed(zlib="AAAA"), "expected deflated bytes"),
                (packed(zlib=packed()["zlib"][:8]), "edit values"),
                (packed(zlib=BOMB), "edit values shape: .*expected that of the bytes given"),
            )
        ),
        (
            {"edit": "state", "step": 0, "to_step": 0, "seed": 0, "cells": packed(shape=[2, 3]), "memory": []},
            "edit cells shape",
        ),
        (
            {"edit": "state", "step": 0, "to_step": 0, "seed": 0, "cells": packed(shape=[1, 1, 2, 3]), "memory": 3},
            "edit memory",
        ),
    ],
)
def test_what_is_no_edit_is_refused_in_words_and_in_little_memory(given: Any, words: str) -> None:
    line = given if isinstance(given, str) else json.dumps(given)
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError, match=words):
            from_json(line)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


# -- the log -----------------------------------------------------------------------------------------------------


def test_a_motor_logs_what_is_changed_by_hand_with_its_step() -> None:
    motor = nca(batch=2)
    block = torch.full((4, 2, 3), 0.25)
    motor.set_cells(block, at=(1, 2))
    motor.step(3)
    motor.set_cells(block.numpy(), at=(0, 0), universe=1)
    motor.set_control("fire_rate", 0.75)
    saved = motor.state_dict()
    motor.step(2)
    motor.load_state_dict(saved)
    block.fill_(9)  # the caller's; the log has its own
    cells, one, control, state = motor.edits
    assert isinstance(cells, CellsEdit)
    assert isinstance(one, CellsEdit)
    assert isinstance(state, StateEdit)
    assert (cells.step, cells.at, cells.universe, cells.values.shape) == (0, (1, 2), None, (4, 2, 3))
    assert (one.step, one.at, one.universe) == (3, (0, 0), 1)
    assert float(cells.values.max()) == 0.25
    assert control == ControlEdit(3, "fire_rate", 0.75)
    assert (state.step, state.to_step, state.seed, len(state.memory)) == (5, 3, 5, 2)
    np.testing.assert_array_equal(state.cells, saved["cells"].numpy())


def test_what_is_refused_is_not_logged() -> None:
    motor = nca()
    with pytest.raises(StateError):
        motor.set_cells(torch.zeros(4, 2, 2), at=(11, 0))
    with pytest.raises(ConfigError):
        motor.set_control("fire_rate", 3)
    with pytest.raises(StateError):
        motor.load_state_dict({"cells": motor.cells})
    assert motor.edits == ()


def test_a_restart_forgets_all_but_the_seed_and_the_controls_that_differ() -> None:
    motor = nca()
    motor.set_cells(motor.cells)
    motor.set_control("fire_rate", 0.9)
    motor.step(2)
    motor.restart()
    assert lines(motor.edits) == lines([ControlEdit(0, "fire_rate", 0.9)])
    motor.restart(seed=8)
    assert lines(motor.edits) == lines([RestartEdit(8), ControlEdit(0, "fire_rate", 0.9)])
    motor.set_control("fire_rate", motor.initial_controls["fire_rate"])
    motor.restart(seed=5)
    assert not motor.edits


def test_a_run_from_other_initial_cells_is_repeated_from_them() -> None:
    motor = nca()
    motor.step(3)
    motor.restart(initial="seed")
    motor.step(2)
    motor.restart()
    motor.step(4)
    again = nca()
    repeat(again, motor.edits, 4)
    assert torch.equal(again.cells, motor.cells)


def test_a_run_whose_weights_were_replaced_is_repeated_from_there_with_them(tmp_path: Path) -> None:
    other = nca()
    torch.nn.init.normal_(other.law.get_parameter("hidden.weight"), std=0.5)
    save_file(other.law.state_dict(), tmp_path / "other.safetensors")
    motor = nca()
    motor.set_cells(torch.ones(4, 3, 3), at=(2, 2))
    motor.step(3)
    motor.set_control("fire_rate", 0.75)
    motor.load_weights(tmp_path / "other.safetensors")
    motor.step(4)
    repeat(other, motor.edits, 7)
    assert torch.equal(other.cells, motor.cells)


def test_nothing_is_logged_that_is_not_wanted() -> None:
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager", "log_edits": False})
    motor.set_cells(motor.cells)
    motor.set_control("rule", "B36/S23")
    motor.load_state_dict(motor.state_dict())
    motor.restart(3)
    assert motor.edits == ()


def test_a_long_log_is_shortened_to_the_state_that_it_led_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_log, "LOG_BYTES", 10 * 4 * 4 * 12 * 16)
    motor, again = nca(), nca()
    follower = motor.follow_edits()
    motor.set_control("fire_rate", 0.8)
    for i in range(35):
        motor.set_cells(motor.cells * (1 + i / 100))
        motor.step(1)
        assert len(motor.edits) <= 12
    assert {type(edit) for edit in motor.edits} == {ControlEdit, StateEdit, CellsEdit}
    assert len(follower.read()) == 36, "whoever follows misses nothing"
    repeat(again, motor.edits, 35)
    assert torch.equal(again.cells, motor.cells)
    assert all(map(torch.equal, again.memory, motor.memory))


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_a_log_gives_the_same_cells_on_another_motor(precision: str) -> None:
    def motor() -> Aetheria_Motor:
        torch.manual_seed(0)
        return Aetheria_Motor(MLP(2, 8, output_scale=0.1), (8, 12), 2, "cpu", {"plan": "eager", "precision": precision}, seed=2)

    first, second = motor(), motor()
    first.restart(seed=6)
    first.set_cells(torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(1)), at=(2, 2))
    first.step(4)
    saved = first.state_dict()
    first.set_control("decay", 0.2)
    first.step(3)
    first.load_state_dict(saved)  # back to step 4
    first.set_cells(first.cells * 2)
    first.step(2)
    repeat(second, [from_json(line) for line in lines(first.edits)], 6)
    assert (second.step_count, second.seed) == (6, 6)
    assert torch.equal(second.cells, first.cells)
    with pytest.raises(RecordingError, match="step 2: lies before step 6"):
        repeat(second, [], 2)


# -- in a recording ----------------------------------------------------------------------------------------------


def config(law: dict[str, Any], plan: str, **changes: Any) -> RunConfig:
    table = {"steps": 40, "seed": 4, "device": "cpu", "grid": {"height": 24, "width": 32}, "law": law, "motor": {"plan": plan}}
    return RunConfig.checked(table | changes, "")


GROWING = {"name": "GrowingNCA", "channels": 6, "hidden_channels": 16, "fire_rate": 0.6}
RUNS: dict[str, tuple[RunConfig, str, Value]] = {
    "GrowingNCA eager": (config(GROWING, "eager", initial={"kind": "noise"}), "fire_rate", 0.9),
    "GrowingNCA fused": (config(GROWING, "fused", initial={"kind": "noise"}, batch=2), "fire_rate", 0.9),
    "MLP fused": (config({"name": "MLP", "d_state": 2, "output_scale": 0.1}, "fused"), "decay", 0.1),
    "Life packed": (config({"name": "Life"}, "packed"), "rule", "B36/S23"),
    "Lenia eager": (config({"name": "Lenia", "R": 6}, "eager"), "m", 0.2),
}


def brush(motor: Aetheria_Motor, seed: int) -> Tensor:
    values = torch.rand(motor.shape[1], 5, 6, generator=torch.Generator().manual_seed(seed))
    return (values > 0.5).float() if isinstance(motor.law, Life) else values


@pytest.mark.parametrize("case", RUNS)
def test_a_run_that_was_edited_is_replayed_from_its_recording_to_the_last_bit(case: str, tmp_path: Path) -> None:
    run, control, value = RUNS[case]
    motor = build_motor(run)
    motor.set_cells(brush(motor, 1), at=(3, 4))
    motor.step(4)
    saved = motor.state_dict()
    motor.set_cells(brush(motor, 2), at=(10, 20), universe=0)
    motor.step(3)
    motor.load_state_dict(saved)  # an undo
    motor.step(2)
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0"], every=3, config=run.to_toml()):
        motor.step(5)
        motor.set_control(control, value)
        motor.step(1)  # to 12, which is recorded
        motor.set_cells(brush(motor, 3), at=(0, 0))
        motor.step(8)
        motor.set_cells(brush(motor, 4), at=(8, 8))
    with Recording(tmp_path / "run.h5") as recording:
        assert lines(recording.edits) == lines(motor.edits)
        assert recording.edit_count == 6
        assert [frame.edits for frame in recording] == [3, 3, 4, 5, 5][-len(recording) :]
        for frame in recording:
            again = replay(recording, frame.step)
            assert again.plan.name == run.motor.plan
            np.testing.assert_array_equal(again.read("channel_0").numpy(), frame["channel_0"])
        final = replay(recording, 20)
        assert torch.equal(final.cells, motor.cells)
        assert final.get_control(control) == value


def test_a_replay_goes_on_from_the_last_state_that_was_loaded(tmp_path: Path) -> None:
    run, _, _ = RUNS["GrowingNCA eager"]
    motor = build_motor(run)
    motor.step(3)
    state = motor.state_dict() | {"step": 10**6}
    motor.load_state_dict(state)
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0"], config=run.to_toml()):
        motor.step(2)
    with Recording(tmp_path / "run.h5") as recording:
        again = replay(recording)
    assert again.step_count == 10**6 + 2
    assert torch.equal(again.cells, motor.cells)


def test_a_replay_without_a_config_or_with_other_weights_is_refused(tmp_path: Path) -> None:
    run, _, _ = RUNS["GrowingNCA eager"]
    motor = build_motor(run)
    with Recorder(motor, tmp_path / "bare.h5"):
        motor.step(1)
    with torch.no_grad():
        motor.law.get_parameter("hidden.bias").add_(1)
    with Recorder(motor, tmp_path / "other.h5", config=run.to_toml()):
        motor.step(1)
    with Recording(tmp_path / "bare.h5") as recording, pytest.raises(RecordingError, match="without a config"):
        replay(recording)
    with Recording(tmp_path / "other.h5") as recording, pytest.raises(RecordingError, match="weights are not those"):
        replay(recording)


def test_edits_are_readable_while_the_run_goes_on_and_before_the_frame_that_follows(tmp_path: Path) -> None:
    motor = nca()
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0"]) as recorder:
        motor.step(1)
        while recorder.frames < 2:
            pass
        with Recording(tmp_path / "run.h5") as recording:
            assert recording.edits == []
            for i in range(3):
                motor.set_cells(motor.cells * 0.5)
                motor.step(1)
                while len(recording) < 3 + i:
                    pass
                assert recording.edit_count == recording[-1].edits == i + 1
                assert lines(recording.edits) == lines(motor.edits)


def test_xarray_and_h5py_open_a_recording_with_edits(tmp_path: Path) -> None:
    motor = nca()
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0"]):
        motor.set_cells(motor.cells)
        motor.step(2)
    with xarray.open_dataset(tmp_path / "run.h5", engine="h5netcdf") as dataset:
        assert dict(dataset.sizes) == {"time": 3, "y": 12, "x": 16}
        assert list(dataset["edits_before"]) == [1, 1, 1]
    with xarray.open_dataset(tmp_path / "run.h5", engine="h5netcdf", group="log") as log:
        assert bytes(log["edits"].values[: int(log["edit_bytes"])]).startswith(b'{"edit": "cells", "step": 0')
    with h5py.File(tmp_path / "run.h5") as file:
        assert [dim[0].name for dim in file["log/edits"].dims] == ["/log/byte"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("edits", b"x", "edit 0 is damaged; its checksum"), ("edit_bytes", 10**9, "bytes of edits are counted")],
)
def test_a_damaged_log_is_named_and_the_frames_stay_readable(name: str, value: Any, words: str, tmp_path: Path) -> None:
    motor = nca()
    motor.set_control("fire_rate", 0.9)
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0"]):
        motor.step(1)
    with h5py.File(tmp_path / "run.h5", "a") as file:
        if name == "edits":
            file["log/edits"][0] = value[0]
        else:
            file["log/edit_bytes"][()] = value
    with Recording(tmp_path / "run.h5") as recording:
        assert np.isfinite(recording[1]["channel_0"]).all()
        with pytest.raises(RecordingError, match=rf"run.h5: .*{words}"):
            _ = recording.edits


def test_a_recording_of_schema_1_is_read_and_replayed() -> None:
    with Recording(GOLDEN / "schema_1.h5") as recording:
        assert recording.attributes["aetheria_schema"] == 1
        assert (recording.edits, recording.edit_count) == ([], 0)
        assert list(recording.steps) == [0, 2, 4, 6]
        assert (recording.fields, recording.observables) == (("channel_0",), ("population",))
        assert [frame.edits for frame in recording] == [0] * 4
        for frame in recording:
            again = replay(recording, frame.step)
            np.testing.assert_array_equal(again.read("channel_0").numpy(), frame["channel_0"])
            assert float(again.read("population")) == float(frame["population"][0]) > 0


def test_info_says_how_many_edits_a_recording_holds(tmp_path: Path) -> None:
    motor = nca()
    with Recorder(motor, tmp_path / "run.h5"):
        motor.set_cells(motor.cells)
        motor.set_cells(motor.cells)
        motor.step(1)
    output = CliRunner().invoke(app, ["info", str(tmp_path / "run.h5")]).output
    assert re.search(r"^edits +2$", output, re.MULTILINE)
