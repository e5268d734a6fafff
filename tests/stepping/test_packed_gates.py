"""Circuits of logic gates on words of 64 cells equal the law exactly, on grids of every rank."""

import pytest
import torch

from aetheria.core.errors import ConfigError
from aetheria.laws.neural.gates import GateLayer
from aetheria.laws.neural.logic_gates import LogicGates
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.packed_gates import PackedGates
from tests.small_laws import boundaries

GRIDS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((2,), (63,), (64,), (65,), (300,)),
    2: ((2, 2), (5, 63), (7, 64), (9, 65), (20, 200)),
    3: ((2, 2, 2), (3, 4, 65), (5, 6, 128)),
}


def circuits(rank: int, boundary: str = "periodic") -> LogicGates:
    """A law of gates of all kinds at random."""
    torch.manual_seed(rank)
    law = LogicGates(
        3,
        circuits=5,
        perceive_gates=[8, 4],
        update_gates=[24],
        pass_score=0.0,
        rank=rank,
        boundary=boundary,  # type: ignore[arg-type]
    )
    return law.eval()


@pytest.mark.parametrize("rank", GRIDS)
def test_words_equal_the_law_exactly(rank: int) -> None:
    for boundary in boundaries("LogicGates"):
        law = circuits(rank, boundary)
        kinds = {int(kind) for layer in law.modules() if isinstance(layer, GateLayer) for kind in layer.gates().kinds}
        assert kinds == set(range(16))
        for grid in GRIDS[rank]:
            cells = torch.randint(2, (2, 3, *grid), generator=torch.Generator().manual_seed(7)).float()
            plan = PackedGates(law, cells)
            held = plan.pack((cells,))
            assert torch.equal(plan.unpack(held)[0], cells)
            for steps in (1, 2):
                held = plan.advance(held, steps)
                with torch.inference_mode():
                    for _ in range(steps):
                        cells = law(cells)
                assert torch.equal(plan.unpack(held)[0], cells), (boundary, grid)


def test_a_run_takes_the_plan_and_gates_that_change_count_from_the_next_step() -> None:
    law = circuits(2)
    motor = Aetheria_Motor(law, (40, 70), 3, "cpu", {"planned_steps": 100_000}, initial="noise", seed=3)
    motor.step(2)
    assert motor.plan is not None
    assert motor.plan.name == "packed"
    before = motor.cells.view(1, 3, 40, 70).clone()
    layer = law.update[-1]
    assert isinstance(layer, GateLayer)
    wires = layer.wires.tolist()
    layer.set_gates([[10] * 3, *wires])  # not the right input
    motor.step(1)
    with torch.inference_mode():
        expected = law(before)
    assert torch.equal(motor.cells.view_as(expected), expected)
    assert not torch.equal(expected, circuits(2)(before))


def test_soft_gates_are_not_packed() -> None:
    law = circuits(2)
    motor = Aetheria_Motor(law, 32, 3, "cpu", {"plan": "packed"}, initial="noise")
    law.train()
    with pytest.raises(ConfigError, match="is no law of logic gates"):
        motor.warm_up()
