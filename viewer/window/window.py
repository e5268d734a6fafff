"""The main window: canvas, panels, and a menu entry for every action."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QHideEvent,
    QKeyEvent,
    QKeySequence,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from aetheria.core.printable import printable
from viewer.controllers.actions import ACTIONS, MENUS, Action, why_unavailable
from viewer.controllers.controller import Controller
from viewer.controllers.help import without_mnemonic
from viewer.controllers.notices import Notices
from viewer.controllers.reruns import RerunController
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.model.model import ViewerModel
from viewer.model.palette import colour_table
from viewer.model.plane import Plane
from viewer.model.status import Status
from viewer.sources.source import FrameSource
from viewer.widgets import theme
from viewer.widgets.banner import Banner
from viewer.widgets.brush_cursor import BrushCursor
from viewer.widgets.canvas import Canvas
from viewer.widgets.icons import program_icon
from viewer.widgets.keys import FocusKeeper, behind_another, belongs_to
from viewer.widgets.preferences import Preferences
from viewer.widgets.selection_overlay import SelectionOverlay
from viewer.widgets.slice_bar import SliceBar
from viewer.widgets.status_strip import StatusStrip
from viewer.widgets.timeline import Timeline
from viewer.widgets.transport import Transport
from viewer.window.canvas_view import CanvasView
from viewer.window.dialogs import Dialogs
from viewer.window.drop_target import DropTarget
from viewer.window.edit_menu import EditMenu
from viewer.window.file_menu import FileMenu
from viewer.window.layout import DockLayout
from viewer.window.menu_action import menu_action, tooltip
from viewer.window.pages import Pages
from viewer.window.side_by_side import SideBySide

_NOTE_MS = 8000  # time a note stays in the status bar
_TICK_MS = 8  # twice as often as frames come, so that none waits long


class Window(CanvasView, QMainWindow):
    """The viewer's window: the view of its controller.

    Attributes:
        controller: carries out the actions.
        actions_by_name: a QAction for each entry of the table of actions.
    """

    def __init__(self, model: ViewerModel | None = None) -> None:
        super().__init__()
        self.setWindowTitle("Aetheria")
        self.setObjectName("aetheria")
        self.setWindowIcon(program_icon())
        self.setAcceptDrops(True)
        self.actions_by_name: dict[str, QAction] = {}
        self.preferences = Preferences()
        self.controller = Controller(self, model or ViewerModel(theme=self.preferences.theme or theme.preferred()))
        self.preferences.watch(self.controller.model)
        self._model_changed(frozenset({"theme"}))  # first, because sizes depend on it
        self.canvas = Canvas()
        self.canvas.area_changed.connect(self.controller.set_visible_area)
        self.file_menu = FileMenu(self, self.canvas, self.controller)
        self.canvas.moved_by_hand.connect(self.controller.follow.stop)
        self.edit_menu = EditMenu(self, self.controller)
        self.brush_cursor = BrushCursor(self.canvas, self.controller)
        self.selection_overlay = SelectionOverlay(self.canvas, self.controller)
        self.stage = QWidget()
        self.below = QVBoxLayout(self.stage)  # canvas, and controls under it
        self.below.setContentsMargins(0, 0, 0, 0)
        self.below.setSpacing(0)
        self.side_by_side = SideBySide(self.controller, self.canvas, self.actions_by_name)
        self.below.addWidget(self.side_by_side, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.stage)
        self.stack.currentChanged.connect(lambda _: self._update_visible())
        self.setCentralWidget(self.stack)
        self.banner = Banner(self.stack)
        self.notices = Notices(self.controller, self.close)
        self.status_strip = StatusStrip(self.statusBar())
        self._menus: dict[str, QMenu] = {name: self.menuBar().addMenu(name) for name in MENUS}
        for action in ACTIONS:
            self._add_action(action)
        self.dock_layout = DockLayout(self, self.controller, self._menus["&Window"], self.preferences)
        self.panels, self.docks = self.dock_layout.panels, self.dock_layout.docks
        self.pages = Pages(self.controller, self.stack, self.stage, self.canvas, self.dock_layout, self.preferences)
        self.drop_target = DropTarget(self, self.pages.open_queue)
        self.reruns = RerunController(self.controller, self.pages.open_queue)
        self.dialogs = Dialogs(self, self.controller, self.dock_layout, self.preferences)
        self.banner.cancelled.connect(self.pages.cancel)
        self.slice_bar = SliceBar(self.controller)
        self.below.addWidget(self.slice_bar)
        self.transport = Transport(self.controller, self.actions_by_name)
        self.below.addWidget(self.transport)
        self.timeline = Timeline(self.controller, self.actions_by_name)
        self.below.addWidget(self.timeline)
        self.canvas.hovered.connect(self._hovered)
        self.controller.model.listeners.append(self._model_changed)
        self._model_changed(frozenset({"grid_lines"}))
        self.show_source(None)
        FocusKeeper(self)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.controller.tick)
        self._timer.start(_TICK_MS)

    # -- building ------------------------------------------------------------------------------------------------

    def _add_action(self, action: Action) -> None:
        made = menu_action(self, action, self._method(action.name))
        self._menus[action.menu].addAction(made)
        self.addAction(made)
        self.actions_by_name[action.name] = made

    def _method(self, name: str) -> Callable[[], object]:
        """The method of an action, looked up when it is called: components may be made later."""

        def call() -> object:
            target: object = self if name.startswith("window.") else self.controller
            for part in name.removeprefix("window.").split("."):
                target = getattr(target, part)
            assert callable(target)
            return target()

        return call

    # -- view ----------------------------------------------------------------------------------------------------

    def show_source(self, source: FrameSource | None) -> None:
        """A source was opened, or closed (None)."""
        self.setWindowTitle("Aetheria" if source is None else printable(f"{source.title} - Aetheria"))
        plane = self.controller.plane
        if plane is not None:
            self.show_plane(plane)
            self.pages.show_canvas()
        self.dock_layout.show_source(source)
        self.slice_bar.show_source(source)
        self.transport.show_source(source)
        if source is None:
            self.status_strip.clear()
        for panel in self.panels.values():
            panel.show_source(source)
        for made in self.actions_by_name.values():
            reason = why_unavailable(made.data().needs, source)
            made.setEnabled(not reason)
            made.setToolTip(tooltip(made.data()) + (f"\nNot now: {reason}" if reason else ""))

    def show_plane(self, plane: Plane) -> None:
        """Shows a plane of another shape, all of it."""
        super().show_plane(plane)
        self.canvas.set_wraps(self.controller.follow.wraps)

    def show_frame(self, frame: RenderedFrame) -> None:
        """Draws a frame."""
        choice, settings = self.controller.choice, self.controller.model.view_settings
        if choice is not None and settings is not None:
            self.canvas.show(frame, colour_table(settings, choice))
            self.side_by_side.show_frame(frame)
            for panel in self.panels.values():
                panel.show_frame(frame)

    def show_status(self, status: Status) -> None:
        """Shows the figures."""
        self.status_strip.show_status(status)
        self.transport.show_status(status)
        for panel in self.panels.values():
            panel.show_status(status)

    def show_message(self, message: Message) -> None:
        """Shows a message: notes for a while, others until they are dismissed."""
        if message.kind == "note":
            self.statusBar().showMessage(message.text, _NOTE_MS)
        else:
            self.banner.tell(message)

    def show_waiting(self, what: str) -> None:
        """Names the file being opened."""
        self.banner.wait_for(what)

    # -- events --------------------------------------------------------------------------------------------------

    def _hovered(self, y: int, x: int) -> None:
        for panel in self.panels.values():
            panel.hovered(y, x)

    def _model_changed(self, changed: frozenset[str]) -> None:
        model = self.controller.model
        app = QApplication.instance()
        if "theme" in changed and isinstance(app, QApplication):
            theme.apply(app, model.theme)
        if "grid_lines" in changed:
            self.canvas.set_lines(model.grid_lines)
        if "follow" in changed:
            self.canvas.set_wraps(self.controller.follow.wraps)
        if "pinned" in changed:
            self.canvas.set_marker(model.pinned)
        if "view_settings" in changed and self.controller.frame is not None and self.controller._fits(self.controller.frame):
            self.show_frame(self.controller.frame)
        for made in self.actions_by_name.values():
            if attribute := made.data().checked:
                made.setChecked(bool(getattr(model, attribute)))

    def event(self, event: QEvent) -> bool:
        """Keys go to the focused widget if it has a use for them; otherwise they are shortcuts."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            alone = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
            if alone and belongs_to(QApplication.focusWidget(), event.key()):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """An unused key: names the reason if it is the shortcut of a disabled action."""
        super().keyPressEvent(event)
        key = QKeySequence(event.keyCombination())
        for made in self.actions_by_name.values():
            if not made.isEnabled() and key in made.shortcuts():
                reason = why_unavailable(made.data().needs, self.controller.source)
                self.show_message(Message("note", f"{without_mnemonic(made.text())}: not now, {reason}"))

    def focusNextPrevChild(self, onwards: bool) -> bool:  # noqa: N802
        """Skips widgets hidden behind another panel."""
        moved = super().focusNextPrevChild(onwards)
        start = now = QApplication.focusWidget()
        while moved and behind_another(now):
            moved = super().focusNextPrevChild(onwards)
            now = QApplication.focusWidget()
            if now is start:  # no other widget
                break
        return moved

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.WindowStateChange:
            self._update_visible()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self._update_visible()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        super().hideEvent(event)
        self._update_visible()

    def _update_visible(self) -> None:
        on = self.isVisible() and not self.isMinimized() and self.stack.currentWidget() is self.stage
        self.controller.set_visible(on)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        self.drop_target.drag_entered(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self.drop_target.dropped(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Stops the timer and closes the source."""
        self._timer.stop()
        self.dock_layout.save()
        self.pages.open_queue.cancel()
        self.notices.stop()
        self.side_by_side.compare.close_all()
        self.controller.close()
        super().closeEvent(event)

    # -- actions -------------------------------------------------------------------------------------------------

    def dismiss(self) -> None:
        """Dismisses the message over the cells, or returns to the cells."""
        if self.banner.isVisible():
            self.banner.dismiss()
        elif not self.controller.paste.cancel():
            self.pages.show_canvas()

    def quit(self) -> None:
        """Closes the window."""
        self.close()
