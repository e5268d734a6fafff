"""Text of files and arguments on the terminal: escapes are shown, markup is literal, and nothing crashes."""

import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import h5py
import pytest
from typer.testing import CliRunner, Result

from aetheria import Aetheria_Motor, Life, Recorder
from aetheria.cli import app, main
from aetheria.core.printable import get_logger
from aetheria.laws import registry
from aetheria.recording import checksums

HOSTILE = {
    "escape": "a\x1b]0;owned\x07b",
    "C1": "\x9b31mred",
    "override": "txt.\u202egpj",
    "newline": "a\nok all done",
    "return": "x\rb",
    "markup": "[bold]x[/bold]",
    "closing": "[/]",
    "odd": "[/red] [link=x]y",
    "backslash": "a\\",
    "emoji": ":smile:",
}
SHOWN = {"escape": "a\\x1b]0;owned\\x07b", "C1": "\\x9b31mred", "override": "txt.\\u202egpj", "newline": "a\\nok all done"}


@pytest.fixture(params=HOSTILE)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A hostile text, and how it is shown."""
    text = HOSTILE[request.param]
    return text, SHOWN.get(request.param, text.replace("\r", "\\r"))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def ended(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What the program prints on stderr before it ends with an error."""
    monkeypatch.setattr("sys.argv", ["aetheria", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code in (2, 5)
    return capsys.readouterr().err


def checked(printed: str) -> str:
    assert all(line.isprintable() for line in printed.split("\n")), printed
    return printed


def record(path: Path, title: str) -> Path:
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager"})
    with Recorder(motor, path, title=title, config="steps = 2\n# [/] \x1b[31m"):
        motor.step(2)
    return path


def test_info_shows_titles_attributes_names_and_configs(case: tuple[str, str], tmp_path: Path) -> None:
    text, shown = case
    path = record(tmp_path / f"{text.replace('/', '|')}.h5", text)
    with h5py.File(path, "r+") as file:
        for key in ("law", "device_name", "weights_sha256"):
            file.attrs[key] = text
        del file["log/checksums"]
        del file.attrs[checksums.LAYOUT]
        file.attrs["aetheria_schema"] = 2
        if "/" not in text:
            h5py.h5g.GroupID.move(file.id, b"channel_0", text.encode())
    result = call("info", str(path))
    assert result.exit_code == 0, result.exception
    lines = checked(result.output).split("\n")
    assert f"title       {shown}" in lines
    assert f"law         {shown}, 1 channel, 8 x 8 cells" in lines
    assert "ok all done" not in lines
    assert "# [/] \\x1b[31m" in lines


def test_errors_name_files_settings_and_arguments(
    case: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, shown = case
    monkeypatch.chdir(tmp_path)
    assert f"error {shown}: no such file" in checked(ended(capsys, monkeypatch, "info", text))
    assert shown in checked(ended(capsys, monkeypatch, "run", text))
    assert shown in checked(ended(capsys, monkeypatch, "run", "quickstart", f"--set=law.name={text}"))
    checked(ended(capsys, monkeypatch, "run", "quickstart", f"--set=record.{text}=3"))
    checked(ended(capsys, monkeypatch, "export", str(record(tmp_path / "run.h5", "")), "--png", f"--field={text}"))
    checked(ended(capsys, monkeypatch, "info", "run.h5", text))
    checked(ended(capsys, monkeypatch, text))


def test_toml_keys_and_values_are_shown(
    case: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, _ = case
    quoted = '"' + "".join(c if c.isprintable() and c not in '\\"' else f"\\u{ord(c):04x}" for c in text) + '"'
    (tmp_path / "x.toml").write_text(f"steps = 3\n{quoted} = 1\n[law]\nname = {quoted}\n", "utf-8")
    printed = checked(ended(capsys, monkeypatch, "run", str(tmp_path / "x.toml")))
    assert "unknown key" in printed


def test_laws_of_entry_points_are_listed(case: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    text, shown = case
    point = EntryPoint(text, f"{text}:Law", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [point])
    result = call("laws")
    assert result.exit_code == 0, result.exception
    assert f"{shown}  registered by {shown}:Law" in checked(result.output)


def test_log_records_and_warnings_are_shown(case: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    text, shown = case

    def says(*_: object, **__: object) -> list[object]:
        get_logger("aetheria.anything").warning("log %s", text)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(f"warn {text.splitlines()[0]}", RuntimeWarning, stacklevel=1)
        return []

    monkeypatch.setattr("aetheria.diagnostics.doctor.examine", says)
    result = CliRunner().invoke(app, ["doctor"])
    printed = checked(result.stderr)
    assert f"warning log {shown}" in printed
    assert "warning warn " in printed


def test_a_run_with_a_hostile_title_and_name_prints_it_escaped(case: tuple[str, str], tmp_path: Path) -> None:
    text, _ = case
    (tmp_path / "soup.toml").write_text('steps = 2\n[grid]\nshape = [8, 8]\n[law]\nname = "life"\n[motor]\nplan = "eager"\n')
    target = tmp_path / f"{text.replace('/', '|')}.h5"
    result = call("run", str(tmp_path / "soup.toml"), "--out", str(target))
    assert result.exit_code == 0, result.exception
    checked(result.output)
    assert target.exists()
