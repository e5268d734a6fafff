"""The page in a real browser without a window: it connects, draws the cells, and steers with keys."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from websockets.sync.client import connect

from aetheria import Aetheria_Motor
from aetheria.laws import build_law
from aetheria.laws.controls import Control
from aetheria.motor.edit_text import edit_lines
from aetheria.runs.steering import Steering
from aetheria.serve.access import Access
from aetheria.serve.client import RemoteRun
from aetheria.serve.server import serve_motor

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
SHOTS = os.environ.get("AETHERIA_SHOTS")  # a folder for screenshots, to be looked at


class Page:
    """A page of a browser, by the DevTools protocol."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._count = connection, 0

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": values}))
        while (answer := json.loads(self._connection.recv(timeout=30))).get("id") != self._count:
            pass
        return answer["result"]

    def value(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        end = time.monotonic() + 12
        while not self.call(
            "Runtime.evaluate", expression=f"(() => {{ try {{ return !!({script}) }} catch {{ return false }} }})()"
        )["result"].get("value"):
            assert time.monotonic() < end, (script, self.value("document.body.innerText"))
            time.sleep(0.05)

    def press(self, key: str, ctrl: bool = False) -> None:
        values = json.dumps({"key": key, "ctrlKey": ctrl, "bubbles": True})
        self.value(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {values}))")

    def drag(self, name: str, start: float, end: float) -> None:
        """Drags the mouse over an element, between shares of its width."""
        left, top, width, height = self.value(
            f"(r => [r.left, r.top, r.width, r.height])(at({json.dumps(name)}).getBoundingClientRect())"
        )
        for kind, share in (
            ("mousePressed", start),
            ("mouseMoved", (start + end) / 2),
            ("mouseMoved", end),
            ("mouseReleased", end),
        ):
            place = {"x": left + share * width, "y": top + height / 2}
            self.call("Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1, **place)

    def looks(self, width: int, theme: str) -> None:
        """A window of another width, in a light or a dark theme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=760, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.value("draw()")

    def shot(self, name: str) -> None:
        if SHOTS:
            data = self.call("Page.captureScreenshot")["data"]
            Path(SHOTS, f"{name}.png").write_bytes(base64.b64decode(data))


class Browser:
    """A browser without a window.

    Attributes:
        process: its first one, the leader of the group of all.
        port: of the DevTools protocol.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process, self.port = process, port

    @contextlib.contextmanager
    def page(self, address: str) -> Iterator[Page]:
        """An address in a tab of its own."""
        tab = self._asked(f"new?{urllib.parse.quote(address, safe='')}")
        with connect(tab["webSocketDebuggerUrl"], proxy=None, max_size=None) as connection:
            yield Page(connection)
        if self.process.poll() is None:
            self._asked(f"close/{tab['id']}")

    def _asked(self, what: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/{what}", method="PUT")
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
        return json.loads(content) if what.startswith("new") else content

    def kill(self) -> None:
        """Ends all of its processes at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Browser]:
    assert BROWSER is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen([BROWSER, *options, "--window-size=1100,760", "about:blank"], **quiet) as process:  # type: ignore[call-overload]
        try:
            port_file, end = folder / "DevToolsActivePort", time.monotonic() + 60
            while not port_file.exists() or "\n" not in port_file.read_text():
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.05)
            yield Browser(process, int(port_file.read_text().split()[0]))
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@contextlib.contextmanager
def shown(browser: Browser, law: str, grid: tuple[int, ...], **access: Any) -> Iterator[tuple[Page, Aetheria_Motor, Steering]]:
    """A page on a motor that another thread steps."""
    motor = Aetheria_Motor(build_law(law), grid, device="cpu", cfg={"plan": "eager"}, initial="noise")
    steering, stop = Steering(), threading.Event()
    steering.limit(30)
    thread = threading.Thread(target=steering.step, args=(motor, 10**9, stop.is_set))
    with serve_motor(motor, steering=steering, access=Access(port=0, **access), title=f"{law} & <b>Co</b>") as server:
        thread.start()
        try:
            with browser.page(server.address) as page:
                page.wait("document.readyState === 'complete' && typeof last !== 'undefined' && last !== null")
                yield page, motor, steering
        finally:
            stop.set()
            thread.join()


def test_the_page_draws_the_cells_and_its_keys_steer_the_run(browser: Browser) -> None:
    with shown(browser, "Life", (48, 72)) as (page, motor, steering):
        page.wait("series.length > 5 && last.field === 'alive'")
        page.shot("live")
        assert page.value("document.getElementById('title').textContent").startswith("Life & <b>Co</b>")
        page.press(" ")
        page.wait("status.paused")
        assert steering.paused
        page.press("n")
        page.press("n")
        page.wait("last.step === status.step")
        step, width, height, colours = page.value(
            "at('colours').value = 'grey', draw(), "
            "[last.step, picture.width, picture.height, Array.from(picture.getContext('2d').getImageData(0, 0, 72, 48).data)]"
        )
        alike = Aetheria_Motor(motor.law, (48, 72), device="cpu", cfg={"plan": "eager"}, initial="noise")
        alike.step(step)
        assert (height, width) == (48, 72)
        assert [red > 127 for red in colours[::4]] == [bool(cell) for cell in alike.cells.flatten()]
        page.press("+")
        page.wait("status.speed === 60")
        page.press("f")
        page.wait("last.field !== 'alive' && last.field === at('field').value")
        assert page.value("at('message').textContent") == ""
        page.press("Backspace", ctrl=True)
        page.wait("last.step === 0 && status.step === 0 && status.paused")
        assert motor.step_count == 0


def test_parameters_are_set_by_slider_and_number_and_a_refusal_brings_the_old_value_back(browser: Browser) -> None:
    with shown(browser, "Lenia", (48, 72)) as (page, motor, steering):
        first, control = float(motor.get_control("m")), next(one for one in motor.traits.controls if one.name == "m")
        assert isinstance(control, Control)
        page.wait(f"Math.abs(at('control_m').valueAsNumber - {first}) < 1e-6")
        assert page.value("Number(at('control_m_slider').max)") == control.high
        page.drag("control_m_slider", 0.25, 0.75)
        page.wait("Math.abs(status.controls.m - at('control_m_slider').valueAsNumber) < 1e-6")
        assert motor.get_control("m") == pytest.approx(page.value("at('control_m').valueAsNumber"), abs=1e-6)
        assert float(motor.get_control("m")) > first
        page.value("at('control_m').focus(), at('control_m').select()")
        page.call("Input.insertText", text="0.17")
        page.value("at('control_m').blur()")
        page.wait("status.controls.m === 0.17")
        motor.set_control("m", 0.19)  # by somebody else
        page.wait("at('control_m').valueAsNumber === 0.19 && Math.abs(at('control_m_slider').valueAsNumber - 0.19) < 0.01")
        page.value("at('control_s').value = '-1', at('control_s').dispatchEvent(new Event('change'))")
        page.wait("at('message').textContent.includes('-1')")
        page.wait(f"Math.abs(at('control_s').valueAsNumber - {motor.get_control('s')}) < 1e-6")
        for width, theme in ((1100, "light"), (1100, "dark"), (420, "light"), (420, "dark")):
            page.looks(width, theme)
            page.shot(f"parameters-{width}-{theme}")
            assert page.value("document.documentElement.scrollWidth <= innerWidth")
        steering.pause(True)


def test_a_rule_is_typed_and_a_slider_that_is_dragged_does_not_flood_the_server(browser: Browser) -> None:
    with shown(browser, "Life", (48, 72)) as (page, motor, _):
        page.value("at('control_rule').value = 'B36/S23', at('control_rule').dispatchEvent(new Event('change'))")
        page.wait("status.controls.rule === 'B36/S23'")
        assert motor.get_control("rule") == "B36/S23"
        assert page.value("at('edit_lines').children.length") == 0  # the list is closed, and costs nothing
        page.value("document.querySelector('summary').click()")
        page.wait("at('edit_lines').innerText.includes('rule = B36/S23')")
        motor.set_cells(torch.ones(1, 4, 4), (1, 2))  # by somebody else
        page.wait("at('edit_lines').children.length === 2")
        assert tuple(page.value("[...at('edit_lines').children].map(line => line.textContent)")) == edit_lines(motor.edits)
        for theme in ("light", "dark"):
            page.looks(1100, theme)
            page.shot(f"edits-{theme}")
        page.press("p")
        assert page.value("at('panel').hidden")
        page.value(
            "for (let i = 0; i < 300; i++) sendLatest('rule', 'control', {name: 'rule', value: i % 2 ? 'B3/S23' : 'B2/S'})"
        )
        page.wait("status.controls.rule === 'B3/S23'")
        assert page.value("socket.readyState") == 1
        page.press("p")
        page.value("at('reset').click()")
        page.wait("at('edit_lines').innerText === 'none yet'")
        assert motor.step_count == 0


def test_parameters_of_a_read_only_server_are_shown_and_cannot_be_set(browser: Browser) -> None:
    with shown(browser, "Lenia", (48, 72), read_only=True) as (page, motor, _):
        page.wait(f"Math.abs(at('control_m').valueAsNumber - {motor.get_control('m')}) < 1e-6")
        assert page.value("[...document.querySelectorAll('#controls input')].every(input => input.disabled)")
        assert not page.value("at('fixed').hidden")
        assert page.value("at('reset').hidden && !at('edits').hidden")
        page.shot("parameters-read-only")


def test_the_page_shows_space_time_layers_and_the_end_of_the_run(browser: Browser) -> None:
    with shown(browser, "Life3D", (6, 20, 30)) as (page, _, steering):
        page.press("]")
        page.wait("at('slice').value === '4' && !at('slice_label').hidden && last.height === 20")
        page.shot("layers")
        steering.pause(True)
        page.wait("at('pause').textContent === 'Go on'")


def test_a_browser_that_is_killed_in_the_middle_leaves_run_and_server_as_they_are(tmp_path: Path) -> None:
    motor = Aetheria_Motor(build_law("Life"), (256, 256), device="cpu", cfg={"plan": "eager"}, initial="noise")
    with serve_motor(motor, access=Access(port=0)) as server:
        with started(tmp_path) as browser, browser.page(server.address) as page:
            end = time.monotonic() + 60
            while not page.value("typeof received !== 'undefined' && received > 0"):
                motor.step(1)
                assert time.monotonic() < end
            assert server.readers == 1
            browser.kill()
            while server.readers:
                motor.step(1)
                assert time.monotonic() < end
        assert server.alive
        with RemoteRun(server.address) as run:
            assert next(run.pictures()).step <= motor.step_count
    alike = Aetheria_Motor(build_law("Life"), (256, 256), device="cpu", cfg={"plan": "eager"}, initial="noise")
    alike.step(motor.step_count)
    assert torch.equal(alike.cells, motor.cells)


def test_a_wrong_token_is_told_on_the_page(browser: Browser) -> None:
    motor = Aetheria_Motor(build_law("Life"), (8, 8), device="cpu", cfg={"plan": "eager"})
    with (
        serve_motor(motor, access=Access(port=0)) as server,
        browser.page(f"http://127.0.0.1:{server.port}/#wrong") as page,
    ):
        page.wait("document.readyState === 'complete' && at('message').textContent.startsWith('token: wrong')")
        page.shot("wrong")
