"""The live view in a real kernel: the messages of Jupyter, with a front end that is this test."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from aetheria.serve.protocol import Picture, read_frame

pytest.importorskip("anywidget", reason="anywidget is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")
jupyter_client: Any = pytest.importorskip("jupyter_client", reason="jupyter_client is not installed")

MAKE = """
import torch
from aetheria import Aetheria_Motor, Life
motor = Aetheria_Motor(Life(), (12, 20), 1, "cpu", {"plan": "eager"}, initial="noise", seed=3)
"""


class FrontEnd:
    """What a notebook's page does: runs cells, and speaks with the widget that one of them shows."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.widget = ""  # its comm
        self.heard: list[Mapping[str, Any]] = []
        self.pictures: list[Picture] = []
        self.values: list[Mapping[str, Any]] = []  # of cells
        self.updates: list[str] = []  # of HTML that a cell showed before

    def run(self, code: str, wait: bool = True) -> str:
        """Runs a cell; returns what it printed."""
        asked = self._client.execute(code)
        printed: list[str] = []

        def done() -> bool:
            message = self._hear()
            if message["parent_header"].get("msg_id") != asked:
                return False
            kind, content = message["msg_type"], message["content"]
            assert kind != "error", "\n".join(content["traceback"])
            if kind == "stream":
                printed.append(content["text"])
            return bool(kind == "status" and content["execution_state"] == "idle")

        if wait:
            self.until(done)
        return "".join(printed)

    def say(self, kind: str, **values: Any) -> None:
        """Sends a message as the widget's script does."""
        content = {"type": kind, "viewer": "one", **values}
        message = {"comm_id": self.widget, "data": {"method": "custom", "content": content}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", message))

    def until(self, reached: Callable[[], Any]) -> None:
        end = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < end, self.heard

    def picture(self, wanted: Callable[[Picture], bool]) -> Picture:
        """The next picture that is as it should be; answers those before it."""

        def found() -> bool:
            if self.pictures and wanted(self.pictures[-1]):
                return True
            self.say("ready")
            self._hear()
            return False

        self.until(found)
        return self.pictures[-1]

    def _hear(self) -> dict[str, Any]:
        message: dict[str, Any] = self._client.get_iopub_msg(timeout=60)
        content = message["content"]
        if message["msg_type"] == "comm_open" and content["data"]["state"].get("_anywidget_id", "").endswith("LiveView"):
            self.widget = content["comm_id"]
        elif message["msg_type"] == "execute_result":
            self.values.append(content["data"])
        elif message["msg_type"] == "update_display_data":
            self.updates.append(content["data"]["text/html"])
        elif message["msg_type"] == "comm_msg" and content["comm_id"] == self.widget:
            self.heard.append(content["data"].get("content", {}))
            self.pictures += [read_frame(bytes(buffer)) for buffer in message["buffers"]]
        return message


@pytest.fixture(scope="module")
def page() -> Iterator[FrontEnd]:
    manager, client = jupyter_client.manager.start_new_kernel(kernel_name="python3")
    try:
        made = FrontEnd(client)
        made.run(MAKE)
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_live_view_in_a_kernel_plays_steps_and_follows_edits(page: FrontEnd) -> None:
    page.run("view = motor.show(speed=100)\nview")
    shown = page.values[-1]
    assert shown["application/vnd.jupyter.widget-view+json"]["model_id"] == page.widget
    assert "<img" in shown["text/html"], "nothing to see where the notebook is read without a kernel"
    page.say("hello")
    page.picture(lambda picture: picture.step == 0)
    assert page.heard[0]["law"] == "Life"
    page.say("pause", paused=False)
    later = page.picture(lambda picture: picture.step > 3)
    page.say("pause", paused=True)
    # The motor's thread and a cell that steps another one, in one kernel.
    alike = "alike = Aetheria_Motor(Life(), (12, 20), 1, 'cpu', {'plan': 'eager'}, initial='noise', seed=3)"
    bits = page.run(f"{alike}\nalike.step({later.step})\nprint(alike.cells.int().flatten().tolist())")
    assert [int(byte > 0) for byte in later.pixels] == [int(bit) for bit in bits.strip("[]\n").split(",")]
    page.run("motor.set_cells(torch.ones(1, 12, 20))")
    page.picture(lambda picture: bool(np.all(np.frombuffer(picture.pixels, np.uint8) == 255)))
    page.run("view.close()")


def test_pictures_come_while_a_cell_steps_the_motor(page: FrontEnd) -> None:
    page.run("motor.restart()\nview = motor.show()\nview")
    page.say("hello")
    page.picture(lambda picture: picture.step == 0)
    page.run("import time\nend = time.monotonic() + 3\nmotor.step(10**9, until=lambda: time.monotonic() > end)", wait=False)
    page.picture(lambda picture: picture.step > 0)
    page.run("view.close()")


def test_a_long_call_has_a_bar_that_goes(page: FrontEnd) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    page.run("import aetheria\nrun = aetheria.simulate('B3/S23', 16, 40, device='cpu')")
    assert page.updates[0].startswith("<progress ")
    assert page.updates[-1] == ""
    page.updates.clear()
    page.run("run = aetheria.simulate('B3/S23', 16, 40, device='cpu', progress=False)")
    assert not page.updates
