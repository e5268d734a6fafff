"""Files dropped on the window."""

from pathlib import Path

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QDragEnterEvent, QDropEvent

from viewer.controllers.component import ViewInterface
from viewer.controllers.open_queue import OpenQueue
from viewer.model.messages import Message


class DropTarget:
    """Accepts files of any kind and opens the first one; unreadable files are reported after the drop."""

    def __init__(self, view: ViewInterface, open_queue: OpenQueue) -> None:
        self.view, self.open_queue = view, open_queue

    def drag_entered(self, event: QDragEnterEvent) -> None:
        """Accepts a drag that holds files."""
        if _files(event.mimeData()):
            event.acceptProposedAction()
            self.view.show_message(Message("note", "Drop the file to open it"))

    def dropped(self, event: QDropEvent) -> None:
        """Opens the first file of a drop."""
        files = _files(event.mimeData())
        if not files:
            return
        event.acceptProposedAction()
        self.open_queue.open(files[0])
        if len(files) > 1:
            self.view.show_message(Message("note", f"Of {len(files)} files only the first is opened: {files[0].name}"))


def _files(data: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
