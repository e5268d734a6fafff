"""Layout of the panels: initial, stored, and hidden on the gallery page."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMainWindow, QMenu, QTabWidget, QToolButton, QWidget

from viewer.controllers.controller import Controller
from viewer.controllers.help import ShortcutLine
from viewer.panels import PANELS, DockSpec
from viewer.panels.panel import Panel
from viewer.sources.source import FrameSource
from viewer.widgets.accessibility import accessible
from viewer.widgets.preferences import Preferences
from viewer.window.tab_bars import TabBarKeeper

_VERSION = 2  # of the stored layout; a change discards older ones
_STORED = {"view": "look"}  # names in stored layouts that differ from those of the panels
_FIRST_SIZE = (1280, 860)
_CORNERS = {  # the bottom area lies under the cells only
    Qt.Corner.BottomLeftCorner: Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.Corner.BottomRightCorner: Qt.DockWidgetArea.RightDockWidgetArea,
}


class DockLayout:
    """The docks of a window.

    Attributes:
        panels, docks: by name.
    """

    def __init__(self, window: QMainWindow, controller: Controller, menu: QMenu, preferences: Preferences) -> None:
        self.window = window
        self.preferences = preferences
        self.panels: dict[str, Panel] = {}
        self.docks: dict[str, QDockWidget] = {}
        self._submenus: dict[str, QMenu] = {}
        self._seen: dict[QDockWidget, bool] = {}  # whether a panel was in front before its shortcut
        window.setDockNestingEnabled(True)
        window.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        for corner, area in _CORNERS.items():
            window.setCorner(corner, area)
        self._before = menu.insertSeparator(menu.actions()[0])  # panels come first in the menu
        for dock in PANELS:
            self._add(dock, dock.panel(controller), menu)
        for dock in PANELS:
            if dock.tab_of:
                self.docks[dock.tab_of].raise_()
        self._first_size()
        self._first_shares()
        self._first = window.saveState(_VERSION)
        self._put_away = window.saveState(_VERSION)  # layout before the panels were hidden
        self._away = False
        self._raised = False  # the panel of the recording, because one was opened
        window.restoreGeometry(preferences.bytes("geometry"))
        window.restoreState(preferences.bytes("docks"), _VERSION)
        TabBarKeeper(window, self.docks.values())

    def lines(self) -> list[ShortcutLine]:
        """Lines of the panels for the shortcuts page."""
        return [ShortcutLine(f"Panel: {dock.text.title}", (dock.text.key,), dock.text.tip) for dock in PANELS]

    def hide_panels(self) -> None:
        """Hides every panel until `restore_panels`."""
        if not self._away:
            self._put_away = self.window.saveState(_VERSION)
            self._away = True
            for dock in self.docks.values():
                dock.hide()
                dock.toggleViewAction().setEnabled(False)

    def restore_panels(self) -> None:
        """Shows the panels as before `hide_panels`."""
        if self._away:
            self._away = False
            self.window.restoreState(self._put_away, _VERSION)
            for dock in self.docks.values():
                dock.toggleViewAction().setEnabled(True)

    def reset(self) -> None:
        """Restores the initial layout."""
        self.preferences.forget_bytes("geometry", "docks")
        self.window.showNormal()
        self._first_size()
        if self._away:
            self._put_away = self._first
        else:
            self.window.restoreState(self._first, _VERSION)
            self._first_shares()

    def show_source(self, source: FrameSource | None) -> None:
        """Brings the panel of a recording to the front when one was opened, and the tools again for a run."""
        if source is None:
            return
        recorded = not source.live
        name = "recording" if recorded else "tools"
        if recorded != self._raised and not self.docks[name].isHidden():
            self.docks[name].raise_()
            self._raised = recorded
        elif not recorded:
            QTimer.singleShot(0, self.window, self._leave_recording)  # once a restored layout is visible

    def _leave_recording(self) -> None:
        """The stored layout may be that of a recording, whose panel has nothing to show for a run."""
        if not self._raised and not self.docks["recording"].visibleRegion().isEmpty():
            self.docks["tools"].raise_()

    def toggle_full_screen(self) -> None:
        """Fills the screen with the window, or returns to its size before."""
        self.window.setWindowState(self.window.windowState() ^ Qt.WindowState.WindowFullScreen)

    def save(self) -> None:
        """Stores the layout in the preferences."""
        self.preferences.set_bytes("geometry", self.window.saveGeometry())
        self.preferences.set_bytes("docks", self._put_away if self._away else self.window.saveState(_VERSION))

    def _add(self, dock: DockSpec, panel: Panel, menu: QMenu) -> None:
        widget = QDockWidget(dock.text.title, self.window)
        widget.setObjectName(_STORED.get(dock.name, dock.name))
        widget.setWidget(panel)
        widget.setTitleBarWidget(_Title(widget, dock))
        self.window.addDockWidget(dock.area, widget)
        if dock.tab_of:
            self.window.tabifyDockWidget(self.docks[dock.tab_of], widget)
        widget.setVisible(dock.open)
        toggle = widget.toggleViewAction()
        toggle.setShortcut(QKeySequence(dock.text.key))
        toggle.setToolTip(f"{dock.text.tip} ({dock.text.key})")
        toggle.setStatusTip(dock.text.tip)
        toggle.triggered.connect(lambda shown: self._bring_to_front(widget, shown))
        widget.visibilityChanged.connect(lambda seen: QTimer.singleShot(0, widget, lambda: self._seen.update({widget: seen})))
        if dock.menu:
            self._submenu(menu, dock.menu).addAction(toggle)
        else:
            menu.insertAction(self._before, toggle)
        self.window.addAction(toggle)
        self.panels[dock.name], self.docks[dock.name] = panel, widget

    def _submenu(self, menu: QMenu, title: str) -> QMenu:
        if title not in self._submenus:
            self._submenus[title] = QMenu(title, menu)
            menu.insertMenu(self._before, self._submenus[title])
        return self._submenus[title]

    def _bring_to_front(self, dock: QDockWidget, shown: bool) -> None:
        """A shortcut raises a panel that is behind another one; only a visible panel is hidden."""
        if shown or not self._seen.get(dock, False):
            dock.show()
            dock.raise_()

    def _first_size(self) -> None:
        screen = self.window.screen() or QGuiApplication.primaryScreen()
        room = screen.availableGeometry()
        rim = 2 * self.window.fontMetrics().height()  # for the window manager's frame
        self.window.resize(min(_FIRST_SIZE[0], room.width() - rim), min(_FIRST_SIZE[1], room.height() - rim))

    def _first_shares(self) -> None:
        """Initial sizes: the top panel as high as it needs; the column as wide as all tabs and the numbers of a cell."""
        view, tools = self.docks["view"], self.docks["tools"]
        self.window.resizeDocks([view, tools], [view.sizeHint().height(), self.window.height()], Qt.Orientation.Vertical)
        metrics = self.window.fontMetrics()
        tabs = [dock.text.title for dock in PANELS if "tools" in (dock.name, dock.tab_of)]
        names = sum(metrics.horizontalAdvance(title) + 5 * metrics.height() // 2 for title in tabs)
        numbers = metrics.horizontalAdvance("psi_00") + 4 * metrics.horizontalAdvance("-0.00000 ")  # of a cell's amplitudes
        self.window.resizeDocks([view], [max(names, numbers)], Qt.Orientation.Horizontal)


class _Title(QWidget):
    """Title bar of a dock: drag it to move the panel, double-click it to detach the panel from the window."""

    def __init__(self, dock: QDockWidget, about: DockSpec) -> None:
        super().__init__(dock)
        title = QLabel(about.text.title)
        close = accessible(QToolButton(), f"Close {about.text.title}")
        close.setText("\N{MULTIPLICATION SIGN}")
        close.setAutoRaise(True)
        close.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # each panel has a shortcut
        close.setToolTip(f"Close ({about.text.key})")
        close.clicked.connect(dock.close)
        row = QHBoxLayout(self)
        gap = self.fontMetrics().height() // 3
        row.setContentsMargins(2 * gap, gap, gap, gap)
        row.addWidget(title, 1)
        row.addWidget(close)
