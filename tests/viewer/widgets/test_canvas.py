"""The canvas in the real window, offscreen, with real events of mouse, wheel and keys."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QImage, QPaintEvent, QPalette
from pytestqt.qtbot import QtBot

from tests.viewer.fakes import life, live
from tests.viewer.mouse import move, turn
from viewer.model.frame import RenderedFrame
from viewer.model.region import Region
from viewer.window.window import Window

HEIGHT, WIDTH = 60, 90
LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live(life(HEIGHT, WIDTH)))
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: shown(window) == Region(0, 0, HEIGHT, WIDTH))
    yield window
    window.close()


def shown(window: Window) -> Region | None:
    frame = window.controller.frame
    return frame.region if frame is not None else None


def at_rest(window: Window) -> bool:
    """Whether the picture is of what is in view."""
    return shown(window) == window.canvas.region() and not window.canvas._settle.isActive()


def wheel(window: Window, point: QPointF, notches: float) -> None:
    turn(window.canvas.viewport(), point, notches)


def grabbed(window: Window) -> QImage:
    return window.canvas.viewport().grab().toImage()


def colour_at(window: Window, y: float, x: float) -> QColor:
    """The colour on the screen of a point of the plane of cells."""
    down, right = window.canvas.view_area.pixel_of(y, x)
    return QColor(grabbed(window).pixel(int(right), int(down)))


def test_the_wheel_keeps_the_cell_under_the_cursor_in_place(window: Window, qtbot: QtBot) -> None:
    point = QPointF(300, 250)
    before = window.canvas.cell_at(point)
    scale = window.canvas.pixels_per_cell()
    for _ in range(7):
        wheel(window, point, 1)
    assert window.canvas.pixels_per_cell() > 2.5 * scale
    assert window.canvas.cell_at(point) == pytest.approx(before, abs=1 / scale)
    qtbot.waitUntil(lambda: at_rest(window))
    y, x = map(int, before)
    alive = bool(window.controller.source.motor.cells[0, 0, y, x])  # type: ignore[union-attr]
    assert (colour_at(window, y + 0.5, x + 0.5).lightness() > 128) == alive
    for _ in range(7):
        wheel(window, point, -1)
    assert window.canvas.pixels_per_cell() == pytest.approx(scale)
    assert window.canvas.cell_at(point) == pytest.approx(before, abs=1 / scale)


def test_every_cell_is_drawn_where_it_is(window: Window, qtbot: QtBot) -> None:
    window.controller.toggle_grid()
    cells = window.controller.source.motor.cells[0, 0].numpy()  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: at_rest(window))
    image, viewport = grabbed(window), window.canvas.view_area
    for y in range(0, HEIGHT - 8, 3):  # the bar that says the scale covers some cells at the bottom
        for x in range(0, WIDTH, 3):
            down, right = viewport.pixel_of(y + 0.5, x + 0.5)
            assert (QColor(image.pixel(int(right), int(down))).lightness() > 128) == bool(cells[y, x])


def test_one_to_one_shows_one_cell_on_one_pixel(qtbot: QtBot) -> None:
    window = Window()
    qtbot.addWidget(window)
    window.resize(640, 480)
    window.controller.open(live(life(1000, 1200)))
    window.show()
    qtbot.waitExposed(window)
    window.controller.one_to_one()
    qtbot.waitUntil(lambda: at_rest(window))
    size = window.canvas.viewport().size()
    expected = (round(size.height() * window.devicePixelRatioF()), round(size.width() * window.devicePixelRatioF()))
    region = window.canvas.region()
    assert (region.height, region.width) == expected
    frame = window.controller.frame
    assert frame is not None
    assert frame.pixels.shape == expected
    image = grabbed(window).convertToFormat(QImage.Format.Format_RGB32)
    green = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., 1]
    above = image.height() * 3 // 4  # the bar that says the scale is below
    assert np.array_equal(green[:above] > 128, frame.pixels[:above] > 128)
    window.close()


def test_zoomed_out_a_picture_has_no_more_pixels_than_the_screen(qtbot: QtBot) -> None:
    window = Window()
    qtbot.addWidget(window)
    window.resize(640, 480)
    window.controller.open(live(life(1000, 1200)))
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None and at_rest(window))
    qtbot.waitUntil(lambda: window.controller.frame.pixels.shape == window.canvas.view_area.pixels())  # type: ignore[union-attr]
    size = window.canvas.viewport().size()
    frame = window.controller.frame
    assert frame is not None
    assert frame.region == Region(0, 0, 1000, 1200)
    assert frame.pixels.shape[0] <= size.height()
    assert frame.pixels.shape[1] <= size.width()
    window.close()


def drag(window: Window, button: Qt.MouseButton, start: QPoint, end: QPoint, qtbot: QtBot) -> None:
    target = window.canvas.viewport()
    qtbot.mousePress(target, button, pos=start)
    for point in (start + (end - start) / 2, end):
        move(target, point, button)
    qtbot.mouseRelease(target, button, pos=end)


@pytest.mark.parametrize(("button", "tool"), [(LEFT, False), (MIDDLE, False), (MIDDLE, True)])
def test_dragging_takes_the_cells_along(window: Window, qtbot: QtBot, button: Qt.MouseButton, tool: bool) -> None:
    canvas = window.canvas
    canvas.tool_in_hand = tool
    canvas.zoom(3.0)
    before = canvas.cell_at(QPointF(300, 300))
    with qtbot.waitSignal(canvas.moved_by_hand):
        drag(window, button, QPoint(300, 300), QPoint(400, 250), qtbot)
    assert canvas.cell_at(QPointF(400, 250)) == pytest.approx(before, abs=1 / canvas.pixels_per_cell())
    qtbot.waitUntil(lambda: at_rest(window))


def test_a_tool_in_hand_gets_the_strokes_and_the_view_stays(window: Window, qtbot: QtBot) -> None:
    canvas, strokes = window.canvas, list[tuple[str, float, float]]()
    canvas.tool_in_hand = True
    canvas.pressed.connect(lambda y, x, _: strokes.append(("pressed", y, x)))
    canvas.dragged.connect(lambda y, x, _: strokes.append(("dragged", y, x)))
    canvas.released.connect(lambda y, x, _: strokes.append(("released", y, x)))
    before = canvas.view_area
    drag(window, LEFT, QPoint(300, 300), QPoint(400, 250), qtbot)
    qtbot.mouseDClick(canvas.viewport(), LEFT, pos=QPoint(400, 250))  # the second press of two, without its release
    qtbot.mouseRelease(canvas.viewport(), LEFT, pos=QPoint(400, 250))
    assert [name for name, *_ in strokes] == ["pressed", "dragged", "dragged", "released", "pressed", "released"]
    assert strokes[0][1:] == canvas.cell_at(QPointF(300, 300))
    assert strokes[-1][1:] == canvas.cell_at(QPointF(400, 250))
    assert canvas.view_area == before


@pytest.mark.parametrize(
    ("key", "direction"),
    [(Qt.Key.Key_Left, (0, -1)), (Qt.Key.Key_Right, (0, 1)), (Qt.Key.Key_Up, (-1, 0)), (Qt.Key.Key_Down, (1, 0))],
)
def test_keys_move_the_view(window: Window, qtbot: QtBot, key: Qt.Key, direction: tuple[int, int]) -> None:
    window.canvas.zoom(4.0)
    before = window.canvas.view_area
    with qtbot.waitSignal(window.canvas.moved_by_hand):
        qtbot.keyClick(window.canvas, key, Qt.KeyboardModifier.ControlModifier)
    after = window.canvas.view_area
    assert (np.sign(after.y - before.y), np.sign(after.x - before.x)) == direction


@pytest.mark.parametrize(
    ("key", "modifier", "ratio"),
    [("+", Qt.KeyboardModifier.ControlModifier, 2.0), ("-", Qt.KeyboardModifier.ControlModifier, 0.5)],
)
def test_keys_zoom_by_two(window: Window, qtbot: QtBot, key: str, modifier: Qt.KeyboardModifier, ratio: float) -> None:
    before = window.canvas.view_area
    qtbot.keyClick(window.canvas, Qt.Key(ord(key)), modifier)
    after = window.canvas.view_area
    assert after.scale == pytest.approx(before.scale * ratio)
    assert (after.y, after.x) == (before.y, before.x)


def test_a_fitted_view_stays_fitted_when_the_window_changes_its_size(window: Window, qtbot: QtBot) -> None:
    window.resize(700, 900)
    qtbot.waitUntil(lambda: window.canvas.region() == Region(0, 0, HEIGHT, WIDTH))
    qtbot.waitUntil(lambda: WIDTH * window.canvas.pixels_per_cell() == pytest.approx(window.canvas.viewport().width()))
    window.canvas.zoom(3.0)
    middle = window.canvas.view_area.y, window.canvas.view_area.x, window.canvas.view_area.scale
    window.resize(800, 600)
    assert (window.canvas.view_area.y, window.canvas.view_area.x, window.canvas.view_area.scale) == middle
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    qtbot.waitUntil(lambda: at_rest(window) and shown(window) == Region(0, 0, HEIGHT, WIDTH))


def test_the_old_picture_stays_in_place_until_the_new_one_comes_and_beyond_it_are_no_cells(window: Window) -> None:
    window._timer.stop()  # no new picture comes
    canvas = window.canvas
    bright = RenderedFrame(0, "channel_0", 0, Region(0, 0, 30, 90), np.full((30, 90), 255, np.uint8), (0.0, 1.0))
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    canvas.show(bright, table)
    canvas.set_lines(False)
    changes: list[Callable[[], None]] = [lambda: None, lambda: canvas.zoom(1.7), canvas.pan_left, canvas.pan_up]
    for change in changes:
        change()
        assert colour_at(window, 29.0, 44.0) == QColor(255, 255, 255)
        image, (down, right) = grabbed(window), canvas.view_area.pixel_of(33.0, 44.0)
        beyond = {QColor(image.pixel(int(right), int(down) + k)).name() for k in range(20)}
        assert len(beyond) > 1, "a hatch, which is no uniform colour"
        assert not beyond & {"#ffffff", "#000000"}


def test_no_edge_of_the_grid_crosses_the_scale_bar(window: Window) -> None:
    canvas = window.canvas
    canvas.zoom(2.0)
    (height, width), scale = canvas.view_area.screen, canvas.pixels_per_cell()
    for below, beside in ((8, 0), (20, 40), (0, 90)):  # pixels between the edges of the grid and of the screen
        canvas.centre(HEIGHT - (height / 2 - below) / scale, (width / 2 - beside) / scale)
        image = grabbed(window)
        rows, columns = range(height * 3 // 4, height), range(width // 3)
        outside = {image.pixel(x, y) for y in rows for x in columns if y > height - below + 2 or x < beside - 2}
        assert len(outside) == 1


def test_lines_appear_between_large_cells_only_and_only_when_wanted(window: Window) -> None:
    window._timer.stop()
    canvas = window.canvas
    dark = RenderedFrame(0, "channel_0", 0, Region(0, 0, 60, 90), np.zeros((60, 90), np.uint8), (0.0, 1.0))
    canvas.show(dark, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1))

    def brightest() -> int:
        image = grabbed(window)
        down, right = map(int, canvas.view_area.pixel_of(30, 45))
        return max(QColor(image.pixel(right + k, down + k // 2)).lightness() for k in range(-50, 50))

    canvas.set_lines(True)
    canvas.zoom(10 / canvas.pixels_per_cell())
    assert brightest() == 0
    canvas.zoom(30 / canvas.pixels_per_cell())
    assert 10 < brightest() < 80, "seen, but faint"
    canvas.set_lines(False)
    assert brightest() == 0


def test_the_mouse_says_which_cell_it_is_over_also_when_the_view_moves_under_it(window: Window, qtbot: QtBot) -> None:
    canvas, cells = window.canvas, list[tuple[int, int]]()
    canvas.hovered.connect(lambda y, x: cells.append((y, x)))
    move(canvas.viewport(), QPoint(310, 260))
    assert cells[-1] == tuple(map(int, canvas.cell_at(QPointF(310, 260))))
    canvas.zoom(4.0)
    assert cells[-1] == tuple(map(int, canvas.cell_at(QPointF(310, 260))))
    canvas.zoom(1e-3)
    assert cells[-1] == (-1, -1)


def test_two_fingers_on_a_touch_screen_zoom_between_them(window: Window, qtbot: QtBot) -> None:
    from PySide6.QtTest import QTest

    canvas = window.canvas
    device = QTest.createTouchDevice()
    target, middle = canvas.viewport(), QPoint(400, 300)

    def touch(spread: int, act: Callable[..., object]) -> None:
        sequence = QTest.touchEvent(target, device)
        getattr(sequence, act.__name__)(0, middle - QPoint(spread, 0), target)
        getattr(sequence, act.__name__)(1, middle + QPoint(spread, 0), target)
        sequence.commit()

    sequence_type = type(QTest.touchEvent(target, device))
    touch(50, sequence_type.press)
    touch(70, sequence_type.move)  # until Qt sees two fingers pinching, the first one is a mouse to it
    touch(80, sequence_type.move)
    before, cell = canvas.pixels_per_cell(), canvas.cell_at(QPointF(middle))
    touch(120, sequence_type.move)
    touch(160, sequence_type.move)
    touch(160, sequence_type.release)
    assert canvas.pixels_per_cell() == pytest.approx(2 * before)
    assert canvas.cell_at(QPointF(middle)) == pytest.approx(cell, abs=1 / before)
    move(target, QPoint(100, 100))
    assert canvas.cell_at(QPointF(middle)) == pytest.approx(cell, abs=1 / before), "nothing is held any more"


def test_the_view_follows_until_the_user_moves_it(window: Window, qtbot: QtBot) -> None:
    canvas = window.canvas
    canvas.zoom(4.0)
    qtbot.keyClick(canvas, Qt.Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    assert window.actions_by_name["toggle_follow"].isChecked()
    read = window.controller.source.motor.read  # type: ignore[union-attr]
    expected = [float(read(name)[0]) + 0.5 for name in ("centre_y", "centre_x")]
    qtbot.waitUntil(lambda: [canvas.view_area.y, canvas.view_area.x] == pytest.approx(expected, abs=0.05))
    wheel(window, QPointF(300, 300), 1)
    qtbot.waitUntil(lambda: [canvas.view_area.y, canvas.view_area.x] == pytest.approx(expected, abs=0.05))
    follows = window.actions_by_name["toggle_follow"].isChecked
    assert follows(), "who zooms still follows"
    drag(window, LEFT, QPoint(300, 300), QPoint(350, 300), qtbot)
    assert (window.controller.model.follow, follows()) == (False, False)


def test_who_follows_over_the_edge_of_a_torus_sees_the_cells_of_the_other_edge(window: Window, qtbot: QtBot) -> None:
    canvas, cells = window.canvas, window.controller.source.motor.cells[0, 0].numpy()  # type: ignore[union-attr]
    canvas.set_lines(False)
    canvas.zoom(20 / canvas.pixels_per_cell())
    canvas.set_wraps(True)
    canvas.centre(0.0, float(WIDTH))
    qtbot.waitUntil(lambda: at_rest(window))
    assert shown(window) == Region(0, 0, HEIGHT, WIDTH)
    image = grabbed(window)
    for y in range(-9, 9):
        for x in range(WIDTH - 9, WIDTH + 9):
            down, right = canvas.view_area.pixel_of(y + 0.5, x + 0.5)
            alive = bool(cells[y % HEIGHT, x % WIDTH])
            assert (QColor(image.pixel(int(right), int(down))).lightness() > 128) == alive
    hovered: list[tuple[int, int]] = []
    canvas.hovered.connect(lambda y, x: hovered.append((y, x)))
    down, right = canvas.view_area.pixel_of(-1.5, WIDTH + 2.5)
    move(canvas.viewport(), QPoint(int(right), int(down)))
    assert hovered == [(HEIGHT - 2, 2)]
    canvas.set_wraps(False)
    qtbot.waitUntil(lambda: at_rest(window))
    assert colour_at(window, -0.5, WIDTH - 0.5) == canvas.palette().color(QPalette.ColorRole.Window)


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.7, 9.0])
@pytest.mark.parametrize("colours", [False, True])
def test_the_screen_shows_the_pixels_of_the_picture(window: Window, scale: float, colours: bool) -> None:
    window._timer.stop()
    canvas, generator = window.canvas, np.random.default_rng(3)
    canvas.set_lines(False)
    canvas.zoom(scale / canvas.pixels_per_cell())
    shape = (round(HEIGHT * scale), round(WIDTH * scale)) if scale < 1 else (HEIGHT, WIDTH)
    pixels = generator.integers(0, 256, (*shape, 3) if colours else shape, np.uint8)
    table = generator.integers(0, 256, (256, 3), np.uint8)
    canvas.show(RenderedFrame(0, "channel_0", 0, Region(0, 0, HEIGHT, WIDTH), pixels, (0.0, 1.0)), table)
    image, expected = grabbed(window), pixels if colours else table[pixels]
    seen = 0
    for y in range(0, shape[0] * 3 // 4, 3):  # the bar that says the scale is below
        for x in range(0, shape[1], 4):
            down, right = canvas.view_area.pixel_of((y + 0.5) * HEIGHT / shape[0], (x + 0.5) * WIDTH / shape[1])
            if 0 <= down < image.height() and 0 <= right < image.width():
                colour = QColor(image.pixel(int(right), int(down)))
                assert [colour.red(), colour.green(), colour.blue()] == expected[y, x].tolist()
                seen += 1
    assert seen > 50


def test_a_picture_in_the_place_of_another_paints_nothing_around_it(window: Window, qtbot: QtBot) -> None:
    window._timer.stop()
    canvas, painted = window.canvas, list[QRect]()
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)

    class Painted(QObject):
        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
            if isinstance(event, QPaintEvent):
                painted.append(event.rect())
            return False

    watcher = Painted(canvas)
    canvas.viewport().installEventFilter(watcher)
    canvas.zoom(0.5)
    frame = canvas.grid_item.frame
    assert frame is not None
    qtbot.waitUntil(lambda: bool(painted) and not canvas._settle.isActive())
    painted.clear()
    canvas.show(replace(frame, step=1), table)
    qtbot.waitUntil(lambda: bool(painted))
    place = canvas.grid_item.place(canvas.view_area)
    assert all(rect.width() <= place.width() + 2 and rect.height() <= place.height() + 2 for rect in painted)
    canvas.show(replace(frame, region=Region(0, 0, 30, 90)), table)
    qtbot.waitUntil(lambda: painted[-1] == canvas.viewport().rect())
