"""The promises of every law, asked of each in every rank it states, and of a module that is no `Law`.

How far and where a step reaches is asked in `test_law_locality.py`.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.laws import ConvLSTM
from aetheria.laws.checks import RANKS
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.reference import TOLERANCE
from tests.small_laws import (
    GRIDS,
    PLAIN,
    QUANTUM,
    Case,
    cases,
    each,
    fitting,
    small_law,
    small_motor,
    stepper,
    width_of,
    wrapped,
)

EVERY = [*cases(), *((PLAIN, rank) for rank in RANKS)]


def motor_of(case: Case, law_seed: int = 0, **changes: Any) -> Aetheria_Motor:
    name, rank = case
    law = small_law(name, rank, seed=law_seed)
    return small_motor(law, fitting(wrapped(law), GRIDS[rank]), **changes)


@each(EVERY)
def test_a_step_keeps_shape_type_and_device(case: Case) -> None:
    motor = motor_of(case, batch=2)
    before = motor.cells, *motor.memory
    motor.step(2)
    after = motor.cells, *motor.memory
    assert [(t.shape, t.dtype, t.device) for t in after] == [(t.shape, t.dtype, t.device) for t in before]
    assert motor.cells.dtype == torch.float32
    assert not torch.equal(after[0], before[0]), "this law stands still, and would pass anything"


@each(EVERY)
def test_a_step_leaves_its_input_as_it_was(case: Case) -> None:
    motor = motor_of(case, batch=2)
    state = motor.cells, *motor.memory
    kept = [tensor.clone() for tensor in state]
    stepper(motor.law)(state)
    assert all(torch.equal(one, other) for one, other in zip(state, kept, strict=True))


@each(EVERY)
def test_the_same_seed_gives_the_same_run_and_another_seed_another(case: Case) -> None:
    def run(seed: int) -> Tensor:
        motor = motor_of(case, seed, seed=seed)
        motor.step(3)
        return motor.cells

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


@each(EVERY)
def test_a_run_does_not_depend_on_how_its_steps_are_split(case: Case) -> None:
    def run(*chunks: int) -> tuple[Tensor, ...]:
        motor = motor_of(case, batch=2, cfg={"check_interval": 3, "empty_cache_interval": 2})
        for steps in chunks:
            motor.step(steps)
        return motor.cells, *motor.memory

    whole = run(9)
    for chunks in ((1,) * 9, (0, 4, 5), (8, 1)):
        assert all(torch.equal(one, other) for one, other in zip(run(*chunks), whole, strict=True))


@each(EVERY)
def test_a_run_goes_on_from_its_saved_state_as_if_never_interrupted(case: Case) -> None:
    motor = motor_of(case, batch=2)
    motor.step(3)
    saved = motor.state_dict()
    motor.step(4)
    other = motor_of(case, batch=2, seed=99)
    other.load_state_dict(saved)
    assert (other.step_count, other.seed) == (3, 7)
    other.step(4)
    assert torch.equal(other.cells, motor.cells)
    assert all(torch.equal(one, two) for one, two in zip(other.memory, motor.memory, strict=True))


@each(EVERY)
def test_a_batch_of_three_equals_three_runs_of_one(case: Case) -> None:
    together = motor_of(case, batch=3, cfg={"precision": "fp64"})
    state = together.cells, *together.memory
    together.step(3)
    for universe in range(3):
        alone = motor_of(case, initial=state[0][universe], cfg={"precision": "fp64"})
        # The memory says which universe this is: the fire mask of universe 2 is its own.
        memory = tuple(t[universe : universe + 1] for t in state[1:])
        alone.load_state_dict({"cells": alone.cells, "memory": memory, "step": 0, "seed": 7})
        alone.step(3)
        torch.testing.assert_close(alone.cells[0], together.cells[universe], rtol=1e-12, atol=1e-13)


@each(cases(*QUANTUM))
def test_probability_is_conserved_over_the_grid_or_at_each_cell(case: Case) -> None:
    name, rank = case
    grid_wide, at_each, free = (
        small_motor(small_law(name, rank, normalise=normalise, decay=0.1), GRIDS[rank], batch=2)
        for normalise in ("grid", "cell", "none")
    )
    for motor in (grid_wide, at_each, free):
        motor.step(20)
    np.testing.assert_allclose(grid_wide.cells.double().square().flatten(1).sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(at_each.cells.double().square().sum(1), 1, rtol=1e-6)
    assert abs(float(free.cells.double().square().sum(1)[0].mean()) - 1) > 0.1


def _agrees(one: Tensor, other: Tensor, tolerance: float) -> bool:
    """Within `tolerance` of the largest cell, but for the few cells that a threshold may tip."""
    far = (one.double() - other.double()).abs() > tolerance * float(other.abs().max())
    return bool(far.double().mean() <= 1e-3)


@each(EVERY)
@pytest.mark.parametrize("precision", ["bf16", "tf32", "fp64"])
def test_every_precision_stays_near_float32(case: Case, precision: str) -> None:
    plain = motor_of(case)
    motor = motor_of(case, initial=plain.cells, cfg={"precision": precision})
    plain.step(1)
    motor.step(1)
    assert motor.cells.dtype == (torch.float64 if precision == "fp64" else torch.float32)
    assert _agrees(motor.cells, plain.cells, 1e-5 if precision == "fp64" else TOLERANCE[precision])


@pytest.mark.parametrize("name", QUANTUM)
def test_bf16_runs_the_network_in_bfloat16_and_keeps_steps_that_a_bfloat16_state_would_lose(name: str) -> None:
    exact = small_motor(small_law(name, normalise="none", output_scale=1e-4))
    reduced = small_motor(small_law(name, normalise="none", output_scale=1e-4), cfg={"precision": "bf16"})
    before = exact.cells
    exact.step(1)
    reduced.step(1)
    moved, wanted = reduced.cells - before, exact.cells - before
    assert not torch.equal(moved, wanted)
    # The change is far below the 2^-8 of a bfloat16 cell, and still arrives to within bfloat16's own error.
    assert float(wanted.abs().max()) < 2**-8 * float(before.abs().max())
    assert float((moved - wanted).abs().max()) < 0.1 * float(wanted.abs().max())


def test_memory_is_one_row_per_universe() -> None:
    for law in (small_law("ConvLSTM"), small_law("GrowingNCA")):
        motor = small_motor(law, batch=3)
        assert motor.memory
        assert all(len(tensor) == 3 for tensor in motor.memory)
    lstm = small_law("ConvLSTM")
    assert isinstance(lstm, ConvLSTM)
    motor = small_motor(lstm, (16, 20), batch=3)
    assert [t.shape for t in motor.memory] == [(3, 16, 4, 5)] * 2


@pytest.mark.gpu
@each(EVERY)
def test_a_gpu_steps_as_the_cpu_does(case: Case) -> None:
    here, law = motor_of(case, batch=2), small_law(*case)
    grid = here.cells.shape[2:]
    there = Aetheria_Motor(law, grid, width_of(law), "cuda", {"plan": "eager"}, initial=here.cells, batch=2, seed=7)
    here.step(3)
    there.step(3)
    assert there.cells.is_cuda
    assert _agrees(there.cells.cpu(), here.cells, 1e-4)
