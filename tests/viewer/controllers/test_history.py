"""What was changed by hand, in words: no Qt."""

from collections.abc import Iterator

import numpy as np
import pytest

from aetheria import Lenia
from aetheria.motor.edit_text import MOST, edit_lines
from aetheria.motor.edits import CellsEdit, ControlEdit, Edit, RestartEdit, StateEdit
from aetheria.motor.motor import Aetheria_Motor
from tests.viewer.fakes import FakeView, live, wait_until
from viewer.controllers.controller import Controller


@pytest.fixture
def controller() -> Iterator[Controller]:
    controller = Controller(FakeView())
    controller.open(live(Aetheria_Motor(Lenia("O2u"), 64, 1, "cpu", {"plan": "eager"})))
    yield controller
    controller.close()


def test_changes_of_one_kind_in_a_row_share_a_line() -> None:
    block = np.zeros((1, 4, 6), np.float32)
    state = np.zeros((1, 1, 8, 8), np.float32)
    edits: list[Edit] = [
        RestartEdit(7),
        CellsEdit(12, (10, 20), 0, block),
        CellsEdit(1300, (30, 40), None, block),
        ControlEdit(1300, "m", 0.2),
        ControlEdit(1301, "m", 0.25),
        ControlEdit(1301, "s", 0.02),
        StateEdit(1302, 50, 7, state),
    ]
    assert edit_lines(edits) == (
        "step 0: seed 7",
        "steps 12 to 1,300: cells near (32, 43) (2 changes)",
        "steps 1,300 to 1,301: m = 0.25 (2 changes)",
        "step 1,301: s = 0.02",
        "step 1,302: a state of step 50",
    )


def test_only_the_newest_lines_are_told() -> None:
    edits = [ControlEdit(step, "ms"[step % 2], 0.1) for step in range(3 * MOST)]
    assert len(edit_lines(edits)) == MOST
    assert edit_lines(edits)[-1].startswith(f"step {3 * MOST - 1}:")


def test_strokes_and_parameters_are_listed_with_their_step_until_the_run_is_reset(controller: Controller) -> None:
    controller.step_many(5)
    wait_until(lambda: controller.source is not None and controller.source.status().step == 5, controller)
    controller.tools.draw()
    controller.tools.press(20, 30)
    controller.tick()
    controller.tools.release(20, 30)
    controller.parameters.set("m", 0.2)
    wait_until(lambda: len(controller.history.lines) == 2, controller)
    cells, control = sorted(controller.history.lines)
    assert cells.startswith("step 5: cells near (")
    assert control == "step 5: m = 0.2"
    controller.reset()
    wait_until(lambda: controller.history.lines == (), controller)
    assert controller.parameters.values["m"] == 0.15
