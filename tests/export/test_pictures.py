"""Colour maps, pictures and movies."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from aetheria import Life
from aetheria.core.errors import ConfigError
from aetheria.export.pictures import Movie, PictureStyle, find_levels, picture, save_gif, save_mp4, save_png
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.colour_maps import COLOUR_MAPS, colour_map, paint, with_gamma
from aetheria.observe.downsample import quantise
from aetheria.recording import Recorder, Recording


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB colours: another space than the one the maps are made in."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.asarray(116 * np.cbrt(np.maximum(luminance, 0.008856)) - 16)


@pytest.mark.parametrize("name", ["ember", "ice", "grey", "gray"])
def test_sequential_maps_rise_in_lightness_all_the_way(name: str) -> None:
    steps = np.diff(lightness(colour_map(name).astype(float)))
    assert (steps > -0.3).all()
    assert lightness(colour_map(name).astype(float))[[0, -1]].tolist() == pytest.approx([4, 96], abs=5)


def test_the_cyclic_map_meets_itself_and_stays_equally_light() -> None:
    colours = colour_map("phase").astype(float)
    around = np.abs(np.diff(np.concatenate((colours, colours[:1])), axis=0)).max(1)
    assert around.max() < 12
    assert np.ptp(lightness(colours)) < 15


def test_the_balance_map_is_dark_in_the_middle_and_differs_at_its_ends() -> None:
    colours = colour_map("balance").astype(float)
    light = lightness(colours)
    assert 120 <= light.argmin() <= 136
    assert colours[0, 2] > colours[0, 0]
    assert colours[-1, 0] > colours[-1, 2]


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_maps_have_256_colours_and_no_jumps(name: str) -> None:
    colours = colour_map(name).astype(int)
    assert colours.shape == (256, 3)
    assert np.abs(np.diff(colours, axis=0)).max() <= 14


@pytest.mark.parametrize("name", ["viridis", "magma", "inferno", "plasma", "cividis", "twilight"])
def test_known_maps_are_those_of_matplotlib(name: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    theirs = matplotlib.colormaps[name](np.linspace(0, 1, 256, endpoint=name != "twilight"))[:, :3] * 255
    assert np.array_equal(colour_map(name), np.round(theirs))


def test_gamma_moves_colours_along_the_map_and_leaves_states_alone() -> None:
    ramp = np.linspace(0, 1, 256)
    assert np.array_equal(with_gamma("grey", 0.5)[64], colour_map("grey")[round(255 * (64 / 255) ** 0.5)])
    assert np.array_equal(with_gamma("viridis", 2.0)[[0, 255]], colour_map("viridis")[[0, 255]])
    assert np.array_equal(with_gamma("#000000 #ffffff", 3.0), colour_map("#000000 #ffffff"))
    assert np.array_equal(paint(ramp[None], (0, 1), "ice", gamma=2.0)[0, 180], with_gamma("ice", 2.0)[180])


def test_logarithmic_colours_are_equally_far_for_equal_factors_and_zero_is_lowest() -> None:
    pixels = paint(np.array([[0.0, -3.0, 1e-4, 1e-3, 1e-2, 1.0, 9.0]]), (1e-4, 1.0), "grey", log=True)
    assert np.abs(pixels[0] - colour_map("grey")[[0, 0, 0, 64, 128, 255, 255]].astype(int)).max() <= 1
    values = torch.tensor([[0.0, 1e-4, 1e-3, 1e-2, 1.0, 9.0]])
    assert quantise(values, (1e-4, 1.0), log=True).tolist() == [[0, 0, 64, 128, 255, 255]]


def test_an_unknown_map_names_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean ember"):
        colour_map("embers")


def test_paint_spreads_levels_over_the_map_and_clips() -> None:
    pixels = paint(np.array([[-5.0, 0.0, 0.999, 1.0, 7.0]]), (0.0, 1.0), "grey")
    assert pixels[0, :, 0].tolist() == [0, 0, 255, 255, 255]


def test_colours_of_rgb_are_kept_as_they_are() -> None:
    values = np.zeros((3, 1, 2))
    values[0, 0, 1] = 0.5
    assert np.asarray(picture(values, "rgb", "grey", (0, 1), 2)).tolist() == [[[0, 0, 0]] * 2 + [[128, 0, 0]] * 2] * 2


def test_levels_use_the_known_range_and_balance_the_unknown() -> None:
    values = [np.linspace(-1, 3, 1001)]
    assert find_levels(values, 0, 1) == (0, 1)
    low, high = find_levels(values, None, None)
    assert low == -high
    assert high == pytest.approx(3, abs=0.01)
    assert find_levels([np.full(4, 2.0)], None, None) == (2.0, 3.0)
    assert find_levels(values, 0, None) == (0, pytest.approx(3, abs=0.01))


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    cells = torch.zeros(1, 9, 13)
    cells[0, [1, 2, 3, 3, 3], [2, 3, 1, 2, 3]] = 1
    motor = Aetheria_Motor(Life(), (9, 13), 1, "cpu", {"plan": "eager"}, initial=cells, batch=2)
    fields = {"fields": ["channel_0", "population"], "dtype": "uint8", "levels": {"channel_0": (-1.0, 1.0)}}
    with Recorder(motor, tmp_path / "run.h5", every=2, **fields):  # type: ignore[arg-type]
        motor.step(20)
    return Recording(tmp_path / "run.h5")


def test_a_png_shows_the_cells_of_its_step(recording: Recording, tmp_path: Path) -> None:
    movie = Movie(recording, style=PictureStyle("grey", (0, 1), universe=1, scale=3), first=8, last=12)
    assert [movie.step(i) for i in range(len(movie))] == [8, 10, 12]
    save_png(movie, tmp_path / "x.png", 1)
    with Image.open(tmp_path / "x.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (27, 39, 3)
    alive = recording[5]["channel_0"][1] > 200
    np.testing.assert_array_equal(pixels[1::3, 1::3, 0] == 255, alive)
    assert alive.sum() == 5


def test_a_picture_by_logarithms_unpacks_what_is_stored(recording: Recording) -> None:
    movie = Movie(recording, style=PictureStyle("grey", (0.01, 1), log=True, gamma=2.0))
    stored = recording[0]["channel_0"][0]
    values = stored.astype(np.float64) * 2 / 255 - 1
    assert np.array_equal(np.asarray(movie[0]), paint(values, (0.01, 1), "grey", log=True, gamma=2.0))
    assert np.asarray(Movie(recording, style=PictureStyle("grey", log=True))[0]).max() == 255
    with pytest.raises(ConfigError, match="expected numbers above 0, for --log"):
        Movie(recording, style=PictureStyle(levels=(0, 1), log=True))


def test_a_gif_has_an_image_a_frame_and_loops(recording: Recording, tmp_path: Path) -> None:
    save_gif(Movie(recording, style=PictureStyle(scale=4)), tmp_path / "x.gif", 10)
    with Image.open(tmp_path / "x.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"], gif.info["duration"]) == (11, (52, 36), 0, 100)  # type: ignore[attr-defined]


def test_an_mp4_plays_with_even_sides_and_recognisable_frames(recording: Recording, tmp_path: Path) -> None:
    movie = Movie(recording, style=PictureStyle("grey", (0, 1), scale=5))
    save_mp4(movie, tmp_path / "x.mp4", 12.5)
    with av.open(str(tmp_path / "x.mp4")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(stream)]
        assert (stream.codec_context.name, stream.width, stream.height, float(stream.average_rate or 0)) == (
            "h264",
            64,
            44,
            12.5,
        )
    assert len(frames) == 11
    wanted = np.asarray(movie[7].convert("L"), float)[:44, :64]
    assert np.abs(frames[7] - wanted).mean() < 8


def test_what_cannot_be_shown_is_refused(recording: Recording) -> None:
    for arguments, error, words in [
        ({"field": "population"}, ConfigError, "is an observable"),
        ({"field": "chanel_0"}, ConfigError, "did you mean channel_0"),
        ({"style": PictureStyle(levels=(2, 1))}, ConfigError, "low < high"),
        ({"first": 500}, ConfigError, "no frame between steps 500 and the last; it has steps 0 to 20"),
        ({"style": PictureStyle(universe=2)}, ConfigError, "universe: 2 given; expected 0 to 1"),
        ({"style": PictureStyle("rainbow")}, ConfigError, "rainbow"),
    ]:
        with pytest.raises(error, match=words):
            Movie(recording, **arguments)  # type: ignore[arg-type]


def test_a_movie_without_pyav_names_the_package(recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match="pip install av"):
        save_mp4(Movie(recording), tmp_path / "x.mp4", 10)


def test_colours_need_no_torch() -> None:
    code = "import sys, aetheria.observe.colour_maps; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_movie_of_single_pixels_is_refused(tmp_path: Path) -> None:
    motor = Aetheria_Motor(Life(), 4, 1, "cpu", {"plan": "eager"})
    with Recorder(motor, tmp_path / "run.h5", size=1):
        motor.step(2)
    with Recording(tmp_path / "run.h5") as recording, pytest.raises(ConfigError, match="larger scale"):
        save_mp4(Movie(recording, style=PictureStyle("grey", (0, 1))), tmp_path / "x.mp4", 10)
    assert not (tmp_path / "x.mp4").exists()
