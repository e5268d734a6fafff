"""Recording panel: law, grid, length and origin of the open recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QLabel

from aetheria.core.printable import printable
from aetheria.recording import Recording
from viewer.controllers.controller import Controller
from viewer.model.plane import Plane
from viewer.panels.panel import Panel
from viewer.sources.playback import RecordingSource
from viewer.sources.remote_recording import RemoteRecording
from viewer.sources.source import FrameSource
from viewer.widgets.accessibility import accessible
from viewer.widgets.plain_text import plain_tooltip, set_plain_text

_ROWS = ("File", "Title", "Law", "Grid", "Recorded", "Frames", "Steps", "Ended", "Fields", "Numbers", "Device", "Seed", "Made")
_NONE = "No recording is open. Open one, or record a run."


class RecordingPanel(Panel):
    """A list of the attributes of the file."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._form = QFormLayout(self)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.nothing = accessible(QLabel(_NONE), "Recording")
        self.nothing.setWordWrap(True)
        self._form.addRow(self.nothing)
        self.values: dict[str, QLabel] = {}
        for row in _ROWS:
            value = self.values[row] = accessible(QLabel(), row)
            value.setWordWrap(True)
            value.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            self._form.addRow(row, value)
        controller.player.listeners.append(self._moved)
        self._shown_state: tuple[int, str] | None = None
        self.show_source(None)

    def show_source(self, source: FrameSource | None) -> None:
        texts: Mapping[str, str] = {}
        if isinstance(source, RecordingSource):
            texts = about(source.recording, source.plane)
        elif isinstance(source, RemoteRecording):
            texts = about_served(source)
        self._form.setRowVisible(self.nothing, not texts)
        for row, value in self.values.items():
            # A path has no place to be broken: its name is shown, and all of it in the tooltip.
            set_plain_text(value, Path(texts[row]).name if row == "File" and row in texts else texts.get(row, ""))
            value.setToolTip(plain_tooltip(texts.get(row, "")))
            self._form.setRowVisible(value, bool(texts.get(row)))
        self._shown_state = None
        self._moved()

    def _moved(self) -> None:
        """Updates the rows that change while the run is being recorded."""
        position, source = self.controller.player.position, self.controller.source
        if (
            position is None
            or not isinstance(source, RecordingSource | RemoteRecording)
            or self._shown_state == (position.frames, position.ending)
        ):
            return
        self._shown_state = position.frames, position.ending
        texts = {
            "Frames": f"{position.frames:,}",
            "Ended": "not yet, still being written" if position.ending == "running" else printable(position.ending),
        }
        if isinstance(source, RecordingSource):
            texts["Steps"] = _steps(source)
        for row, text in texts.items():
            set_plain_text(self.values[row], text)
            self._form.setRowVisible(self.values[row], True)


def about(recording: Recording, plane: Plane) -> Mapping[str, str]:
    """The constant rows; `plane` is one of the recorded frames."""
    attributes = recording.attributes
    universes, channels = int(attributes["universes"]), int(attributes["channels"])
    cut = "".join(f", {axis} = {at}" for axis, at in recording.slice.items())
    smaller = "" if plane.shape == tuple(recording.grid) else f"frames of {_times(plane.shape)} pixels{cut}"
    rows = {
        "File": str(recording.path),
        "Title": str(attributes["title"]),
        "Law": f"{attributes['law']}, {channels} channel{'s' if channels > 1 else ''}",
        "Grid": f"{_times(recording.grid)} cells" + (f", {universes} universes" if universes > 1 else ""),
        "Recorded": smaller,
        "Fields": ", ".join(recording.fields),
        "Numbers": ", ".join(recording.observables),
        "Device": f"{attributes['device_name']}, {attributes['precision']}, plan {attributes['plan'] or 'unknown'}",
        "Seed": str(attributes["seed"]),
        "Made": str(attributes["created"]).replace("T", " ").replace("+00:00", " UTC"),
    }
    return {name: printable(text) for name, text in rows.items()}


def about_served(source: RemoteRecording) -> Mapping[str, str]:
    """The constant rows of a recording that a server shows; the server tells no more."""
    rows = {
        "Title": source.title,
        "Law": source.law_name,
        "Recorded": f"frames of {_times(source.plane.shape)} pixels"
        + (f", {source.universes} universes" if source.universes > 1 else ""),
        "Fields": ", ".join(choice.name for choice in source.fields),
        "Numbers": ", ".join(source.observables),
    }
    return {name: printable(text) for name, text in rows.items()}


def _steps(source: RecordingSource) -> str:
    steps, every = source.steps, int(source.recording.attributes["every"])
    how_often = "every one" if every == 1 else f"1 in {every:,}"
    return f"{steps[0]:,} to {steps[-1]:,}, {how_often}" if len(steps) else "none yet"


def _times(sides: Sequence[int]) -> str:
    """Width first, as images are described."""
    return " \N{MULTIPLICATION SIGN} ".join(str(side) for side in reversed(sides))
