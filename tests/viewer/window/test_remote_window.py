"""The window on a served run."""

import threading

from pytestqt.qtbot import QtBot

from aetheria.runs.steering import Steering
from tests.viewer.fakes import life
from viewer.sources.remote import RemoteSource
from viewer.window.app import open_window


def test_the_window_opens_on_an_address_and_its_key_lets_the_run_go_on(qtbot: QtBot) -> None:
    motor, steering, stop = life(initial="noise"), Steering(), threading.Event()
    steering.pause(True)
    thread = threading.Thread(target=steering.step, args=(motor, 10**9, stop.is_set))
    with motor.serve(port=0, steering=steering) as server:
        thread.start()
        try:
            window = open_window(server.url)
            qtbot.addWidget(window)
            qtbot.waitUntil(lambda: window.controller.frame is not None, timeout=20_000)
            source = window.controller.source
            assert isinstance(source, RemoteSource)
            assert server.token not in window.windowTitle()
            assert window.transport.isVisible()
            assert steering.paused
            window.transport.play.click()
            qtbot.waitUntil(lambda: motor.step_count > 3, timeout=20_000)
            qtbot.waitUntil(lambda: source.status().playing, timeout=20_000)
            window.close()
        finally:
            stop.set()
            thread.join()
