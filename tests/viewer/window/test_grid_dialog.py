"""The dialog for another size of the grid, in the real window, offscreen."""

from collections.abc import Iterator

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

import torch
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from aetheria.motor.motor import Aetheria_Motor
from tests.viewer.fakes import life, live
from viewer.dialogs.grid_dialog import GridDialog
from viewer.sources.live import LiveSource
from viewer.window.window import Window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live(life()))
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.close()


def motor_of(window: Window) -> Aetheria_Motor:
    assert isinstance(window.controller.source, LiveSource)
    return window.controller.source.motor


def dialog_of(window: Window) -> GridDialog:
    window.actions_by_name["window.dialogs.resize_grid"].trigger()
    dialog = window.findChild(GridDialog)
    assert dialog is not None
    return dialog


def test_the_dialog_keeps_the_cells_in_the_middle_until_a_place_is_given(window: Window, qtbot: QtBot) -> None:
    before, dialog = motor_of(window), dialog_of(window)
    height, width = before.shape[2:]
    assert (dialog.grid, dialog.at) == ((2 * height, 2 * width), (height // 2, width // 2))
    dialog.sides["height"].setValue(height + 10)
    assert dialog.at == (5, width // 2)
    dialog.places["width"].setValue(3)
    dialog.sides["width"].setValue(width + 7)
    assert dialog.at == (5, 3)
    assert "Strokes painted so far" in dialog.words.text()
    dialog.places["height"].setValue(-2)
    assert "outside of the new one" in dialog.words.text()
    qtbot.mouseClick(dialog.middle, Qt.MouseButton.LeftButton)
    assert dialog.at == (5, 3)
    qtbot.mouseClick(dialog.resize_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: motor_of(window).shape[2:] == (height + 10, width + 7))
    assert torch.equal(motor_of(window).cells[..., 5 : 5 + height, 3 : 3 + width], before.cells)
    qtbot.waitUntil(lambda: window.controller.frame is not None)


def test_a_grid_of_the_same_size_in_the_same_place_is_no_change(window: Window) -> None:
    dialog = dialog_of(window)
    for side, length in zip(dialog.sides.values(), motor_of(window).shape[2:], strict=True):
        side.setValue(length)
    assert not dialog.resize_button.isEnabled()
    dialog.places["width"].setValue(2)
    assert dialog.resize_button.isEnabled()
    dialog.reject()
