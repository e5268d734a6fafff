"""Overviews of a recording for people: what `aetheria info`, `repr` and notebooks show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aetheria.core.device import times
from aetheria.core.errors import AetheriaError
from aetheria.core.notebook import html_table
from aetheria.core.printable import counted, printable
from aetheria.observe.thumbnail import thumbnail

_MAX_PICTURE_BYTES = 64 * 2**20  # of a frame that is read for a notebook's picture


class Overviewed(Protocol):
    """The part of a `Recording` that an overview needs."""

    path: Path
    attributes: dict[str, Any]
    config: str
    note: str
    fields: tuple[str, ...]
    observables: tuple[str, ...]
    closed: bool

    @property
    def steps(self) -> NDArray[np.int64]: ...
    @property
    def status(self) -> str: ...
    @property
    def edge_step(self) -> int | None: ...
    def frame_bytes(self, name: str) -> int: ...
    def read(self, name: str, index: int, universe: int | None = None) -> NDArray[np.generic]: ...


def size_in_words(attributes: Mapping[str, Any]) -> str:
    """Channels, cells and universes, as "1 channel, 256 x 256 cells"."""
    universes = int(attributes["universes"])
    words = f"{counted(int(attributes['channels']), 'channel')}, {times(tuple(attributes['grid']))} cells"
    return words + (f", {counted(universes, 'universe')}" if universes > 1 else "")


def frames_in_words(steps: NDArray[Any], every: int) -> str:
    """Number of frames and their steps, as "4 frames, steps 0 to 60, every 20"."""
    if not len(steps):
        return "no frames yet"
    return f"{counted(len(steps), 'frame')}, steps {steps[0]:,} to {steps[-1]:,}, every {every}"


def overview(recording: Overviewed) -> dict[str, str]:
    """A recording in rows of name and text; empty where there is nothing to say.

    Raises:
        RecordingError: a part of the file cannot be read.
    """
    about = recording.attributes
    return {
        "status": recording.status,
        "title": about["title"],
        "law": f"{about['law']}, {size_in_words(about)}",
        "frames": frames_in_words(recording.steps, about["every"]),
        "fields": ", ".join(recording.fields),
        "observables": ", ".join(recording.observables),
        "made": f"{about['created']} on {about['device_name']} ({about['device']}, {about['precision']}), seed {about['seed']}",
        "edges": ""
        if recording.edge_step is None
        else f"live cells reached the edge of the grid by step {recording.edge_step:,}",
        "note": recording.note,
    }


def one_line(recording: Overviewed) -> str:
    """The `repr` of a recording."""
    about = recording.attributes
    try:
        state = "closed" if recording.closed else f"{frames_in_words(recording.steps, about['every'])}, {recording.status}"
    except AetheriaError:
        state = "damaged"
    return printable(f"<Recording {recording.path}: {about['law']}, {size_in_words(about)}, {state}>")


def as_html(recording: Overviewed) -> str:
    """A recording as a notebook shows it, with a picture of its last frame."""
    title, law = f"Recording {recording.path}", recording.attributes["law"]
    if recording.closed:
        return html_table(title, {"law": law, "status": "closed"})
    try:
        return html_table(title, overview(recording), _picture(recording), recording.config)
    except AetheriaError as error:
        return html_table(title, {"law": law, "note": error})


def _picture(recording: Overviewed) -> bytes | None:
    name = next(iter(recording.fields), None)
    if name is None or not len(recording.steps) or recording.frame_bytes(name) > _MAX_PICTURE_BYTES:
        return None
    return thumbnail(recording.read(name, -1, 0)[0], name)
