"""The pages of the window: the gallery, and the cells of the open source."""

from PySide6.QtWidgets import QStackedWidget, QWidget

from aetheria.files.patterns import PATTERN_SUFFIXES
from aetheria.runs.config import shipped_configs
from viewer.controllers.controller import Controller
from viewer.controllers.open_queue import OpenQueue
from viewer.dialogs.gallery_page import GalleryPage
from viewer.sources.importing import IMAGE_SUFFIXES
from viewer.widgets.canvas import Canvas
from viewer.widgets.file_dialogs import ask_what_to_open
from viewer.widgets.preferences import Preferences
from viewer.window.layout import DockLayout

KINDS = {
    ".toml": "Configs",
    ".h5 *.hdf5": "Recordings",
    " *".join(PATTERN_SUFFIXES): "Patterns",
    " *".join((".npy", *IMAGE_SUFFIXES)): "Cells",
    ".safetensors *.pt *.pth": "Weights and states",
}


class Pages:
    """Switches between the gallery and the cells; opens and closes sources.

    Attributes:
        open_queue: opens files.
        gallery: the gallery page.
    """

    def __init__(
        self,
        controller: Controller,
        stack: QStackedWidget,
        stage: QWidget,
        canvas: Canvas,
        layout: DockLayout,
        preferences: Preferences,
    ) -> None:
        self.controller = controller
        self.stack, self.stage, self.canvas = stack, stage, canvas
        self.layout, self.preferences = layout, preferences
        self.open_queue = OpenQueue(controller, self._file_opened, self.show_something)
        self.gallery = GalleryPage(preferences)
        self.gallery.chosen.connect(lambda name, title: self.open_queue.open(name, title=title))
        self.gallery.file_chosen.connect(self.open_queue.open)
        self.gallery.asked_for_file.connect(self.open_file)
        stack.addWidget(self.gallery)
        for widget in (canvas, canvas.viewport()):
            widget.setAcceptDrops(False)  # drops go to the window

    def open_file(self) -> None:
        """Asks for a file to open."""
        kinds = {" *".join(KINDS): "All supported files", **KINDS}
        ask_what_to_open(self.stack, "Open", kinds, self.open_queue.open)

    def show_gallery(self) -> None:
        """Shows the gallery; an open source keeps running."""
        self.gallery.refresh()
        self.layout.hide_panels()
        self.stack.setCurrentWidget(self.gallery)
        self.gallery.setFocus()

    def show_something(self) -> None:
        """Shows the gallery, unless a source is open."""
        if self.controller.source is None:
            self.show_gallery()

    def cancel(self) -> None:
        """Cancels opening."""
        self.open_queue.cancel()
        self.show_something()

    def show_canvas(self) -> None:
        """Shows the cells, if a source is open."""
        if self.controller.source is not None:
            self.layout.restore_panels()
            self.stack.setCurrentWidget(self.stage)
            self.canvas.setFocus()
        else:
            self.gallery.setFocus()

    def close_source(self) -> None:
        """Closes the source and shows the gallery."""
        self.open_queue.cancel()
        self.controller.close()
        self.show_gallery()

    def _file_opened(self, path: str) -> None:
        if path not in shipped_configs():
            self.preferences.add_recent(path)
