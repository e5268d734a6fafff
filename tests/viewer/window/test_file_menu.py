"""What the File menu keeps and brings back, in the real window, offscreen."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtWidgets import QDialog, QFileDialog
from pytestqt.qtbot import QtBot

from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recording
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from aetheria.runs.state_file import describe_state
from tests.viewer.fakes import life, live
from tests.viewer.recordings import record_life
from viewer.dialogs.record_dialog import RecordDialog, file_stem
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource
from viewer.widgets import file_dialogs
from viewer.window.file_menu import FilmDialog, pixels_of
from viewer.window.window import Window

D = TypeVar("D", bound=QDialog)
CONFIG = {"title": "My soup!", "steps": 9, "seed": 4, "grid": {"height": 24, "width": 32}, "law": {"name": "Life"}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(file_dialogs, "_folder", tmp_path)
    return tmp_path


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    config = RunConfig.checked({**CONFIG, "motor": {"plan": "eager"}}, "")
    window.controller.open(live(build_motor(config), config=config, title=config.title))
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    yield window
    window.close()


def motor_of(window: Window) -> Aetheria_Motor:
    assert isinstance(window.controller.source, LiveSource)
    return window.controller.source.motor


def press(window: Window, qtbot: QtBot, key: Qt.Key, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    window.activateWindow()  # a dialog may have been in front
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyClick(window.canvas, key, held)


def opened(window: Window, qtbot: QtBot, kind: type[D]) -> D:
    """The dialog of this kind that is open."""

    def visible() -> list[D]:
        return [dialog for dialog in window.findChildren(kind) if dialog.isVisible()]

    qtbot.waitUntil(lambda: len(visible()) == 1)
    return visible()[0]


def choose(window: Window, qtbot: QtBot, name: str = "") -> str:
    """Says yes to the suggested file, or another name; the name that was suggested."""
    dialog = opened(window, qtbot, QFileDialog)
    suggested = "".join(Path(file).name for file in dialog.selectedFiles())
    if name:
        dialog.selectFile(name)
    dialog.accept()
    return suggested


def note(window: Window) -> str:
    return window.status_strip.note.toolTip()


def test_r_records_and_stops_and_the_file_is_whole(window: Window, qtbot: QtBot, folder: Path) -> None:
    press(window, qtbot, Qt.Key.Key_R)
    dialog = opened(window, qtbot, RecordDialog)
    qtbot.waitUntil(lambda: "per frame" in dialog.takes.text())
    assert "are free" in dialog.takes.text()
    dialog.every.setValue(3)
    for row in range(dialog.fields.count()):
        if dialog.fields.item(row).text() == "population":
            dialog.fields.item(row).setCheckState(Qt.CheckState.Checked)
    assert not dialog.record.isEnabled()  # until it is known what that takes
    qtbot.waitUntil(dialog.record.isEnabled)
    dialog.record.click()
    record = window.controller.record
    qtbot.waitUntil(lambda: record.session is not None and record.session.recorder is not None)
    window.controller.step_many(9)
    qtbot.waitUntil(lambda: "recording my-soup.h5: 4 frames" in window.status_strip.labels["Recording"].text())
    press(window, qtbot, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: note(window).startswith("Recorded 4 frames in my-soup.h5"))
    with Recording(folder / "my-soup.h5") as recording:
        assert recording.steps.tolist() == [0, 3, 6, 9]
        assert (recording.fields, recording.observables) == (("channel_0",), ("population",))
        assert tomllib.loads(recording.config)["seed"] == 4
        assert recording[-1]["population"][0] == motor_of(window).cells.sum()
    qtbot.waitUntil(lambda: not window.status_strip.labels["Recording"].text())


def test_the_record_dialog_says_what_is_wrong_and_when_a_file_would_be_replaced(
    window: Window, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "my-soup.h5").write_bytes(b"precious")
    monkeypatch.setattr(Path, "home", lambda: folder.parent)
    press(window, qtbot, Qt.Key.Key_R)
    dialog = opened(window, qtbot, RecordDialog)
    assert dialog.path.text() == f"~/{folder.name}/my-soup-2.h5"
    dialog._named(folder.parent / "x.h5")
    assert dialog.path.text() == "~/x.h5"
    dialog.path.setText(str(folder / "my-soup.h5"))
    qtbot.waitUntil(lambda: "will be replaced" in dialog.takes.text())
    assert dialog.path.toolTip() == str(folder / "my-soup.h5")
    assert dialog.record.text() == "&Replace and record"
    dialog.path.setText(str(folder / "missing" / "x.h5"))
    qtbot.waitUntil(lambda: "does not exist" in dialog.takes.text())
    assert not dialog.record.isEnabled()
    for row in range(dialog.fields.count()):
        dialog.fields.item(row).setCheckState(Qt.CheckState.Unchecked)
    qtbot.waitUntil(lambda: dialog.takes.text() == "Choose at least one field.")
    dialog.reject()
    assert (folder / "my-soup.h5").read_bytes() == b"precious"
    assert not window.controller.record.recording


def test_eight_bits_are_between_the_levels_in_view_which_shows_the_states_of_the_channel(window: Window, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.field == "alive")
    press(window, qtbot, Qt.Key.Key_R)
    dialog = opened(window, qtbot, RecordDialog)
    dialog.dtype.setCurrentIndex(2)
    dialog.extent.setCurrentIndex(1)
    settings = dialog.settings()
    assert (settings.dtype, settings.size) == ("uint8", (12, 16))
    assert settings.levels == (("channel_0", (0.0, 1.0)),)
    dialog.reject()


def test_m_films_what_is_shown_until_it_is_pressed_again(window: Window, qtbot: QtBot, folder: Path) -> None:
    press(window, qtbot, Qt.Key.Key_M)
    dialog = opened(window, qtbot, QFileDialog)
    dialog.selectNameFilter("GIF (*.gif)")
    dialog.filterSelected.emit("GIF (*.gif)")
    assert choose(window, qtbot) == "my-soup.gif"
    film = window.controller.film
    qtbot.waitUntil(lambda: film.task is not None and film.task.done == 1)
    window.controller.step_once()
    qtbot.waitUntil(lambda: film.task is not None and film.task.done == 2)
    press(window, qtbot, Qt.Key.Key_M)
    qtbot.waitUntil(lambda: note(window).startswith("Saved 2 frames to my-soup.gif"))
    with Image.open(folder / "my-soup.gif") as image:
        assert image.format == "GIF"


def test_a_recording_is_filmed_in_the_size_and_rate_that_is_asked_for(window: Window, qtbot: QtBot, folder: Path) -> None:
    window.controller.open(RecordingSource(Recording(record_life(folder / "run.h5", steps=5))))
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    press(window, qtbot, Qt.Key.Key_M)
    dialog = opened(window, qtbot, FilmDialog)
    dialog.scale.setValue(3)
    dialog.fps.setValue(5)
    assert "6 frames of 60 x 36 pixels, 1.2 seconds" in dialog.takes.text()
    dialog.accept()
    assert choose(window, qtbot, "film.gif") == "run.mp4"
    qtbot.waitUntil(lambda: note(window).startswith("Saved 6 frames to film.gif"))
    with Image.open(folder / "film.gif") as image:
        assert image.size == (60, 36)


def test_f12_keeps_the_canvas_as_it_was_seen(window: Window, qtbot: QtBot, folder: Path) -> None:
    seen = pixels_of(window.canvas.viewport().grab().toImage())
    press(window, qtbot, Qt.Key.Key_F12)
    assert choose(window, qtbot) == "my-soup-000000.png"
    qtbot.waitUntil(lambda: note(window) == "Saved my-soup-000000.png.")
    with Image.open(folder / "my-soup-000000.png") as image:
        assert np.array_equal(np.asarray(image), seen)
    press(window, qtbot, Qt.Key.Key_F12)
    assert Path(opened(window, qtbot, QFileDialog).selectedFiles()[0]).name == "my-soup-000000-2.png"


def test_pixels_of_an_image_are_its_colours_whatever_its_width() -> None:
    image = QImage(5, 2, QImage.Format.Format_RGB32)
    for x in range(5):
        for y in range(2):
            image.setPixelColor(x, y, QColor(10 * x, 100 * y, 7))
    pixels = pixels_of(image)
    assert pixels.shape == (2, 5, 3)
    assert pixels[1, 4].tolist() == [40, 100, 7]


def test_a_state_is_saved_and_loaded_with_keys(window: Window, qtbot: QtBot, folder: Path) -> None:
    control = Qt.KeyboardModifier.ControlModifier
    window.controller.step_many(4)
    motor = motor_of(window)
    qtbot.waitUntil(lambda: motor.step_count == 4)
    cells = motor.cells
    press(window, qtbot, Qt.Key.Key_S, control)
    assert choose(window, qtbot) == "my-soup-000004.safetensors"
    qtbot.waitUntil(lambda: note(window).startswith("Saved the state at step 4"))
    assert describe_state(folder / "my-soup-000004.safetensors").step == 4
    window.controller.step_many(3)
    qtbot.waitUntil(lambda: motor.step_count == 7)
    press(window, qtbot, Qt.Key.Key_L, control)
    choose(window, qtbot, str(folder / "my-soup-000004.safetensors"))
    qtbot.waitUntil(lambda: motor.step_count == 4)
    assert (motor.cells == cells).all()


def test_the_config_goes_to_the_clipboard(window: Window, qtbot: QtBot) -> None:
    held = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    press(window, qtbot, Qt.Key.Key_C, held)
    copied = tomllib.loads(QGuiApplication.clipboard().text())
    assert RunConfig.checked(copied, "").title == "My soup!"
    window.controller.open(live(life()))
    press(window, qtbot, Qt.Key.Key_C, held)
    assert window.banner.isVisible()


def test_a_window_that_is_closed_while_it_records_and_films_leaves_whole_files(
    window: Window, qtbot: QtBot, folder: Path
) -> None:
    press(window, qtbot, Qt.Key.Key_R)
    dialog = opened(window, qtbot, RecordDialog)
    qtbot.waitUntil(dialog.record.isEnabled)
    dialog.record.click()
    record, film = window.controller.record, window.controller.film
    qtbot.waitUntil(lambda: record.session is not None and record.session.recorder is not None)
    film.film_view(folder / "x.mp4")
    window.controller.toggle_play()
    qtbot.waitUntil(lambda: film.task is not None and film.task.done > 3)
    window.close()
    qtbot.waitUntil(lambda: (folder / "x.mp4").exists())

    def whole() -> bool:
        with Recording(folder / "my-soup.h5") as recording:
            return recording.status == "done"

    qtbot.waitUntil(whole)


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("My soup!", "my-soup"),
        ("a/b\\c:d", "a-b-c-d"),
        ("..", "run"),
        ("", "run"),
        ("Größe 2", "größe-2"),
        ("x" * 99, "x" * 60),
    ],
)
def test_a_title_becomes_the_name_of_a_file(title: str, stem: str) -> None:
    assert file_stem(title) == stem
