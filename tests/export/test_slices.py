"""Exports of grids with one and three axes: pictures of slices, space-time pictures, ParaView, NumPy and Zarr."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray
from numpy.typing import NDArray
from PIL import Image

from aetheria import Aetheria_Motor, Law, Recorder, Recording
from aetheria.core.errors import AetheriaError, ConfigError, StateError
from aetheria.export.formats import save_npz, save_vtkhdf, save_zarr
from aetheria.export.pictures import Movie, PictureStyle, save_gif, save_mp4, save_png
from aetheria.observe.colour_maps import paint
from tests.export.paraview import seen_by_paraview
from tests.recording.small_motors import motor_on

LEVELS = (0.0, 1.0)


def record(path: Path, grid: tuple[int, ...], batch: int = 1, **options: Any) -> Recording:
    motor = motor_on(grid, batch)
    wanted: dict[str, Any] = {"fields": ["rgb", "channel_1", "population"], "every": 2}
    with Recorder(motor, path, **wanted | options):
        motor.step(7)
    return Recording(path)


@pytest.fixture
def volume(tmp_path: Path) -> Recording:
    return record(tmp_path / "run.h5", (5, 6, 8), 2)


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def style(**options: Any) -> PictureStyle:
    return PictureStyle(colours="grey", levels=LEVELS, **options)


@pytest.mark.parametrize(
    ("cuts", "cut"),
    [
        ({"z": 3}, lambda values: values[3]),
        ({"y": "mean"}, lambda values: values.mean(1)),
        ({"x": "max"}, lambda values: values.max(2)),
    ],
)
def test_a_picture_shows_the_slice_of_its_frame(volume: Recording, tmp_path: Path, cuts: dict[str, Any], cut: Any) -> None:
    movie = Movie(volume, "channel_1", style(slice=cuts, universe=1))
    save_png(movie, tmp_path / "x.png", 2)
    np.testing.assert_array_equal(pixels(tmp_path / "x.png"), paint(cut(volume[2]["channel_1"][1]), LEVELS, "grey"))
    save_gif(movie, tmp_path / "x.gif", 10)
    with Image.open(tmp_path / "x.gif") as gif:
        shown = cut(volume[0]["channel_1"][1])
        assert (gif.n_frames, gif.size) == (4, shown.shape[::-1])  # type: ignore[attr-defined]


def test_colours_of_a_volume_are_sliced_too(volume: Recording) -> None:
    image = np.asarray(Movie(volume, "rgb", PictureStyle(slice={"z": 1}))[1])
    wanted = np.moveaxis(volume[1]["rgb"][0, :, 1], 0, -1)
    np.testing.assert_array_equal(image, np.round(wanted.astype(np.float64) * 255).astype(np.uint8))


def test_an_index_counts_cells_in_a_recording_with_fewer_pixels(tmp_path: Path) -> None:
    with record(tmp_path / "run.h5", (8, 6, 6), size=(4, 6, 6)) as recording:
        values = recording[0]["channel_1"][0]
        for cell in range(8):
            image = Movie(recording, "channel_1", style(slice={"z": cell}))[0]
            np.testing.assert_array_equal(np.asarray(image), paint(values[cell // 2], LEVELS, "grey"))
        with pytest.raises(ConfigError, match="z = 8 given; expected 0 to 7"):
            Movie(recording, "channel_1", style(slice={"z": 8}))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_the_mean_of_phases_is_taken_on_the_circle(tmp_path: Path, dtype: Any) -> None:
    motor = two_planes_of_angles()
    with Recorder(motor, tmp_path / "run.h5", fields=["phase_0"], dtype=dtype):
        motor.step(1)
    with Recording(tmp_path / "run.h5") as recording:
        image = np.asarray(Movie(recording, style=PictureStyle(slice={"z": "mean"}))[0])
    wanted = motor.read("phase_0", slice={"z": "mean"})[0].numpy()
    near = np.asarray(paint(wanted, (-np.pi, np.pi), "phase"))
    assert np.abs(image.astype(int) - near).max() <= 4, "angles near pi and -pi average to pi, not to 0"


class Still(Law):
    """Amplitudes that stay as they are."""

    channels = 2
    d_state = 1
    ranks = (3,)
    fields = ("phase",)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        return cells * 1


def two_planes_of_angles() -> Aetheria_Motor:
    """Angles just below pi in one plane, just above -pi in the other."""
    angles = torch.tensor([3.0, -3.0]).reshape(2, 1, 1).expand(2, 3, 4) + torch.linspace(0, 0.2, 4)
    return Aetheria_Motor(Still(), (2, 3, 4), 1, "cpu", {"plan": "eager"}, initial=torch.stack((angles.cos(), angles.sin())))


@pytest.mark.parametrize("save", [save_png, save_gif, save_mp4])
def test_a_volume_without_a_slice_has_no_picture(volume: Recording, save: Any) -> None:
    with pytest.raises(ConfigError, match="a 3-D field needs a slice to be drawn: z=mean, z=max or z=0 to z=4"):
        save(Movie(volume), Path("x"))


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        ({"z": 5}, "slice: z = 5 given; expected 0 to 4"),
        ({"z": -1}, "slice: z = -1 given"),
        ({"z": "median"}, 'slice: z = \'median\' given; expected 0 to 4, "mean" or "max"'),
        ({"t": 0}, 'slice: axis "t" given; the grid of 5 x 6 x 8 has z, y, x'),
        ({"z": 0, "y": 0, "x": 0}, "at least one must be left"),
    ],
)
def test_a_slice_that_does_not_fit_is_refused_in_one_line(volume: Recording, cuts: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Movie(volume, "channel_1", PictureStyle(slice=cuts))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_axis_that_is_not_recorded_cannot_be_sliced(tmp_path: Path) -> None:
    with record(tmp_path / "a.h5", (5, 6, 8), slice={"z": 2}) as recording:
        with pytest.raises(ConfigError, match='axis "z" given; the grid of 6 x 8 has y, x'):
            Movie(recording, style=PictureStyle(slice={"z": 2}))
        assert Movie(recording, "channel_1", style())[0].size == (8, 6)
    with record(tmp_path / "b.h5", (9, 14)) as recording, pytest.raises(ConfigError, match='axis "z" given'):
        Movie(recording, style=PictureStyle(slice={"z": "mean"}))


@pytest.mark.parametrize(("grid", "cuts"), [((24,), {}), ((9, 24), {"y": 4}), ((5, 6, 24), {"z": 1, "y": "max"})])
def test_a_field_with_one_axis_is_a_picture_with_time_downwards(tmp_path: Path, grid: tuple[int, ...], cuts: Any) -> None:
    with record(tmp_path / "run.h5", grid) as recording:
        save_png(Movie(recording, "channel_1", style(scale=2, slice=cuts), first=2), tmp_path / "x.png")
        shown = pixels(tmp_path / "x.png")
        frames = [frame["channel_1"][0] for frame in recording][1:]
        save_png(Movie(recording, "rgb", PictureStyle(slice=cuts)), tmp_path / "rgb.png")
        assert pixels(tmp_path / "rgb.png").shape == (4, 24, 3)
    rows = [frame if not cuts else frame[4] if len(grid) == 2 else frame[1].max(0) for frame in frames]
    np.testing.assert_array_equal(shown[::2, ::2], paint(np.stack(rows), LEVELS, "grey"))
    assert shown.shape == (6, 48, 3)


@pytest.mark.parametrize("save", [save_gif, save_mp4])
def test_a_field_with_one_axis_has_no_movie(tmp_path: Path, save: Any) -> None:
    with (
        record(tmp_path / "run.h5", (24,)) as recording,
        pytest.raises(ConfigError, match="has a single axis, and so no movie; expected --png"),
    ):
        save(Movie(recording), tmp_path / "x.gif", 10)
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]


def test_a_space_time_picture_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with record(tmp_path / "run.h5", (24,)) as recording:
        movie = Movie(recording, "channel_1", style())
        monkeypatch.setattr("aetheria.core.memory_limits.available_bytes", lambda: 1000)
        with pytest.raises(StateError, match=r"a picture of 4 frames needs .*; draw fewer \(--from, --to\)"):
            save_png(movie, tmp_path / "x.png")
    assert issubclass(StateError, AetheriaError)


@pytest.mark.parametrize(
    ("grid", "options", "size", "origin", "spacing"),
    [
        ((24,), {}, (24, 1, 1), (0, 0, 0), (1, 1, 1)),
        ((24,), {"size": 6}, (6, 1, 1), (1.5, 0, 0), (4, 1, 1)),
        ((1, 24), {}, (24, 1, 1), (0, 0, 0), (1, 1, 1)),
        ((5, 6, 8), {}, (8, 6, 5), (0, 0, 0), (1, 1, 1)),
        ((5, 6, 8), {"size": (5, 3, 2)}, (2, 3, 5), (1.5, 0.5, 0), (4, 2, 1)),
        ((5, 6, 8), {"size": (5, 1, 8)}, (8, 1, 5), (0, 2.5, 0), (1, 1, 1)),
        ((5, 6, 8), {"slice": {"z": 3}}, (8, 6, 1), (0, 0, 3), (1, 1, 1)),
        ((5, 6, 8), {"slice": {"y": "mean"}}, (8, 1, 5), (0, 0, 0), (1, 1, 1)),
        ((5, 6, 8), {"slice": {"x": 7, "z": 0}}, (1, 6, 1), (7, 0, 0), (1, 1, 1)),
    ],
)
@pytest.mark.parametrize("batch", [1, 2])
def test_paraviews_own_reader_shows_every_rank_and_slice_in_its_place(
    tmp_path: Path, grid: tuple[int, ...], options: Any, size: tuple[int, ...], origin: Any, spacing: Any, batch: int
) -> None:
    with record(tmp_path / "run.h5", grid, batch, **options) as recording:
        save_vtkhdf(recording, tmp_path / "run.vtkhdf")
        shown = seen_by_paraview(tmp_path / "run.vtkhdf")
        assert len(shown) == 4
        for image, frame in zip(shown, recording, strict=True):
            assert tuple(image["size"]) == size
            for universe in range(batch):
                suffix = f"_universe_{universe}" if batch > 1 else ""
                np.testing.assert_array_equal(image[f"channel_1{suffix}"].ravel(), frame["channel_1"][universe].ravel())
                colours = np.moveaxis(frame["rgb"][universe], 0, -1)
                np.testing.assert_array_equal(image[f"rgb{suffix}"].reshape(-1, 3), colours.reshape(-1, 3))
        assert (shown[0]["origin"].tolist(), shown[0]["spacing"].tolist()) == ([*origin], [*spacing])


@pytest.mark.parametrize(("grid", "cuts"), [((24,), {}), ((5, 6, 8), {}), ((5, 6, 8), {"y": "max"})])
@pytest.mark.parametrize("batch", [1, 2])
def test_numpy_and_zarr_hold_every_rank(tmp_path: Path, grid: tuple[int, ...], cuts: Any, batch: int) -> None:
    with record(tmp_path / "run.h5", grid, batch, slice=cuts) as recording:
        save_npz(recording, tmp_path / "run.npz")
        save_zarr(recording, tmp_path / "run.zarr")
        with np.load(tmp_path / "run.npz", allow_pickle=False) as archive:
            for index, frame in enumerate(recording):
                for name in frame.fields:
                    np.testing.assert_array_equal(archive[name][index], frame[name])
            axes = set(archive) & {"z", "y", "x"}
            assert axes == set(recording.grid_axes)
            about = json.loads(str(archive["metadata"]))
            assert (about["grid"], about.get("slice", "")) == ([*grid], "y=max" if cuts else "")
        with (
            xarray.open_zarr(tmp_path / "run.zarr", consolidated=False) as dataset,
            xarray.open_dataset(tmp_path / "run.h5", engine="h5netcdf") as original,
        ):
            assert dict(dataset.sizes) == dict(original.sizes)
            assert dataset["channel_1"].attrs.get("slice") == ("y=max" if cuts else None)
            for name in ("rgb", "channel_1", *recording.grid_axes):
                np.testing.assert_array_equal(dataset[name], original[name])
