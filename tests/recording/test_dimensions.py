"""Recordings of grids with one, two and three axes, and of slices: the file equals memory, opens everywhere, is repaired."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import xarray
from numpy.typing import NDArray

from aetheria import Recorder, Recording
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.observe.frame import Frame
from aetheria.recording import checksums, schema
from aetheria.recording.disk_space import frame_bytes
from aetheria.recording.repair.repair import repair
from aetheria.recording.slices import cut_axes, parse_slice, slice_text
from tests.recording.repair.test_repair import in_this_process
from tests.recording.small_motors import GRIDS, motor_on

FIELDS = ["rgb", "channel_1", "population"]
# Grid, slice, and the axes that are left.
CASES: list[tuple[tuple[int, ...], dict[str, Any], list[str]]] = [
    ((24,), {}, ["x"]),
    ((9, 14), {}, ["y", "x"]),
    ((9, 14), {"x": 3}, ["y"]),
    ((5, 6, 8), {}, ["z", "y", "x"]),
    ((5, 6, 8), {"z": 4}, ["y", "x"]),
    ((5, 6, 8), {"y": "mean"}, ["z", "x"]),
    ((5, 6, 8), {"x": "max", "z": 0}, ["y"]),
]
EACH_CASE = pytest.mark.parametrize(("grid", "cuts", "axes"), CASES, ids=lambda value: str(value).replace(" ", ""))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def record(path: Path, grid: tuple[int, ...], batch: int = 1, steps: int = 6, **options: Any) -> list[Frame]:
    """Records a run; returns the same frames from memory."""
    motor = motor_on(grid, batch)
    wanted: dict[str, Any] = {"fields": FIELDS, "every": 2} | {
        key: options.pop(key) for key in ("size", "dtype", "slice") if key in options
    }
    memory = motor.subscribe(**wanted, delivery="lossless", capacity=100)
    with Recorder(motor, path, **wanted, **options):
        motor.step(steps)
    memory.close()
    return list(memory)


def assert_equal(frames: list[Frame], path: Path) -> None:
    with Recording(path) as recording:
        assert len(recording) == len(frames)
        for kept, read in zip(frames, recording, strict=True):
            assert (kept.step, kept.fields.keys()) == (read.step, read.fields.keys())
            for name in kept.fields:
                assert kept[name].dtype == read[name].dtype
                np.testing.assert_array_equal(kept[name], read[name])


@EACH_CASE
@pytest.mark.parametrize(("batch", "codec"), [(1, "gzip"), (2, "fast")])
def test_a_file_of_any_rank_equals_the_frames_in_memory(
    path: Path, grid: tuple[int, ...], cuts: dict[str, Any], axes: list[str], batch: int, codec: Any
) -> None:
    frames = record(path, grid, batch, slice=cuts, codec=codec)
    sides = dict(zip(("z", "y", "x")[-len(grid) :], grid, strict=True))
    assert frames[0]["channel_1"].shape == (batch, *(sides[axis] for axis in axes))
    assert_equal(frames, path)
    with Recording(path) as recording:
        assert (recording.grid, recording.slice, recording.grid_axes) == (grid, cuts, tuple(axes))
        one = recording.read("rgb", 1, universe=batch - 1)
        np.testing.assert_array_equal(one, frames[1]["rgb"][batch - 1 :])


@EACH_CASE
def test_every_axis_has_a_scale_and_xarray_knows_it(
    path: Path, grid: tuple[int, ...], cuts: dict[str, Any], axes: list[str]
) -> None:
    frames = record(path, grid, 2, slice=cuts)
    with h5py.File(path) as file:
        assert [scale[0].name for scale in file["rgb"].dims] == [f"/{axis}" for axis in ("time", "universe", *axes, "colour")]
        assert [axis for axis in ("z", "y", "x") if axis in file] == axes
        assert file["channel_1"].attrs.get("slice", "") == slice_text(cuts)
        assert "slice" not in file["population"].attrs
        assert list(file.attrs["grid"]) == list(grid)
    with xarray.open_dataset(path, engine="h5netcdf") as dataset:
        assert dataset["channel_1"].dims == ("time", "universe", *axes)
        np.testing.assert_array_equal(dataset["channel_1"].isel(time=2), frames[2]["channel_1"])
        for axis in axes:
            np.testing.assert_array_equal(dataset[axis], np.arange(dataset.sizes[axis]))
    with Recording(path) as recording:
        assert recording.to_xarray()["channel_1"].dims == ("time", "universe", *axes)


def test_averaged_volumes_have_the_centres_of_their_areas(path: Path) -> None:
    frames = record(path, (4, 6, 8), size=(2, 3, 8))
    assert_equal(frames, path)
    with Recording(path) as recording:
        assert {axis: recording.axis(axis).tolist() for axis in recording.grid_axes} == {
            "z": [0.5, 2.5],
            "y": [0.5, 2.5, 4.5],
            "x": list(range(8)),
        }


def test_a_volume_larger_than_a_chunk_is_stored_in_layers_that_join_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert schema.chunk_shape((64, 256, 256), 4) == (1, 16, 256, 256)
    monkeypatch.setattr(schema, "MAX_CHUNK_BYTES", 700)
    frames = record(path, (5, 6, 8), 2)
    with h5py.File(path) as file:
        assert file["channel_1"].chunks == (1, 1, 3, 6, 8)
        assert file["rgb"].chunks == (1, 1, 1, 6, 8, 3)
    assert_equal(frames, path)


@EACH_CASE
def test_the_estimate_of_a_frame_is_its_size(grid: tuple[int, ...], cuts: dict[str, Any], axes: list[str]) -> None:
    motor = motor_on(grid, 2)
    request = motor.request(FIELDS, dtype="float16", slice=cuts)
    assert frame_bytes(request, motor.shape) == 40 + sum(values.nbytes for values in motor.look(request).fields.values())


@EACH_CASE
def test_a_run_is_resumed_and_equals_one_never_interrupted(
    path: Path, grid: tuple[int, ...], cuts: dict[str, Any], axes: list[str]
) -> None:
    frames = record(path.with_name("whole.h5"), grid, 2, 9, slice=cuts)
    wanted: dict[str, Any] = {"fields": FIELDS, "every": 2, "slice": cuts}
    motor = motor_on(grid, 2)
    with Recorder(motor, path, **wanted) as recorder:
        motor.step(3)
        state, point = motor.state_dict(), recorder.sync()
        motor.step(4)
    motor = motor_on(grid, 2)
    motor.load_state_dict(state)
    with Recorder(motor, path, **wanted, resume=point):
        motor.step(6)
    assert_equal(frames, path)


def test_a_recording_of_another_slice_is_not_appended_to(path: Path) -> None:
    motor = motor_on((5, 6, 8))
    with Recorder(motor, path, fields=["channel_1"], slice={"z": 3}) as recorder:
        point = recorder.sync()
    refused: list[tuple[Any, str]] = [
        ({"z": 2}, r"\(6, 8\) of slice z=2"),
        ({"z": "mean"}, r"\(6, 8\) of slice z=mean"),
        ({}, r"\(5, 6, 8\)"),
    ]
    for cuts, words in refused:
        with pytest.raises(ConfigError, match=f"does not hold channel_1 float32 {words}$"):
            Recorder(motor, path, fields=["channel_1"], slice=cuts, resume=point)


@pytest.mark.parametrize("grid", GRIDS)
def test_edits_keep_their_corner_of_as_many_axes_as_the_grid_has(path: Path, grid: tuple[int, ...]) -> None:
    motor, corner = motor_on(grid), tuple(range(1, len(grid) + 1))
    with Recorder(motor, path, fields=FIELDS):
        motor.step(2)
        motor.set_cells(torch.ones(5, *(2,) * len(grid)), at=corner)
        motor.step(1)
    with Recording(path) as recording:
        (edit,) = recording.edits
        assert (edit.at, edit.values.shape) == (corner, (5, *(2,) * len(grid)))  # type: ignore[union-attr]
        again = motor_on(grid)
        again.step(2)
        edit.apply(again)
        again.step(1)
        np.testing.assert_array_equal(recording[-1]["channel_1"], again.read("channel_1"))


@EACH_CASE
@pytest.mark.parametrize("batch", [1, 2])
def test_intact_frames_of_a_damaged_file_are_repaired(
    path: Path, grid: tuple[int, ...], cuts: dict[str, Any], axes: list[str], batch: int
) -> None:
    frames = record(path, grid, batch, slice=cuts)
    with h5py.File(path) as file:
        found = file["channel_1"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[found.byte_offset + found.size // 2] ^= 1
    path.write_bytes(content)
    with Recording(path) as recording, pytest.raises(RecordingError, match="frame 1 of channel_1"):
        recording.read("channel_1", 1)
    report = repair(path, path.with_name("out.h5"), attempt=in_this_process)
    assert (report.frames, report.lost) == (3, [(1, 2)])
    assert_equal([frames[0], *frames[2:]], path.with_name("out.h5"))
    with Recording(path.with_name("out.h5")) as recording:
        assert (recording.grid, recording.slice, recording.grid_axes) == (grid, cuts, tuple(axes))


def test_a_changed_cell_or_slice_is_noticed(path: Path) -> None:
    record(path, (5, 6, 8), slice={"z": 3})
    changed = path.with_name("changed.h5")
    shutil.copy(path, changed)
    with h5py.File(changed, "a") as file:
        file["channel_1"][2, 3, 4] += 1
    with Recording(changed) as recording, pytest.raises(RecordingError, match="frame 2 of channel_1 is damaged"):
        recording.read("channel_1", 2)
    with h5py.File(path, "a") as file:
        file["channel_1"].attrs["slice"] = "z=2"
    with pytest.raises(RecordingError, match="its attributes or axes were changed"):
        Recording(path)


def relabelled(path: Path, name: str, value: Any, owner: str = "/") -> None:
    """Sets an attribute of an object and makes the checksum of the layout anew, as a forger would."""
    with h5py.File(path, "a") as file:
        file[owner].attrs[name] = value
        file.attrs[checksums.LAYOUT] = checksums.of_layout(file)


@pytest.mark.parametrize(
    ("owner", "name", "value", "words"),
    [
        ("channel_1", "slice", "z=99", "slice: z = 99 given; expected 0 to 4"),
        ("channel_1", "slice", "w=1", 'slice: "w=1" given; expected axis=index'),
        ("channel_1", "slice", 7, 'slice: "7" given'),
        ("channel_1", "slice", "y=1", "channel_1 has the axes y, x; expected z, x"),
        ("channel_1", "slice", "z=1,y=1,x=1", "at least one must be left"),
        ("/", "grid", [6, 8], 'axis "z" given; the grid of 6 x 8 has y, x'),
        ("/", "grid", [2, 5, 6, 8], "attribute grid or universes is of another form"),
        ("/", "grid", [0, 6, 8], "attribute grid or universes is of another form"),
    ],
)
def test_a_slice_or_grid_that_does_not_fit_the_fields_is_refused(
    path: Path, owner: str, name: str, value: Any, words: str
) -> None:
    record(path, (5, 6, 8), slice={"z": 3})
    with h5py.File(path, "a") as file:
        del file["rgb"]
    relabelled(path, name, value, owner)
    with pytest.raises(RecordingError) as caught:
        Recording(path)
    assert str(caught.value).startswith(f"{path}: is damaged; ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        ({"z": 5}, "slice: z = 5 given; expected 0 to 4"),
        ({"w": 0}, 'slice: axis "w" given; the grid of 5 x 6 x 8 has z, y, x'),
        ({"z": "min"}, "slice: z = 'min' given"),
    ],
)
def test_a_slice_that_the_grid_has_not_is_refused_before_a_file_is_there(path: Path, cuts: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Recorder(motor_on((5, 6, 8)), path, slice=cuts)
    assert words in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("cuts", [{"z": 16}, {"y": "mean"}, {"z": 0, "x": "max"}])
def test_a_slice_is_read_back_from_its_text(cuts: dict[str, Any]) -> None:
    assert parse_slice(slice_text(cuts)) == cuts
    assert parse_slice(slice_text(cuts).replace(",", " , ").replace("=", " = ")) == cuts


@pytest.mark.parametrize(
    "text", ["", "z", "z=", "z=-1", "z=1.5", "z=½", "q=1", "z=1,z=2", "z=1,", "mean", "z=MAX", "z=" + "9" * 10]
)
def test_a_text_that_is_no_slice_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected axis=index, axis=mean or axis=max"):
        parse_slice(text)


@pytest.mark.parametrize("cuts", [{"z": 2}, {"y": "mean"}, {"x": "max"}, {"z": "max", "y": "mean"}, {"y": 1, "x": "mean"}])
@pytest.mark.parametrize("field", ["channel_1", "rgb"])
def test_a_volume_cut_on_the_host_is_the_motors_slice(cuts: dict[str, Any], field: str) -> None:
    motor = motor_on((5, 6, 8), 2)
    whole: NDArray[Any] = motor.read(field).numpy()
    np.testing.assert_allclose(cut_axes(whole, ("z", "y", "x"), cuts), motor.read(field, slice=cuts), rtol=1e-6)


def test_the_mean_of_angles_is_that_of_unit_vectors() -> None:
    angles = np.array([[3.0, -3.0], [0.1, 0.3]])
    np.testing.assert_allclose(cut_axes(angles, ("y", "x"), {"x": "mean"}, cyclic=True), [np.pi, 0.2])
