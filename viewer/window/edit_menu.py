"""Copy, cut and paste through the system's clipboard: RLE text for whole states, a NumPy array for other cells."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from aetheria.files.patterns import PATTERN_SUFFIXES
from aetheria.laws.base import Law
from viewer.controllers.clipping import Clipping, clipping_of_file, clipping_of_npy, clipping_of_text
from viewer.controllers.controller import Controller
from viewer.model.messages import Message
from viewer.widgets.file_dialogs import ask_what_to_open

_NPY = "application/x-npy"  # between windows of Aetheria
_FILES = {" *".join((*PATTERN_SUFFIXES, ".npy")): "Cells"}


class EditMenu:
    """The part of the Edit menu that uses the clipboard and files."""

    def __init__(self, window: QWidget, controller: Controller) -> None:
        self.window = window
        self.controller = controller

    def copy(self) -> None:
        """Copies the selected cells."""
        self.controller.selection.copy(self._copied)

    def cut(self) -> None:
        """Copies the selected cells, and sets them to rest."""
        self.controller.selection.copy(self._copied, cut=True)

    def paste(self) -> None:
        """Takes the cells of the clipboard in hand."""
        self.controller.paste.take(_reader())

    def paste_into_selection(self) -> None:
        """Pastes the cells of the clipboard at the corner of the selection."""
        self.controller.paste.into_selection(_reader())

    def paste_file(self) -> None:
        """Asks for a file whose cells to take in hand."""
        paste = self.controller.paste
        ask_what_to_open(self.window, "Paste a file", _FILES, lambda path: paste.take(lambda law: clipping_of_file(path, law)))

    def _copied(self, clipping: Clipping, law: Law) -> None:
        content = QMimeData()
        if text := clipping.rle(law):
            content.setText(text)
        else:
            content.setData(_NPY, clipping.npy())
        QGuiApplication.clipboard().setMimeData(content)
        height, width = clipping.size
        form = "as RLE text" if text else "as an array, for Aetheria"
        self.controller.view.show_message(Message("note", f"Copied {height} x {width} cells {form}"))


def _reader() -> Callable[[Law], Clipping]:
    """Reads the clipboard now, and makes cells of a law of it later, in the worker."""
    content = QGuiApplication.clipboard().mimeData()
    if content.hasFormat(_NPY):
        array = bytes(content.data(_NPY).data())
        return lambda law: clipping_of_npy(array, law)
    files = [Path(url.toLocalFile()) for url in content.urls() if url.isLocalFile()]
    if files:
        return lambda law: clipping_of_file(files[0], law)
    text = content.text()
    return lambda law: clipping_of_text(text, law)
