"""The packed plans for rows equal eager steps: every elementary rule, odd widths, batches and boundaries."""

import random
from typing import Any

import pytest
import torch

from aetheria.laws import Elementary, GreenbergHastings, Law, Totalistic
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.cpu import build, packed_row
from aetheria.stepping.cpu.packed_row import PackedRowOnCpu
from aetheria.stepping.packed_row import PackedRow
from aetheria.stepping.packed_states import PackedStates

BOUNDARIES = ("periodic", "zero", "reflect")


def advanced(plan: PackedStates, cells: torch.Tensor, steps: int) -> torch.Tensor:
    return plan.unpack(plan.advance(plan.pack((cells,)), steps))[0]


def soup(law: Law, grid: tuple[int, ...], batch: int = 2) -> torch.Tensor:
    assert law.states is not None
    return torch.randint(law.states, (batch, 1, *grid), generator=torch.Generator().manual_seed(sum(grid))).float()


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_every_elementary_rule_is_that_of_eager_steps(boundary: Any) -> None:
    for rule in range(256):
        law = Elementary(rule, boundary=boundary)
        width = (130, 64, 7, 128, 63, 2)[rule % 6]
        cells = expected = soup(law, (width,))
        for _ in range(3):
            expected = law(expected)
        for plan in (PackedRow, PackedRowOnCpu):
            assert torch.equal(advanced(plan(law, cells), cells, 3), expected), (plan, rule, width)


@pytest.mark.parametrize("plan", [PackedRow, PackedRowOnCpu])
def test_a_row_of_one_cell_is_its_own_neighbour_on_a_ring(plan: type[PackedRow]) -> None:
    for rule in (0b10000001, 0b01111110):
        law, cells = Elementary(rule), torch.tensor([[[1.0]], [[0.0]]])
        assert torch.equal(advanced(plan(law, cells), cells, 1), law(cells))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_kernel_for_rows_takes_the_steps_of_torch_operations(
    threads: int, boundary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_row, "_THREAD_UPDATES", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    draw = random.Random(f"{boundary} {threads}")
    widths = [2, 63, 64, 65, 127, 129, 2 * 64 * 64 + 1, *draw.sample(range(3, 200), 5)]
    cases = [(width, draw.randint(1, 150)) for width in widths] + [
        (2**16 + 37, 65),
        (2**17, 3),
    ]  # the last: blocks of 1024 words
    for width, steps in cases:
        law = Elementary(draw.randrange(256), boundary=boundary)
        cells = soup(law, (width,))
        expected = advanced(PackedRow(law, cells), cells, steps)
        assert torch.equal(advanced(PackedRowOnCpu(law, cells), cells, steps), expected), (law.rule, width, steps)


def test_the_kernel_for_rows_reads_no_bits_beyond_the_width_and_writes_zeros_there() -> None:
    law = Elementary(110)
    cells = soup(law, (70,))
    plan = PackedRowOnCpu(law, cells)
    (words,) = plan.pack((cells,))
    dirty = words.clone()
    dirty[:, -1] |= -1 << 6
    (found,), (expected,) = plan.advance((dirty,), 100), plan.advance((words,), 100)
    assert torch.equal(found, expected)
    assert torch.equal(dirty[:, 0], words[:, 0])  # the state before is left as it was
    assert not (found[:, -1] >> 6).any()


def test_rows_are_packed_without_a_compiler_too(monkeypatch: pytest.MonkeyPatch) -> None:
    law = Elementary(30)
    monkeypatch.setattr(packed_row, "compiler", lambda: None)
    monkeypatch.setattr(build, "compiler", lambda: None)
    motor = Aetheria_Motor(law, (1000,), 1, "cpu", {"plan": "packed"}, initial=soup(law, (1000,), 1))
    motor.warm_up()
    assert type(motor.plan) is PackedRow


def test_a_long_run_of_an_elementary_rule_is_packed_and_exact() -> None:
    law = Elementary(110)
    packed, eager = (
        Aetheria_Motor(law, (1000,), 1, "cpu", {"plan": plan, "planned_steps": 200}, initial=soup(law, (1000,)), batch=2)
        for plan in ("auto", "eager")
    )
    for motor in (packed, eager):
        motor.step(150)
        motor.step(50)
    assert isinstance(packed.plan, PackedRowOnCpu)
    assert torch.equal(packed.cells, eager.cells)


def test_totalistic_rules_of_two_colours_are_packed() -> None:
    for code in range(16):
        law = Totalistic(code, colours=2)
        cells = soup(law, (70,))
        assert torch.equal(advanced(PackedRowOnCpu(law, cells), cells, 2), law(law(cells))), code
    assert Totalistic(9, colours=2, radius=2).row_rule() is None


def test_rules_of_more_colours_are_not_packed() -> None:
    law = Elementary(1000, colours=3)
    assert law.row_rule() is None
    motor = Aetheria_Motor(law, (100,), 1, "cpu", {"planned_steps": 1000}, initial=soup(law, (100,), 1))
    motor.step(2)
    assert motor.plan is not None
    assert motor.plan.name != "packed"


@pytest.mark.parametrize(
    ("settings", "boundary"),
    [
        ({"states": 8, "threshold": 3, "radius": 2}, "periodic"),
        ({"states": 3, "threshold": 1, "neighbourhood": "von_neumann"}, "zero"),
        ({"states": 2, "threshold": 2}, "reflect"),
        ({"states": 5, "threshold": 4, "radius": 4, "neighbourhood": "circular"}, "periodic"),
    ],
)
def test_an_excitable_medium_steps_by_the_kernel_for_counts(settings: dict[str, Any], boundary: Any) -> None:
    law = GreenbergHastings(**settings, boundary=boundary)
    packed, eager = (
        Aetheria_Motor(law, (37, 70), 1, "cpu", {"plan": plan}, initial=soup(law, (37, 70)), batch=2)
        for plan in ("packed", "eager")
    )
    for motor in (packed, eager):
        motor.step(9)
    assert torch.equal(packed.cells, eager.cells)
