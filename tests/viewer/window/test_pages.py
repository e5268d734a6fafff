"""The gallery, dropped files, recent files and what the window remembers, in the real window offscreen."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from aetheria.core.errors import AetheriaError
from tests.viewer.controllers.test_open_queue import CONFIG, GLIDER
from tests.viewer.fakes import live
from viewer.sources.live import LiveSource
from viewer.widgets import theme
from viewer.window.app import open_window
from viewer.window.window import Window

Open = Callable[..., Window]


@pytest.fixture
def opened(qtbot: QtBot) -> Iterator[Open]:
    """Opens windows that are closed in the end."""
    windows: list[Window] = []

    def make(*arguments: object) -> Window:
        window = open_window(*arguments)  # type: ignore[arg-type]
        qtbot.addWidget(window)
        qtbot.waitUntil(window.isActiveWindow)
        windows.append(window)
        return window

    yield make
    for window in windows:
        window.close()


def motor_shape(window: Window) -> tuple[int, ...]:
    source = window.controller.source
    return source.motor.shape if isinstance(source, LiveSource) else ()


def test_without_a_file_there_is_a_gallery_and_return_opens_the_card_in_focus(opened: Open, qtbot: QtBot) -> None:
    window = opened()
    cards = window.pages.gallery.cards
    assert window.stack.currentWidget() is window.pages.gallery
    assert not any(dock.isVisible() for dock in window.docks.values())
    qtbot.waitUntil(cards.hasFocus)
    names = [cards.item(row).text() for row in range(cards.count())]
    row = names.index("Gosper's glider gun")
    for _ in range(row):
        qtbot.keyClick(cards, Qt.Key.Key_Right)
    assert cards.currentRow() == row
    qtbot.keyClick(cards, Qt.Key.Key_Return)
    assert window.banner.text.text() == "Opening Gosper's glider gun..."
    qtbot.waitUntil(lambda: motor_shape(window) == (1, 1, 80, 120), timeout=30_000)
    assert window.stack.currentWidget() is window.stage
    assert not window.banner.isVisible()
    source = window.controller.source
    assert source is not None
    qtbot.waitUntil(lambda: source.status().step > 2)


def test_a_click_on_a_card_opens_it(opened: Open, qtbot: QtBot) -> None:
    window = opened()
    cards = window.pages.gallery.cards
    middle = cards.visualItemRect(cards.item(1)).center()
    qtbot.mouseClick(cards.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert window.banner.text.text() == f"Opening {cards.item(1).text()}..."
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.pages.open_queue.waiting
    assert not window.banner.isVisible()
    assert window.stack.currentWidget() is window.pages.gallery


def test_cards_of_one_family_are_shown(opened: Open) -> None:
    page = opened().pages.gallery
    names = [page.family.itemText(index) for index in range(page.family.count())]
    assert names == ["All families", "Continuous", "Discrete", "Neural", "Physics", "Quantum"]
    page.family.setCurrentText("Physics")
    shown = [page.cards.item(row).text() for row in range(page.cards.count()) if not page.cards.item(row).isHidden()]
    assert "Forest fires" in shown
    assert "Gosper's glider gun" not in shown
    assert page.cards.currentItem().text() in shown
    page.family.setCurrentIndex(0)
    assert not any(page.cards.item(row).isHidden() for row in range(page.cards.count()))


def test_cards_say_aloud_what_they_show(opened: Open) -> None:
    cards = opened().pages.gallery.cards
    assert cards.accessibleName()
    for row in range(cards.count()):
        assert cards.item(row).text()
        assert cards.item(row).data(Qt.ItemDataRole.AccessibleDescriptionRole)


def test_the_gallery_covers_a_run_and_escape_goes_back_to_it(opened: Open, qtbot: QtBot) -> None:
    window = opened()
    window.controller.open(live())
    assert window.stack.currentWidget() is window.stage
    assert window.docks["view"].isVisible()
    window.actions_by_name["window.pages.show_gallery"].trigger()
    covered = (window.controller.visible, window.docks["view"].isVisible())
    assert covered == (False, False)  # and nothing is computed for it
    qtbot.keyClick(window.pages.gallery.cards, Qt.Key.Key_Escape)
    assert window.stack.currentWidget() is window.stage
    assert window.docks["view"].isVisible()
    assert window.controller.visible


def test_closing_goes_back_to_the_gallery(opened: Open) -> None:
    window = opened()
    window.controller.open(live())
    window.actions_by_name["window.pages.close_source"].trigger()
    assert window.controller.source is None
    assert window.stack.currentWidget() is window.pages.gallery
    assert not window.actions_by_name["toggle_play"].isEnabled()


def drop(target: QWidget, *files: Path) -> bool:
    """Drags files over a widget and lets them go; whether they were welcome."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    action, button, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(9, 9), action, data, button, none)
    QApplication.sendEvent(target, enter)
    if enter.isAccepted():
        QApplication.sendEvent(target, QDropEvent(QPointF(9, 9), action, data, button, none))
    return enter.isAccepted()


def test_a_config_and_then_a_pattern_dropped_on_the_window_are_opened(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    window = opened()
    (tmp_path / "soup.toml").write_text(CONFIG)
    (tmp_path / "glider.rle").write_text(GLIDER)
    assert drop(window, tmp_path / "soup.toml", tmp_path / "glider.rle")
    assert "Of 2 files only the first is opened: soup.toml" in window.statusBar().currentMessage()
    qtbot.waitUntil(lambda: motor_shape(window) == (1, 1, 32, 48))
    window.controller.toggle_play()
    assert drop(window, tmp_path / "glider.rle")
    qtbot.waitUntil(lambda: "initial state of this run" in window.statusBar().currentMessage())


def test_files_dropped_on_the_canvas_reach_the_window(opened: Open) -> None:
    window = opened()
    window.controller.open(live())
    assert not window.canvas.acceptDrops()
    assert not window.canvas.viewport().acceptDrops()


def test_what_is_no_file_is_not_welcome(opened: Open) -> None:
    window = opened()
    data = QMimeData()
    data.setText("B3/S23")
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, none)
    QApplication.sendEvent(window, enter)
    assert not enter.isAccepted()


def test_a_wrong_file_is_told_over_the_gallery_and_the_window_lives_on(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    window = opened()
    (tmp_path / "bad.toml").write_text(CONFIG.replace("height", "hieght"))
    drop(window, tmp_path / "bad.toml")
    qtbot.waitUntil(lambda: window.banner.isVisible() and window.banner.kind.text() == "Error")
    assert "[grid] hieght: unknown key" in window.banner.text.text()
    (tmp_path / "soup.toml").write_text(CONFIG)
    drop(window, tmp_path / "soup.toml")
    qtbot.waitUntil(lambda: motor_shape(window) == (1, 1, 32, 48))
    assert not window.banner.isVisible()


def test_open_asks_for_a_file_without_stopping_the_window(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    window = opened()
    (tmp_path / "soup.toml").write_text(CONFIG)
    window.actions_by_name["window.pages.open_file"].trigger()
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    assert "*.toml" in dialog.nameFilters()[0]
    assert "*.safetensors" in dialog.nameFilters()[0]
    dialog.fileSelected.emit(str(tmp_path / "soup.toml"))
    dialog.close()
    qtbot.waitUntil(lambda: motor_shape(window) == (1, 1, 32, 48))


def test_files_that_were_opened_are_offered_the_next_time(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "soup.toml").write_text(CONFIG)
    first = opened(tmp_path / "soup.toml")
    qtbot.waitUntil(lambda: motor_shape(first) == (1, 1, 32, 48))
    first.pages.open_queue.open("quickstart")
    qtbot.waitUntil(lambda: motor_shape(first) == (1, 16, 96, 96), timeout=30_000)
    first.close()
    second = opened()
    recent = second.pages.gallery.recent
    assert recent.isVisible()
    assert [recent.item(row).toolTip() for row in range(recent.count())] == [str(tmp_path / "soup.toml")]
    recent.setFocus()
    recent.setCurrentRow(0)
    qtbot.keyClick(recent, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: motor_shape(second) == (1, 1, 32, 48))
    (tmp_path / "soup.toml").unlink()
    second.pages.show_gallery()
    assert not recent.isVisible(), "what is no longer there is not offered"


def test_theme_and_panels_are_as_they_were_left_and_can_be_reset(opened: Open) -> None:
    first = opened()
    first.controller.open(live())
    first.docks["view"].close()
    before = first.controller.model.theme
    first.actions_by_name["toggle_theme"].trigger()
    first.close()
    second = opened()
    assert second.controller.model.theme != before
    second.controller.open(live())
    assert not second.docks["view"].isVisible()
    second.actions_by_name["window.dock_layout.reset"].trigger()
    assert second.docks["view"].isVisible()
    second.pages.show_gallery()
    second.close()  # from the gallery, where no panel is in view
    third = opened()
    third.controller.open(live())
    assert third.docks["view"].isVisible()


def test_thumbnails_are_painted(opened: Open) -> None:
    cards = opened().pages.gallery.cards
    frame = cards.visualItemRect(cards.item(0))
    image = cards.viewport().grab(frame).toImage().convertToFormat(QImage.Format.Format_RGB32)
    colours = {image.pixel(x, y) for x in range(0, image.width(), 2) for y in range(0, image.height() // 2, 2)}
    assert len(colours) > 20  # a green lizard, not an empty frame


def test_a_config_that_breaks_late_is_told_over_the_gallery(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "late.toml").write_text(CONFIG.replace('name = "life"', 'name = "life"\nweights = "missing.safetensors"'))
    window = opened(tmp_path / "late.toml")
    qtbot.waitUntil(lambda: window.banner.isVisible() and window.banner.kind.text() == "Error")
    assert "missing.safetensors: no such file" in window.banner.text.text()
    assert window.stack.currentWidget() is window.pages.gallery


@pytest.mark.parametrize(
    ("name", "overrides", "device", "says"),
    [
        ("missing.toml", None, None, "no such file, nor a shipped config"),
        ("quickstart", ["grid.hieght=3"], None, "unknown key"),
        ("missing.rle", None, None, "no such file"),
        ("missing.h5", None, None, "no such file"),
        (".", None, None, "a folder; expected a config"),
        (__file__, None, None, "unknown kind of file; expected a config"),
        ("missing.h5", None, "cpu", "--device applies to configs"),
    ],
)
def test_what_the_command_line_names_wrongly_is_refused_before_there_is_a_window(
    name: str, overrides: list[str] | None, device: str | None, says: str
) -> None:
    with pytest.raises(AetheriaError, match=says):
        open_window(name, overrides, device)
    assert not [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, Window) and widget.isVisible()]


def test_the_first_window_is_as_light_as_the_system_and_follows_it_until_the_user_chooses(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for preferred in ("light", "dark"):
        monkeypatch.setattr(theme, "preferred", lambda preferred=preferred: preferred)
        window = opened()
        assert window.controller.model.theme == preferred
        window.close()
    window = opened()
    window.actions_by_name["toggle_theme"].trigger()
    window.close()
    assert opened().controller.model.theme == "light"


@pytest.mark.parametrize(("scheme", "wanted"), [("Light", "light"), ("Dark", "dark"), ("Unknown", "dark")])
def test_the_system_is_asked_what_it_prefers(monkeypatch: pytest.MonkeyPatch, scheme: str, wanted: str) -> None:
    hints = SimpleNamespace(colorScheme=lambda: Qt.ColorScheme[scheme])
    monkeypatch.setattr(theme, "QGuiApplication", SimpleNamespace(styleHints=lambda: hints))
    assert theme.preferred() == wanted
