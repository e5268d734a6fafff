"""Configs of rule texts and of patterns, and rules in configs without the name of a law."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from aetheria.cli import app
from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError, StateError
from aetheria.motor import MotorConfig
from aetheria.recording import Recording
from aetheria.runs.config import RunConfig
from aetheria.runs.replay import repeat, replay
from aetheria.runs.run import build_motor
from aetheria.runs.short_config import config_of_pattern, read_grid, room, short_config

GLIDER = "x = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"


@pytest.mark.parametrize(
    ("text", "law", "sides", "name"),
    [
        ("345/2/4", "Generations", (512, 512), "345_2_4"),
        ("Bosco", "LargerThanLife", (512, 512), "R5_C0_S33-57_B34-45"),
        ("B2-a/S12", "Life", (512, 512), "B2-a_S12"),
        ("wireworld", "RuleTable", (512, 512), "WireWorld"),
        ("B3/S23:K18*,13", "Life", (13, 18), "B3_S23"),
    ],
)
def test_a_rule_is_a_config(text: str, law: str, sides: tuple[int, ...], name: str) -> None:
    config, stem, note = short_config(text)
    assert (config.law.name, config.grid.sides, stem, note) == (law, sides, name, "")
    assert config.law.parameters.get("boundary", "periodic") == ("klein-x" if ":" in text else "periodic")
    assert config.steps == 1000
    assert RunConfig.from_toml(config.to_toml(), "") == config


def test_sizes_are_given_or_those_of_the_rule() -> None:
    assert short_config("B3/S23", (20, 30), 7)[0].grid.sides == (20, 30)
    with pytest.raises(ConfigError, match=r"--grid 20 x 30: the rule B3/S23:T30,30 is for a grid of 30 x 30 cells"):
        short_config("B3/S23:T30,30", (20, 30))
    assert [read_grid(text) for text in ("1024", "20x30", "4X5x6")] == [(1024,), (20, 30), (4, 5, 6)]
    for text in ("", "20x", "20,30", "1x2x3x4", "-3x4"):
        with pytest.raises(ConfigError, match="expected height x width"):
            read_grid(text)


def test_a_pattern_has_room_to_grow(tmp_path: Path) -> None:
    path = tmp_path / "glider.rle"
    path.write_text(GLIDER)
    assert config_of_pattern(path)[0].grid.sides == (512, 512)
    assert config_of_pattern(path, (64, 80))[0].grid.sides == (64, 80)
    assert [room(cells) for cells in (1, 170, 200, 2000)] == [512, 512, 640, 3072]


def test_states_that_the_rule_of_a_pattern_has_not_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.rle"
    for rule, states, words in (
        ("B3/S23", "B", "states up to 2; its rule B3/S23 has 0 to 1"),
        ("345/2/4", "D", "states up to 4; its rule 345/2/4 has 0 to 3"),
        ("", "B", "as of Lenia"),
    ):
        path.write_text(f"x = 1, y = 1{', rule = ' if rule else ''}{rule}\n{states}!\n")
        with pytest.raises(StateError, match=words):
            config_of_pattern(path)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("B3/S2z", ConfigError, "it looks Life-like, but survivals"),
        ("quikstart", FileUnreadableError, "nor a shipped config; did you mean quickstart"),
        ("Evoloop", ConfigError, "Rule table; no law of Aetheria runs it yet"),
        ("B3/S23:T30,0", ConfigError, "expected two sides"),
    ],
)
def test_a_text_that_is_neither_is_refused(given: str, error: type[AetheriaError], words: str) -> None:
    with pytest.raises(error, match=words):
        short_config(given)


@pytest.mark.parametrize("given", ["rule", "pattern"])
def test_a_rule_or_a_pattern_runs_without_a_config(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glider.rle").write_text(GLIDER)
    text, name = ("23/3", "B3_S23") if given == "rule" else ("glider.rle", "glider")
    done = CliRunner().invoke(app, ["run", text, "--grid", "24x32", "--steps", "8", "--set", "seed=3"])
    assert done.exit_code == 0, done.output
    with Recording(tmp_path / "runs" / f"{name}.h5") as recording:
        config = RunConfig.from_toml(recording.config, "")
        assert (config.grid.sides, config.seed) == ((24, 32), 3)
        assert len(recording) == 9


def test_a_config_takes_no_grid_option() -> None:
    done = CliRunner().invoke(app, ["run", "quickstart", "--grid", "24x32"])
    assert isinstance(done.exception, ConfigError)
    assert "--set grid.height" in str(done.exception)


def test_a_rule_in_a_config_names_its_law() -> None:
    values = {"steps": 3, "grid": {"height": 8, "width": 9}, "law": {"rule": "345/2/4", "boundary": "zero"}}
    config = RunConfig.checked(values, "")
    assert (config.law.name, config.law.parameters) == ("Generations", {"boundary": "zero", "rule": "345/2/4"})
    bounded = RunConfig.checked({"steps": 3, "law": {"rule": "B3/S23:C16,12"}}, "")
    assert (bounded.grid.sides, bounded.law.parameters["boundary"]) == ((12, 16), "cross-surface")
    with pytest.raises(ConfigError, match=r"\[law\] rule: .*it looks Life-like"):
        RunConfig.checked({**values, "law": {"rule": "B9/S"}}, "")
    with pytest.raises(ConfigError, match=r"\[law\] rule: Evoloop: Rule table; no law"):
        RunConfig.checked({**values, "law": {"rule": "Evoloop"}}, "")


ACORN = "x = 7, y = 3, rule = B3/S23\nbo$3bo$2o2b3o!\n"


def test_acorn_ends_with_633_cells_where_it_has_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "acorn.rle"
    path.write_text(ACORN)
    config, _ = config_of_pattern(path, steps=5206)
    assert config.grid.sides == (2048, 2048)
    with build_motor(config.model_copy(update={"motor": MotorConfig(plan="packed")}), "cpu") as motor:
        motor.step(5206)
        assert motor.read("population").item() == 633
    small, _ = config_of_pattern(path, (128, 128), 5206)
    with build_motor(small.model_copy(update={"motor": MotorConfig(plan="packed")}), "cpu") as motor:
        motor.step(5206)
        assert motor.read("population").item() == 281  # wrapped around the torus, and said so
        assert motor.edge_step is not None
    assert "live cells reached the edge of the grid by step" in caplog.text


def test_room_for_the_way_of_a_glider_is_made_where_the_steps_are_known() -> None:
    assert [room(7, steps) for steps in (1, 1000, 1100, 2000, 5206, 10**9)] == [512, 512, 576, 1024, 2048, 2048]
    assert room(3000, 10**6) == room(3000)


@pytest.mark.parametrize(
    ("place", "sides", "centre"),
    [
        ("-1,-1", (512, 512), [256, 256]),
        ("100,-30", (512, 512), [227, 357]),
        ("0,400", (1344, 512), [1073, 257]),  # room below and above, and not to the sides
        ("0,99999", (512, 512), None),
    ],
)
def test_a_pattern_lies_where_its_file_says(
    place: str, sides: tuple[int, int], centre: list[int] | None, tmp_path: Path
) -> None:
    path = tmp_path / "glider.rle"
    path.write_text(f"#CXRLE Pos={place}\n{GLIDER}")
    config, _ = config_of_pattern(path)
    assert config.grid.sides == sides
    assert config.initial is not None
    assert config.initial.at == centre
    with build_motor(config, "cpu") as motor:
        y, x = motor.cells[0, 0].nonzero().amin(0).tolist()
    expected = (np.array(sides) // 2 + np.array(place.split(","), int)[::-1]).tolist()
    assert [y, x] == (expected if centre else [255, 255])


def test_a_pattern_keeps_its_place_on_a_given_grid_if_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "glider.rle"
    path.write_text(f"#CXRLE Pos=5,-9\n{GLIDER}")
    for grid, centre in (((20, 30), [2, 21]), ((16, 16), None)):
        config, _ = config_of_pattern(path, grid)
        assert config.initial is not None
        assert config.initial.at == centre
        build_motor(config, "cpu").close()


def test_steps_begin_with_the_generation_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "glider.rle"
    path.write_text(f"#CXRLE Gen=1000\n{GLIDER}")
    done = CliRunner().invoke(app, ["run", str(path), "--steps", "30", "--grid", "20x20", "--out", str(tmp_path / "run.h5")])
    assert done.exit_code == 0, done.output
    with Recording(tmp_path / "run.h5") as recording:
        assert recording.steps.tolist() == list(range(1000, 1031))
        with replay(recording, 1020) as motor:
            assert torch.equal(motor.cells[0, 0], torch.from_numpy(np.array(recording.read("channel_0", 20)[0])).float())
            motor.restart()
            assert motor.step_count == motor.first_step == 1000
            motor.restart(seed=7)
            motor.set_control("rule", "B36/S23")
            motor.restart()
            motor.step(3)
            assert [edit.step for edit in motor.edits] == [0, 0]
            other = build_motor(RunConfig.from_toml(recording.config, ""), "cpu")
            repeat(other, motor.edits, 1003)
            assert torch.equal(other.cells, motor.cells)
    refused = CliRunner().invoke(app, ["run", str(path), "--set", "steps=900", "--out", str(tmp_path / "b.h5")])
    assert str(refused.exception) == "steps: 900 given; the run begins at step 1,000: expected more"
