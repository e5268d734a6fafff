"""How things get into the window: from the gallery, by a file dialog, or dropped on it."""

from pathlib import Path

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from aetheria.runs.config import shipped_configs
from viewer.controllers.controller import Controller
from viewer.controllers.open_queue import OpenQueue
from viewer.dialogs.gallery_page import GalleryPage
from viewer.model.messages import Message
from viewer.widgets.canvas import Canvas
from viewer.widgets.file_dialogs import ask_what_to_open
from viewer.widgets.preferences import Preferences
from viewer.window.layout import DockLayout

KINDS = {
    ".toml": "Configs",
    ".h5 *.hdf5": "Recordings",
    ".rle": "Patterns",
    ".npy *.png": "Cells",
    ".safetensors *.pt *.pth": "Weights and states",
}


class DropTarget:
    """The page of the gallery, and everything that leads from it to the canvas and back.

    Attributes:
        open_queue: makes ready what is to be opened.
        gallery: the page.
    """

    def __init__(
        self,
        controller: Controller,
        pages: QStackedWidget,
        stage: QWidget,
        canvas: Canvas,
        layout: DockLayout,
        preferences: Preferences,
    ) -> None:
        self.controller = controller
        self.pages, self.stage, self.canvas = pages, stage, canvas
        self.layout, self.preferences = layout, preferences
        self.open_queue = OpenQueue(controller, self._file_opened, self.show_something)
        self.gallery = GalleryPage(preferences)
        self.gallery.chosen.connect(lambda name, title: self.open_queue.open(name, title=title))
        self.gallery.file_chosen.connect(self.open_queue.open)
        self.gallery.asked_for_file.connect(self.open_file)
        pages.addWidget(self.gallery)
        for widget in (canvas, canvas.viewport()):
            widget.setAcceptDrops(False)  # files fall through to the window

    def open_file(self) -> None:
        """Asks which file."""
        kinds = {" *".join(KINDS): "All that opens here", **KINDS}
        ask_what_to_open(self.pages, "Open", kinds, self.open_queue.open)

    def show_gallery(self) -> None:
        """Shows the gallery; what is open goes on behind it."""
        self.gallery.refresh()
        self.layout.hide_panels()
        self.pages.setCurrentWidget(self.gallery)
        self.gallery.setFocus()

    def show_something(self) -> None:
        """The gallery, unless something is open."""
        if self.controller.source is None:
            self.show_gallery()

    def cancel(self) -> None:
        """Waits no longer for what is being opened."""
        self.open_queue.cancel()
        self.show_something()

    def show_canvas(self) -> None:
        """Back to the cells, if there are any."""
        if self.controller.source is not None:
            self.layout.restore_panels()
            self.pages.setCurrentWidget(self.stage)
            self.canvas.setFocus()
        else:
            self.gallery.setFocus()

    def close_source(self) -> None:
        """Closes what is open, and shows the gallery."""
        self.open_queue.cancel()
        self.controller.close()
        self.show_gallery()

    def invite(self, event: QDragEnterEvent) -> None:
        """Something is dragged over the window: files are welcome, whatever they are; what is wrong with one is said later."""
        if _files(event.mimeData()):
            event.acceptProposedAction()
            self.controller.view.show_message(Message("note", "Drop it here to open it"))

    def take(self, event: QDropEvent) -> None:
        """Something was dropped: opens the first file."""
        files = _files(event.mimeData())
        if not files:
            return
        event.acceptProposedAction()
        self.open_queue.open(files[0])
        if len(files) > 1:
            name = files[0].name
            self.controller.view.show_message(Message("note", f"Of {len(files)} files only the first is opened: {name}"))

    def _file_opened(self, path: str) -> None:
        if path not in shipped_configs():
            self.preferences.add_recent(path)


def _files(data: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
