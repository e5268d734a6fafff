"""A recording as a source: what is shown equals what is in the file; no Qt."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from aetheria.core.errors import AetheriaError, ConfigError, RecordingError
from aetheria.recording import Recording
from tests.viewer.fakes import FakeView, wait_until
from tests.viewer.recordings import record_life, record_nca, record_phase, tell, writing
from viewer.controllers.controller import Controller
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.region import Region
from viewer.model.view_settings import Levels
from viewer.model.wording import playing_in_words
from viewer.sources.opening import open_any, open_recording
from viewer.sources.playback import RecordingSource


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    yield controller
    controller.close()


def opened(controller: Controller, path: Path) -> RecordingSource:
    source = open_recording(path)
    controller.open(source)
    return source


def shows(controller: Controller, step: int) -> bool:
    return controller.frame is not None and controller.frame.step == step


def shown(controller: Controller, step: int) -> RenderedFrame:
    """The picture at a step, once it is there."""
    wait_until(lambda: shows(controller, step), controller)
    assert controller.frame is not None
    return controller.frame


def pixels_of(values: NDArray[Any], levels: Levels) -> NDArray[np.float64]:
    share = (np.asarray(values, np.float64) - levels[0]) / (levels[1] - levels[0])
    return np.clip(np.round(255 * share), 0, 255)


def contents(path: Path, name: str) -> NDArray[Any]:
    with h5py.File(path) as file:
        return file[name][...]


# -- values ----------------------------------------------------------------------------------------------------------


def test_a_frame_equals_the_file_at_every_frame(controller: Controller, path: Path) -> None:
    opened(controller, record_life(path, steps=5))
    controller.set_field("energy")
    energy = contents(path, "energy")
    for index in range(6):
        controller.go_to(index)
        wait_until(partial(shows, controller, index), controller)
        frame = controller.frame
        assert frame is not None
        assert frame.levels == (0.0, energy[index].max())
        assert frame.region == Region(0, 0, 12, 20)
        np.testing.assert_allclose(frame.pixels, pixels_of(energy[index], frame.levels), atol=1)


def test_fields_are_described_by_the_file(controller: Controller, path: Path) -> None:
    source = opened(controller, record_phase(path))
    phase = next(choice for choice in source.fields if choice.name == "phase")
    assert (phase.unit, phase.colours, phase.cyclic) == ("rad", "phase", True)
    assert phase.range == pytest.approx((-np.pi, np.pi))
    density = next(choice for choice in source.fields if choice.name == "density")
    assert (density.unit, density.range, density.cyclic) == ("1/cell", (0.0, None), False)
    assert source.observables == ()
    assert (source.plane.grid, source.universes, source.live) == ((12, 20), 1, False)


def test_only_the_cells_in_view_are_shown_averaged_to_the_screen(controller: Controller, path: Path) -> None:
    opened(controller, record_life(path, steps=3))
    controller.set_field("energy")
    controller.set_visible_area(Region(4, 8, 6, 10), (3, 5))
    wait_until(lambda: controller.frame is not None and controller.frame.pixels.shape == (3, 5), controller)
    frame = controller.frame
    assert frame is not None
    part = contents(path, "energy")[0, 4:10, 8:18]
    averages = part.reshape(3, 2, 5, 2).mean((1, 3))
    assert frame.levels == (0.0, part.max())
    np.testing.assert_allclose(frame.pixels, pixels_of(averages, frame.levels), atol=1)


def test_angles_are_averaged_on_the_circle(controller: Controller, path: Path) -> None:
    opened(controller, record_phase(path))
    controller.set_field("phase")
    controller.set_visible_area(Region(0, 0, 12, 20), (6, 10))
    wait_until(lambda: controller.frame is not None and controller.frame.pixels.shape == (6, 10), controller)
    frame = controller.frame
    assert frame is not None
    turned = np.exp(1j * contents(path, "phase")[0].astype(np.float64))
    means = np.angle(turned.reshape(6, 2, 10, 2).mean((1, 3)))
    assert frame.levels == pytest.approx((-np.pi, np.pi))
    np.testing.assert_allclose(frame.pixels, pixels_of(means, frame.levels), atol=1)


def test_a_smaller_picture_than_the_grid_is_shown_in_its_own_cells(controller: Controller, path: Path) -> None:
    source = opened(controller, record_life(path, steps=2, size=(6, 10)))
    assert source.plane.grid == (6, 10)
    frame = shown(controller, 0)
    assert frame.pixels.shape == (6, 10)
    np.testing.assert_allclose(frame.pixels, pixels_of(contents(path, "channel_0")[0], frame.levels), atol=1)


def test_pixels_of_an_eight_bit_recording_come_back_as_they_are_in_its_unit(controller: Controller, path: Path) -> None:
    source = opened(controller, record_nca(path, dtype="uint8", levels={"channel_3": (-4.0, 6.0)}))
    controller.set_field("channel_3")
    wait_until(lambda: controller.frame is not None and controller.frame.field == "channel_3", controller)
    frame = controller.frame
    assert frame is not None
    assert frame.levels == pytest.approx((-4.0, 6.0))
    stored = contents(path, "channel_3")
    np.testing.assert_array_equal(frame.pixels, stored[0, 0])
    step, values = source.samples[-1]
    values = np.asarray(values, np.float64)
    assert step == 0
    assert values.shape == (1, 12, 20)
    np.testing.assert_allclose(values[0], -4.0 + stored[0, 0] * (10.0 / 255), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_each_universe_and_its_colours_are_shown(controller: Controller, path: Path, dtype: str) -> None:
    levels = {"channel_3": (-4.0, 6.0)} if dtype == "uint8" else None
    source = opened(controller, record_nca(path, dtype=dtype, levels=levels))
    assert (source.universes, source.fields[0].name) == (2, "rgb")
    controller.next_universe()
    controller.go_to(4)
    wait_until(lambda: shows(controller, 4) and controller.frame.universe == 1, controller)  # type: ignore[union-attr]
    frame = controller.frame
    assert frame is not None
    colours = contents(path, "rgb")[2, 1].astype(np.float64) / (255 if dtype == "uint8" else 1)
    assert frame.pixels.shape == (12, 20, 3)
    np.testing.assert_allclose(frame.pixels, np.round(255 * colours), atol=1)


def test_a_frame_is_read_once_however_often_it_is_looked_at(
    controller: Controller, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int]] = []
    original = Recording.read

    def spy(self: Recording, name: str, index: int, universe: int | None = None) -> NDArray[Any]:
        read.append((name, index))
        assert threading.current_thread().name == "recording source"
        return original(self, name, index, universe)

    monkeypatch.setattr(Recording, "read", spy)
    opened(controller, record_life(path, steps=3))
    shown(controller, 0)
    for side in (8, 6, 4):
        controller.set_visible_area(Region(0, 0, side, side), (side, side))
        region = Region(0, 0, side, side)
        wait_until(lambda region=region: controller.frame.region == region, controller)  # type: ignore[misc,union-attr]
    controller.go_to(2)
    shown(controller, 2)
    assert read == [("channel_0", 0), ("channel_0", 2)]


def test_a_cell_is_inspected_with_all_that_was_recorded_of_it(controller: Controller, path: Path) -> None:
    source = opened(controller, record_nca(path))
    cells: list[CellValues] = []
    source.seek(3)
    source.inspect(4, 7, 1, cells.append)
    wait_until(lambda: cells, controller)
    cell = cells[0]
    assert (cell.step, cell.y, cell.x, cell.universe, cell.d_state, len(cell.channels)) == (6, 4, 7, 1, None, 0)
    assert set(cell.fields) == {"rgb", "channel_3"}
    np.testing.assert_allclose(cell.fields["rgb"], contents(path, "rgb")[3, 1, 4, 7])
    np.testing.assert_allclose(cell.fields["channel_3"], [contents(path, "channel_3")[3, 1, 4, 7]])


# -- moving ----------------------------------------------------------------------------------------------------------


def test_stepping_jumping_and_the_ends(controller: Controller, path: Path) -> None:
    source = opened(controller, record_life(path, steps=30, every=5))
    source.move_by(1)
    shown(controller, 5)
    source.move_by(-1)
    shown(controller, 0)
    source.seek(-1)
    shown(controller, 30)
    source.seek(3)
    shown(controller, 15)
    controller.step_once()
    shown(controller, 20)
    controller.reset()
    shown(controller, 0)
    for wanted, nearest in ((12, 10), (13, 15), (-4, 0), (999, 30), (25, 25)):
        controller.go_to(wanted)
        shown(controller, nearest)
    status = source.status()
    assert (status.frame_index, status.frames, status.step, status.playing) == (5, 7, 25, False)


def test_many_steps_in_a_row_are_all_taken(controller: Controller, path: Path) -> None:
    source = opened(controller, record_life(path))
    for _ in range(17):
        source.move_by(1)
    shown(controller, 17)


def test_playing_shows_frames_to_the_end_and_stops(controller: Controller, view: FakeView, path: Path) -> None:
    source = opened(controller, record_life(path, steps=12))
    shown(controller, 0)
    controller.set_speed(60.0)
    controller.toggle_play()
    shown(controller, 12)
    assert not source.status().playing
    steps = [frame.step for frame in view.frames]
    assert steps == sorted(steps)
    assert len(set(steps)) > 3


def test_unlimited_reads_every_frame(controller: Controller, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = Recording.read

    def spy(self: Recording, name: str, index: int, universe: int | None = None) -> NDArray[Any]:
        read.append(index)
        return original(self, name, index, universe)

    monkeypatch.setattr(Recording, "read", spy)
    opened(controller, record_life(path, steps=12))
    shown(controller, 0)
    controller.unlimited()
    controller.toggle_play()
    shown(controller, 12)
    assert read == list(range(13))


def test_every_nth_frame_is_played(controller: Controller, view: FakeView, path: Path) -> None:
    opened(controller, record_life(path, steps=12))
    shown(controller, 0)
    controller.stride_up()
    controller.stride_up()
    controller.set_speed(20.0)
    controller.toggle_play()
    shown(controller, 12)
    assert {frame.step for frame in view.frames} <= {0, 4, 8, 12}


def test_looping_goes_on_after_the_end(controller: Controller, view: FakeView, path: Path) -> None:
    source = opened(controller, record_life(path, steps=6))
    source.playhead.loop = True
    controller.set_speed(120.0)
    controller.toggle_play()
    wait_until(lambda: any(b.step < a.step for a, b in zip(view.frames, view.frames[1:], strict=False)), controller)
    assert source.status().playing


def test_stale_requests_are_dropped_while_scrubbing(
    controller: Controller, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, read = threading.Event(), list[int]()
    source = opened(controller, record_life(path))
    shown(controller, 0)
    original = Recording.read

    def slow(self: Recording, name: str, index: int, universe: int | None = None) -> NDArray[Any]:
        read.append(index)
        assert free.wait(20)
        return original(self, name, index, universe)

    monkeypatch.setattr(Recording, "read", slow)
    source.seek(1)
    wait_until(lambda: read)
    for frame in range(2, 30):
        source.seek(frame)
        assert source.status().frame_index == frame
    free.set()
    shown(controller, 29)
    assert read == [1, 29]


def test_nobody_looking_means_nothing_is_read(controller: Controller, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(controller, record_life(path))
    shown(controller, 0)
    controller.set_visible(False)
    done: list[object] = []
    source.submit_with_recording(lambda _: None, done.append)
    wait_until(lambda: done, controller)
    monkeypatch.setattr(Recording, "read", lambda *_: pytest.fail("a frame was read"))
    source.playhead.loop = True
    controller.set_speed(240.0)
    controller.toggle_play()
    wait_until(lambda: source.status().frame_index != 0, controller)
    monkeypatch.undo()
    controller.set_visible(True)
    wait_until(lambda: not shows(controller, 0), controller)


# -- levels ----------------------------------------------------------------------------------------------------------


def test_levels_are_found_in_the_frame_in_view_and_can_be_locked(controller: Controller, path: Path) -> None:
    opened(controller, record_life(path, steps=20))
    controller.set_field("energy")
    energy = contents(path, "energy")
    controller.go_to(1)
    wait_until(lambda: shows(controller, 1) and controller.frame.field == "energy", controller)  # type: ignore[union-attr]
    controller.levels_locked((0.0, 50.0))
    controller.go_to(20)
    shown(controller, 20)
    wait_until(lambda: controller.frame.levels == (0.0, 50.0), controller)  # type: ignore[union-attr]
    controller.levels_percentile()
    wait_until(lambda: controller.frame.levels != (0.0, 50.0), controller)  # type: ignore[union-attr]
    frame = controller.frame
    assert frame is not None
    assert frame.levels == pytest.approx(tuple(np.percentile(energy[20], [1, 99])))


# -- files that grow, and files that break ---------------------------------------------------------------------------


@pytest.fixture
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that records to the file."""
    with writing(path) as process:
        yield process


def test_a_file_that_is_being_written_is_followed_to_its_end(
    controller: Controller, path: Path, writer: subprocess.Popen[str]
) -> None:
    source = opened(controller, path)
    source.follow(True)
    assert source.status().plan == "still being written"
    tell(writer, 5)
    shown(controller, 5)
    tell(writer, 7)
    shown(controller, 12)
    assert source.status().frames == 13
    source.move_by(-10)
    shown(controller, 2)
    tell(writer, 3)
    wait_until(lambda: source.status().frames == 16, controller)
    assert shows(controller, 2)
    assert writer.stdin is not None
    writer.stdin.close()
    wait_until(lambda: source.status().plan == "run ended: done", controller)
    frame = controller.frame
    assert frame is not None
    writer.wait()
    np.testing.assert_array_equal(frame.pixels, pixels_of(contents(path, "channel_0")[2], frame.levels))


def test_the_status_says_following_while_the_newest_frame_of_a_growing_file_is_kept(
    controller: Controller, view: FakeView, path: Path, writer: subprocess.Popen[str]
) -> None:
    source = opened(controller, path)

    def says(words: str) -> None:
        wait_until(lambda: view.statuses and playing_in_words(view.statuses[-1]) == words, controller)

    says("paused")
    controller.player.toggle_newest()
    says("following")
    tell(writer, 4)
    shown(controller, 4)
    says("following")
    controller.player.back()
    says("paused")
    shown(controller, 3)
    controller.player.toggle_newest()
    says("following")
    assert writer.stdin is not None
    writer.stdin.close()
    wait_until(lambda: source.ending == "done", controller)
    says("paused")  # there is nothing to follow any more
    assert not source.status().following


def test_playing_catches_up_with_a_run_and_stays_with_it(
    controller: Controller, path: Path, writer: subprocess.Popen[str]
) -> None:
    source = opened(controller, path)
    tell(writer, 6)
    wait_until(lambda: source.status().frames == 7, controller)
    controller.toggle_play()
    shown(controller, 6)
    wait_until(lambda: controller.model.newest, controller)
    tell(writer, 4)
    shown(controller, 10)
    controller.player.back()
    shown(controller, 9)
    assert not controller.model.newest


def test_a_recording_without_a_frame_yet_opens_and_shows_the_first_one_that_comes(
    controller: Controller, path: Path, writer: subprocess.Popen[str]
) -> None:
    source = opened(controller, path)
    assert (source.status().frame_index, source.status().frames) == (None, 0)
    source.move_by(1)
    source.play(True)
    controller.go_to(3)
    controller.tick()
    assert controller.frame is None
    tell(writer, 1)
    shown(controller, 0)
    wait_until(lambda: source.status().frames == 2, controller)


def test_what_is_no_recording_is_refused_with_a_reason(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"nonsense")
    with pytest.raises(RecordingError, match="is no HDF5 file"):
        open_any(path)
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["x"] = 1
    with pytest.raises(RecordingError, match="is not an Aetheria recording"):
        open_any(tmp_path / "other.hdf5")
    with pytest.raises(RecordingError, match="no such file"):
        open_any(tmp_path / "missing.h5")
    whole = record_life(tmp_path / "whole.h5").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AetheriaError, match=r"run\.h5"):
        open_any(path)


def test_a_recording_is_known_by_its_contents_and_takes_no_settings(tmp_path: Path) -> None:
    path = record_life(tmp_path / "run.dat", steps=1)
    source = open_any(path)
    assert isinstance(source, RecordingSource)
    source.close()
    with pytest.raises(ConfigError, match="--set applies to configs"):
        open_any(path, ["seed=3"])


def test_a_file_damaged_under_way_is_told_and_the_rest_still_plays(controller: Controller, view: FakeView, path: Path) -> None:
    record_life(path, steps=20)
    with h5py.File(path) as file:
        chunk = file["channel_0"].id.get_chunk_info(7)
    source = opened(controller, path)
    shown(controller, 0)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    controller.set_speed(30.0)
    controller.toggle_play()
    wait_until(lambda: view.messages, controller)
    assert "run.h5: frame 7 of channel_0 cannot be read" in view.messages[0].text
    assert not source.status().playing
    source.seek(9)
    shown(controller, 9)
    assert len(view.messages) == 1


def test_a_file_cut_short_while_it_plays_is_told_once(controller: Controller, view: FakeView, path: Path) -> None:
    record_life(path, steps=200, grid=(64, 64))
    source = opened(controller, path)
    source.playhead.loop = True
    controller.set_speed(60.0)
    controller.toggle_play()
    wait_until(lambda: len(view.frames) > 3, controller)
    with path.open("r+b") as raw:
        raw.truncate(4096)
    wait_until(lambda: view.messages, controller)
    assert str(path) in view.messages[0].text
    assert not source.status().playing
    until = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > until, controller)
    assert len(view.messages) == 1


def test_a_file_that_is_replaced_while_it_grows_is_told_and_stays_in_view(
    controller: Controller, view: FakeView, path: Path, tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    source = opened(controller, path)
    source.follow(True)
    tell(writer, 5)
    shown(controller, 5)
    record_life(tmp_path / "other.h5").replace(path)
    wait_until(lambda: view.messages, controller)
    assert "run.h5: file was replaced" in view.messages[0].text
    source.seek(2)
    shown(controller, 2)


def test_a_file_that_is_deleted_while_open_can_still_be_seen(controller: Controller, path: Path) -> None:
    source = opened(controller, record_life(path))
    path.unlink()
    source.seek(-1)
    shown(controller, 30)


def test_the_file_is_closed_with_the_source(controller: Controller, path: Path) -> None:
    source = opened(controller, record_life(path))
    controller.close()
    source.thread.join(20)
    with h5py.File(path, "r+"):
        pass


_LEFT_OPEN = """
import atexit, sys, threading
import viewer.sources.source

# Where h5py has its own, which must find nobody reading: after the first import of ours, before that of recordings.
atexit.register(lambda: print("reading" if any(t.name == "recording source" for t in threading.enumerate()) else "at rest"))
from viewer.sources.opening import open_recording

source = open_recording(sys.argv[1])
source.playhead.loop = True
source.set_speed(None, 1)
source.play(True)
"""


def test_a_recording_left_open_is_closed_before_hdf5_is(path: Path) -> None:
    record_life(path)
    left = subprocess.run([sys.executable, "-c", _LEFT_OPEN, str(path)], capture_output=True, text=True, check=True)
    assert left.stdout == "at rest\n"
