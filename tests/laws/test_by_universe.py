"""Controls that are tensors `(B,)`, one number for each universe: the bits of one motor each, by every plan."""

from typing import Any

import pytest
import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import LAWS as REGISTRY
from aetheria.laws import Law
from aetheria.laws.controls import Control
from aetheria.laws.updates import QuantumLaw
from tests.small_laws import GRIDS, small_law, small_motor

# Settings, and the plans on the CPU besides "eager" and "compiled".
LAWS: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("Lenia", {}, ()),
    ("Lenia", {"m": [0.3, 0.4], "s": [0.1, 0.08], "c0": [0, 1], "c1": [1, 0]}, ()),
    ("FlowLenia", {}, ()),
    ("SmoothLife", {}, ()),
    ("GrayScott", {}, ("fused",)),
    ("FitzHughNagumo", {}, ("fused",)),
    ("Kuramoto", {}, ()),
    ("CoupledMapLattice", {}, ("fused",)),
    ("QuantumWalk", {"rank": 2, "coin": "rotation"}, ("fused",)),
    ("QuantumWalk", {"rank": 2, "coin": "rotation", "phase": "linear"}, ("fused",)),
    ("DiracQCA", {"rank": 2}, ("fused",)),
    ("ReactionDiffusion", {"reaction": {"u": "a*u - b*u^3"}, "constants": {"a": 1.0, "b": 0.5}}, ("fused",)),
    ("MLP", {"decay": 0.1}, ("fused",)),
    ("DEEP_QCA", {"decay": 0.1, "normalise": "none"}, ("fused",)),
    ("UNet", {"decay": 0.1, "hidden_channels": 16}, ("winograd",)),
    ("ConvLSTM", {"decay": 0.1, "hidden_channels": 16}, ("winograd",)),
    ("GrowingNCA", {}, ("fused",)),
    ("NCA", {}, ("fused",)),
    ("AttentionNCA", {}, ()),
)
IDS = [f"{name} {len(given)}" for name, given, _ in LAWS]
B = 3


def values(law: Law, control: Control) -> Tensor:
    """A number near the present one for each universe."""
    present = law.get_control(control.name)
    assert isinstance(present, float)
    return torch.tensor([present * share for share in (1.0, 0.9, 0.75)])


def each_of_its_own(name: str, settings: dict[str, Any]) -> tuple[Law, list[Law]]:
    """A law whose controls are tensors, and a law for each universe."""
    together, *alone = (small_law(name, **settings) for _ in range(1 + B))
    assert isinstance(together, Law)
    for control in together.controls:
        assert isinstance(control, Control)
        wanted = values(together, control)
        for law, value in zip(alone, wanted, strict=True):
            # The float that has exactly these bits.
            law.set_control(control.name, float(value))  # type: ignore[operator]
        setattr(together, control.name, wanted)
    return together, alone  # type: ignore[return-value]


def compare(name: str, settings: dict[str, Any], plan: str) -> None:
    """Steps one motor with a number for each universe, and one motor for each, by the same plan."""
    together, alone = each_of_its_own(name, settings)
    motor = small_motor(together, GRIDS[2], batch=B, cfg={"plan": plan})
    start = motor.cells
    motor.step(5)
    assert motor.plan.name == plan
    for universe, law in enumerate(alone):
        # Cells that fire are drawn by the number of the universe, and torch's products round by the number of universes: there
        # the same universe of motors of as many, all of one number, is compared.
        many = law.stochastic or (isinstance(law, QuantumLaw) and plan != "fused")
        single = small_motor(
            law, GRIDS[2], initial=start if many else start[universe], batch=B if many else 1, cfg={"plan": plan}
        )
        single.step(5)
        assert torch.equal(single.cells[universe if many else 0], motor.cells[universe]), (plan, universe)
    assert not torch.allclose(motor.cells[0], start[0])


@pytest.mark.parametrize(("name", "settings", "plans"), LAWS, ids=IDS)
def test_a_control_for_each_universe_gives_the_bits_of_a_motor_each(
    name: str, settings: dict[str, Any], plans: tuple[str, ...]
) -> None:
    for plan in ("eager", *plans):
        compare(name, settings, plan)


def test_the_compiled_step_gives_the_bits_of_a_motor_each() -> None:
    """One law: four compilations take seconds, and all laws are compiled by the same code."""
    compare("CoupledMapLattice", {}, "compiled")


def test_a_control_that_differs_by_universe_reads_and_writes_as_a_list() -> None:
    law = small_law("GrayScott")
    assert isinstance(law, Law)
    law.F = torch.tensor([0.25, 0.5])
    assert law.get_control("F") == [0.25, 0.5]
    law.set_control("F", [0.5, 0.125])  # type: ignore[arg-type]
    assert law.F.tolist() == [0.5, 0.125]
    law.set_control("F", 0.25)
    assert law.get_control("F") == [0.25, 0.25]
    with pytest.raises(ConfigError, match=r"\[law.grayscott\] F: 3 values given; expected 2"):
        law.set_control("F", [0.5, 0.5, 0.5])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"F: -1\.0 given"):
        law.set_control("F", [0.5, -1.0])  # type: ignore[arg-type]


def test_numbers_for_another_batch_are_refused() -> None:
    law = small_law("GrayScott")
    law.F = torch.tensor([0.02, 0.03])
    with pytest.raises(LawError, match=r"\[law.grayscott\] F: a tensor of shape \(2,\) given; expected .* each of the 3"):
        law(torch.rand(3, 2, 8, 8))


def test_laws_that_take_controls_by_universe_say_so() -> None:
    assert {name for name, law in REGISTRY.items() if law.spreads_controls} == {name for name, *_ in LAWS}
