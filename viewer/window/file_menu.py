"""File menu: dialogs to save, load, record and film. All are non-modal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout, QLabel, QSpinBox, QWidget

from viewer.controllers.controller import Controller
from viewer.controllers.record import RecordSettings
from viewer.dialogs.record_dialog import RecordDialog, file_stem
from viewer.model.messages import Message
from viewer.sources.cell_access import EditableSource
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource
from viewer.widgets.accessibility import accessible
from viewer.widgets.canvas import Canvas
from viewer.widgets.file_dialogs import ask_what_to_open, ask_where_to_save

_FILMS = {".mp4": "MP4", ".gif": "GIF"}
_CELLS = {".rle": "Pattern", ".npy": "NumPy array", ".png": "Image"}
_STATES = {".safetensors": "State of a run"}
_FILM_SIDE = 512  # smallest suggested length in pixels of the longer side of a film


class FileMenu:
    """Dialogs of the File menu."""

    def __init__(self, window: QWidget, canvas: Canvas, controller: Controller) -> None:
        self.window = window
        self.canvas = canvas
        self.controller = controller

    def save_numbers(self) -> None:
        """Asks where to save the plotted numbers."""
        series = self.controller.series
        ask_where_to_save(self.window, "Save numbers", "numbers.csv", {".csv": "Table"}, series.save_csv)

    def save_view(self) -> None:
        """Asks where to save an image of the view."""
        pixels = pixels_of(self.canvas.viewport().grab().toImage())
        name = f"{self._stem()}-{self._step()}.png"
        save = self.controller.save
        ask_where_to_save(self.window, "Save image", name, {".png": "Image"}, lambda path: save.save_image(pixels, path))

    def save_state(self) -> None:
        """Asks where to save the state."""
        name = f"{self._stem()}-{self._step()}.safetensors"
        ask_where_to_save(self.window, "Save the state", name, _STATES, self.controller.save.save_state)

    def save_cells(self) -> None:
        """Asks where to save all cells, as a pattern, an array or an image."""
        source = self.controller.source
        pattern = source is not None and len(source.plane.sides) == 2
        self._ask_for_cells("Save the cells", "", pattern, self.controller.save.save_cells)

    def save_selection(self) -> None:
        """Asks where to save the selected cells."""
        save = self.controller.save.save_cells
        self._ask_for_cells("Save the selection", "-selection", True, lambda path: save(path, selected=True))

    def _ask_for_cells(self, title: str, mark: str, pattern: bool, save: Callable[[Path], object]) -> None:
        source: object = self.controller.source
        law = source.law if isinstance(source, EditableSource) and not source.not_edited else None
        whole = pattern and law is not None and law.states is not None
        kinds = {suffix: called for suffix, called in _CELLS.items() if whole or suffix != ".rle"}
        ask_where_to_save(self.window, title, f"{self._stem()}-{self._step()}{mark}{next(iter(kinds))}", kinds, save)

    def load_state(self) -> None:
        """Asks for a state to continue from."""
        ask_what_to_open(self.window, "Load a state", _STATES, self.controller.save.load_state)

    def copy_config(self) -> None:
        """Copies the present config to the clipboard."""

        def copy() -> None:
            QGuiApplication.clipboard().setText(self.controller.save.config_toml())
            self.controller.view.show_message(Message("note", "The config was copied as TOML."))

        self.controller.attempt(copy)

    def record(self) -> None:
        """Stops the recording, or opens the record dialog."""
        record, source = self.controller.record, self.controller.source
        if record.recording:
            record.stop()
        elif isinstance(source, LiveSource):
            RecordDialog(self.window, self.controller, source, self._record).open()

    def _record(self, settings: RecordSettings) -> None:
        self.controller.record.start(settings)

    def film(self) -> None:
        """Stops the film, or asks for its file and settings."""
        film, source = self.controller.film, self.controller.source
        if film.task is not None:
            film.stop()
        elif isinstance(source, RecordingSource) and not source.plane.space_time:
            FilmDialog(self.window, self.controller, source, self._film_recording).open()
        else:
            ask_where_to_save(self.window, "Film the view", f"{self._stem()}.mp4", _FILMS, film.film_view)

    def _film_recording(self, scale: int, fps: float) -> None:
        film = self.controller.film
        ask_where_to_save(
            self.window,
            "Film the recording",
            f"{self._stem()}.mp4",
            _FILMS,
            lambda path: film.film_recording(path, scale, fps),
        )

    def _stem(self) -> str:
        source = self.controller.source
        if isinstance(source, RecordingSource):
            return source.recording.path.stem
        return file_stem(source.title) if source is not None else "aetheria"

    def _step(self) -> str:
        source = self.controller.source
        return f"{source.status().step if source is not None else 0:06d}"


class FilmDialog(QDialog):
    """Asks for scale and frame rate of a film of a recording."""

    def __init__(
        self, parent: QWidget, controller: Controller, source: RecordingSource, wanted: Callable[[int, float], None]
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Film the recording")
        plane = controller.plane
        self.source, self._grid = source, source.plane.grid if plane is None else plane.grid
        self.scale = accessible(QSpinBox(), "Pixels per cell")
        self.scale.setRange(1, 64)
        self.scale.setValue(max(1, min(64, -(-_FILM_SIDE // max(self._grid)))))
        self.fps = accessible(QDoubleSpinBox(), "Frames per second")
        self.fps.setRange(0.1, 240)
        self.fps.setDecimals(1)
        self.fps.setValue(30)
        self.takes = QLabel()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.addButton("&Choose a file...", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.accepted.connect(lambda: wanted(self.scale.value(), self.fps.value()))
        form = QFormLayout(self)
        form.addRow("&Pixels per cell", self.scale)
        form.addRow("&Frames per second", self.fps)
        form.addRow(self.takes)
        form.addRow(buttons)
        self.scale.valueChanged.connect(lambda _: self._say())
        self.fps.valueChanged.connect(lambda _: self._say())
        self._say()

    def _say(self) -> None:
        frames, (height, width), scale = len(self.source.steps), self._grid, self.scale.value()
        seconds = frames / self.fps.value()
        self.takes.setText(
            f"{frames:,} frames of {width * scale:,} x {height * scale:,} pixels, {seconds:,.1f} seconds, with the present "
            "colours and levels"
        )


def pixels_of(image: QImage) -> NDArray[np.uint8]:
    """The colours `(h, w, 3)` of an image."""
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(plain.constBits(), np.uint8).reshape(plain.height(), plain.bytesPerLine())
    return rows[:, : 3 * plain.width()].reshape(plain.height(), plain.width(), 3).copy()
