"""The command line: commands, exit codes, messages and files."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from aetheria.cli import app, extensions, main
from aetheria.core.errors import AetheriaError, RecordingError
from aetheria.laws import LAWS, build_law, registry
from aetheria.recording import Recording
from tests.paths import ROOT

CONFIG = """
title = "a soup"
steps = 60
[grid]
height = 32
width = 48
[law]
name = "life"
[motor]
plan = "eager"
[record]
every = 20
fields = ["channel_0", "population"]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "soup.toml").write_text(CONFIG)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=True)


def failure(*arguments: str) -> AetheriaError:
    """The error of ours that a command ends with; `main` prints it and exits with its code."""
    result = call(*arguments)
    assert isinstance(result.exception, AetheriaError), result.output
    return result.exception


def test_a_run_too_large_for_memory_is_refused_unless_forced(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: little)
    assert "are taken at most; use a smaller grid or batch" in str(failure("run", "soup.toml", "--out", "soup.h5"))
    assert not Path("soup.h5").exists()
    assert call("run", "soup.toml", "--out", "soup.h5", "--force").exit_code == 0
    with Recording("soup.h5") as recording:
        assert len(recording) == 4
    assert "are taken at most" in str(failure("run", "soup.toml", "--out", "again.h5"))


def shell(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from aetheria.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_run_leaves_a_recording_and_a_picture_and_prints_their_paths(here: Path) -> None:
    result = call("run", "soup.toml")
    assert result.exit_code == 0, result.output
    assert "done 60 steps" in result.output
    assert "runs/soup.h5" in result.output
    assert re.search(r"Next: \S.* info runs/soup.h5 .* export runs/soup.h5 --gif", result.output)
    with Recording(here / "runs/soup.h5") as recording:
        assert list(recording.steps) == [0, 20, 40, 60]
        assert recording.attributes["title"] == "a soup"
        last = recording[-1]["channel_0"][0]
    with Image.open(here / "runs/soup.png") as image:
        picture = np.asarray(image)
    assert picture.shape == (32 * 4, 48 * 4, 3)
    brightness = picture[2::4, 2::4].sum(2)
    np.testing.assert_array_equal(brightness > brightness.min(), last > 0)


def test_the_recording_holds_all_that_is_needed_to_run_it_again(here: Path) -> None:
    call("run", "soup.toml", "--set", "law.rule=B36/S23", "--set", "seed=9", "--out", "a.h5")
    with Recording("a.h5") as recording:
        (here / "again.toml").write_text(recording.config)
    call("run", "again.toml", "--out", "b.h5")
    with Recording("a.h5") as a, Recording("b.h5") as b:
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one["channel_0"], other["channel_0"])
        assert a.attributes["config_sha256"] == b.attributes["config_sha256"]


def test_options_change_steps_output_and_settings_and_quiet_is_quiet(here: Path) -> None:
    result = call("run", "soup.toml", "--steps", "30", "--out", "x.h5", "--set", "record.every=10", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    with Recording("x.h5") as recording:
        assert list(recording.steps) == [0, 10, 20, 30]


def test_nothing_is_overwritten_without_the_option(here: Path) -> None:
    assert call("run", "soup.toml", "--steps", "1").exit_code == 0
    before = (here / "runs/soup.h5").read_bytes()
    error = failure("run", "soup.toml")
    assert error.exit_code == 2
    assert "runs/soup.h5: exists; use --overwrite" in str(error)
    assert (here / "runs/soup.h5").read_bytes() == before
    assert call("run", "soup.toml", "--steps", "2", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.toml"], 5, "nowhere.toml: no such file"),
        (["soup.toml", "--set", "law.name=lief"], 2, "did you mean Life"),
        (["soup.toml", "--set", "law.rule=B3T23"], 2, 'rule: "B3T23" given'),
        (["soup.toml", "--set", "record.fields=['densty']"], 2, 'field "densty"'),
        (["soup.toml", "--set", "picture.field=population"], 2, "is an observable"),
        (["soup.toml", "--set", "picture.levels=[1,1]"], 2, "[picture] levels: [1.0, 1.0] given"),
        (["soup.toml", "--set", "law=Life"], 2, "[config] law: 'Life' given; must be a table"),
        (["soup.toml", "--set", "picture.colour_map=jet"], 2, 'colour_map: "jet" given'),
        (["soup.toml", "--set", "record.levels={channel_0=[1]}", "--set", "record.dtype=uint8"], 2, "expected [low, high]"),
        (["soup.toml", "--set", "law.weights=w.safetensors"], 5, "w.safetensors: no such file"),
        (["soup.toml", "--set", "initial={kind='rle', path='torn.rle'}"], 5, "the file is truncated"),
        (["soup.toml", "--set", "law={name='unet', d_state=2}", "--set", "grid.height=30"], 2, "multiple of 4"),
        (["soup.toml", "--device", "cuda:9"], 2, "CUDA devices found"),
        (["soup.toml", "--out", "no/such/folder.h5"], 2, "does not exist"),
        (["soup.toml", "--out", "runs.txt"], 2, "ends in .h5"),
        (["soup.toml", "--set", "grid={height=10000000, width=10000000}"], 2, "[grid] height: 10000000 given"),
        (["soup.toml", "--set", "grid={height=1000000, width=1000000}"], 2, "stepping needs at least"),
    ],
)
def test_bad_input_is_named_ends_with_its_code_and_leaves_nothing(
    here: Path, arguments: list[str], code: int, words: str
) -> None:
    (here / "torn.rle").write_text("x = 3, y = 3\nbob$2bo$3o")
    before = sorted(here.rglob("*"))
    error = failure("run", *arguments)
    assert error.exit_code == code
    assert words in str(error)
    assert sorted(here.rglob("*")) == before


def test_errors_are_printed_without_a_traceback_and_set_the_exit_code(here: Path) -> None:
    result = shell("run", "nowhere.toml")
    assert result.returncode == 5
    assert result.stderr.startswith("error nowhere.toml: no such file")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["run", "soup.toml", "--steps", "0"], ["jump"]])
def test_wrong_arguments_end_with_2(here: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["aetheria", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


# 50: density overflows a while before the cells do; 1e9: at once; "grid": the norm does, and zero cells would look healthy.
@pytest.mark.parametrize(("scale", "normalise"), [(50, "none"), (1e9, "none"), (1e22, "grid")])
def test_a_run_that_diverges_ends_with_4_and_keeps_its_good_frames(here: Path, scale: float, normalise: str) -> None:
    law = f'name = "mlp"\nd_state = 2\nnormalise = "{normalise}"\nnorm = "none"\noutput_scale = {scale}'
    text = CONFIG.replace('name = "life"', law).replace('["channel_0", "population"]', '["density"]')
    (here / "big.toml").write_text(text.replace("steps = 60", "steps = 600").replace("every = 20", "every = 1"))
    result = call("run", "big.toml")
    assert result.exit_code == 4, result.output
    assert "diverged" in result.output
    with Recording("runs/big.h5") as recording:
        assert recording.status == "diverged"
        assert len(recording) >= 1
        assert all(np.isfinite(frame["density"]).all() for frame in recording)
    assert not (here / "runs/big.png").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_closes_its_recording(here: Path, number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-c", "from aetheria.cli import main; main()", "run", "soup.toml", "--steps", "100000000"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    _wait_for_frames(here / "runs/soup.h5", 10)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "interrupted at step" in said
    with Recording(here / "runs/soup.h5") as recording:
        assert recording.status == "interrupted"
        assert len(recording) >= 10
    assert (here / "runs/soup.png").is_file()


def test_info_says_what_a_recording_holds_and_how_to_open_it(here: Path) -> None:
    call("run", "soup.toml")
    result = call("info", "runs/soup.h5")
    assert result.exit_code == 0
    for words in ("done", "a soup", "Life, 1 channel, 32 x 48", "4, steps 0 to 60, every 20", "population", 'name = "life"'):
        assert words in result.output
    assert 'xarray.open_dataset("runs/soup.h5", engine="h5netcdf")' in result.output
    (here / "junk.h5").write_bytes(b"junk")
    assert failure("info", "junk.h5").exit_code == 5


def test_export_makes_pictures_and_films(here: Path) -> None:
    call("run", "soup.toml")
    result = call("export", "runs/soup.h5", "--gif", "--mp4", "--field", "channel_0", "--from", "20", "--colour-map", "ice")
    assert result.exit_code == 0, result.output
    assert "runs/soup-channel_0.gif: channel_0, 3 frames, steps 20 to 60" in result.output
    assert (here / "runs/soup-channel_0.mp4").stat().st_size > 500
    assert call("export", "runs/soup.h5", "--png", "--to", "20", "--out", "x.png", "--scale", "1").exit_code == 0
    with Image.open(here / "x.png") as image:
        assert image.size == (48, 32)
    assert "exists" in str(failure("export", "runs/soup.h5", "--png", "--out", "x.png"))
    assert "expected one or more of --png" in str(failure("export", "runs/soup.h5"))
    assert "names one file" in str(failure("export", "runs/soup.h5", "--png", "--gif", "--out", "y.png"))


def test_laws_lists_every_law_with_parameters_radius_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("MyLaw", "somebody.laws:MyLaw", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [point])
    result = call("laws")
    assert result.exit_code == 0
    for name in registry.LAWS:
        assert re.search(rf"^{name}  \S", result.output, re.MULTILINE)
    assert "rule=B3/S23" in result.output
    assert "MyLaw  registered by somebody.laws:MyLaw" in result.output
    headings = [
        line for line in result.output.splitlines() if line in ("Discrete", "Physics", "Continuous", "Neural", "Quantum")
    ]
    assert headings == ["Discrete", "Physics", "Continuous", "Neural", "Quantum"]
    of_generations = result.output.partition("\nGenerations  ")[2].partition("\n  example")
    assert re.search(r"notation    345/2/4, ", of_generations[0])
    assert re.match(r" +\S.* run (brians_brain|star_wars)\n", of_generations[2])
    assert result.output.index("\nDiscrete\n" if "\nDiscrete\n" in result.output else "Discrete") < result.output.index("HPP  ")


def test_a_registered_law_can_be_named_in_a_config(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("HighLife", "aetheria.laws.discrete.life:Life", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [point])
    assert call("run", "soup.toml", "--set", "law={name='highlife', rule='B36/S23'}").exit_code == 0


def test_doctor_reports_and_tests_this_machine() -> None:
    result = call("doctor")
    assert result.exit_code == 0, result.output
    for words in ("Python", "torch", "C++ compiler", "precisions on cpu", "fused = eager on cpu", "Life on cpu"):
        assert f"ok {words}" in result.output
    plans = dict(re.findall(r"ok plan for (\w+) on cpu +(\w+): \w+", result.output))
    assert plans.keys() == LAWS.keys()
    known = {
        **dict.fromkeys(("MLP", "DEEP_QCA", "GrowingNCA", "Lenia"), "fused"),
        **dict.fromkeys(("UNet", "ConvLSTM"), "winograd"),
        "NeuralCA": "compiled",
        "Life": "packed",
    }
    assert {name: plans[name] for name in known} == known


def test_doctor_names_the_remedy_for_a_missing_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    from aetheria.diagnostics import doctor

    monkeypatch.setattr("shutil.which", lambda _: None)
    finding = next(doctor._compiler())
    assert not finding.good
    assert "install g++" in finding.hint


def test_doctor_tells_the_plans_of_a_gpu_where_no_compiler_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from aetheria.diagnostics import doctor

    monkeypatch.setattr(doctor, "compiler", lambda: None)
    monkeypatch.setattr(doctor, "_all_devices", lambda: ["cpu", "meta"])  # in place of a GPU
    found = [result.name for result in doctor._plans()]
    assert "plan for MLP on meta" in found
    assert not any(name.endswith("on cpu") for name in found)


def view_is_installed(monkeypatch: pytest.MonkeyPatch, target: str = "viewer.__main__:command") -> None:
    point = EntryPoint("view", target, extensions.ENTRY_POINTS)
    monkeypatch.setattr(extensions, "entry_points", lambda **_: [point])


def test_a_command_of_another_package_is_loaded_from_its_entry_point(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view_is_installed(monkeypatch)
    opened: list[Any] = []

    def opening(*given: Any) -> int:
        opened.append(given)
        return 7

    monkeypatch.setattr("viewer.__main__.main", opening)
    result = call("view", "soup.toml", "--set", "steps=3", "--device", "cpu")
    assert (result.exit_code, opened) == (7, [("soup.toml", ["steps=3"], "cpu")])
    assert "Open a window on a live simulation" in call("--help").output


@pytest.mark.parametrize("target", ["viewer.nowhere:command", None])
def test_view_without_the_viewer_says_what_to_install(monkeypatch: pytest.MonkeyPatch, target: str | None) -> None:
    if target:
        view_is_installed(monkeypatch, target)
    else:
        monkeypatch.setattr(extensions, "entry_points", lambda **_: [])
    error = failure("view")
    assert error.exit_code == 2
    assert "view: the viewer needs PySide6 and pyqtgraph: pip install '.[viewer]' in the folder of Aetheria's source (" in str(
        error
    )
    assert call("--help").exit_code == 0
    assert call("jump").exit_code == 2


def test_quantise_makes_a_smaller_file_that_loads(here: Path) -> None:
    lizard = ROOT / "configs/weights/growing_nca_lizard.safetensors"
    result = call("quantise", str(lizard), "small.safetensors")
    assert result.exit_code == 0, result.output
    assert "small.safetensors: 10 KiB, 3.3 times smaller than 33 KiB" in result.output
    law, exact = (build_law("GrowingNCA", weights=path) for path in ("small.safetensors", lizard))
    largest = max(float((a - b).detach().abs().max()) for a, b in zip(law.parameters(), exact.parameters(), strict=True))
    assert 0 < largest < 0.01
    assert "small.safetensors: exists; use --overwrite" in str(failure("quantise", str(lizard), "small.safetensors"))
    assert call("quantise", str(lizard), "small.safetensors", "--overwrite").exit_code == 0
    for source, target, code, words in (
        (str(lizard), "small.pt", 2, "small.pt: expected a name that ends in .safetensors"),
        ("nowhere.safetensors", "new.safetensors", 5, "nowhere.safetensors: no such file"),
        ("soup.toml", "new.safetensors", 2, "soup.toml: expected a name that ends in .safetensors"),
    ):
        error = failure("quantise", source, target)
        assert (error.exit_code, words in str(error)) == (code, True), error
        assert not Path(target).exists() or target == "small.safetensors"


def test_help_names_the_tables_of_a_training() -> None:
    said = " ".join(call("train", "--help").output.replace("│", " ").split())
    assert "[law], [train], and [data] or a [picture]." in said


def test_help_imports_neither_torch_nor_h5py() -> None:
    code = (
        "import json, sys\nfrom typer.testing import CliRunner\nfrom aetheria.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(json.dumps(sorted({'torch', 'h5py', 'numpy', 'pydantic', 'PIL'} & set(sys.modules))))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []


def test_version_is_that_of_the_package() -> None:
    import aetheria

    assert call("--version").output.strip() == aetheria.__version__


def _wait_for_frames(path: Path, frames: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with Recording(path) as recording:
                if len(recording) >= frames:
                    return
        except AetheriaError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{path} did not reach {frames} frames in 60 s")


def test_a_folder_for_runs_that_cannot_be_made_is_an_argument_error(here: Path) -> None:
    (here / "runs").write_text("a file")
    error = failure("run", "soup.toml")
    assert error.exit_code == 2
    assert "runs is not a folder" in str(error)


def test_info_on_an_unfinished_recording_says_how_it_can_be_opened(here: Path) -> None:
    call("run", "soup.toml")
    with h5py.File("runs/soup.h5", "a") as file:
        file["status"][()] = b"running"
    output = call("info", "runs/soup.h5").output
    assert 'h5py.File("runs/soup.h5", "r", swmr=True)' in output
    assert "open_dataset" not in output


def test_a_failed_export_keeps_the_old_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("run", "soup.toml")
    old = here / "x.gif"
    old.write_bytes(b"precious")
    original = Recording.read

    def torn(self: Recording, name: str, index: int, universe: int | None = None) -> Any:
        if index == 2:
            raise RecordingError("chunk 2 is torn")
        return original(self, name, index, universe)

    monkeypatch.setattr(Recording, "read", torn)
    before = sorted(here.rglob("*"))
    for kind in ("gif", "mp4"):
        failure("export", "runs/soup.h5", f"--{kind}", "--out", f"x.{kind}", "--levels", "0", "1", "--overwrite")
    assert old.read_bytes() == b"precious"
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--png", "--out", "a.xyz"], "ends in .png"),
        (["--gif", "--levels", "1", "1"], "low < high"),
        (["--gif", "--field", "chanel_0"], "did you mean channel_0"),
        (["--gif", "--from", "500"], "no frame between steps 500"),
    ],
)
def test_bad_export_arguments_end_with_2(here: Path, arguments: list[str], words: str) -> None:
    call("run", "soup.toml")
    error = failure("export", "runs/soup.h5", *arguments)
    assert error.exit_code == 2
    assert words in str(error)


NAMES = ["50% done", "100%b%d%%", "a b", "it's", 'q"q', "[red]x", "-dash", "$HOME", "12:30"]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_of_any_name_is_run_exported_and_printed_as_a_shell_wants_it(here: Path, name: str) -> None:
    result = call("run", "soup.toml", "--steps", "20", "--out", f"{name}.h5")
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.output.splitlines() if line.startswith("Next: "))
    printed = shlex.split(line.removeprefix("Next: ").partition("   |   ")[0])
    assert Path(printed[-1]).name == f"{name}.h5"
    assert Path(printed[-1]).is_file()
    assert not printed[-1].startswith("-")
    for kind in ("png", "gif", "mp4", "vtkhdf", "npz", "zarr"):
        result = call("export", f"--{kind}", "--overwrite", printed[-1])
        assert result.exit_code == 0, result.output
    with h5py.File(f"./{name}.vtkhdf") as file, Recording(printed[-1]) as recording:
        shown = file["VTKHDF/PointData/channel_0"][:]
        assert shown.any()
        np.testing.assert_array_equal(shown[-1], recording.read("channel_0", -1)[0])
    said = call("info", printed[-1]).output
    assert f"aetheria.Recording({json.dumps(str(Path(printed[-1])))})" in said


def test_python_m_aetheria_is_the_command_line(here: Path) -> None:
    result = subprocess.run([sys.executable, "-m", "aetheria", "run", "nowhere.toml"], capture_output=True, text=True)
    assert result.returncode == 5
    assert result.stderr.startswith("error nowhere.toml: no such file")


def test_another_file_than_a_config_is_named_and_its_use_is_said(here: Path) -> None:
    assert call("run", "soup.toml", "--steps", "1", "--out", "my run.h5").exit_code == 0
    np.save("a.npy", np.eye(3))
    (here / "folder").mkdir()
    os.mkfifo("pipe.toml")
    for name, words in {
        "my run.h5": "is a recording; expected a config (.toml). Its use: aetheria view 'my run.h5', "
        "or aetheria run --resume 'my run.h5'",
        "a.npy": "is a NumPy array; expected a config",
        "folder": "is a folder; expected a config",
        "pipe.toml": "is a device or a pipe; expected a config",
    }.items():
        error = failure("run", name)
        assert error.exit_code == 5
        assert str(error).startswith(f"{name}: {words}")


def test_files_on_the_command_line_are_relative_to_the_current_folder(here: Path) -> None:
    (here / "configs").mkdir()
    (here / "soup.toml").rename(here / "configs/soup.toml")
    (here / "block.rle").write_text("x = 2, y = 2\n2o$2o!")
    result = call("run", "configs/soup.toml", "--set", "initial.kind=rle", "--set", "initial.path=block.rle")
    assert result.exit_code == 0, result.output
    with Recording("runs/soup.h5") as recording:
        assert recording.observable("population")[-1, 0] == 4


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere.at_all:Law", "cannot be imported: ModuleNotFoundError"),
        ("aetheria.laws.updates:Residual", "[law.residual] channels: missing"),
        ("tests.small_laws:Refuses", "[law.refuses] cannot be built: RuntimeError: not today"),
    ],
)
def test_a_registered_law_that_fails_is_named(here: Path, monkeypatch: pytest.MonkeyPatch, target: str, words: str) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda **_: [EntryPoint("Theirs", target, registry.ENTRY_POINTS)])
    error = failure("run", "soup.toml", "--set", "law={name='theirs'}")
    assert error.exit_code == 2
    assert words in str(error)


def test_a_network_too_large_for_memory_is_refused(here: Path) -> None:
    error = failure("run", "soup.toml", "--set", "law={name='mlp', d_state=2, perceive='self', hidden_channels=10000000}")
    assert error.exit_code == 2
    assert "out of memory; use a smaller grid, batch or network" in str(error)


def test_doctor_reports_what_fails_instead_of_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    from aetheria.diagnostics import doctor

    def broken() -> Any:
        raise RuntimeError("driver too old")

    monkeypatch.setattr("torch.cuda.is_available", broken)
    monkeypatch.setattr(doctor, "_self_test", lambda: iter(()))
    findings = list(doctor.examine())
    assert any("driver too old" in finding.value and not finding.good for finding in findings)
    assert not doctor.healthy(findings)
