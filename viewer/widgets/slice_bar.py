"""Slice bar under the cells of a volume: axis, and index, mean or maximum along it."""

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider, QWidget

from viewer.controllers.controller import Controller
from viewer.sources.source import FrameSource
from viewer.widgets.accessibility import accessible

_KINDS = {"index": "Slice", "mean": "Mean", "max": "Maximum"}


class SliceBar(QWidget):
    """Visible while the grid has three axes; it shows and sets the slice in the view settings."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.axis = accessible(QComboBox(), "Axis of the slice")
        self.axis.setToolTip("The axis that the slice is across (Shift+X: the next)")
        self.axis.textActivated.connect(lambda _: self._chosen())
        self.kind = accessible(QComboBox(), "Slice, mean or maximum")
        self.kind.setToolTip("One slice of the volume, or the mean or maximum of all of them")
        for kind, text in _KINDS.items():
            self.kind.addItem(text, kind)
        self.kind.activated.connect(lambda _: self._chosen())
        self.index = accessible(QSlider(Qt.Orientation.Horizontal), "Index of the slice")
        self.index.setToolTip("Index of the slice (Shift+PgUp, Shift+PgDown)")
        self.index.valueChanged.connect(lambda _: self._chosen())
        self.position_text = accessible(QLabel(), "Slice")
        row = QHBoxLayout(self)
        for widget in (self.axis, self.kind, self.index, self.position_text):
            row.addWidget(widget, 1 if widget is self.index else 0)
        controller.model.listeners.append(self.model_changed)
        self.show_source(None)

    def show_source(self, source: FrameSource | None) -> None:
        """A source was opened, or closed (None)."""
        plane = self.controller.plane if source is not None else None
        self.setVisible(plane is not None and plane.slice is not None)
        if plane is not None:
            with QSignalBlocker(self.axis):
                self.axis.clear()
                self.axis.addItems(plane.axes)
            widest = f"{max(plane.shape):,} of 0 to {max(plane.shape):,}"
            self.position_text.setMinimumWidth(self.fontMetrics().horizontalAdvance(widest))
        self.model_changed(frozenset({"view_settings"}))

    def model_changed(self, names: frozenset[str]) -> None:
        """Attributes of the model changed."""
        plane = self.controller.plane
        if "view_settings" not in names or plane is None or plane.slice is None:
            return
        axis, cut = plane.slice.axis, plane.slice.cut
        count = plane.sides[axis]
        with QSignalBlocker(self.axis), QSignalBlocker(self.kind), QSignalBlocker(self.index):
            self.axis.setCurrentText(axis)
            self.kind.setCurrentIndex(self.kind.findData("index" if isinstance(cut, int) else cut))
            self.index.setRange(0, count - 1)
            if isinstance(cut, int):
                self.index.setValue(cut)
        self.index.setEnabled(isinstance(cut, int))
        # Indices count from 0, as in configs and files.
        self.position_text.setText(f"{cut:,} of 0 to {count - 1:,}" if isinstance(cut, int) else f"of {count:,}")

    def _chosen(self) -> None:
        plane = self.controller.plane
        if plane is None:
            return
        axis, kind = self.axis.currentText(), self.kind.currentData()
        if kind != "index":
            self.controller.set_slice(axis, kind)
        elif plane.slice is not None and axis != plane.slice.axis:
            self.controller.set_slice(axis, plane.sides[axis] // 2)
        else:
            self.controller.set_slice(axis, self.index.value())
