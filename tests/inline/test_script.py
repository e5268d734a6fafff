"""The script of the live view in a real browser: it draws what the kernel sends, and its controls steer."""

import base64
import json
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import aetheria.inline
from aetheria import Aetheria_Motor
from aetheria.inline.player import Player
from aetheria.laws import build_law
from aetheria.serve.protocol import View

page_tests: Any = pytest.importorskip("tests.serve.test_page", reason="websockets is not installed")
pytestmark = page_tests.pytestmark
FOLDER = Path(aetheria.inline.__file__).parent
HARNESS = """<!doctype html><meta charset="utf-8"><body><style>{css}</style><div id="cell"></div><script>
const sent = [], heard = [];
const model = {{
  send: message => sent.push(message), on: (_, f) => heard.push(f), off: (_, f) => heard.splice(heard.indexOf(f), 1)
}};
function deliver(content, data) {{
  const bytes = data.map(text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer));
  heard.forEach(f => f(content, bytes));
}}
const at = query => document.querySelector("#cell " + query);
let done;
import("data:text/javascript;base64,{script}").then(widget =>
  done = widget.default.render({{model, el: document.getElementById("cell")}}));
</script>"""


class Cell:
    """A cell of a notebook's page with the widget in it, and the kernel's side of it."""

    def __init__(self, page: Any, motor: Aetheria_Motor, view: View) -> None:
        self.page = page
        self._messages: queue.SimpleQueue[tuple[Mapping[str, Any], list[bytes]]] = queue.SimpleQueue()
        self.player = Player(motor, view, lambda *message: self._messages.put(message), 30.0, False)

    def wait(self, script: str, reached: Callable[[Any], Any] = bool) -> Any:
        """Carries messages to and fro until a script has the value that is wanted."""
        end = time.monotonic() + 30
        while True:
            for message in self.page.value("sent.splice(0)"):
                self.player.take(message)
            while not self._messages.empty():
                content, buffers = self._messages.get()
                data = [base64.b64encode(buffer).decode() for buffer in buffers]
                self.page.value(f"deliver({json.dumps(content)}, {json.dumps(data)})")
            if reached(value := self.page.value(script)):
                return value
            assert time.monotonic() < end, (script, value, self.page.value("document.body.innerText"))

    def shot(self, name: str) -> None:
        """A picture of the cell alone; AETHERIA_SHOTS=docs makes docs/notebook_live.png again."""
        if page_tests.SHOTS:
            box = self.page.value(
                "(({x, y, width, height}) => ({x, y, width, height, scale: 1}))(at('*').getBoundingClientRect())"
            )
            data = self.page.call("Page.captureScreenshot", clip=box)["data"]
            Path(page_tests.SHOTS, f"{name}.png").write_bytes(base64.b64decode(data))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("browser")
    script = base64.b64encode((FOLDER / "live_view.js").read_bytes()).decode()
    harness = folder / "cell.html"
    harness.write_text(HARNESS.format(css=(FOLDER / "live_view.css").read_text(), script=script), "utf-8")
    with page_tests.started(folder / "profile") as started, started.page(harness.as_uri()) as page:
        yield page


@pytest.fixture
def show(browser: Any) -> Iterator[Callable[..., tuple[Cell, Aetheria_Motor]]]:
    """Shows a motor of a law in the page, made anew."""
    shown: list[Player] = []

    def make(law: str, grid: tuple[int, ...], view: View | None = None, **more: Any) -> tuple[Cell, Aetheria_Motor]:
        motor = Aetheria_Motor(build_law(law), grid, device="cpu", cfg={"plan": "eager"}, initial="noise", **more)
        browser.call("Page.reload")
        browser.wait("document.readyState === 'complete' && typeof done === 'function'")
        cell = Cell(browser, motor, view or View(size=384))
        shown.append(cell.player)
        return cell, motor

    yield make
    for player in shown:
        player.close()


PIXELS = "Array.from(at('.picture').getContext('2d').getImageData(0, 0, at('.picture').width, at('.picture').height).data)"


def test_the_picture_is_that_of_the_cells_and_its_buttons_steer(show: Callable[..., tuple[Cell, Aetheria_Motor]]) -> None:
    cell, motor = show("Life", (48, 72))
    cell.wait("at('.picture').width === 72")
    cell.page.value("at('button').click()")
    cell.wait("at('button').textContent === 'Pause'")
    cell.wait("at('.step').textContent !== 'step 0'")
    cell.page.value("at('button').click()")
    cell.wait("at('button').textContent === 'Play'")
    cell.page.value("at('button:nth-child(2)').click()")
    before = motor.step_count
    cell.wait("at('.step').textContent", lambda text: text == f"step {motor.step_count:,}" and motor.step_count > before)
    colours = cell.page.value(PIXELS)
    low, high = colours[: 4 * 48 * 72 : 4], motor.cells.flatten().tolist()
    assert [red > 127 for red in low] == [value > 0 for value in high]
    assert cell.page.value("at('.picture').style.width") == f"{72 * 5}px"


def test_keys_fields_layers_and_universes(show: Callable[..., tuple[Cell, Aetheria_Motor]]) -> None:
    cell, motor = show("Life3D", (6, 20, 30), batch=2)
    cell.wait("at('.picture').width === 30")
    labels = cell.page.value(
        "[...document.querySelectorAll('#cell label:not([hidden])')].map(label => label.firstChild.textContent)"
    )
    assert labels[:4] == ["Speed", "Field", "Layer", "Universe"]
    assert cell.page.value("[...document.querySelectorAll('#cell select')].map(select => select.value)")[2:] == ["3", "0"]
    cell.page.value(
        "for (const [i, value] of [[2, '5'], [3, '1']]) { const select = document.querySelectorAll('#cell select')[i]; "
        "select.value = value; select.onchange(); }"
    )
    alive = [value > 0 for value in motor.cells[1, 0, 5].flatten().tolist()]
    cell.wait(PIXELS, lambda colours: [red > 127 for red in colours[::4]] == alive)
    cell.page.value("at('.picture').dispatchEvent(new KeyboardEvent('keydown', {key: 'n'}))")
    cell.wait("at('.step').textContent === 'step 1'")
    cell.page.value("at('.picture').dispatchEvent(new KeyboardEvent('keydown', {key: ' '}))")
    cell.wait("at('button').textContent === 'Pause'")


def test_a_row_of_cells_is_drawn_over_time_and_an_error_is_told(show: Callable[..., tuple[Cell, Aetheria_Motor]]) -> None:
    cell, _ = show("Elementary", (64,))
    cell.wait("at('.picture').width === 64")
    cell.page.value("at('button').click()")
    cell.wait("at('.picture').height > 20")
    cell.player.take({"type": "view", "field": "nothing"})
    cell.wait("at('.message').textContent.startsWith('view field')")


def test_a_view_that_leaves_the_window_asks_for_nothing(show: Callable[..., tuple[Cell, Aetheria_Motor]]) -> None:
    cell, motor = show("Lenia", (128, 128))
    motor.step(150)
    cell.wait("at('.picture').width === 128 && at('.step').textContent === 'step 150'")
    cell.shot("notebook_live")
    cell.page.value("document.getElementById('cell').style.marginTop = '5000px'")
    cell.wait("1", lambda _: not cell.player._looking)
    cell.page.value("document.getElementById('cell').style.marginTop = '0'")
    cell.wait("1", lambda _: cell.player._looking)
    cell.page.value("done()")
    assert "gone" in [message["type"] for message in cell.page.value("sent")]
