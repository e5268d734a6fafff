"""Movies written picture by picture, read again by Pillow and PyAV."""

import gc
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.export.movies import movie_writer
from aetheria.observe.colour_maps import colour_map


def moving(count: int, height: int = 30, width: int = 44) -> list[NDArray[np.uint8]]:
    """A bright block that moves over a background of all the colours of a map."""
    table = colour_map("ember")
    pictures = []
    for k in range(count):
        values = np.add.outer(np.arange(height), 4 * np.arange(width)) % 200
        values[5:12, k % (width - 8) : k % (width - 8) + 8] = 255
        pictures.append(table[values])
    return pictures


def write(path: Path, pictures: list[NDArray[np.uint8]], times: list[float]) -> None:
    with movie_writer(path, 20) as movie:
        for picture, moment in zip(pictures, times, strict=True):
            movie.write(picture, moment)


def gif(path: Path) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Its pictures as a player shows them, and how long, in milliseconds."""
    pictures, times = [], []
    with Image.open(path) as image:
        for k in range(getattr(image, "n_frames", 1)):
            image.seek(k)
            pictures.append(np.asarray(image.convert("RGB")))
            times.append(image.info["duration"])
    return pictures, times


def test_a_gif_shows_every_picture_for_as_long_as_it_was_seen(tmp_path: Path) -> None:
    pictures = moving(6)
    write(tmp_path / "x.gif", pictures, [0.0, 0.1, 0.15, 0.5, 0.55, 0.6])
    shown, times = gif(tmp_path / "x.gif")
    assert times == [100, 50, 350, 50, 50, 50]
    for picture, seen in zip(pictures, shown, strict=True):
        assert np.abs(picture.astype(int) - seen).max() <= 16  # 256 colours of its own for each change


def test_delays_of_a_gif_do_not_drift_though_they_are_whole_hundredths(tmp_path: Path) -> None:
    write(tmp_path / "x.gif", moving(31), [k / 30 for k in range(31)])
    _, times = gif(tmp_path / "x.gif")
    assert set(times) <= {30, 40, 50}
    assert sum(times[:-1]) == pytest.approx(1000, abs=10)


def test_pictures_that_come_too_fast_or_do_not_change_are_merged_in_a_gif(tmp_path: Path) -> None:
    one, two, three, *_ = moving(3)
    write(tmp_path / "x.gif", [one, one, one, two, three], [0.0, 0.1, 0.2, 0.3, 0.305])
    shown, times = gif(tmp_path / "x.gif")
    assert times == [300, 50]
    assert np.abs(three.astype(int) - shown[1]).max() <= 16


def test_an_mp4_keeps_the_times_of_its_pictures(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.5, 0.55, 0.55, 1.25]
    pictures = moving(7)
    write(tmp_path / "x.mp4", pictures, times)
    with av.open(str(tmp_path / "x.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-3)
    for picture, frame in zip(pictures, frames, strict=True):
        assert (
            np.abs(frame.to_ndarray(format="gray").astype(float) - np.asarray(Image.fromarray(picture).convert("L"))).mean() < 8
        )


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_movie_that_fails_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_text("before")

    def fail() -> None:
        with movie_writer(path, 20) as movie:
            movie.write(moving(1)[0], 0.0)
            movie.write(moving(2)[1], 1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_movie_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.avi: unknown format of a movie; expected \.mp4 or \.gif"):
        movie_writer(tmp_path / "x.avi", 20)


def test_a_gif_that_grows_keeps_no_pictures_in_memory(tmp_path: Path) -> None:
    held = []
    tracemalloc.start()
    with movie_writer(tmp_path / "x.gif", 20) as movie:
        for k in range(201):
            movie.write(moving(1, 64, 64)[0] // (1 + k % 2), k / 20)
            if k in (20, 200):
                gc.collect()  # Pillow makes a class for each picture
                held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 10 * 64 * 64 * 3
