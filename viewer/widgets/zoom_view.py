"""A view of a plane that is zoomed and moved by mouse, keys and gestures. Coordinates are cells: x to the right, y down."""

import sys
from dataclasses import replace

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QCursor, QMouseEvent, QNativeGestureEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QGestureEvent, QPinchGesture, QWidget

from viewer.model.region import Region
from viewer.model.viewport import Viewport

_SETTLE_MS = 30  # interval of `area_changed` while the view moves
_WHEEL = 1.0015  # zoom factor for an eighth of a degree of the wheel: a notch is a fifth
_KEY_STEP = 0.15  # share of the screen that a key moves the view by
_MOVES = Qt.MouseButton.MiddleButton  # always moves the view; the left button does so without a tool


class ZoomView(pg.GraphicsView):  # type: ignore[misc]  # pyqtgraph has no types
    """Reports the visible cells and the position of the mouse.

    Signals:
        area_changed(Region, (height, width)): the visible cells, whole ones, and their size in pixels.
        view_changed(): the view was moved or zoomed, not only resized.
        moved_by_hand(): the user moved the view with mouse or keys (zooming does not count).
        hovered(y, x): the cell under the mouse, or (-1, -1) beyond the grid.
        pressed, dragged, released (y, x, button): mouse events in fractional cells, while a tool is selected.

    Attributes:
        view_area: the viewport.
        box: parent of items in cell coordinates, drawn over the cells.
        tool_in_hand: the left and right buttons go to a tool instead of moving the view.
    """

    area_changed = Signal(object, object)
    view_changed = Signal()
    moved_by_hand = Signal()
    hovered = Signal(int, int)
    pressed = Signal(float, float, object)
    dragged = Signal(float, float, object)
    released = Signal(float, float, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self.view_area = Viewport()
        self._ratio = 1.0
        self._fitted: Region | None = None  # stays completely visible when the window is resized
        self._held: Qt.MouseButton | None = None
        self._cursor = QCursor()  # restored after moving the view
        self._mouse: QPointF | None = None
        self.tool_in_hand = False
        super().__init__(parent, background=None)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCacheMode(self.CacheModeFlag.CacheNone)
        self.setViewportUpdateMode(self.ViewportUpdateMode.FullViewportUpdate)
        if sys.platform != "darwin":  # macOS sends native gestures instead
            self.viewport().grabGesture(Qt.GestureType.PinchGesture)
        self.box = pg.ViewBox(invertY=True, enableMenu=False, enableMouse=False, defaultPadding=0.0)
        self.setCentralItem(self.box)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._emit_area)

    # -- view ----------------------------------------------------------------------------------------------------

    def show_region(self, region: Region) -> None:
        """Shows a region, and keeps it completely visible until the user moves or zooms."""
        self._set_view(self.view_area.showing(region), fitted=region)

    def zoom(self, factor: float | None) -> None:
        """Zooms by a factor about the centre; None: one pixel per cell."""
        self._set_view(self.view_area.one_to_one() if factor is None else self.view_area.zoomed(factor))

    def centre(self, y: float, x: float) -> None:
        """Centres the view on a point."""
        viewport = self.view_area.centred(y, x)
        if viewport != self.view_area:
            self._set_view(viewport)

    def show_like(self, viewport: Viewport) -> None:
        """Shows the same part of the plane as another canvas."""
        self._set_view(self.view_area.matching(viewport))

    def pan_left(self) -> None:
        """Moves the view to the left, by a part of the screen."""
        self._pan(0, -1)

    def pan_right(self) -> None:
        """Moves the view to the right."""
        self._pan(0, 1)

    def pan_up(self) -> None:
        """Moves the view up."""
        self._pan(-1, 0)

    def pan_down(self) -> None:
        """Moves the view down."""
        self._pan(1, 0)

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) in cells."""
        return self.view_area.grid

    def pixels_per_cell(self) -> float:
        """Size of a cell in pixels of the screen."""
        return self.view_area.scale

    def region(self) -> Region:
        """The visible cells, whole ones; at least one."""
        return self.view_area.region()

    def cell_at(self, position: QPointF) -> tuple[float, float]:
        """(y, x) of a point of the widget, in fractional cells."""
        return self.view_area.cell_at(position.y() * self._ratio, position.x() * self._ratio)

    def _pan(self, down: int, right: int) -> None:
        height, width = self.view_area.screen
        self._set_view(self.view_area.moved(-down * _KEY_STEP * height, -right * _KEY_STEP * width))
        self.moved_by_hand.emit()

    def _set_view(self, viewport: Viewport, fitted: Region | None = None, view_changed: bool = True) -> None:
        self.view_area, self._fitted = viewport, fitted
        width, height = self.viewport().width() * self._ratio, self.viewport().height() * self._ratio
        top, left = viewport.top, viewport.left
        self.box.setRange(xRange=(left, left + width / viewport.scale), yRange=(top, top + height / viewport.scale), padding=0)
        self._emit_hovered()
        self.viewport().update()
        if not self._settle.isActive():
            self._settle.start()
        if view_changed:
            self.view_changed.emit()

    def _emit_area(self) -> None:
        self.area_changed.emit(self.view_area.region(), self.view_area.pixels())

    def _emit_hovered(self) -> None:
        if self._mouse is not None:
            y, x = self.cell_at(self._mouse)
            height, width = self.view_area.grid
            if self.view_area.wraps:
                y, x = y % height, x % width
            inside = 0 <= y < height and 0 <= x < width
            self.hovered.emit(*((int(y), int(x)) if inside else (-1, -1)))

    # -- the mouse -----------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        event.accept()
        self._mouse = event.position()
        button = event.button()
        if self._held is not None:
            return
        if self.tool_in_hand and button in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            self._held = button
            self.pressed.emit(*self.cell_at(event.position()), button)
        elif button in (_MOVES, Qt.MouseButton.LeftButton):
            self._held, self._cursor = _MOVES, self.viewport().cursor()
            self.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """The second press of two quick strokes is a press like any other."""
        self.mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        event.accept()
        before, self._mouse = self._mouse, event.position()
        if self._held == _MOVES and before is not None:
            way = (event.position() - before) * self._ratio
            self._set_view(self.view_area.moved(way.y(), way.x()))
            self.moved_by_hand.emit()
            return
        self._emit_hovered()
        if self._held is not None:
            self.dragged.emit(*self.cell_at(event.position()), self._held)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        event.accept()
        held = self._held
        if held == _MOVES and event.button() in (_MOVES, Qt.MouseButton.LeftButton):
            self._let_go()
        elif held is not None and event.button() == held:
            self._held = None
            self.released.emit(*self.cell_at(event.position()), held)

    def _let_go(self) -> None:
        if self._held == _MOVES:
            self._held = None
            self.viewport().setCursor(self._cursor)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        super().leaveEvent(event)
        self._mouse = None
        self.hovered.emit(-1, -1)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Zooms at the cursor."""
        event.accept()
        turned = event.angleDelta().y() or event.angleDelta().x()  # Alt turns the wheel's axis
        self._zoom_at(_WHEEL**turned, event.position())

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        """Pinching zooms between the fingers."""
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self._zoom_at(1 + event.value(), event.position())
            return True
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                self._let_go()
                if pinch.state() != Qt.GestureState.GestureFinished:  # the end repeats the last factor
                    self._zoom_at(pinch.scaleFactor(), self.viewport().mapFromGlobal(pinch.centerPoint()))
                return True
        return bool(super().viewportEvent(event))

    def _zoom_at(self, factor: float, position: QPointF) -> None:
        if factor > 0:
            self._set_view(self.view_area.zoomed(factor, (position.y() * self._ratio, position.x() * self._ratio)))

    # -- the screen ----------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        super().resizeEvent(event)
        if event is not None:  # pyqtgraph calls it during construction
            self._measure()

    def event(self, event: QEvent) -> bool:
        """Measures again when the window has moved to another screen."""
        handled = bool(super().event(event))
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._measure()
        return handled

    def _measure(self) -> None:
        before, self._ratio = self._ratio, self.devicePixelRatioF()
        size = self.viewport().size()
        # pyqtgraph lays its scene out for the whole widget, including the frame around the viewport.
        self.setRange(QRectF(self.viewport().rect()), padding=0, disableAutoPixel=False)
        viewport = self.view_area.on_screen((round(size.height() * self._ratio), round(size.width() * self._ratio)))
        if self._fitted is not None:
            self._set_view(viewport.showing(self._fitted), fitted=self._fitted, view_changed=False)
        else:
            self._set_view(replace(viewport, scale=viewport.scale * self._ratio / before), view_changed=False)
