"""Tab bars of the docks: hides those that Qt leaves behind when a layout is restored."""

from collections.abc import Iterable

from PySide6.QtCore import QChildEvent, QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabBar

from viewer.widgets.accessibility import accessible

_NEAR = 3  # pixels between a bar and the panel under it
_CAUSES = (QEvent.Type.LayoutRequest, QEvent.Type.ChildAdded, QEvent.Type.Resize, QEvent.Type.Show)


class TabBarKeeper(QObject):
    """Shows one tab bar for each place that several panels share, and no other.

    After `restoreState` Qt makes new bars, and leaves those of the layout before where they were, visible; bars of panels that
    are all hidden are moved out of the window, where the Tab key still finds them.
    """

    def __init__(self, window: QMainWindow, docks: Iterable[QDockWidget]) -> None:
        super().__init__(window)
        self._window, self._docks = window, list(docks)
        self._timer = QTimer(self, singleShot=True, interval=0)  # once after all changes of a moment
        self._timer.timeout.connect(self._tidy)
        for dock in self._docks:
            dock.visibilityChanged.connect(lambda _: self._timer.start())
        for watched in (window, *window.findChildren(QTabBar)):
            watched.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """A bar may have been made, moved or shown."""
        if isinstance(event, QChildEvent) and event.added():
            event.child().installEventFilter(self)
        if event.type() in _CAUSES:
            self._timer.start()
        return False

    def _tidy(self) -> None:
        bars = self._window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly)
        shown = [dock for dock in self._docks if dock.isVisible() and not dock.isFloating()]
        places = {dock.windowTitle(): dock.geometry() for dock in shown}

        def above_its_panel(bar: QTabBar) -> bool:
            panels = [places[title] for title in _titles(bar) if title in places]
            return any(abs(place.top() - bar.geometry().bottom() - 1) <= _NEAR for place in panels)

        taken: set[str] = set()
        for _, bar in sorted(enumerate(bars), key=lambda pair: (above_its_panel(pair[1]), pair[0]), reverse=True):
            accessible(bar, "Panels").setElideMode(Qt.TextElideMode.ElideNone)
            titles = _titles(bar)
            in_use = len(titles) > 1 and not titles & taken and bool(titles & places.keys())
            bar.setVisible(in_use)
            bar.setFocusPolicy(Qt.FocusPolicy.TabFocus if in_use else Qt.FocusPolicy.NoFocus)  # Qt may show it once more
            taken |= titles if in_use else set()


def _titles(bar: QTabBar) -> set[str]:
    return {bar.tabText(index).replace("&", "") for index in range(bar.count())}
