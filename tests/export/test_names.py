"""Names of exported fields: a recording of anybody may name them so that a format, an argument or a file system stumbles."""

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from typer.testing import CliRunner

from aetheria import Aetheria_Motor, Life, Recorder, Recording
from aetheria.cli import app
from aetheria.export.formats import save_npz, save_vtkhdf, save_zarr
from aetheria.export.names import exported_names
from aetheria.recording import checksums

HOSTILE = {
    "file": "file_2",
    "allow_pickle": "allow_pickle_2",
    "metadata": "metadata_2",
    "zarr.json": "zarr_json",
    "..": "field",
    "...": "field",
    "a b": "a_b",
    "time.": "time_2",
    "Time": "Time_2",
    "x.npy": "x_npy",
    "-rf": "rf",
    "%s%b": "s_b",
    "con\x1b[31m": "con_31m",
    "../../up": None,  # HDF5 takes it for a path
    "n" * 3000: "n" * 64,
    "\\\\server\\share": "server_share",
    "a\nb": "a_b",
    "größe": "größe",
}


def record(path: Path, names: dict[str, str], batch: int = 1) -> Path:
    """A recording without checksums (schema 2), some of whose fields are renamed."""
    motor = Aetheria_Motor(Life(), (6, 8), 1, "cpu", {"plan": "eager"}, batch=batch)
    with Recorder(motor, path, fields=["channel_0", "energy", "population"]):
        motor.step(2)
    with h5py.File(path, "r+") as file:
        del file["log/checksums"]
        del file.attrs[checksums.LAYOUT]
        file.attrs["aetheria_schema"] = 2
        for old, new in names.items():
            h5py.h5g.GroupID.move(file.id, old.encode(), new.encode())
    return path


@pytest.mark.parametrize("name", [name for name, exported in HOSTILE.items() if exported])
def test_a_hostile_name_is_renamed_with_a_word_and_its_values_are_there(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exported = HOSTILE[name]
    path = record(tmp_path / "run.h5", {"channel_0": name})
    with Recording(path) as recording:
        wanted = np.stack([recording.read(name, index) for index in range(3)])
        with caplog.at_level(logging.WARNING):
            save_npz(recording, tmp_path / "run.npz")
        assert [f"is exported as {exported}" in line for line in caplog.messages] == [True] * (exported != name)
        save_zarr(recording, tmp_path / "run.zarr")
        save_vtkhdf(recording, tmp_path / "run.vtkhdf")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive[exported], wanted)
        assert {"time", "step", "wall_time", "x", "y", "metadata", "energy", "population", exported} == set(archive.files)
        np.savez(tmp_path / "again.npz", **dict(archive))  # names that numpy takes as keywords
    store = zarr.open_group(tmp_path / "run.zarr", mode="r")
    np.testing.assert_array_equal(store[exported][:], wanted[:, 0])  # type: ignore[index]
    np.testing.assert_array_equal(store["time"][:], [0, 1, 2])  # type: ignore[index]
    with h5py.File(tmp_path / "run.vtkhdf") as file:
        np.testing.assert_array_equal(file[f"VTKHDF/PointData/{exported}"][:], wanted[:, 0])
    assert {entry.name for entry in tmp_path.iterdir()} == {"run.h5", "run.npz", "run.zarr", "run.vtkhdf", "again.npz"}


@pytest.mark.parametrize("name", [name for name, exported in HOSTILE.items() if exported])
def test_a_picture_of_a_hostile_field_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    path = record(tmp_path / "run.h5", {"channel_0": name, "energy": "other"})
    done = CliRunner().invoke(app, ["export", str(path), "--png", "--gif", f"--field={name}"])
    assert done.exit_code == 0, done.exception
    assert {entry.name for entry in tmp_path.iterdir()} == {"run.h5"} | {
        f"run-{HOSTILE[name]}.{kind}" for kind in ("png", "gif")
    }
    assert done.output.replace("\n", "").isprintable()


def test_names_that_clash_after_cleaning_stay_apart(tmp_path: Path) -> None:
    with Recording(record(tmp_path / "run.h5", {"channel_0": "a b", "energy": "a.b", "population": "A_B"})) as recording:
        names = exported_names(recording)
        assert names == {"A_B": "A_B", "a b": "a_b_2", "a.b": "a_b_3"}
        save_npz(recording, tmp_path / "run.npz")
        with np.load(tmp_path / "run.npz") as archive:
            for name, exported in names.items():
                got: Any = recording.observable(name) if name in recording.observables else [recording.read(name, 0)]
                np.testing.assert_array_equal(archive[exported][0], got[0])


def test_ordinary_names_are_kept_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Recording(record(tmp_path / "run.h5", {}, batch=2)) as recording:
        assert exported_names(recording) == {name: name for name in ("channel_0", "energy", "population")}
        save_vtkhdf(recording, tmp_path / "run.vtkhdf")
    assert caplog.messages == []
    with h5py.File(tmp_path / "run.vtkhdf") as file:
        assert "channel_0_universe_1" in file["VTKHDF/PointData"]


@pytest.mark.parametrize("name", ["100%.h5", "a%b.h5", "%%.h5", "my run.h5", "it's.h5"])
def test_paraviews_file_finds_a_recording_of_any_name(name: str, tmp_path: Path) -> None:
    path = record(tmp_path / name, {})
    with Recording(path) as recording:
        save_vtkhdf(recording, path.with_suffix(".vtkhdf"))
        wanted = np.stack([frame["channel_0"][0] for frame in recording])
    with h5py.File(path.with_suffix(".vtkhdf")) as file:
        np.testing.assert_array_equal(file["VTKHDF/PointData/channel_0"][:], wanted)
        assert wanted.any()
