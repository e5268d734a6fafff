"""A recording that a server shows, under the timeline of a window."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aetheria.recording import Recording
from aetheria.serve.access import Access
from aetheria.serve.playback import PlaybackSource
from aetheria.serve.server import Server
from tests.viewer.fakes import FakeView
from tests.viewer.recordings import record_life, tell, writing
from tests.viewer.served import until, window_on
from viewer.controllers.actions import why_unavailable
from viewer.controllers.controller import Controller


@contextlib.contextmanager
def shown(path: Path, follow: bool = False, **options: Any) -> Iterator[tuple[Server, PlaybackSource, Controller, FakeView]]:
    source = PlaybackSource(path, follow)
    with Server(source, Access(port=0, **options)) as server, window_on(server.url) as (controller, view):
        until(controller, lambda: view.frames and controller.player.position and controller.player.position.frames)
        yield server, source, controller, view


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_life(tmp_path_factory.mktemp("served") / "run.h5", steps=60, every=2)


def told(source: PlaybackSource, name: str) -> Any:
    return source.status()[name]


def playing(controller: Controller) -> bool:
    return controller.source is not None and controller.source.status().playing


def at(controller: Controller, frame: int) -> bool:
    position = controller.player.position
    return position is not None and (position.frame_index, position.step) == (frame, 2 * frame)


def test_a_frame_is_sought_and_shown_and_steps_go_both_ways(path: Path) -> None:
    with shown(path) as (_, source, controller, view), Recording(path) as recording:
        player = controller.player
        for move, frame in (
            (lambda: player.seek(7), 7),
            (player.forward, 8),
            (player.back, 7),
            (player.leap_forward, 17),
            (player.last, 30),
            (player.first, 0),
            (lambda: controller.go_to(25), 12),
            (controller.step_once, 13),
        ):
            move()
            until(controller, lambda frame=frame: at(controller, frame) and view.frames[-1].step == 2 * frame)  # type: ignore[misc]
            cells = recording.read("channel_0", frame)[0]
            assert np.array_equal(view.frames[-1].pixels > 127, cells > 0)
            assert told(source, "paused")
        assert not view.messages


def test_it_is_played_from_here_at_the_speed_of_the_window(path: Path) -> None:
    with shown(path) as (_, source, controller, view):
        controller.player.seek(3)
        until(controller, lambda: at(controller, 3))
        controller.set_speed(20.0)
        until(controller, lambda: told(source, "speed") == 20.0)
        controller.toggle_play()
        until(controller, lambda: view.frames[-1].step > 14)
        assert controller.player.position is not None
        assert controller.player.position.playing
        until(controller, lambda: view.statuses[-1].playing and view.statuses[-1].frames == 31)
        controller.toggle_play()
        until(controller, lambda: told(source, "paused") and not view.statuses[-1].playing)


def test_to_open_a_window_changes_nothing_for_the_other_readers(path: Path) -> None:
    source = PlaybackSource(path)
    source.obey("speed", {"speed": 3.0})
    source.obey("seek", {"frame": 4})
    before = source.status()
    with Server(source, Access(port=0)) as server, window_on(server.url) as (controller, view):
        until(controller, lambda: at(controller, 4) and view.frames)
        for _ in range(20):
            controller.tick()
        assert source.status() == before
        assert controller.model.loop
        assert controller.model.speed == 3.0


def test_the_end_is_repeated_or_not_as_the_window_says(path: Path) -> None:
    with shown(path) as (_, source, controller, view):
        player = controller.player
        until(controller, lambda: controller.model.loop)  # as it was
        player.toggle_loop()
        until(controller, lambda: not told(source, "loop") and not controller.model.loop)
        controller.set_speed(200.0)
        player.seek(25)
        controller.toggle_play()
        until(controller, lambda: told(source, "paused") and at(controller, 30) and not playing(controller))
        controller.set_speed(10.0)  # slow enough for its first frames to be seen
        controller.toggle_play()  # from its start
        until(controller, lambda: view.frames[-1].step < 40)


def test_where_it_is_dragged_to_does_not_jump_back_while_the_server_is_asked(path: Path) -> None:
    with shown(path) as (_, _source, controller, _):
        controller.player.seek(2)
        until(controller, lambda: at(controller, 2))
        for frame in range(3, 28):
            controller.player.seek(frame)
            controller.tick()
            assert controller.player.position is not None
            assert controller.player.position.frame_index == frame
        until(controller, lambda: at(controller, 27))


def test_a_read_only_server_keeps_its_position_and_tools_say_that_it_is_a_recording(path: Path) -> None:
    with shown(path, read_only=True) as (_, source, controller, view):
        controller.toggle_play()
        assert controller.source is not None
        assert why_unavailable("run", controller.source)
        assert why_unavailable("live", controller.source) == "this is a recording"
        assert not told(source, "paused")
        controller.tools.draw()
        assert "only live runs" in view.messages[-1].text


def test_a_recording_that_is_being_written_is_followed_and_left(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with writing(path) as writer:
        tell(writer, 5)
        with shown(path, follow=True) as (_, source, controller, view):
            until(controller, lambda: view.statuses and view.statuses[-1].following)
            tell(writer, 5)
            until(controller, lambda: view.frames[-1].step == 10 and view.statuses[-1].frames == 11)
            until(controller, lambda: controller.model.newest)
            controller.player.back()
            until(controller, lambda: not told(source, "newest") and not view.statuses[-1].following)
            until(controller, lambda: view.frames[-1].step == 9)
            until(controller, lambda: not controller.model.newest)
            controller.player.toggle_newest()
            until(controller, lambda: told(source, "newest") and view.frames[-1].step == 10)
            assert writer.stdin is not None
            writer.stdin.close()
            until(controller, lambda: view.statuses[-1].plan == "run ended: done")
