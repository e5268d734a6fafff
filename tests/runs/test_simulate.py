"""`simulate` against a motor stepped by hand, and against a recording of the same run; wrong arguments."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import aetheria
from aetheria import Aetheria_Motor, Life, Recorder, Recording, StateError, law_from_rule, simulate
from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.recording import in_memory


@pytest.mark.parametrize(("batch", "size", "every"), [(1, None, 1), (2, 8, 3)])
def test_frames_have_the_values_axes_and_attributes_of_a_recording(
    tmp_path: Path, batch: int, size: int | None, every: int
) -> None:
    names = ["channel_0", "population"]
    found = simulate("B36/S23", (16, 24), 7, fields=names, every=every, seed=3, batch=batch, size=size)
    motor = Aetheria_Motor(law_from_rule("B36/S23"), (16, 24), 1, batch=batch, seed=3)
    with motor, Recorder(motor, tmp_path / "run.h5", fields=names, every=every, size=size):
        motor.step(7)
    with Recording(tmp_path / "run.h5") as recording, recording.to_xarray() as expected:
        for name in (*names, "step", "time", "y", "x", *(["universe"] if batch > 1 else [])):
            assert found[name].dims == expected[name].dims
            np.testing.assert_array_equal(found[name], expected[name])
        for name in names:
            assert found[name].attrs == expected[name].attrs
        for key in ("law", "seed", "first_step", "universes", "weights_sha256"):
            assert found.attrs[key] == expected.attrs[key]


def test_the_steps_are_those_of_a_motor() -> None:
    found = simulate(Life(), 32, 5, fields="channel_0", seed=1)
    with Aetheria_Motor(Life(), 32, 1, seed=1) as motor:
        for frame in found["channel_0"]:
            assert np.array_equal(frame, motor.cells[0, 0])
            motor.step(1)


@pytest.mark.parametrize(
    ("law", "grid", "sides"),
    [
        ("W110", None, {"x": 512}),
        ("Elementary", 60, {"x": 60}),
        ("life3d", 12, {"z": 12, "y": 12, "x": 12}),
        ("B3/S23:T30,20", None, {"y": 20, "x": 30}),
        ("B3/S23", None, {"y": 512, "x": 512}),
        (Life(), (6, 9), {"y": 6, "x": 9}),
    ],
)
def test_a_law_is_given_by_rule_name_or_module(law: Any, grid: Any, sides: dict[str, int]) -> None:
    found = simulate(law, grid, 1)
    assert {axis: length for axis, length in found.sizes.items() if axis != "time"} == sides


def test_settings_are_parameters_of_the_law() -> None:
    held = simulate("B2/S", 8, 3, fields="population", boundary="zero", initial=torch.ones(1, 8, 8))
    assert held["population"].values.tolist() == [64, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"law": "B3/S2x"}, "2x"),
        ({"law": "Lif"}, "did you mean Life"),
        ({"law": "Life", "steps": -1}, "steps: -1 given; expected a whole number, 0 or more"),
        ({"law": "Life", "every": 0}, "every: 0 given; expected a whole number, 1 or more"),
        ({"law": "Life", "fields": "nope"}, 'field "nope"'),
        ({"law": "Life", "colour": 3}, "colour"),
        ({"law": torch.nn.Identity()}, "no grid given"),
        ({"law": Life(), "grid": 8, "rule": "B3/S23"}, "settings are for a law that is named"),
        ({"law": "W30", "grid": (8, 8)}, "Elementary steps grids of 1 axis"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(AetheriaError, match=words):
        simulate(**arguments)


def test_frames_that_do_not_fit_are_refused_before_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Aetheria_Motor, "step", lambda *_: pytest.fail("it stepped"))
    with pytest.raises(StateError, match=r"holding .* frames needs at least .* take frames less often"):
        simulate("B3/S23", 512, 10**9)


def test_without_xarray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ConfigError, match=r"xarray: pip install '\.\[analysis\]'"):
        simulate("B3/S23", 8, 1)


def test_a_dataset_of_fewer_frames_than_announced_has_only_those() -> None:
    with Aetheria_Motor(Life(), 8, 1) as motor:
        frames = in_memory.FramesInMemory(motor, motor.request(), 5)
        frames.add(motor.look(frames.request))
        assert frames.dataset().sizes["time"] == 1


def test_a_progress_bar_can_be_had_or_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    simulate("B3/S23", 8, 3, progress=False)
    assert not capsys.readouterr().err
    simulate("B3/S23", 8, 3, progress=True)
    assert "Life" in capsys.readouterr().err


def test_it_is_found_in_the_package() -> None:
    assert "simulate" in dir(aetheria)
