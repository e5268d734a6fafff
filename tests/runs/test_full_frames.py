"""Frames at full resolution in a Zarr store: those of the motor, committed as a whole, continued by a resume."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from aetheria import Recording
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.recording import tiled_store
from aetheria.recording.tiled_recording import TiledRecording
from aetheria.recording.tiled_store import TiledStore, divisor_up_to, shard_sides
from aetheria.runs import full_frames
from aetheria.runs.config import RunConfig
from aetheria.runs.full_frames import TileWriter
from aetheria.runs.resume import resume
from aetheria.runs.run import build_motor, run

STEPS, EVERY = 12, 3


def config(law: dict[str, Any] | None = None, **record: Any) -> RunConfig:
    settings = {
        "steps": STEPS,
        "seed": 4,
        "device": "cpu",
        "grid": {"height": 20, "width": 24},
        "law": law or {"name": "Life"},
        "motor": {"plan": "eager"},
        "record": {"every": EVERY, "format": "zarr", **record},
        "checkpoint": {"every": 6},
    }
    return RunConfig.checked(settings, "")


@pytest.fixture
def few_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_frames, "PREVIEW", 8)


@pytest.mark.usefixtures("few_pixels")
@pytest.mark.parametrize(
    "record",
    [{}, {"fields": ["channel_0", "population"], "dtype": "uint8", "levels": {"channel_0": [0, 1]}}, {"dtype": "float16"}],
)
def test_frames_are_those_of_the_motor_and_xarray_reads_them(tmp_path: Path, record: dict[str, Any]) -> None:
    wanted, out = config(**record), tmp_path / "run.h5"
    run(wanted, out)
    with Recording(out) as recording, build_motor(wanted) as motor:
        full = recording.full_resolution
        name = full.fields[0]
        assert full.fields == recording.fields == (name,)
        assert recording[0][name].shape == (1, 5, 8)
        levels = {"channel_0": (0.0, 1.0)} if wanted.record.levels else None
        request = motor.request([name], dtype=wanted.record.dtype, levels=levels)
        pixels = full.to_xarray()[name]
        assert full.steps.tolist() == recording.steps.tolist() == list(range(0, STEPS + 1, EVERY))
        for index, frame in enumerate(full):
            assert np.array_equal(frame[name], motor.look(request)[name])
            assert frame[name].dtype == np.dtype(wanted.record.dtype)
            assert np.array_equal(pixels[index], motor.read(name)[0].numpy())
            motor.step(EVERY)
        assert pixels.attrs["long_name"]
        assert pixels.dims == ("time", "y", "x")


@pytest.mark.parametrize("law", [{"name": "GrowingNCA", "channels": 5, "hidden_channels": 4}])
def test_colours_are_the_last_axis(tmp_path: Path, law: dict[str, Any]) -> None:
    wanted, out = config(law, fields=["rgb"]), tmp_path / "run.h5"
    run(wanted, out)
    full = TiledRecording(tmp_path / "run.zarr")
    with build_motor(wanted) as motor:
        assert np.array_equal(full[0]["rgb"], motor.read("rgb").numpy())
    assert zarr.open_array(tmp_path / "run.zarr" / "rgb", mode="r").shape == (5, 20, 24, 3)


def test_a_resume_goes_on_and_makes_the_same_frames(tmp_path: Path) -> None:
    whole, out = config().model_copy(update={"steps": 21}), tmp_path / "run.h5"
    run(whole, tmp_path / "whole.h5")
    run(config(), out)
    full = TiledRecording(tmp_path / "run.zarr")
    assert len(full) == 5
    resume(out, steps=21)
    other = TiledRecording(tmp_path / "whole.zarr")
    assert full.steps.tolist() == other.steps.tolist()
    assert all(np.array_equal(one["channel_0"], two["channel_0"]) for one, two in zip(full, other, strict=True))


def test_readers_see_committed_frames_alone(tmp_path: Path) -> None:
    run(config(), tmp_path / "run.h5")
    path = tmp_path / "run.zarr"
    store, full = TiledStore(path), TiledRecording(path)
    last = full[-1]["channel_0"]
    store.write("channel_0", 5, np.zeros((20, 24)))  # and killed before it is committed
    assert len(full) == len(full.to_xarray().time) == zarr.open_array(path / "channel_0", mode="r").shape[0] == 5
    assert np.array_equal(full[-1]["channel_0"], last)
    assert last.any()
    store.commit(3)
    assert len(full) == len(full.to_xarray().time) == zarr.open_array(path / "channel_0", mode="r").shape[0] == 3


@pytest.mark.parametrize("written", range(4))  # of the lengths of three arrays, and of the list of all
def test_a_commit_that_is_ended_shows_no_part_of_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    run(config(), tmp_path / "run.h5")
    path, real = tmp_path / "run.zarr", tiled_store._write_json
    done: list[Path] = []

    def write(path: Path, content: Any) -> None:
        if len(done) == written:
            raise KeyboardInterrupt
        done.append(path)
        real(path, content)

    monkeypatch.setattr(tiled_store, "_write_json", write)
    with pytest.raises(KeyboardInterrupt):
        TiledStore(path).commit(6)
    full = TiledRecording(path)
    assert len(full) == full.to_xarray().sizes["time"] == TiledStore(path).frames == 5


def test_nan_ends_the_run_and_keeps_the_frames_before(tmp_path: Path) -> None:
    with build_motor(config({"name": "GrayScott"})) as motor:
        writer = TileWriter(motor, config().record)
        TiledStore.create(tmp_path / "x.zarr", writer.request, motor.shape, (20, 24), {"universes": 1})
        assert writer.write(tmp_path / "x.zarr", 0)
        with torch.inference_mode():
            motor._loop.stepper.own_state[0][0, :, 3, 3] = torch.nan
        assert not writer.write(tmp_path / "x.zarr", 1)


def test_what_does_not_fit_is_refused_before_the_run(tmp_path: Path) -> None:
    out = tmp_path / "run.h5"
    with pytest.raises(ConfigError, match=r'\[record\] slice: .* given with format "zarr"'):
        run(config(slice={"y": 3}), out)
    with pytest.raises(ConfigError, match="observables alone"):
        run(config(fields=["population"]), out)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "run.zarr").mkdir()
    with pytest.raises(ConfigError, match=r"run\.zarr: exists"):
        run(config(), out)
    with pytest.raises(ConfigError, match=r"run\.zarr: is not a Zarr store"):
        run(config(), out, overwrite=True)
    (tmp_path / "run.zarr").rmdir()
    run(config(), out)
    run(config(), out, overwrite=True)
    run(config(), tmp_path / "other.h5")
    (tmp_path / "run.zarr").rename(tmp_path / "old.zarr")
    with Recording(out) as recording, pytest.raises(RecordingError, match=r"run\.zarr: cannot be read as a store of frames"):
        _ = recording.full_resolution
    (tmp_path / "other.zarr").rename(tmp_path / "run.zarr")
    with Recording(out) as recording, pytest.raises(RecordingError, match="belongs to another recording"):
        _ = recording.full_resolution
    with pytest.raises(RecordingError, match="belongs to another recording"):
        resume(out, steps=20)


def test_shards_lie_in_one_tile_each() -> None:
    assert shard_sides((24, 20), [(0, 0), (12, 0)]) == (12, 20)
    assert shard_sides((100, 300), [(0, 0), (0, 128), (40, 0), (40, 128)]) == (40, 128)
    assert shard_sides((65536, 8192), [(0, 0), (32768, 0)]) == (2048, 2048)
    assert divisor_up_to(8190, 256) == 234
