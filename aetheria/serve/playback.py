"""A recording as a source of pictures: one position, which all readers share. Also one that is still being written."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, RecordingError
from aetheria.export.pictures import find_levels
from aetheria.observe.downsample import downsample, interleaved, quantise, sample
from aetheria.observe.first_field import first_field, states_of, with_first
from aetheria.recording import Recording
from aetheria.recording.slices import cut_axes
from aetheria.serve.budget import Budget
from aetheria.serve.protocol import Picture, View
from aetheria.serve.source import FieldInfo, SourceInfo

_RATE = 25.0  # pictures a second, at the most
_SHARE = 0.5  # of a core, for the run that is being recorded may be on this machine
_SPEED = 10.0  # frames a second at first
_FASTEST = 1000.0


class PlaybackSource:
    """A recording that plays, from its first frame, over and over; or that follows a run which is being recorded.

    Attributes:
        budget: what its readers may cost.
    """

    def __init__(self, path: Path, follow: bool = False) -> None:
        """
        Args:
            follow: stay at the newest frame until somebody moves.

        Raises:
            RecordingError: no recording, or one without a field or a frame to show.
        """
        self.budget = Budget(_SHARE)
        self._recording = Recording(path)
        self._lock = threading.RLock()  # of the file and the position
        attributes = self._recording.attributes
        if not self._recording.fields:
            raise RecordingError(f"{path}: holds no field to show, only {', '.join(self._recording.observables)}")
        if not len(self._recording):
            raise RecordingError(f"{path}: holds no frame yet; expected one or more")
        names = sorted(self._recording.fields, key=lambda name: name != "rgb")
        first = first_field(names, names[0], states_of(str(attributes["law"])))
        self._info = SourceInfo(
            str(attributes["title"] or attributes["law"]),
            str(attributes["law"]),
            tuple(len(self._recording.axis(axis)) for axis in self._recording.grid_axes),
            int(attributes["universes"]),
            with_first(map(self._field, names), first),
            tuple(self._recording.observables),
            "recording",
            ("pause", "step", "speed", "seek", "loop", "follow"),
            dt=float(attributes["dt"]),
        )
        self._following, self._paused, self._speed, self._loop = follow, False, _SPEED, True
        self._at, self._since = 0.0, time.monotonic()  # position in frames, and when it was there
        self._closed = False
        self._status: Mapping[str, Any] = {}
        self.status()

    @property
    def info(self) -> SourceInfo:
        """The run, in words."""
        return self._info

    @property
    def waits(self) -> bool:
        """Never: the run that is recorded may be on this machine."""
        return False

    def pictures(self, view: View, closed: Callable[[], bool], budget: Budget) -> Iterator[Picture | None]:
        """The pictures of a view at the position of all; see `Source`."""
        self._info.check(view)
        levels: tuple[float, float] | None = None
        shown, cost = -1, 0.0
        while not closed():
            with self._lock:
                if self._closed:
                    return
                index, picture, began = self._position(), None, time.thread_time()
                if index != shown and budget.take(cost):
                    values = self._values(view, index)
                    levels = self._levels(view, values, levels)
                    picture, shown = self._picture(view, index, values, levels), index
            if picture is not None:
                taken, cost = cost, time.thread_time() - began
                budget.spend(cost - taken)
            yield picture
            time.sleep(1 / _RATE)

    def status(self) -> Mapping[str, Any]:
        """Step and frame, number of frames, and whether it is paused and at which speed."""
        with self._lock:
            if not self._closed:
                index = self._position()
                place = {"step": self._recording.frame(index).step, "frame": index, "frames": len(self._recording)}
                how = {"paused": self._stands(index), "speed": self._speed, "loop": self._loop}
                self._status = {**place, **how, "newest": self._following, "ending": self._recording.status}
            return self._status

    def obey(self, command: str, values: Mapping[str, Any]) -> bytes | str | None:
        """Does one of `info.commands`; see `Source`."""
        with self._lock:
            index = self._position()
            match command:
                case "pause":
                    paused = values.get("paused") is not False
                    self._move(0 if not paused and self._at_end(index) else index, paused)
                case "step":
                    self._move(index + _whole(values.get("steps", 1), "step"), paused=True)
                case "seek":
                    self._move(self._sought(values), paused=True)
                case "loop":
                    self._move(index, self._stands(index))
                    self._loop = values.get("loop") is not False
                case "follow":
                    newest = values.get("newest") is not False
                    self._move(index, paused=not newest)
                    self._following = newest
                case "speed":
                    self._speed = _speed(values.get("speed"))
                    self._move(index, self._paused)
        return None

    def close(self) -> None:
        """Closes the file; pictures end."""
        with self._lock:
            self._closed = True
            self._recording.close()

    # -- position ------------------------------------------------------------------------------------------------

    def _move(self, frame: int, paused: bool) -> None:
        self._following, self._paused = False, paused
        self._at, self._since = float(min(max(frame, 0), len(self._recording) - 1)), time.monotonic()

    def _sought(self, values: Mapping[str, Any]) -> int:
        """The frame that a `seek` asks for: by its number, negative ones from the end, or the one nearest to a step."""
        if "step" in values:
            return int(np.abs(self._recording.steps - _whole(values["step"], "seek")).argmin())
        frame = _whole(values.get("frame"), "seek")
        return frame + len(self._recording) if frame < 0 else frame

    def _at_end(self, index: int) -> bool:
        return not self._loop and index >= len(self._recording) - 1

    def _stands(self, index: int) -> bool:
        """Whether nothing moves: it is paused, or at the end and not played over and over."""
        return self._paused or (self._at_end(index) and not self._following and self._recording.status != "running")

    def _position(self) -> int:
        """The frame that is shown now. For the lock's holder."""
        count = len(self._recording)
        if self._following:
            return count - 1
        passed = 0.0 if self._paused else (time.monotonic() - self._since) * self._speed
        reached = math.floor(self._at + passed)
        return reached % count if self._loop else min(reached, count - 1)

    # -- pictures ------------------------------------------------------------------------------------------------

    def _field(self, name: str) -> FieldInfo:
        attributes = self._recording.dataset(name).attrs
        meaning, unit, colours = (
            str(attributes.get(key, default)) for key, default in (("long_name", ""), ("units", "1"), ("colour_map", "ember"))
        )
        low, high = (attributes.get(key) for key in ("valid_min", "valid_max"))
        low, high = (None if end is None else float(end) for end in (low, high))
        return FieldInfo(name, meaning, unit, colours, low, high, _stem(name) == "phase")

    def _values(self, view: View, index: int) -> NDArray[np.float32]:
        """A field in its unit, of one universe: `(h, w)`, `(w,)`, of "rgb" with three planes before."""
        recording, name, axes = self._recording, self._info.field(view.field).name, self._recording.grid_axes
        attributes = recording.dataset(name).attrs
        factor, offset = (np.float32(attributes.get(key, default)) for key, default in (("scale_factor", 1), ("add_offset", 0)))
        values = np.asarray(recording.read(name, index, view.universe)[0], np.float32) * factor + offset
        if len(axes) < 3:
            return _part(values, view)
        if view.axis not in axes:
            raise ConfigError(f"view axis: {view.axis} given; the recording has {', '.join(axes)}")
        layers = self._info.grid[axes.index(view.axis)]
        cut = layers // 2 if view.cut is None else view.cut
        if isinstance(cut, int) and not 0 <= cut < layers:
            raise ConfigError(f'view slice: {cut} given; expected 0 to {layers - 1}, "mean" or "max"')
        shown = cut_axes(values, axes, {view.axis: cut}, cyclic=_stem(name) == "phase")  # type: ignore[dict-item]
        return _part(np.asarray(shown, np.float32), view)

    def _levels(self, view: View, values: NDArray[np.float32], before: tuple[float, float] | None) -> tuple[float, float]:
        """The range of the field where it has one; else levels that hold all values that came so far."""
        attributes = self._recording.dataset(self._info.field(view.field).name).attrs
        low, high = (attributes.get(key) for key in ("valid_min", "valid_max"))
        if self._info.field(view.field).name == "rgb":
            low, high = 0.0, 1.0
        found = find_levels([np.nan_to_num(values)], *(None if end is None else float(end) for end in (low, high)))
        return found if before is None else (min(found[0], before[0]), max(found[1], before[1]))

    def _picture(self, view: View, index: int, values: NDArray[np.float32], levels: tuple[float, float]) -> Picture:
        field = self._info.field(view.field).name
        planes = torch.from_numpy(np.ascontiguousarray(np.nan_to_num(values)))[None]
        axes = planes.ndim - 1 - (field == "rgb")
        sides = tuple(planes.shape[-axes:])
        share = min(1.0, view.size / max(sides))
        size = tuple(max(1, round(side * share)) for side in sides)
        reduced = sample(planes, size) if _stem(field) in ("state", "phase") else downsample(planes, size)
        pixels = interleaved(quantise(reduced, levels)[0].numpy()) if axes == 2 else quantise(reduced, levels).numpy()
        height, width = pixels.shape[:2]
        numbers = {name: float(self._recording.read(name, index, view.universe)[0]) for name in view.observables}
        channels = 3 if pixels.ndim == 3 else 1
        step = self._recording.frame(index).step
        finite = bool(np.isfinite(values).all())
        return Picture(step, field, height, width, channels, levels, numbers, pixels.tobytes(), index, view, finite)


def _part(values: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """The region of a view of `(..., h, w)`."""
    if view.region is None:
        return values
    top, left, height, width = view.region
    if values.ndim < 2 or top + height > values.shape[-2] or left + width > values.shape[-1]:
        raise ConfigError(f"view region: {view.region} given; expected a part of the grid")
    return values[..., top : top + height, left : left + width]


def _stem(name: str) -> str:
    """The name of a field without its component."""
    stem, _, number = name.rpartition("_")
    return stem if number.isdecimal() else name


def _whole(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{where}: {value!r} given; expected a whole number of frames")
    return value


def _speed(value: object) -> float:
    if value is None:
        return _FASTEST
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _FASTEST:
        raise ConfigError(f"speed: {value!r} given; expected frames a second, above 0 and up to {_FASTEST:g}")
    return float(value)
