"""`repr` and notebook views of motors, plans, frames, recordings and configs."""

import base64
import io
import math
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from aetheria import MLP, Aetheria_Motor, GrowingNCA, Life, Recorder, Recording
from aetheria.motor import overview
from aetheria.observe.frame import Frame
from aetheria.observe.thumbnail import SIDE, thumbnail
from aetheria.recording import overview as recording_overview
from aetheria.runs.config import RunConfig
from aetheria.stepping.plan import Stepwise

EVIL = "<script>alert(1)</script>\x1b[31m"
_VOID = ("img",)


class _Tags(HTMLParser):
    """Checks that each tag is closed, and collects their names."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(thing: Any, most: int = 120_000) -> tuple[str, Image.Image | None]:
    """The HTML of an object, which is well-formed, safe and small, and its picture."""
    text: str = thing._repr_html_()
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert "script" not in tags.seen
    assert text.replace("\n", "").isprintable()
    assert len(text) < most
    found = re.search(r'src="data:image/png;base64,([^"]+)"', text)
    return text, Image.open(io.BytesIO(base64.b64decode(found[1]))) if found else None


def life(size: Any = (20, 30), **options: Any) -> Aetheria_Motor:
    return Aetheria_Motor(Life(), size, 1, "cpu", {"plan": "eager"}, **options)


def test_a_motor_says_what_it_is() -> None:
    motor = life(batch=3, seed=7)
    assert (
        repr(motor)
        == "<Aetheria_Motor: Life B3/S23, 20 x 30 cells, 1 channel, 3 universes, on cpu, float32, step 0, plan eager>"
    )
    motor.step(1200)
    assert repr(motor).endswith("step 1,200, plan eager>")
    text, image = checked(motor)
    for words in ("Life B3/S23", "20 x 30 cells, 1 channel, 3 universes", "1,200", "eager: "):
        assert words in text
    assert image is not None
    assert image.size == (30, 20)


def test_the_picture_shows_the_cells() -> None:
    motor = life(initial=torch.zeros(1, 20, 30))
    cells = motor.cells
    cells[0, 0, 4, 9] = 1
    motor.set_cells(cells)
    _, image = checked(motor)
    assert image is not None
    bright = np.asarray(image).sum(2)
    assert np.argwhere(bright > bright.min()).tolist() == [[4, 9]]


@pytest.mark.parametrize(
    ("law", "size"),
    [(MLP(d_state=2), (500, 40)), (GrowingNCA(), (16, 16)), (Life(), (300, 2000))],
    ids=["amplitudes", "rgb", "large"],
)
def test_the_picture_is_small_whatever_the_grid(law: Any, size: tuple[int, int]) -> None:
    text, image = checked(
        Aetheria_Motor(law, size, law.channels if isinstance(law, GrowingNCA | Life) else 2, "cpu", {"plan": "eager"})
    )
    assert image is not None
    assert max(image.size) <= SIDE
    assert law.name in text


def test_a_notebook_never_steps_the_motor_nor_chooses_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    class Costly(nn.Module):
        default_field = "energy"  # needs the law's next step
        steps = 0

        def forward(self, cells: Tensor) -> Tensor:
            type(self).steps += 1
            return cells

    motor = Aetheria_Motor(Costly(), 16, 2, "cpu", {"plan": "eager"})
    before, Costly.steps = Costly.steps, 0
    repr(motor)
    _, image = checked(motor)
    assert image is not None
    assert (Costly.steps, motor.step_count, motor.plan.name, before) == (0, 0, "eager", before)


def test_a_busy_motor_is_shown_without_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "_PATIENCE_S", 0.02)
    motor, held, go = life(), threading.Event(), threading.Event()

    def compile_for_long() -> None:
        with motor.turn:
            held.set()
            go.wait(30)

    other = threading.Thread(target=compile_for_long)
    other.start()
    assert held.wait(10)
    text, image = checked(motor)
    go.set()
    other.join(10)
    assert image is None
    assert "Life B3/S23" in text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_cells_that_are_not_finite_are_shown(value: float) -> None:
    values = np.zeros((4, 4), np.float32)
    values[1, 1] = value
    assert thumbnail(values, "channel_0")
    assert thumbnail(np.full((4, 4), value), "channel_0")


@pytest.mark.parametrize(
    ("shape", "name", "size"),
    [
        ((40,), "channel_0", (40, 8)),
        ((3, 6, 7), "channel_0", (7, 6)),
        ((3, 6, 7), "rgb", (7, 6)),
        ((3, 9), "rgb", (9, 8)),
        ((1, 5000), "phase_1", (125, 1)),
        ((5, 5), "a field of another version", (5, 5)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
def test_thumbnails_of_every_rank_and_type(shape: tuple[int, ...], name: str, size: tuple[int, int], dtype: Any) -> None:
    png = thumbnail(np.zeros(shape, dtype), name)
    assert png is not None
    assert Image.open(io.BytesIO(png)).size == size


@pytest.mark.parametrize("values", [np.float64(3), np.zeros((0, 4)), np.zeros((2, 2, 2, 2))])
def test_what_has_no_picture_has_no_thumbnail(values: Any) -> None:
    assert thumbnail(values, "channel_0") is None


def test_a_plan_says_its_name_and_reason() -> None:
    plan = Stepwise("eager", lambda *state: state)
    assert repr(plan) == "<Plan eager>"
    plan.reason = EVIL
    assert repr(plan) == "<Plan eager: <script>alert(1)</script>\\x1b[31m>"
    assert "&lt;script&gt;" in checked(plan)[0]


def test_a_frame_lists_its_fields() -> None:
    motor = life()
    frame = motor.look(motor.request(["channel_0", "population"]))
    assert repr(frame) == "<Frame: step 0, channel_0, population>"
    text, image = checked(frame)
    assert "(1, 20, 30) float32" in text
    assert image is not None
    assert checked(Frame(3, 0.0, {EVIL: np.zeros(1)}))[1] is None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    motor = life()
    with Recorder(motor, tmp_path / "run.h5", every=5, title=EVIL, config=f'title = "{EVIL[:25]}"'):
        motor.step(10)
    return tmp_path / "run.h5"


def test_a_recording_says_what_it_holds_also_when_it_is_closed(path: Path) -> None:
    with Recording(path) as recording:
        frame = recording[1]
        assert repr(recording) == (
            f"<Recording {path}: Life, 1 channel, 20 x 30 cells, 3 frames, steps 0 to 10, every 5, done>"
        )
        text, image = checked(recording)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m" in text
        assert image is not None
        assert checked(frame)[1] is not None
    assert repr(recording).endswith("closed>")
    assert "closed" in checked(recording)[0]
    assert repr(frame) == "<Frame: step 5, channel_0>"
    assert "is closed" in checked(frame)[0]


def test_a_large_frame_is_not_read_for_a_picture(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_overview, "_MAX_PICTURE_BYTES", 100)
    with Recording(path) as recording:
        assert checked(recording)[1] is None


def test_a_damaged_recording_is_text(path: Path) -> None:
    content = bytearray(path.read_bytes())
    with Recording(path) as recording:
        offset = recording.dataset("channel_0").id.get_chunk_info(2).byte_offset
    content[offset : offset + 8] = b"\xff" * 8
    path.write_bytes(content)
    with Recording(path) as recording:
        text, image = checked(recording)
    assert image is None
    assert "aetheria repair" in text


def test_a_config_says_what_it_runs() -> None:
    config = RunConfig.checked(
        {"title": EVIL, "steps": 600, "grid": {"height": 32, "width": 48}, "law": {"name": "Life", "rule": "B36/S23"}}, ""
    )
    assert repr(config) == ('<RunConfig "<script>alert(1)</script>\\x1b[31m": Life B36/S23, 32 x 48 cells, 600 steps, seed 0>')
    assert str(config) == repr(config)
    text, _ = checked(config)
    assert "&lt;script&gt;" in text
    assert "steps = 600" in text
