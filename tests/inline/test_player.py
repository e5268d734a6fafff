"""The player behind a live view: what viewers get, when nothing is computed, and what they are told of errors."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria import Aetheria_Motor, Life
from aetheria.core.errors import ConfigError, StateError
from aetheria.inline.player import Player
from aetheria.serve.protocol import Picture, View, read_frame


class Viewers:
    """Viewers of one player, and what came to them."""

    def __init__(self, motor: Aetheria_Motor, view: View | None = None, speed: float | None = None, play: bool = False) -> None:
        self.messages: list[Mapping[str, Any]] = []
        self.pictures: list[Picture] = []
        self._news = threading.Condition()
        self.player = Player(motor, view or View(), self._take, speed, play)

    def _take(self, message: Mapping[str, Any], buffers: list[bytes]) -> None:
        with self._news:
            self.messages.append(message)
            self.pictures += map(read_frame, buffers)
            self._news.notify_all()

    def say(self, kind: str, viewer: str = "one", **values: Any) -> None:
        self.player.take({"type": kind, "viewer": viewer, **values})

    def wait(self, reached: Callable[[], Any]) -> None:
        end = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < end, self.messages
            with self._news:
                self._news.wait(0.02)

    def next_picture(self) -> Picture:
        """The picture after the last one, asked for as a viewer does."""
        before = len(self.pictures)
        self.say("ready")
        self.wait(lambda: len(self.pictures) > before)
        return self.pictures[-1]

    def told(self, kind: str) -> list[Mapping[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


@pytest.fixture
def motor() -> Iterator[Aetheria_Motor]:
    with Aetheria_Motor(Life(), (12, 20), 1, "cpu", {"plan": "eager"}, initial="noise", seed=3) as motor:
        yield motor


@pytest.fixture
def viewers(motor: Aetheria_Motor) -> Iterator[Viewers]:
    made = Viewers(motor)
    yield made
    made.player.close()


def cells_of(picture: Picture) -> np.ndarray[Any, Any]:
    return np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width) / 255


def after(motor: Aetheria_Motor, steps: int) -> Tensor:
    """The cells of the same run after some steps."""
    with Aetheria_Motor(Life(), (12, 20), 1, "cpu", {"plan": "eager"}, initial="noise", seed=motor.seed) as alike:
        alike.step(steps)
        return alike.cells[0, 0]


def test_a_viewer_sees_the_cells_while_it_plays(motor: Aetheria_Motor, viewers: Viewers) -> None:
    viewers.say("hello")
    viewers.wait(lambda: viewers.pictures)
    assert viewers.told("welcome")[0]["view"]["field"] == "alive"
    viewers.say("speed", speed=200)
    viewers.say("pause", paused=False)
    seen = [viewers.next_picture() for _ in range(3)]
    assert seen[0].step < seen[1].step < seen[2].step
    for picture in seen:
        np.testing.assert_array_equal(cells_of(picture), after(motor, picture.step))
    viewers.say("step", steps=3)  # pauses, too
    assert viewers.told("status")[-1]["paused"]


def test_single_steps_and_edits_of_a_standing_motor_are_seen(motor: Aetheria_Motor, viewers: Viewers) -> None:
    viewers.say("hello")
    viewers.wait(lambda: viewers.pictures)
    viewers.say("step", steps=2)
    viewers.wait(lambda: viewers.pictures[-1].step == 2)
    viewers.wait(lambda: motor.step_count == 2)
    motor.set_cells(torch.ones(1, 4, 5), at=(2, 3))
    np.testing.assert_array_equal(cells_of(viewers.next_picture()), motor.cells[0, 0])
    motor.step(1)  # by the user's own code, which may step what stands still here
    np.testing.assert_array_equal(cells_of(viewers.next_picture()), motor.cells[0, 0])


def test_nothing_is_computed_while_the_motor_stands_still_or_nobody_looks(
    motor: Aetheria_Motor, viewers: Viewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    idle: list[None] = []
    render, pictures = motor._loop._rendered, viewers.player._source.pictures

    def rendered(request: Any) -> Any:
        made.append(motor.step_count)
        return render(request)

    def counted(*given: Any) -> Iterator[Picture | None]:
        for picture in pictures(*given):
            if picture is None:
                idle.append(None)
            yield picture

    monkeypatch.setattr(motor._loop, "_rendered", rendered)
    monkeypatch.setattr(viewers.player._source, "pictures", counted)
    assert motor._loop.feed.idle
    viewers.say("hello")
    viewers.wait(lambda: viewers.pictures)
    viewers.say("ready")
    viewers.wait(lambda: idle)
    before, quiet = len(made), len(idle)
    viewers.wait(lambda: len(idle) > quiet + 3)
    assert len(made) == before, "a picture of the same cells"
    viewers.say("hello", "another")
    viewers.say("hidden")
    viewers.say("pause", paused=False)
    viewers.next_picture()
    viewers.say("hidden")
    viewers.say("hidden", "another")
    viewers.wait(lambda: motor._loop.feed.idle)
    before, step = len(made), motor.step_count
    viewers.wait(lambda: motor.step_count > step + 100)  # it plays on, as the page is only scrolled away
    assert len(made) == before
    assert viewers.next_picture().step > step


def test_the_motor_stands_still_when_the_last_viewer_is_gone(motor: Aetheria_Motor) -> None:
    viewers = Viewers(motor, play=True)
    assert not motor.step_count
    viewers.say("hello")
    viewers.say("hello", "another")
    viewers.wait(lambda: motor.step_count)
    viewers.say("gone")
    step = motor.step_count
    viewers.wait(lambda: motor.step_count > step)
    viewers.say("gone", "another")
    viewers.wait(lambda: not motor._loop._calls)
    motor.step(1)  # nobody else steps it
    viewers.player.close()
    assert motor._loop.feed.idle


def test_a_kernel_that_hears_no_answer_sends_pictures_still(motor: Aetheria_Motor, viewers: Viewers) -> None:
    viewers.say("speed", speed=100)
    viewers.say("hello")
    viewers.say("pause", paused=False)
    viewers.wait(lambda: len(viewers.pictures) > 2)  # no "ready"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "vew"}, 'message: type "vew"; did you mean view?'),
        ({"type": "view", "field": "chanel_0"}, 'view field: "chanel_0" given; did you mean channel_0'),
        ({"type": "view", "universe": 1}, "view universe: 1 given; expected 0 to 0"),
        ({"type": "speed", "speed": -1}, "speed: -1 given"),
        ({"type": "step", "steps": 0}, "step: 0 given"),
        ({}, 'message: type "None"'),
    ],
)
def test_what_is_wrong_with_a_message_is_told(viewers: Viewers, message: Mapping[str, Any], words: str) -> None:
    viewers.player.take(message)
    assert str(viewers.told("error")[-1]["message"]).startswith(words)


class Breaks(nn.Module):
    """A law that fails at the third step."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, cells: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > 2:
            raise RuntimeError("no third step\nand more")
        return cells


def test_an_error_of_a_step_is_told_and_the_motor_stands_still() -> None:
    with Aetheria_Motor(Breaks(), 8, 1, "cpu", {"plan": "eager"}) as motor:
        viewers = Viewers(motor)
        viewers.say("hello")
        viewers.say("pause", paused=False)
        viewers.wait(lambda: viewers.told("error") and viewers.told("status")[-1]["paused"])
        assert "no third step" in viewers.told("error")[0]["message"]
        assert "\n" not in viewers.told("error")[0]["message"]
        viewers.player.close()


def test_a_view_that_the_motor_does_not_have_is_refused(motor: Aetheria_Motor) -> None:
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    for given, words in (
        ({"field": "chanel_0"}, 'view field: "chanel_0" given; did you mean channel_0'),
        ({"universe": 2}, "view universe: 2 given; expected 0 to 0"),
        ({"size": 5000}, "view size: 5000 given; expected a whole number from 1 to 1024"),
        ({"z": "min"}, "view slice: 'min' given"),
        ({"speed": 0}, "speed: 0 given; expected steps a second above 0"),
    ):
        with pytest.raises(ConfigError, match=words):
            motor.show(**given)


def test_without_anywidget_it_says_what_to_install(motor: Aetheria_Motor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "aetheria.inline.live_view", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ConfigError, match=r"^show: a live picture in a notebook needs anywidget: pip install '\.\[notebook\]'"):
        motor.show()


def test_two_cannot_step_a_motor_and_it_is_told(motor: Aetheria_Motor, viewers: Viewers) -> None:
    viewers.say("hello")
    viewers.say("pause", paused=False)
    viewers.wait(lambda: motor.step_count)
    with pytest.raises(StateError, match="another thread is stepping this motor"):
        motor.step(1)
