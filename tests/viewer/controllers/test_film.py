"""Films of the live view and of recordings, read again; no Qt."""

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from aetheria.export.movies import MovieWriter, Mp4Writer
from aetheria.export.pictures import Movie, PictureStyle
from aetheria.recording import Recording
from tests.viewer.fakes import FakeView, live, wait_until
from tests.viewer.recordings import record_life
from viewer.controllers.controller import Controller
from viewer.controllers.film import LiveFilm, film_size, fitted
from viewer.model.palette import colour_table
from viewer.sources.playback import RecordingSource


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    controller.open(live())
    wait_until(lambda: view.frames, controller)
    yield controller
    controller.close()
    wait_until(lambda: not films())


def films() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "film"]


def told(view: FakeView, words: str) -> bool:
    return any(words in message.text for message in view.messages)


def shot(controller: Controller, count: int) -> bool:
    task = controller.film.task
    return task is not None and task.done >= count  # a picture may come twice


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    if path.suffix == ".gif":
        with Image.open(path) as image:
            images = []
            for k in range(image.n_frames):  # type: ignore[attr-defined]
                image.seek(k)
                images.append(np.asarray(image.convert("RGB")))
            return images
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_of_the_view_holds_the_pictures_that_were_shown(
    controller: Controller, view: FakeView, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"view{suffix}"
    controller.film.film_view(path)
    wait_until(lambda: shot(controller, 1), controller)
    for step in range(1, 5):
        until = time.monotonic() + 0.03  # a GIF merges pictures that come faster
        wait_until(partial(lambda until: time.monotonic() > until, until), controller)
        controller.step_once()
        wait_until(partial(lambda step: view.frames[-1].step == step, step), controller)
        wait_until(partial(shot, controller, step + 1), controller)
    assert "filming view" in controller.film.status_text()
    controller.film.stop()
    wait_until(lambda: told(view, f"frames to view{suffix}"), controller)
    settings, choice = controller.model.view_settings, controller.choice
    assert settings is not None
    assert choice is not None
    table = colour_table(settings, choice)
    steps = {frame.step: frame for frame in view.frames}
    frames = iter(frames_of(path))
    for step in range(5):
        wanted = fitted(table[steps[step].pixels], film_size(steps[step].pixels))
        assert any(np.abs(frame.astype(float) - wanted).mean() < 6 for frame in frames), "in this order"


def test_a_film_without_a_picture_is_not_written(controller: Controller, view: FakeView, tmp_path: Path) -> None:
    controller.frame = None
    controller.film.film_view(tmp_path / "x.gif")
    controller.film.stop()
    wait_until(lambda: told(view, "x.gif was cancelled"), controller)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_filmed_is_told(
    controller: Controller, view: FakeView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller.film.film_view(tmp_path / "x.avi")
    assert told(view, "expected .mp4 or .gif")
    controller.film.film_view(tmp_path / "missing" / "x.gif")
    wait_until(lambda: told(view, "x.gif was not written"), controller)
    assert controller.film.task is None

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Mp4Writer, "write", full)
    controller.film.film_view(tmp_path / "y.mp4")
    wait_until(lambda: told(view, "y.mp4 was not written. The disk is full"), controller)
    assert controller.film.task is None
    assert not list(tmp_path.iterdir())


class Slow:
    """An encoder that waits until it is told."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.added = 0

    def write(self, pixels: NDArray[np.uint8], at: float) -> None:
        self.go.wait()
        self.added += 1

    def __enter__(self) -> "Slow":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_pictures_that_come_while_the_encoder_is_behind_are_left_out_and_nobody_waits(
    controller: Controller, tmp_path: Path
) -> None:
    frame = controller.frame
    assert frame is not None
    task = LiveFilm(tmp_path / "x.gif")
    slow = Slow()
    writer: MovieWriter = slow
    task.writer = writer
    task.begin()
    began = time.monotonic()
    for _ in range(500):
        task.add_frame(frame, np.zeros((256, 3), np.uint8))
    assert time.monotonic() - began < 5
    assert task.dropped >= 500 - 18
    task.stop()
    slow.go.set()
    wait_until(lambda: task.outcome is not None)
    assert slow.added == 500 - task.dropped + 1  # the last one once more, for how long it was seen


@given(st.integers(1, 900), st.integers(1, 900))
def test_a_film_is_large_enough_with_even_sides_and_cells_are_squares(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 200, np.uint8)
    size = film_size(pixels)
    assert size[0] % 2 == size[1] % 2 == 0
    assert max(size) >= 720
    film = fitted(pixels, size)
    assert film.shape == (*size, 3)
    rows, columns = (film[..., 0] == 200).any(1).sum(), (film[..., 0] == 200).any(0).sum()
    assert rows / height == columns / width >= 1


@pytest.mark.parametrize("shape", [(10, 30), (1000, 20), (300, 300)])
def test_a_picture_of_another_shape_is_shown_whole_in_the_middle(shape: tuple[int, int]) -> None:
    film = fitted(np.full((*shape, 3), 255, np.uint8), (200, 300))
    rows, columns = np.flatnonzero(film[..., 0].any(1)), np.flatnonzero(film[..., 0].any(0))
    assert abs(rows[0] - (199 - rows[-1])) <= 1
    assert abs(columns[0] - (299 - columns[-1])) <= 1
    assert len(rows) / len(columns) == pytest.approx(shape[0] / shape[1], rel=0.05)


@pytest.fixture
def playing(view: FakeView, tmp_path: Path) -> Iterator[Controller]:
    controller = Controller(view)
    controller.open(RecordingSource(Recording(record_life(tmp_path / "run.h5", steps=30, every=3))))
    wait_until(lambda: view.frames, controller)
    yield controller
    controller.close()
    wait_until(lambda: not films())


def test_a_film_of_a_recording_holds_all_its_frames_as_they_look_now(
    playing: Controller, view: FakeView, tmp_path: Path
) -> None:
    playing.model.change_view(colours="ice", level_mode="locked", levels=(0.0, 2.0))
    wait_until(lambda: view.frames[-1].levels == (0.0, 2.0), playing)
    playing.film.film_recording(tmp_path / "run.mp4", scale=4, fps=10)
    wait_until(lambda: told(view, "Saved 11 frames to run.mp4"), playing)
    frames = frames_of(tmp_path / "run.mp4")
    with Recording(tmp_path / "run.h5") as recording:
        film = Movie(recording, "channel_0", PictureStyle("ice", (0.0, 2.0), scale=4))
        for frame, wanted in zip(frames, film, strict=True):
            assert np.abs(frame.astype(float) - np.asarray(wanted)).mean() < 8


def test_a_film_of_a_recording_can_be_given_up(
    playing: Controller, view: FakeView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    write = Mp4Writer.write

    def slowly(self: Mp4Writer, pixels: NDArray[np.uint8], at: float) -> None:
        if at > 0:
            gate.wait()
        write(self, pixels, at)

    monkeypatch.setattr(Mp4Writer, "write", slowly)
    playing.film.film_recording(tmp_path / "run.mp4", scale=4, fps=10)
    wait_until(lambda: "writing run.mp4: 9%" in playing.film.status_text(), playing)
    playing.film.stop()
    assert playing.film.status_text() == ""
    gate.set()
    wait_until(lambda: told(view, "run.mp4 was cancelled, nothing was written"), playing)
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]
