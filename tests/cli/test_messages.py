"""Messages of the command line that a new user meets: which file, which key, what to set."""

import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from aetheria import Recording
from aetheria.cli import app
from aetheria.core.errors import AetheriaError
from aetheria.core.settings import Settings
from aetheria.runs.config import RunConfig, load_config
from aetheria.runs.run import build_motor, record_request

CONFIG = """
steps = 40
[grid]
shape = [8, 12]
[law]
name = "life"
[motor]
plan = "eager"
[record]
every = 10
[checkpoint]
every = 10
"""


NO_RECORDING = (
    "my soup.toml: is a config; expected a recording (.h5). "
    "Its use: aetheria run 'my soup.toml', or aetheria view 'my soup.toml'"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("my soup.toml").write_text(CONFIG)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def failure(*arguments: str) -> str:
    result = call(*arguments)
    assert isinstance(result.exception, AetheriaError), result.output
    return str(result.exception)


def test_info_of_a_resumed_run_shows_its_steps_and_how_to_open_it_before_the_config(here: Path) -> None:
    assert "info 'runs/my soup.h5'" in call("run", "my soup.toml").output  # quoted for a shell
    assert "resumed" not in call("info", "runs/my soup.h5").output
    assert call("run", "--resume", "runs/my soup.h5", "--steps", "70").exit_code == 0
    said = call("info", "runs/my soup.h5").output
    assert "frames      8, steps 0 to 70, every 10" in said
    assert "law         Life, 1 channel, 8 x 12 cells\n" in said
    assert "config  (resumed beyond its 40 steps)" in said
    opening, config = said.split("\nconfig")
    assert "open it" in opening
    assert "aetheria view 'runs/my soup.h5'" in opening
    assert 'aetheria.Recording("runs/my soup.h5")' in opening
    assert re.search(r"^steps = 70$", config, re.MULTILINE)
    RunConfig.from_toml(config.partition("\n")[2], "printed")


def test_every_nth_frame_is_exported_and_options_of_pictures_are_not_ignored(here: Path) -> None:
    call("run", "my soup.toml", "--out", "soup.h5")
    done = call("export", "soup.h5", "--gif", "--every", "2", "--from", "10")
    assert "soup-channel_0.gif: channel_0, 2 frames, steps 10 to 30" in done.output
    with Image.open("soup-channel_0.gif") as film:
        assert getattr(film, "n_frames", 1) <= 2
    assert call("export", "soup.h5", "--every", "0", "--gif").exit_code == 2
    for option in (["--every", "2"], ["--from", "3"], ["--field", "channel_0"], ["--levels", "0", "1"], ["--slice", "z=1"]):
        said = failure("export", "soup.h5", "--npz", *option)
        assert said == f"export: {option[0]} given; it is for --png, --gif and --mp4, and --npz takes all frames"
    assert failure("export", "soup.h5", "--gif", "--from", "9000") == (
        "soup.h5: no frame between steps 9000 and the last; it has steps 0 to 40"
    )
    assert "universe: 3 given; expected 0, the only one" in failure("export", "soup.h5", "--gif", "--universe", "3")
    with Recording("soup.h5") as recording:
        assert len(recording) == 5


def test_a_config_given_to_info_is_named_with_its_command(here: Path) -> None:
    said = failure("info", "my soup.toml")
    assert said == NO_RECORDING


@pytest.mark.parametrize("command", ["verify", "repair", "export"])
def test_a_config_is_no_damaged_recording_for_any_command(here: Path, command: str) -> None:
    said = failure(command, "my soup.toml", *(["--npz"] if command == "export" else []))
    assert said == NO_RECORDING
    assert [file.name for file in here.iterdir()] == ["my soup.toml"]


def test_configs_of_runs_and_trainings_are_told_apart(here: Path) -> None:
    said = failure("train", "my soup.toml")
    assert said == "my soup.toml: is the config of a run, without a table [train]; `aetheria run 'my soup.toml'` runs it"
    Path("learn.toml").write_text('[law]\nname = "GrowingNCA"\n[train]\nsteps = 3\n[picture]\nemoji = "x"\n')
    said = failure("run", "learn.toml")
    assert said == "learn.toml: is the config of a training, with a table [train]; `aetheria train learn.toml` runs it"


def test_a_minimal_config_is_told_what_is_missing_with_examples(here: Path) -> None:
    Path("min.toml").write_text('[law]\nname = "Life"\n')
    assert failure("run", "min.toml").split("\n") == [
        "[config] steps: missing; this key is required, as in steps = 1000",
        "[config] grid: missing; this key is required, as in grid = { height = 256, width = 256 }",
    ]
    Path("min.toml").write_text('steps = 1000\ngrid = { height = 256, width = 256 }\nlaw = { name = "Life" }\n')
    assert load_config("min.toml").steps == 1000


def test_fields_without_levels_of_a_shipped_config_say_what_to_set() -> None:
    overrides = ["record.fields=['population']", "motor.plan=eager", "grid.height=64", "grid.width=64"]
    config = load_config("r_pentomino", overrides)
    with build_motor(config, "cpu") as motor, pytest.raises(AetheriaError) as caught:
        record_request(config.record, motor)
    assert str(caught.value) == (
        "[record] levels: channel_0 given, but only population are asked for; "
        "drop them with --set 'record.levels={}', or give levels for those fields"
    )
    config = load_config("r_pentomino", [*overrides, "record.levels={}"])
    with build_motor(config, "cpu") as motor:
        record_request(config.record, motor)


class _A(Settings):
    a: int


class _B(Settings):
    b: str


class _Union(Settings):
    either: _A | _B | int | None = None
    several: list[int | str] | None = None
    named: dict[str, int | float] | None = None


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"several": [1, 2.5]}, ["[t.several] 1: 2.5 given; must be a whole number or a text"]),
        ({"several": 3}, ["[t] several: 3 given; must be a valid list"]),
        ({"named": {"int": "x"}}, ["[t.named] int: 'x' given; must be a number"]),
        ({"either": "x"}, ["[t] either: 'x' given; must be a table or a whole number"]),
        ({"qqqq": None}, ["[t] qqqq: unknown key; known: either, several, named"]),
        ({"named": {"x": None}}, ["[t.named] x: nothing given; must be a number"]),
        ("text", ["[t] 'text' given; must be a table"]),
        (None, ["[t] nothing given; must be a table"]),
    ],
)
def test_settings_of_several_types_are_told_in_one_line(values: object, lines: list[str]) -> None:
    with pytest.raises(AetheriaError) as caught:
        _Union.checked(values, "t")
    assert str(caught.value).split("\n") == lines
