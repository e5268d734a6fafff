"""Record dialog: fields, interval, size and file of a recording, with a size estimate."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from aetheria.core.device import times
from aetheria.core.errors import ConfigError
from aetheria.observe.first_field import STORED, shown_for_stored
from aetheria.observe.request import PixelType
from aetheria.recording.schema import Codec, filters
from viewer.controllers.controller import Controller
from viewer.controllers.record import RecordForecast, RecordSettings
from viewer.model.view_settings import Levels
from viewer.sources.live import LiveSource
from viewer.widgets.accessibility import accessible
from viewer.widgets.file_dialogs import ask_where_to_save, suggested
from viewer.widgets.plain_text import set_plain_tooltip

_SETTLE_MS = 150  # after the last change, until the next estimate
_FRACTIONS = {1: "Every cell", 2: "Half of each side", 4: "A quarter", 8: "An eighth", 16: "A sixteenth"}
_TYPES: dict[PixelType, str] = {
    "float32": "32 bits, exact",
    "float16": "16 bits",
    "uint8": "8 bits, between the present levels",
}
_CODECS: dict[Codec, str] = {"gzip": "gzip, read everywhere", "fast": "LZ4, fast", "compact": "Zstandard, compact"}


class RecordDialog(QDialog):
    """Choices of fields, interval, size and file; calls `wanted` with the settings when accepted."""

    def __init__(
        self, parent: QWidget, controller: Controller, source: LiveSource, wanted: Callable[[RecordSettings], None]
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Record")
        self.controller, self.source, self._wanted = controller, source, wanted
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_SETTLE_MS)
        self._rest.timeout.connect(self._estimate)
        self.fields = accessible(QListWidget(), "Fields to record")
        self.every = accessible(QSpinBox(), "Steps between frames")
        self.every.setRange(1, 1_000_000_000)
        self.every.setPrefix("every ")
        self.every.setValue(1 if source.plane.space_time else 10)  # a space-time picture needs every step
        self.extent = accessible(QComboBox(), "Size of the frames")
        self.dtype = accessible(QComboBox(), "Type of the numbers")
        self.codec = accessible(QComboBox(), "Compression")
        self.path = accessible(QLineEdit(in_home(suggested(f"{file_stem(source.title)}.h5"))), "File")
        self.takes = accessible(QLabel(), "Size estimate")
        self._fill()
        self._lay_out()
        for signal in (
            self.fields.itemChanged,
            self.every.valueChanged,
            self.extent.currentIndexChanged,
            self.dtype.currentIndexChanged,
            self.path.textChanged,
        ):
            signal.connect(lambda *_: self._changed())
        self._estimate()

    def _fill(self) -> None:
        for name in (*(choice.name for choice in self.source.fields), *self.source.observables):
            item = QListWidgetItem(name, self.fields)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            shown = name == self._stored_field()
            item.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
        shape = self.source.plane.shape
        for divisor, words in _FRACTIONS.items():
            if min(shape) >= divisor:
                size = tuple(side // divisor for side in shape)
                self.extent.addItem(f"{words}: {times(size)}", None if divisor == 1 else size)
        for dtype, words in _TYPES.items():
            self.dtype.addItem(words, dtype)
        for codec, words in _CODECS.items():
            if _can(codec):
                self.codec.addItem(words, codec)

    def _lay_out(self) -> None:
        browse = QPushButton("&Browse...")
        browse.clicked.connect(self._browse)
        file = QHBoxLayout()
        file.addWidget(self.path, 1)
        file.addWidget(browse)
        self.takes.setWordWrap(True)
        self.takes.setMinimumHeight(3 * self.fontMetrics().lineSpacing())
        self.takes.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.record = self.buttons.addButton("&Record", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self._agreed)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow("&What", self.fields)
        form.addRow("&Steps", self.every)
        form.addRow("Si&ze", self.extent)
        form.addRow("&Numbers", self.dtype)
        form.addRow("&Compression", self.codec)
        label = QLabel("&File")
        label.setBuddy(self.path)
        form.addRow(label, file)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.takes)
        layout.addWidget(self.buttons)
        letter = self.fontMetrics().averageCharWidth()
        self.fields.setMaximumHeight(9 * self.fontMetrics().lineSpacing())
        self.setMinimumWidth(70 * letter)

    def settings(self) -> RecordSettings:
        """The present choices."""
        items = [self.fields.item(row) for row in range(self.fields.count())]
        fields = tuple(item.text() for item in items if item.checkState() == Qt.CheckState.Checked)
        frame, stored, dtype = self.controller.frame, self._stored_field(), self.dtype.currentData()
        levels: tuple[tuple[str, Levels], ...] = ()
        if dtype == "uint8" and frame is not None and frame.field == self._shown_field() and stored in fields:
            levels = ((stored, frame.levels),)
        return RecordSettings(
            Path(self.path.text()).expanduser(), fields, self.every.value(), self.extent.currentData(), dtype,
            self.codec.currentData(), levels,
        )  # fmt: skip

    def _shown_field(self) -> str:
        view = self.controller.model.view_settings
        return "" if view is None else view.field

    def _stored_field(self) -> str:
        """The shown field, as it is recorded: where the window shows the states of the stored channel, that channel."""
        field, law = self._shown_field(), self.source.law
        return STORED if (law.default_field, shown_for_stored(law.states)) == (STORED, field) else field

    def _changed(self) -> None:
        self.record.setEnabled(False)
        self._rest.start()

    def _estimate(self) -> None:
        settings = self.settings()
        set_plain_tooltip(self.path, str(settings.path))  # there is not always room for all of it
        self.every.setSuffix(" step" if settings.every == 1 else " steps")
        if not settings.fields:
            self._forecast(settings, RecordForecast("Choose at least one field.", wrong=True, exists=False))
            return
        self.controller.record.estimate(settings, lambda forecast: self._forecast(settings, forecast))

    def _forecast(self, settings: RecordSettings, forecast: RecordForecast) -> None:
        if not isValid(self) or settings != self.settings():  # closed or changed in the meantime
            return
        replaces = " The file exists and will be replaced." if forecast.exists else ""
        self.takes.setText(forecast.text + replaces)
        self.record.setText("&Replace and record" if forecast.exists else "&Record")
        self.record.setEnabled(not forecast.wrong)

    def _browse(self) -> None:
        ask_where_to_save(self, "Record to", Path(self.path.text()).name, {".h5": "Recording"}, self._named)

    def _named(self, path: Path) -> None:
        self.path.setText(in_home(path))

    def _agreed(self) -> None:
        self._wanted(self.settings())
        self.accept()


def file_stem(title: str) -> str:
    """A file name from a title."""
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in title.lower().strip())
    return "-".join(filter(None, kept.split("-"))).strip(".")[:60] or "run"


def in_home(path: Path) -> str:
    """The path, with "~" for the user's home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _can(codec: Codec) -> bool:
    assert codec in get_args(Codec)
    try:
        filters(codec)
    except ConfigError:
        return False
    return True
