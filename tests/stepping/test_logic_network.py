"""Two-state rules as networks of logic operations: equal to their tables, and as kernels to eager steps."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria import Aetheria_Motor, Generations, law_from_rule
from aetheria.laws import Law
from aetheria.laws.forms import BlockRule
from aetheria.laws.rules.block_table import table_text
from aetheria.stepping.cpu import block_network
from aetheria.stepping.cpu.block_network import BlockNetworkOnCpu
from aetheria.stepping.cpu.block_rule import BlockRuleOnCpu
from aetheria.stepping.cpu.logic_network import CELLS, MOST_GATES, Network, network_of
from aetheria.stepping.plan_factory import WORTH_SEARCHING

RULES = [
    "B3/S23",
    "B2-a/S12",
    "B3/S23V",
    "B2/S34H",
    "B0134/S2i",
    "B3-cnqy4e/S2-c3-k4a",
    "B/S",
    "B012345678/S012345678",
    "B/S012345678",
]
ISOTROPIC = "B2-a/S12"


def table_of(rule: str) -> int:
    found = law_from_rule(rule).block_rule()
    assert isinstance(found, BlockRule)
    return found.table


def computed(network: Network) -> NDArray[np.bool_]:
    """The outcomes for all blocks, gate by gate."""
    blocks = np.arange(1 << CELLS)
    values: dict[int, NDArray[np.bool_]] = {0: blocks < 0, (1 << (1 << CELLS)) - 1: blocks >= 0}
    for signal, (operation, first, second) in network.gates.items():
        if operation == "cell":
            values[signal] = (blocks >> (CELLS - 1 - first) & 1).astype(bool)
        elif operation == "~":
            values[signal] = ~values[first]
        else:
            a, b = values[first], values[second]
            values[signal] = {"&": a & b, "|": a | b, "^": a ^ b, "-": a & ~b}[operation]
    return values[network.result]


@pytest.mark.parametrize("rule", RULES)
def test_a_network_has_the_outcomes_of_the_table(rule: str) -> None:
    table = table_of(rule)
    network = network_of(table)
    assert network is not None
    assert network.operations <= MOST_GATES
    assert [table >> block & 1 for block in range(1 << CELLS)] == computed(network).tolist()


def test_networks_are_small() -> None:
    sizes = {rule: network.operations for rule in ("B3/S23", "B2-a/S12", "B3/S23V") if (network := network_of(table_of(rule)))}
    assert sizes["B3/S23"] <= 33  # the adders of bit_packed_life.cpp and the rule take more
    assert sizes["B2-a/S12"] <= 55
    assert sizes["B3/S23V"] <= 12


def test_a_random_table_is_left_to_the_kernel_for_tables() -> None:
    law = law_from_rule(table_text(random.Random(1).getrandbits(512)))
    assert "too many logic operations" in BlockNetworkOnCpu.why_not(law)
    assert isinstance(plan_of(law), BlockRuleOnCpu)


def test_joined_edges_and_cells_that_decay_are_left_to_the_kernel_for_tables() -> None:
    assert "klein-x" in BlockNetworkOnCpu.why_not(law_from_rule(ISOTROPIC, boundary="klein-x"))
    assert "4 states" in BlockNetworkOnCpu.why_not(Generations("345/2/4"))


def plan_of(law: Law) -> Any:
    return Aetheria_Motor(law, (20, 70), 1, "cpu", {"plan": "packed"}).warm_up()


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_the_kernel_steps_grids_of_any_shape_as_eager_does(boundary: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlockNetworkOnCpu, "thread_updates", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    law = law_from_rule(ISOTROPIC, boundary=boundary)
    for batch, height, width in (
        (1, 150, 512),
        (2, 3, 65),
        (1, 40, 130),
        (9, 20, 64),
        (5, 7, 100),
    ):  # the last two: a grid in a lane
        cells = expected = torch.randint(2, (batch, 1, height, width), generator=torch.Generator().manual_seed(width)).float()
        plan = BlockNetworkOnCpu(law, cells)
        (found,) = plan.unpack(plan.advance(plan.pack((cells,)), 19))
        for _ in range(19):
            expected = law(expected)
        assert torch.equal(found, expected), (batch, height, width)


@pytest.mark.parametrize(("planned", "plan"), [(1000, "table"), (None, "table"), (WORTH_SEARCHING // 1400 + 1, "network")])
def test_a_rule_is_searched_for_and_compiled_where_that_pays(planned: int | None, plan: str, monkeypatch: Any) -> None:
    law, searched = law_from_rule("B2-a/S23-k"), list[int]()

    def search(table: int) -> Network | None:
        searched.append(table)
        return network_of(table)

    monkeypatch.setattr(block_network, "network_of", search)
    settings = {"plan": "auto", "planned_steps": planned}
    with Aetheria_Motor(law, (20, 70), 1, "cpu", settings, initial="noise") as motor:
        made = motor.warm_up()
    assert isinstance(made, BlockNetworkOnCpu if plan == "network" else BlockRuleOnCpu)
    assert bool(searched) == (plan == "network")


def test_a_kernel_that_was_compiled_is_found_again() -> None:
    law = law_from_rule(ISOTROPIC)
    assert isinstance(plan_of(law), BlockNetworkOnCpu)
    assert BlockNetworkOnCpu.is_built(law)
