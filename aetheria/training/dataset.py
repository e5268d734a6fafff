"""Recordings as something to learn from: what each holds, found without reading a frame."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, RecordingError
from aetheria.files.untrusted import read_toml
from aetheria.motor.edits import ControlEdit
from aetheria.recording import Recording


@dataclass(frozen=True)
class Run:
    """One recording, by its metadata.

    Attributes:
        path: of the file.
        law: name of the law that made it, and what else tells it from others.
        channels, height, width: of its cells.
        universes: how many ran together.
        every: steps between two frames.
        stretches: (first, last) frames between which nobody changed anything by hand and no frame is missing.
    """

    path: Path
    law: str
    identity: tuple[Any, ...]
    channels: int
    height: int
    width: int
    universes: int
    every: int
    stretches: tuple[tuple[int, int], ...]


def find_recordings(patterns: Sequence[str | Path]) -> list[Path]:
    """The files that names and patterns ("runs/*.h5") stand for, each once, in order of their names.

    Raises:
        ConfigError: a name or pattern that stands for no file.
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


def examine(path: Path) -> Run:
    """Reads what a recording says of itself.

    Raises:
        RecordingError: it cannot be read, or does not hold the whole cells.
    """
    with Recording(path) as recording:
        about = recording.attributes
        height, width = (int(size) for size in about["grid"])
        channels, universes = int(about["channels"]), int(about["universes"])
        _check_whole(recording)
        every = int(about["every"])
        stretches = _stretches(recording.steps, recording.edits_before, every)
        identity = (str(about["law"]), str(about["weights_sha256"]), _law_table(recording.config))
        return Run(path, str(about["law"]), identity, channels, height, width, universes, every, stretches)


def _check_whole(recording: Recording) -> None:
    """Raises RecordingError unless it holds every channel at full size, of one law."""
    path, about = recording.path, recording.attributes
    missing = [name for name in channel_names(int(about["channels"])) if name not in recording.fields]
    if missing:
        raise RecordingError(
            f"{path}: holds {', '.join(recording.fields)}, but not {missing[0]}; to be learned from, a run must record "
            'every channel: [record] fields = ["cells"]'
        )
    found, grid = recording.dataset("channel_0").shape[-2:], tuple(about["grid"])
    if found != grid:
        raise RecordingError(
            f"{path}: holds {found[0]} x {found[1]} averages of {grid[0]} x {grid[1]} cells; record without size"
        )
    changed = next((edit for edit in recording.edits if isinstance(edit, ControlEdit)), None)
    if changed:
        raise RecordingError(
            f"{path}: {changed.name} was changed by hand at step {changed.step}, so that it shows two laws; record a run of one"
        )


def check_alike(runs: Sequence[Run]) -> None:
    """Raises ConfigError unless all are of one law, one shape of cells and one interval."""
    first = runs[0]
    for run in runs[1:]:
        for what, ours, theirs in (
            ("law", first.identity, run.identity),
            ("channels", first.channels, run.channels),
            ("grid", (first.height, first.width), (run.height, run.width)),
            ("steps between frames", first.every, run.every),
        ):
            if ours != theirs:
                shown = (first.law, run.law) if what == "law" and first.law != run.law else (ours, theirs)
                raise ConfigError(
                    f"[data] recordings: {first.path.name} and {run.path.name} differ in {what}: {shown[0]} and {shown[1]}; "
                    "expected recordings of one law on grids of one size"
                )


def channel_names(channels: int) -> list[str]:
    """Names of the fields that together hold the cells."""
    return [f"channel_{channel}" for channel in range(channels)]


def _stretches(steps: NDArray[np.int64], edits: NDArray[np.int64], every: int) -> tuple[tuple[int, int], ...]:
    if not len(steps):
        return ()
    torn = np.flatnonzero((np.diff(steps) != every) | (np.diff(edits) != 0))
    firsts, lasts = [0, *(torn + 1).tolist()], [*torn.tolist(), len(steps) - 1]
    return tuple(zip(firsts, lasts, strict=True))


def _law_table(config: str) -> str:
    """The law's own table of a config; of a run without a config, nothing is known."""
    table = read_toml(config, "a recording's config").get("law", {}) if config else {}
    return repr(sorted((key, value) for key, value in table.items() if key not in ("weights", "seed")))
