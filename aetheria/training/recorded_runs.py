"""Recordings as training data: their contents, found from metadata without reading a frame."""

import glob
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.device import times
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.files.untrusted import read_toml
from aetheria.motor.edits import ControlEdit
from aetheria.recording import Recording

_MOST_OPEN = 16  # files at a time; the least recently used one is closed for the next


@dataclass(frozen=True)
class RecordedRun:
    """One recording, described by its metadata.

    Attributes:
        path: of the file.
        law: name of the law that was recorded.
        identity: name, weights and parameters of that law, which tell it from others.
        channels, height, width: of its cells.
        universes: number of universes stepped together.
        every: steps between two frames.
        segments: (first, last) frames between which there is no edit and no frame is missing.
    """

    path: Path
    law: str
    identity: tuple[Any, ...]
    channels: int
    height: int
    width: int
    universes: int
    every: int
    segments: tuple[tuple[int, int], ...]


def find_recordings(patterns: Sequence[str | Path]) -> list[Path]:
    """The files that match names and patterns ("runs/*.h5"), each once, ordered by name.

    Raises:
        ConfigError: a name or pattern that matches no file.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        paths = sorted(Path(name).resolve() for name in glob.glob(str(pattern), recursive=True))  # noqa: PTH207 - may be absolute
        if not paths:
            raise ConfigError(f"[data] recordings: {pattern}: no recording found; expected .h5 files that a run has written")
        found.update(dict.fromkeys(paths))
    if not found:
        raise ConfigError("[data] recordings: none given; expected names of .h5 files, or patterns as runs/*.h5")
    return list(found)


def read_run(path: Path) -> RecordedRun:
    """Reads the metadata of a recording.

    Raises:
        RecordingError: it cannot be read, or does not hold all cells of a two-dimensional grid.
    """
    with Recording(path) as recording:
        about = recording.attributes
        grid = tuple(int(side) for side in about["grid"])
        if len(grid) != 2:
            raise RecordingError(f"{path}: holds a grid of {times(grid)} cells; laws are learned from grids of two axes")
        height, width = grid
        channels, universes = int(about["channels"]), int(about["universes"])
        _check_whole(recording)
        every = int(about["every"])
        segments = _find_segments(recording.steps, recording.edits_before, every)
        identity = (str(about["law"]), str(about["weights_sha256"]), _law_table(recording.config))
        return RecordedRun(path, str(about["law"]), identity, channels, height, width, universes, every, segments)


def _check_whole(recording: Recording) -> None:
    """Raises RecordingError unless it holds every channel at full size, and its law was never changed."""
    path, about = recording.path, recording.attributes
    missing = [name for name in channel_names(int(about["channels"])) if name not in recording.fields]
    if missing:
        raise RecordingError(
            f"{path}: holds {', '.join(recording.fields)}, but not {missing[0]}; training needs "
            'every channel, as recorded by [record] fields = ["cells"]'
        )
    found, grid = recording.dataset("channel_0").shape[-2:], tuple(about["grid"])
    if found != grid:
        raise RecordingError(
            f"{path}: holds {found[0]} x {found[1]} averages of {grid[0]} x {grid[1]} cells; record without size"
        )
    changed = next((edit for edit in recording.edits if isinstance(edit, ControlEdit)), None)
    if changed:
        raise RecordingError(
            f"{path}: {changed.name} was edited at step {changed.step}, so that it shows two laws; record a run of one law"
        )


def check_alike(runs: Sequence[RecordedRun]) -> None:
    """Raises ConfigError unless all have the same law, shape of cells and interval."""
    first = runs[0]
    for run in runs[1:]:
        for name, one, other in (
            ("law", first.identity, run.identity),
            ("channels", first.channels, run.channels),
            ("grid", (first.height, first.width), (run.height, run.width)),
            ("steps between frames", first.every, run.every),
        ):
            if one != other:
                shown = (first.law, run.law) if name == "law" and first.law != run.law else (one, other)
                raise ConfigError(
                    f"[data] recordings: {first.path.name} and {run.path.name} differ in {name}: {shown[0]} and {shown[1]}; "
                    "expected recordings of one law on grids of one size"
                )


class OpenRecordings:
    """Recordings open in this process, at most `_MOST_OPEN`."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, Recording] = OrderedDict()

    def open(self, path: Path) -> Recording:
        """The recording in a file, opened if it is not open."""
        if path not in self._open:
            while len(self._open) >= _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[path] = Recording(path)
        self._open.move_to_end(path)
        return self._open[path]

    def close(self) -> None:
        """Closes all of them; they can be opened again."""
        while self._open:
            self._open.popitem()[1].close()


def channel_names(channels: int) -> list[str]:
    """Names of the fields that together hold the cells."""
    return [f"channel_{channel}" for channel in range(channels)]


def _find_segments(steps: NDArray[np.int64], edits: NDArray[np.int64], every: int) -> tuple[tuple[int, int], ...]:
    if not len(steps):
        return ()
    breaks = np.flatnonzero((np.diff(steps) != every) | (np.diff(edits) != 0))
    firsts, lasts = [0, *(breaks + 1).tolist()], [*breaks.tolist(), len(steps) - 1]
    return tuple(zip(firsts, lasts, strict=True))


def _law_table(config: str) -> str:
    """The parameters of the law in a config; empty for a run without a config."""
    table = read_toml(config, "a recording's config").get("law", {}) if config else {}
    return repr(sorted((key, value) for key, value in table.items() if key not in ("weights", "seed")))
