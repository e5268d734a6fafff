"""Recordings in other programs: ParaView's own reader, NumPy, Zarr, xarray, h5netcdf, h5py."""

import json
import sys
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pytest
import torch
import xarray
import zarr
from torch import nn
from typer.testing import CliRunner

from aetheria import GrowingNCA, Recorder, Recording
from aetheria.cli import app
from aetheria.core.errors import ConfigError, RecordingError, StateError
from aetheria.export.formats import save_npz, save_vtkhdf, save_zarr
from aetheria.motor.motor import Aetheria_Motor
from tests.export.paraview import seen_by_paraview

LEVELS = {"channel_3": (-1.0, 2.0)}


def record(path: Path, batch: int = 1, frames: int = 4, **options: Any) -> Path:
    torch.manual_seed(0)
    law = GrowingNCA(channels=5, hidden_channels=8)
    nn.init.normal_(law.update.weight, std=0.1)
    motor = Aetheria_Motor(law, (12, 20), 5, "cpu", {"plan": "eager"}, initial="noise", batch=batch)
    wanted: dict[str, Any] = {"fields": ["rgb", "channel_3", "population"], "every": 2} | options
    with Recorder(motor, path, **wanted):
        motor.step(2 * frames - 1)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_paraviews_own_reader_shows_every_frame(dtype: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record(tmp_path / "run.h5", dtype=dtype, levels=LEVELS if dtype == "uint8" else None)
    (tmp_path / "elsewhere").mkdir()
    for sidecar in (tmp_path / "run.vtkhdf", tmp_path / "elsewhere" / "run.vtkhdf"):
        with Recording(path) as recording:
            monkeypatch.chdir(tmp_path)
            save_vtkhdf(recording, sidecar.relative_to(tmp_path))
            monkeypatch.chdir("/")  # found from the sidecar, not from where somebody stands
            shown = seen_by_paraview(sidecar)
            assert len(shown) == len(recording) == 4
            for image, frame, time in zip(shown, recording, recording.times, strict=True):
                np.testing.assert_array_equal(image["channel_3"][0], frame["channel_3"][0])
                np.testing.assert_array_equal(np.moveaxis(image["rgb"][0], -1, 0), frame["rgb"][0])
                assert image["time"] == time
        assert sidecar.stat().st_size < 20_000


def test_paraview_sees_each_universe_and_averaged_fields_where_they_are(tmp_path: Path) -> None:
    path = record(tmp_path / "run.h5", batch=2, size=(6, 5), fields=["channel_3"])
    with Recording(path) as recording:
        save_vtkhdf(recording, tmp_path / "run.vtkhdf")
        shown = seen_by_paraview(tmp_path / "run.vtkhdf")
        for image, frame in zip(shown, recording, strict=True):
            for universe in (0, 1):
                np.testing.assert_array_equal(image[f"channel_3_universe_{universe}"][0], frame["channel_3"][universe])
    assert shown[0]["origin"].tolist() == [1.5, 0.5, 0]  # centres of areas of 4 x 2 cells
    assert shown[0]["spacing"].tolist() == [4, 2, 1]


def test_a_sidecar_is_laid_out_as_the_specification_says(tmp_path: Path) -> None:
    with Recording(record(tmp_path / "run.h5")) as recording:
        save_vtkhdf(recording, tmp_path / "run.vtkhdf")
    with h5py.File(tmp_path / "run.vtkhdf") as file:
        root = file["VTKHDF"]
        kind = root.attrs.get_id("Type").get_type()
        assert (kind.is_variable_str(), kind.get_cset(), root.attrs["Type"]) == (False, h5py.h5t.CSET_ASCII, b"ImageData")
        assert root.attrs["Version"].tolist() == [2, 0]
        assert root.attrs["WholeExtent"].tolist() == [0, 19, 0, 11, 0, 0]
        assert root.attrs["Direction"].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]
        assert root["Steps"].attrs["NSteps"] == 4
        assert root["Steps/PointDataOffsets/rgb"][:].tolist() == [0, 1, 2, 3]
        assert root["PointData/rgb"].is_virtual
        assert {source.file_name for source in root["PointData/rgb"].virtual_sources()} == {"run.h5"}


def test_what_paraview_could_not_read_is_refused_and_a_sidecar_is_no_recording(tmp_path: Path) -> None:
    with (
        Recording(record(tmp_path / "fast.h5", codec="fast")) as recording,
        pytest.raises(ConfigError, match='codec "fast"; ParaView reads "gzip" only'),
    ):
        save_vtkhdf(recording, tmp_path / "x.vtkhdf")
    with (
        Recording(record(tmp_path / "numbers.h5", fields=["population"])) as recording,
        pytest.raises(RecordingError, match="no field or no frame"),
    ):
        save_vtkhdf(recording, tmp_path / "x.vtkhdf")
    assert not (tmp_path / "x.vtkhdf").exists()
    with Recording(record(tmp_path / "run.h5")) as recording:
        save_vtkhdf(recording, tmp_path / "run.vtkhdf")
    with pytest.raises(RecordingError, match=r"is a ParaView file \(VTKHDF\), which points at a recording; open that instead"):
        Recording(tmp_path / "run.vtkhdf")


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("codec", ["gzip", "compact"])
def test_an_archive_holds_everything_and_no_pickle(batch: int, codec: Any, tmp_path: Path) -> None:
    with Recording(record(tmp_path / "run.h5", batch, codec=codec, config='title = "x"\nsteps = 7\n')) as recording:
        save_npz(recording, tmp_path / "run.npz")
        with np.load(tmp_path / "run.npz", allow_pickle=False) as archive:
            for index, frame in enumerate(recording):
                assert archive["step"][index] == frame.step
                assert archive["wall_time"][index] == frame.wall_time
                for name in ("rgb", "channel_3", "population"):
                    np.testing.assert_array_equal(archive[name][index], frame[name])
            np.testing.assert_array_equal(archive["time"], recording.times)
            np.testing.assert_array_equal(archive["x"], np.arange(20))
            about = json.loads(str(archive["metadata"]))
    assert (about["law"], about["grid"], about["universes"], about["seed"]) == ("GrowingNCA", [12, 20], batch, 0)
    assert about["config"].startswith('title = "x"')


def test_an_archive_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.core.memory_limits.available_bytes", lambda: 1000)
    with Recording(record(tmp_path / "run.h5")) as recording, pytest.raises(StateError, match=r"an archive needs .* --zarr"):
        save_npz(recording, tmp_path / "run.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_zarr_store_opens_in_zarr_and_xarray_with_its_axes_and_units(batch: int, tmp_path: Path) -> None:
    path = record(tmp_path / "run.h5", batch, dtype="uint8", levels=LEVELS)
    with Recording(path) as recording:
        save_zarr(recording, tmp_path / "run.zarr")
        save_zarr(recording, tmp_path / "run.zarr")  # replaces it
        stored = zarr.open_group(tmp_path / "run.zarr", mode="r")
        assert stored.attrs["law"] == "GrowingNCA"
        with (
            xarray.open_zarr(tmp_path / "run.zarr", consolidated=False) as dataset,
            xarray.open_dataset(path, engine="h5netcdf") as original,
        ):
            assert dict(dataset.sizes) == dict(original.drop_dims("byte", errors="ignore").sizes)
            for name in ("rgb", "channel_3", "population", "step"):
                assert dataset[name].dims == original[name].dims
                np.testing.assert_array_equal(dataset[name].values, original[name].values)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_a_folder_that_is_no_store_is_not_replaced_and_zarr_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.zarr").mkdir()
    (tmp_path / "run.zarr" / "thesis.tex").touch()
    with Recording(record(tmp_path / "run.h5")) as recording:
        with pytest.raises(ConfigError, match="is not a Zarr store; it is not replaced"):
            save_zarr(recording, tmp_path / "run.zarr")
        assert (tmp_path / "run.zarr" / "thesis.tex").exists()
        monkeypatch.setitem(sys.modules, "zarr", None)
        with pytest.raises(ConfigError, match="pip install zarr"):
            save_zarr(recording, tmp_path / "other.zarr")


def test_the_command_line_exports_several_at_once_and_replaces_only_when_told(tmp_path: Path) -> None:
    path = record(tmp_path / "run.h5")
    command = ["export", str(path), "--vtkhdf", "--npz", "--zarr", "--png"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert {file.name for file in tmp_path.iterdir()} == {"run.h5", "run.vtkhdf", "run.npz", "run.zarr", "run-rgb.png"}
    assert "run.npz: channel_3, rgb, population, 4 frames" in done.output
    assert isinstance(CliRunner().invoke(app, command).exception, ConfigError)
    assert CliRunner().invoke(app, [*command, "--overwrite"]).exit_code == 0


def test_h5py_and_h5netcdf_read_what_the_recording_reads(tmp_path: Path) -> None:
    """HDFView and MATLAB (7.3) ask HDF5 itself too: fixed types, filters of HDF5's own, names as plain paths."""
    path = record(tmp_path / "run.h5")
    with Recording(path) as recording:
        wanted = recording[3]["channel_3"][0]
    with h5py.File(path) as file, h5netcdf.File(path) as netcdf:
        np.testing.assert_array_equal(file["channel_3"][3], wanted)
        np.testing.assert_array_equal(netcdf["channel_3"][3], wanted)
        kinds = {name: data.dtype.kind for name, data in file.items() if isinstance(data, h5py.Dataset)}
        assert set(kinds.values()) <= set("iufS")
        assert all(name.isidentifier() for name in kinds)  # MATLAB's variables
