"""A recording that a server shows, as a source: all its readers share one position. No Qt."""

from dataclasses import replace
from typing import Any

from aetheria.serve.client import RemoteRun
from aetheria.serve.protocol import Picture
from viewer.model.status import Status
from viewer.sources.played import PlaybackPosition
from viewer.sources.remote import RemoteSource


class RemoteRecording(RemoteSource):
    """Position, speed and repetition are those of all readers; to open a window changes none of them."""

    live = False
    shared = True

    def __init__(self, address: str, run: RemoteRun) -> None:
        self._picture: Picture | None = None
        super().__init__(address, run)

    @property
    def place_in_frames(self) -> PlaybackPosition:
        """Position, as the timeline shows it: that of the picture while it plays."""
        told, shown = self._run.status, self._picture
        frames, playing = int(told.get("frames", 0)), bool(self._requested.value("playing", not told.get("paused", True)))
        frame, step = int(told.get("frame", 0)), int(told.get("step", 0))
        if playing and shown is not None and shown.frame is not None:
            frame, step = shown.frame, shown.step
        frame = min(max(int(self._requested.value("frame", frame)), 0), max(frames - 1, 0))
        time_of = step * float(self._run.welcome.get("dt", 1.0))
        loop, newest = (bool(self._requested.value(name, told.get(name, False))) for name in ("loop", "newest"))
        playing = playing and not (newest or self._run.ended)
        return PlaybackPosition(frame, frames, step, time_of, playing, str(told.get("ending", "")), newest, loop)

    def seek(self, frame: int) -> None:
        """Goes to a frame, negative ones from the end, and stops."""
        frames = int(self._run.status.get("frames", 0))
        self._requested.add(frame=frame + frames if frame < 0 else frame, playing=False, newest=False)
        self._send(lambda run: run.send("seek", frame=frame), "seek")

    def move_by(self, frames: int) -> None:
        """Moves by so many frames (negative ones backwards) and stops."""
        self.seek(max(0, self.place_in_frames.frame_index + frames))

    def follow(self, newest: bool) -> None:
        """Stays at the newest frame of a growing file, or ends that."""
        self._requested.add(newest=newest, playing=False)
        self._send(lambda run: run.send("follow", newest=newest))

    def repeat(self, loop: bool) -> None:
        """Starts again after the last frame from now on, or stops there."""
        if loop != self.place_in_frames.loop:
            self._requested.add(loop=loop)
            self._send(lambda run: run.send("loop", loop=loop))

    def play(self, playing: bool) -> None:
        if playing != self.place_in_frames.playing:
            self._requested.forget("frame")
            self._requested.add(playing=playing, newest=False)
            super().play(playing)

    def advance_updates(self, updates: int) -> None:
        self.move_by(updates * self.stride)

    def go_to(self, step: int) -> None:
        """Goes to the frame nearest to a step, and stops."""
        self._requested.add(playing=False, newest=False)
        self._send(lambda run: run.send("seek", step=step), "seek")

    def status(self) -> Status:
        place, ended = self.place_in_frames, self._run.ended
        return replace(
            super().status(),
            step=place.step,
            playing=place.playing,
            following=place.newest and place.ending == "running",
            cells_per_s=0.0,
            plan="ended" if ended else "still being written" if place.ending == "running" else f"run ended: {place.ending}",
            plan_reason="the server plays the recording",
            frame_index=place.frame_index if place.frames else None,
            frames=place.frames,
        )

    def _take(self, message: Any) -> None:
        if isinstance(message, Picture):
            self._picture = message
        super()._take(message)
