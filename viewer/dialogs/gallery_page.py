"""Gallery page, shown without a source: shipped simulations and recent files."""

from bisect import bisect_left
from pathlib import Path

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QKeyEvent, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from aetheria.core.printable import printable
from viewer.model.gallery import GalleryEntry, gallery_entries
from viewer.widgets.accessibility import accessible
from viewer.widgets.plain_text import plain_tooltip
from viewer.widgets.preferences import Preferences

_NAME, _STORY, _PICTURE, _FAMILY = (int(Qt.ItemDataRole.UserRole) + n for n in range(4))
_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
_LETTERS, _LINES = 27, 7  # width and height of a card's text
_WRAPPED = int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
Index = QModelIndex | QPersistentModelIndex


class GalleryPage(QWidget):
    """The gallery of simulations, and the list of recent files.

    Signals:
        chosen(name, title): the user chose a shipped config.
    file_chosen(path): the user chose a recent file.
    asked_for_file(): the user wants to open another file.
    """

    chosen = Signal(str, str)
    file_chosen = Signal(str)
    asked_for_file = Signal()

    def __init__(self, preferences: Preferences) -> None:
        super().__init__()
        self.preferences = preferences
        heading = _heading("Choose a simulation")
        self.cards = accessible(_Chooser(), "Shipped simulations")
        self.cards.setViewMode(QListView.ViewMode.IconMode)
        self.cards.setItemDelegate(_Card(self.cards))
        self.cards.setResizeMode(QListView.ResizeMode.Adjust)
        self.cards.setMovement(QListView.Movement.Static)
        self.cards.setUniformItemSizes(True)
        self.cards.picked.connect(lambda item: self.chosen.emit(item.data(_NAME), item.text()))
        self.recent_heading = _heading("Recent files")
        self.recent = accessible(_Chooser(), "Recent files")
        self.recent.picked.connect(lambda item: self.file_chosen.emit(item.data(_NAME)))
        self.look_for = QPushButton("&Open a file...")
        self.look_for.clicked.connect(self.asked_for_file)
        hint = QLabel(
            "Or drop a file on this window: a config (.toml), a recording (.h5), a pattern (.rle, .cells, .lif, .mcl, .mc), "
            "cells (.npy, .png), weights or a saved state (.safetensors)."
        )
        hint.setWordWrap(True)
        entries = gallery_entries()
        self.family = accessible(QComboBox(), "Family of laws")
        self.family.setToolTip("Show the simulations of one family of laws")
        self.family.addItem("All families")
        self.family.addItems(list(dict.fromkeys(sorted(entry.family for entry in entries))))
        self.family.currentTextChanged.connect(self._show_family)
        top = QHBoxLayout()
        top.addWidget(heading, 1)
        top.addWidget(self.family)
        column = QVBoxLayout(self)
        column.addLayout(top)
        for widget in (self.cards, self.recent_heading, self.recent):
            column.addWidget(widget, 1 if widget is self.cards else 0)
        column.addWidget(hint)
        column.addWidget(self.look_for, 0, Qt.AlignmentFlag.AlignLeft)
        self.setFocusProxy(self.cards)
        for entry in entries:
            self.cards.addItem(_item(entry))
        self.cards.setCurrentRow(0)
        self.refresh()

    def _show_family(self, family: str) -> None:
        """Hides the cards of other families; the first entry of the box shows all."""
        for row in range(self.cards.count()):
            item = self.cards.item(row)
            item.setHidden(self.family.currentIndex() > 0 and item.data(_FAMILY) != family)
        rows = (row for row in range(self.cards.count()) if not self.cards.item(row).isHidden())
        self.cards.setCurrentRow(next(rows, 0))

    def refresh(self) -> None:
        """Lists the recent files that still exist."""
        self.recent.clear()
        for file in self.preferences.recent:
            path = Path(file)
            if not path.exists():
                continue
            item = QListWidgetItem(printable(f"{path.name}   in {path.parent}"))
            item.setData(_NAME, file)
            item.setToolTip(plain_tooltip(file))
            self.recent.addItem(item)
        for widget in (self.recent, self.recent_heading):
            widget.setVisible(self.recent.count() > 0)
        rows = min(self.recent.count(), 5)
        self.recent.setFixedHeight(rows * max(1, self.recent.sizeHintForRow(0)) + 2 * self.recent.frameWidth())


class _Chooser(QListWidget):
    """A list whose items are chosen by a click, Return or Space.

    Signals:
        picked(item): an item was chosen.
    """

    picked = Signal(QListWidgetItem)

    def __init__(self) -> None:
        super().__init__()
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.itemClicked.connect(self.picked)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _plain(event):
            event.accept()  # otherwise it would trigger an action of the window
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if _plain(event) and self.currentItem() is not None:
            self.picked.emit(self.currentItem())
            return
        super().keyPressEvent(event)


def _plain(event: QKeyEvent) -> bool:
    keypad = Qt.KeyboardModifier.KeypadModifier
    return event.key() in _KEYS and not (event.modifiers() & ~keypad)


def _item(entry: GalleryEntry) -> QListWidgetItem:
    item = QListWidgetItem(entry.title)
    item.setData(_NAME, entry.name)
    item.setData(_STORY, entry.story)
    item.setData(_FAMILY, entry.family)
    item.setData(_PICTURE, QPixmap(str(entry.thumbnail)) if entry.thumbnail else QPixmap())
    item.setData(Qt.ItemDataRole.AccessibleDescriptionRole, entry.story)
    item.setToolTip(f"<p>{entry.family}: {entry.story}</p><p>aetheria view {entry.name}</p>")
    return item


class _Card(QStyledItemDelegate):
    """Paints a card with thumbnail, title and description, sized by the font."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802 - Qt's name
        pad, width, line = _measures(option.fontMetrics)
        return QSize(width + 4 * pad, width * 3 // 4 + _LINES * line + 6 * pad)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        pad, width, _ = _measures(option.fontMetrics)
        card = option.rect.adjusted(pad, pad, -pad, -pad)
        image = QRect(card.left() + pad, card.top() + pad, card.width() - 2 * pad, width * 3 // 4)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        _frame(painter, option, card, pad)
        painter.drawPixmap(image, index.data(_PICTURE))
        _write(painter, option, index, QRect(image.left(), image.bottom() + pad, image.width(), card.bottom()))
        painter.restore()


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    font = label.font()
    font.setPointSizeF(1.3 * font.pointSizeF())
    label.setFont(font)
    return label


def _measures(metrics: QFontMetrics) -> tuple[int, int, int]:
    """Padding, width of a thumbnail and height of a line, in pixels."""
    return max(4, metrics.height() // 2), metrics.averageCharWidth() * _LETTERS, metrics.lineSpacing()


def _frame(painter: QPainter, option: QStyleOptionViewItem, card: QRect, radius: int) -> None:
    """The outline of a card; thick and in the accent colour where the keyboard focus is."""
    palette = option.palette
    chosen = bool(option.state & QStyle.StateFlag.State_Selected)
    over = bool(option.state & QStyle.StateFlag.State_MouseOver)
    focus = chosen and bool(option.state & QStyle.StateFlag.State_HasFocus)
    outline = QPainterPath()
    outline.addRoundedRect(card, radius, radius)
    painter.fillPath(outline, palette.button() if chosen or over else palette.window())
    painter.setPen(QPen(palette.highlight() if focus else palette.mid(), 3 if focus else 1))
    painter.drawPath(outline)


def _write(painter: QPainter, option: QStyleOptionViewItem, index: Index, box: QRect) -> None:
    """Title and description, as far as there is room."""
    line = option.fontMetrics.lineSpacing()
    font = QFont(option.font)
    font.setBold(True)
    painter.setFont(font)
    painter.setPen(option.palette.text().color())
    used = painter.drawText(QRect(box.left(), box.top(), box.width(), 3 * line), _WRAPPED, index.data())
    lines = _LINES - max(1, round(used.height() / line)) if isinstance(used, QRect) else 3
    painter.setFont(option.font)
    painter.setPen(option.palette.placeholderText().color())
    text = QRect(box.left(), box.top() + (_LINES - lines) * line + line // 4, box.width(), lines * line)
    painter.drawText(text, _WRAPPED, _fitting(index.data(_STORY), option.fontMetrics, box.width(), lines))


def _fitting(text: str, metrics: QFontMetrics, width: int, lines: int) -> str:
    """The beginning of a text that fits into so many lines."""
    box, words = QRect(0, 0, width, 1 << 20), text.split()

    def cut(count: int) -> str:
        return text if count >= len(words) else " ".join(words[:count]).rstrip(".,;:") + "..."

    def too_long(count: int) -> bool:
        return metrics.boundingRect(box, _WRAPPED, cut(count)).height() > lines * metrics.lineSpacing()

    return cut(bisect_left(range(1, len(words) + 1), True, key=too_long))
