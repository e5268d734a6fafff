"""LogicGates: against NumPy, gates by their tables, soft gates at 0 and 1, learning, shipped weights, bad input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aetheria.core.errors import ConfigError
from aetheria.laws import LogicGates, build_law
from aetheria.laws.neural.gates import GateLayer
from aetheria.motor.motor import Aetheria_Motor
from aetheria.training.objectives.rule import Rule
from tests.oracles import oracle

WEIGHTS = Path(__file__).parents[2] / "configs/weights"

# By number: 0, a&b, a&~b, a, ~a&b, b, xor, or, nor, xnor, ~b, a|~b, ~a, ~a|b, nand, 1, for ab = 00, 01, 10, 11.
TABLES = [f"{gate:04b}" for gate in range(16)]


def test_circuits_step_as_numpy_does() -> None:
    of = oracle("logic_gates", "random")
    law = LogicGates(4, circuits=3, perceive_gates=[8, 4, 2], update_gates=[24, 12]).eval()
    circuits = {**{f"perceive{k}": circuit for k, circuit in enumerate(law.perception)}, "update": law.update}
    for name, circuit in circuits.items():
        for number, layer in enumerate(circuit.children()):
            assert isinstance(layer, GateLayer)
            layer.set_gates(torch.from_numpy(of.arrays[f"{name}_{number}"].astype(np.int64)))
    start = torch.from_numpy(np.moveaxis(of.arrays["input"], -1, 0).astype(np.float32))[None]
    with torch.no_grad():
        for cells, expected in of.followed(start, law):
            assert np.array_equal(cells[0].numpy(), np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize("training", [True, False])
def test_gates_have_the_tables_of_their_numbers_and_meet_them_softly(training: bool) -> None:
    layer = GateLayer(2, 16).train(training)
    layer.set_gates([range(16), [0] * 16, [1] * 16])
    if training:  # as sure as can be
        with torch.no_grad():
            layer.scores.mul_(10)
    cases = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])[..., None]
    wanted = torch.tensor([[float(table[case]) for table in TABLES] for case in range(4)])
    torch.testing.assert_close(layer(cases)[..., 0], wanted, rtol=0, atol=1e-5 if training else 0)


def test_a_soft_xor_of_chances_is_the_chance_of_a_xor() -> None:
    layer = GateLayer(2, 1)
    layer.set_gates([[6], [0], [1]])
    with torch.no_grad():
        layer.scores.mul_(10)
        found = float(layer(torch.tensor([[[0.3], [0.8]]])))
    assert found == pytest.approx(0.3 * 0.2 + 0.7 * 0.8, abs=1e-5)


def test_gradients_are_those_of_the_mean_over_the_gates() -> None:
    """In float64, against the sum over the gates of chance times value, gate by gate."""
    torch.manual_seed(0)
    layer = GateLayer(5, 6).double()
    inputs = torch.rand(3, 5, 2, 2, dtype=torch.float64, requires_grad=True)
    a, b = (inputs[:, wires] for wires in layer.wires)
    corners = ((1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b)
    wanted = torch.zeros(3, 6, 2, 2, dtype=torch.float64)
    for gate, table in enumerate(TABLES):
        value = sum(corner * float(bit) for corner, bit in zip(corners, table, strict=True))
        wanted = wanted + layer.scores.softmax(1)[:, gate, None, None] * value
    weights = torch.rand_like(wanted)
    torch.testing.assert_close(layer(inputs), wanted)
    found_grads = torch.autograd.grad((layer(inputs) * weights).sum(), (inputs, layer.scores))
    wanted_grads = torch.autograd.grad((wanted * weights).sum(), (inputs, layer.scores))
    torch.testing.assert_close(found_grads, wanted_grads)


def test_wires_of_a_gate_differ_and_use_all_inputs() -> None:
    wires = GateLayer(9, 12).wires
    assert (wires[0] != wires[1]).all()
    assert set(GateLayer(9, 40).wires.flatten().tolist()) == set(range(9))


def test_gates_learn_rule_90_and_then_step_it_exactly() -> None:
    """x' = left xor right, from soft steps on random rows."""
    law = build_law("LogicGates", seed=3, channels=1, circuits=8, perceive_gates=[12, 6], update_gates=[12, 6], rank=1)
    assert isinstance(law, LogicGates)
    optimizer = torch.optim.Adam(law.parameters(), 0.06)
    generator = torch.Generator().manual_seed(0)

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(2, (8, 1, 32), generator=generator).float()
        return rows, (rows.roll(1, 2) != rows.roll(-1, 2)).float()

    for _ in range(120):
        rows, wanted = batch()
        loss = (law.train()(rows) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rows, wanted = batch()
    with torch.no_grad():
        assert torch.equal(law.eval()(rows), wanted)


def test_shipped_gates_have_no_wrong_neighbourhood() -> None:
    for name, rule, grid in (("logic_gates_rule_90", "W90", (3,)), ("logic_gates_life", "B3/S23", (3, 3))):
        law = build_law("LogicGates", weights=WEIGHTS / f"{name}.safetensors")
        assert isinstance(law, LogicGates)
        found = Rule(law, grid, rule=rule).after_training(law.eval())
        assert found == {"neighbourhoods": 2.0**3 ** len(grid), "neighbourhoods wrong": 0}


@pytest.mark.parametrize(("plan", "grid"), [("packed", (70, 130)), ("eager", (24, 30))])
def test_learned_gates_step_a_soup_as_life_does_for_200_steps(plan: str, grid: tuple[int, int]) -> None:
    law = build_law("LogicGates", weights=WEIGHTS / "logic_gates_life.safetensors")
    soup = torch.randint(2, (1, 1, *grid), generator=torch.Generator().manual_seed(8)).float()
    gates = Aetheria_Motor(law, grid, 1, "cpu", {"plan": plan}, initial=soup)
    life = Aetheria_Motor(build_law("Life"), grid, 1, "cpu", {"plan": "eager"}, initial=soup)
    for _ in range(4):
        gates.step(50)
        life.step(50)
        assert life.cells.any()
        assert torch.equal(gates.cells, life.cells)
    assert gates.plan is not None
    assert gates.plan.name == plan


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, "channels: 0 given"),
        ({"circuits": 0}, "circuits: 0 given"),
        ({"perceive_gates": [8, 0]}, "perceive_gates gates: 0 given"),
        ({"update_gates": [-1]}, "update_gates gates: -1 given"),
        ({"rank": 4}, "rank: .*4"),
        ({"boundary": "torus"}, "boundary: .*torus.* expected one of periodic, zero, reflect"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.logicgates\] " + message):
        LogicGates(**settings)
