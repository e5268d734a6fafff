"""Shortcuts page and help page: non-modal windows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QSize, Qt, QUrl
from PySide6.QtGui import QImage, QTextDocument
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLineEdit,
    QTextBrowser,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from aetheria.observe.colour_maps import COLOUR_MAPS, colour_map
from viewer.controllers.actions import ACTIONS
from viewer.controllers.help import PAGE, ShortcutLine, sections
from viewer.widgets.accessibility import accessible


class ShortcutsPage(QDialog):
    """All shortcuts by menu, with a search field."""

    def __init__(self, parent: QWidget, panels: Sequence[ShortcutLine]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.query = accessible(QLineEdit(), "Search")
        self.query.setPlaceholderText("Search for a key or a word")
        self.query.setClearButtonEnabled(True)
        self.query.textChanged.connect(self.search)
        self.tree = accessible(QTreeWidget(), "Shortcuts")
        self.tree.setHeaderLabels(["Action", "Keys", "Explanation"])
        self.tree.setRootIsDecorated(False)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._lines: list[tuple[QTreeWidgetItem, list[tuple[QTreeWidgetItem, ShortcutLine]]]] = []
        for title, lines in sections(ACTIONS, panels).items():
            self._add(title, lines)
        self.tree.expandAll()
        self.tree.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        _lay_out(self, 88, 40, self.query, self.tree)

    def search(self, words: str) -> None:
        """Shows the lines that contain all of these words."""
        for menu, lines in self._lines:
            for item, line in lines:
                item.setHidden(not line.mentions(words))
            menu.setHidden(all(item.isHidden() for item, _ in lines))

    def _add(self, title: str, lines: Sequence[ShortcutLine]) -> None:
        menu = QTreeWidgetItem([title])
        font = menu.font(0)
        font.setBold(True)
        menu.setFont(0, font)
        menu.setFlags(Qt.ItemFlag.ItemIsEnabled)
        items = [(QTreeWidgetItem([line.text, "  or  ".join(line.keys), line.tip]), line) for line in lines]
        menu.addChildren([item for item, _ in items])
        self._lines.append((menu, items))
        self.tree.addTopLevelItem(menu)
        menu.setFirstColumnSpanned(True)


class HelpPage(QDialog):
    """The help page."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Help")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = accessible(_Pictured(), "Help")
        self.text.setMarkdown(PAGE)
        _lay_out(self, 76, 44, self.text)


class _Pictured(QTextBrowser):
    """Text with images of colour maps, "map:ember", and colour wheels, "wheel:phase"."""

    def loadResource(self, kind: int, name: QUrl | str) -> Any:  # noqa: N802 - Qt's name
        url = QUrl(name)
        if kind == int(QTextDocument.ResourceType.ImageResource.value) and url.path() in COLOUR_MAPS:
            letter = self.fontMetrics().height()
            if url.scheme() == "wheel":
                return wheel(url.path(), 8 * letter, self.devicePixelRatioF())
            return strip(url.path(), QSize(9 * letter, letter), self.devicePixelRatioF())
        return super().loadResource(kind, name)


def strip(name: str, size: QSize, ratio: float) -> QImage:
    """A colour map from low to high; `size` in points, `ratio` pixels per point."""
    width, height = round(size.width() * ratio), round(size.height() * ratio)
    row = colour_map(name)[np.linspace(0, 255, width).astype(int)]
    return _image(np.broadcast_to(row, (height, width, 3)), ratio)


def wheel(name: str, side: int, ratio: float) -> QImage:
    """Colour wheel of a cyclic map: 0 to the right, growing counter-clockwise, on a transparent background."""
    pixels = round(side * ratio)
    y, x = np.mgrid[:pixels, :pixels] - (pixels - 1) / 2
    turn = np.arctan2(-y, x) / (2 * math.pi) + 0.5  # -pi is the lower end of the map
    colours = colour_map(name)[np.clip(turn * 256, 0, 255).astype(int)]
    inside = np.clip(pixels / 2 - np.hypot(x, y), 0, 1) * np.clip(np.hypot(x, y) - pixels / 5, 0, 1)
    return _image(np.concatenate((colours, (255 * inside[..., None]).astype(np.uint8)), -1), ratio)


def _image(pixels: Any, ratio: float) -> QImage:
    pixels = np.ascontiguousarray(pixels, np.uint8)
    height, width, channels = pixels.shape
    form = QImage.Format.Format_RGBA8888 if channels == 4 else QImage.Format.Format_RGB888
    image = QImage(pixels.tobytes(), width, height, channels * width, form).copy()  # Qt does not keep the bytes
    image.setDevicePixelRatio(ratio)
    return image


def _lay_out(page: QDialog, letters: int, lines: int, *widgets: QWidget) -> None:
    """Lays out widgets above a close button, so many letters wide and lines high."""
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(page.reject)
    column = QVBoxLayout(page)
    for widget in (*widgets, buttons):
        column.addWidget(widget)
    metrics = page.fontMetrics()
    wanted = QSize(metrics.averageCharWidth() * letters * 3 // 2, metrics.lineSpacing() * lines)
    page.resize(wanted.boundedTo(page.screen().availableSize()))
