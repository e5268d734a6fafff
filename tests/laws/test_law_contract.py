"""What every law promises, asked of every entry of LAWS and of a module that is no `Law`."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria.laws import LAWS, ConvLSTM, GrowingNCA, Law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.trial import TOLERANCE
from tests.small_laws import (
    PLAIN,
    QUANTUM,
    SMALL,
    fresh,
    local_law,
    small_law,
    small_motor,
    stepper,
    width_of,
    wrapped,
)

BOUNDARIES = ("periodic", "zero", "reflect")
NARROW: dict[str, dict[str, Any]] = {name: {"d_state": 1, "hidden_channels": 2} for name in ("UNet", "ConvLSTM")}
WITHOUT_CHANCE: dict[str, dict[str, Any]] = {"GrowingNCA": {"fire_rate": 1.0}}
AVERAGING: tuple[dict[str, Any], ...] = ({"normalise": "grid"}, {"normalise": "none", "norm": "group"})


def test_every_law_of_the_registry_is_under_contract() -> None:
    assert set(SMALL) == set(LAWS)


def test_a_step_keeps_shape_type_and_device(law: nn.Module) -> None:
    motor = small_motor(law, batch=2)
    before = motor.cells, *motor.memory
    motor.step(2)
    after = motor.cells, *motor.memory
    assert [(t.shape, t.dtype, t.device) for t in after] == [(t.shape, t.dtype, t.device) for t in before]
    assert motor.cells.dtype == torch.float32
    assert not torch.equal(after[0], before[0]), "this law stands still, and would pass anything"


def test_a_step_leaves_its_input_as_it_was(law: nn.Module) -> None:
    motor = small_motor(law, batch=2)
    state = motor.cells, *motor.memory
    kept = [tensor.clone() for tensor in state]
    stepper(law)(state)
    assert all(torch.equal(one, other) for one, other in zip(state, kept, strict=True))


def test_the_same_seed_gives_the_same_run_and_another_seed_another(law_name: str) -> None:
    def run(seed: int) -> Tensor:
        motor = small_motor(small_law(law_name, seed=seed), seed=seed)
        motor.step(3)
        return motor.cells

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_a_run_does_not_depend_on_how_its_steps_are_split(law_name: str) -> None:
    def run(*chunks: int) -> tuple[Tensor, ...]:
        motor = small_motor(small_law(law_name), batch=2, cfg={"check_interval": 3, "empty_cache_interval": 2})
        for steps in chunks:
            motor.step(steps)
        return motor.cells, *motor.memory

    whole = run(9)
    for chunks in ((1,) * 9, (0, 4, 5), (8, 1)):
        assert all(torch.equal(one, other) for one, other in zip(run(*chunks), whole, strict=True))


def test_a_run_goes_on_from_its_saved_state_as_if_never_interrupted(law_name: str) -> None:
    motor = small_motor(small_law(law_name), batch=2)
    motor.step(3)
    saved = motor.state_dict()
    motor.step(4)
    other = small_motor(small_law(law_name), batch=2, seed=99)
    other.load_state_dict(saved)
    assert (other.step_count, other.seed) == (3, 7)
    other.step(4)
    assert torch.equal(other.cells, motor.cells)
    assert all(torch.equal(one, two) for one, two in zip(other.memory, motor.memory, strict=True))


def test_a_batch_of_three_equals_three_runs_of_one(law_name: str) -> None:
    together = small_motor(small_law(law_name), batch=3, cfg={"precision": "fp64"})
    state = together.cells, *together.memory
    together.step(3)
    for universe in range(3):
        alone = small_motor(small_law(law_name), initial=state[0][universe], cfg={"precision": "fp64"})
        # The memory says which universe this is: the fire mask of universe 2 is its own.
        memory = tuple(t[universe : universe + 1] for t in state[1:])
        alone.load_state_dict({"cells": alone.cells, "memory": memory, "step": 0, "seed": 7})
        alone.step(3)
        torch.testing.assert_close(alone.cells[0], together.cells[universe], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("shift", [(0, 1), (3, 1), (-1, 2)])
def test_a_periodic_law_commutes_with_shifts_of_the_torus(name: str, shift: tuple[int, int]) -> None:
    """By multiples of `divisor`, which is 1 for all but the pooled laws."""
    law = local_law(name, **WITHOUT_CHANCE.get(name, {}))
    state = fresh(law, (16, 20))

    def rolled(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # Memory in space is a quarter of the grid's size, and moves a quarter as far.
        def roll(t: Tensor) -> Tensor:
            return t.roll([law.divisor * by * t.shape[2] // 16 for by in shift], (2, 3))

        return tuple(roll(t) if t.ndim == 4 else t for t in tensors)

    step = stepper(law)
    one, other = step(step(rolled(state))), rolled(step(step(state)))
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    assert not torch.equal(other[0], step(step(state))[0])


@pytest.mark.parametrize("name", ["UNet", "ConvLSTM"])
def test_a_pooled_law_does_not_commute_with_a_shift_of_one(name: str) -> None:
    law = local_law(name)
    state = fresh(law, (16, 20))
    step = stepper(law)
    moved = step((state[0].roll(1, 3), *state[1:]))[0]
    assert not torch.allclose(moved, step(state)[0].roll(1, 3), rtol=1e-6)


def _touched(law: Law, side: int, spot: tuple[int, int]) -> Tensor:
    """Chebyshev distances from `spot`, on the torus, of the cells that a change there alters in one step."""
    state = fresh(law, (side, side))
    other = state[0].clone()
    # No clear-cut toggle: Life needs 0 <-> 1, the others any finite change.
    other[0, :, spot[0], spot[1]] = 1 - other[0, :, spot[0], spot[1]].round()
    step = stepper(law)
    delta = (step((other, *state[1:]))[0] - step(state)[0]).abs().amax(1)[0]
    # Lenia's FFT spreads rounding errors of 1e-16 over the whole grid.
    y, x = torch.nonzero(delta > 1e-11 * delta.max(), as_tuple=True)
    away = [torch.minimum((axis - at) % side, (at - axis) % side) for axis, at in zip((y, x), spot, strict=True)]
    return torch.maximum(*away)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("name", LAWS)
def test_a_change_travels_no_further_than_the_radius(name: str, boundary: str) -> None:
    law = local_law(name, boundary=boundary, **NARROW.get(name, {}))
    assert law.radius is not None
    side = 4 * -(-(2 * law.radius + 6) // 4)
    # Every place in the pooling grid, in the middle, where no edge is within reach.
    middle = side // 2
    touched = [_touched(law, side, (middle + k, middle + (k + 1) % 4)) for k in range(law.divisor)]
    furthest = int(torch.cat(touched).max())
    assert 0 < furthest <= law.radius


@pytest.mark.parametrize(
    ("name", "settings", "radius"),
    [
        ("MLP", {}, 1),
        ("MLP", {"perceive": "self"}, 0),
        ("DEEP_QCA", {}, 1),
        ("DEEP_QCA", {"perceive": "sum"}, 1),
        ("Life", {}, 1),
        ("GrowingNCA", {"fire_rate": 1.0}, 2),
        ("Lenia", {}, 5),
    ],
)
def test_the_radius_is_no_larger_than_it_has_to_be(name: str, settings: dict[str, Any], radius: int) -> None:
    law = local_law(name, **settings)
    assert law.radius == radius
    # A Lenia kernel falls to 0 at distance R exactly: the furthest cell that counts is one nearer.
    needed = radius - 1 if name == "Lenia" else radius
    furthest = max(int(_touched(law, 24, (y, x)).max()) for y in (8, 12) for x in (9, 12))
    if name == "GrowingNCA":
        furthest = _furthest_of_a_dying_cell()
    assert furthest == needed


def _furthest_of_a_dying_cell() -> int:
    """How far a Growing NCA cell is felt when its going kills the alpha that kept a neighbour's neighbour alive."""
    law = local_law("GrowingNCA", fire_rate=1.0)
    assert isinstance(law, GrowingNCA)
    with torch.no_grad():
        for parameter in law.parameters():
            parameter.zero_()
        # Alpha falls to 0 where the cell to the left is bright, through the Sobel-x gradient of channel 0.
        law.hidden.weight[0, law.channels] = -8.0
        law.update.weight[3, 0] = -1.0
    cells = torch.zeros(1, law.channels, 24, 24, dtype=torch.float64)
    cells[0, 3, 12, 12] = 1
    cells[0, 5, 12, 11] = 1  # a hidden channel of a cell that only this alpha keeps alive
    lit = cells.clone()
    lit[0, 0, 12, 13] = -1.0
    memory = law.initial_memory(cells)
    step = stepper(law)
    delta = (step((cells, *memory))[0] - step((lit, *memory))[0]).abs().amax(1)[0]
    y, x = torch.nonzero(delta, as_tuple=True)
    return int(torch.maximum((y - 12).abs(), (x - 13).abs()).max())


@pytest.mark.parametrize("name", QUANTUM)
def test_a_law_that_averages_over_the_grid_claims_no_radius(name: str) -> None:
    for settings in AVERAGING:
        law = small_law(name, **settings)
        assert wrapped(law).radius is None
        assert isinstance(law, Law)
        assert len(_touched(law.double(), 16, (5, 6))) == 16 * 16
    assert wrapped(small_law(name, normalise="none")).radius is not None
    assert wrapped(small_law(PLAIN)).radius is None


@pytest.mark.parametrize("name", LAWS)
def test_a_boundary_matters_at_the_edge_and_nowhere_else(name: str) -> None:
    laws = {boundary: local_law(name, boundary=boundary, **NARROW.get(name, {})) for boundary in BOUNDARIES}
    reach = laws["zero"].radius
    assert reach is not None
    grid = (4 * -(-(2 * reach + 5) // 4), 4 * -(-(2 * reach + 10) // 4))
    after = {}
    for boundary, law in laws.items():
        law.load_state_dict(laws["zero"].state_dict())
        after[boundary] = stepper(law)(fresh(law, grid))[0]
    for one, other in (("periodic", "zero"), ("periodic", "reflect"), ("zero", "reflect")):
        inside = (..., slice(reach, -reach), slice(reach, -reach))
        torch.testing.assert_close(after[one][inside], after[other][inside], rtol=1e-12, atol=1e-14)
        assert not torch.allclose(after[one], after[other], rtol=1e-9)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("name", ["MLP", "DEEP_QCA", "Life", "Lenia"])
def test_what_lies_beyond_the_edge_is_what_numpy_pads(name: str, boundary: str) -> None:
    law, inner = local_law(name, boundary=boundary), local_law(name, boundary="zero")
    inner.load_state_dict(law.state_dict())
    r = law.radius or 0
    state = fresh(law, (13, 17))
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[boundary]
    wide = torch.from_numpy(np.pad(state[0].numpy(), ((0, 0), (0, 0), (r, r), (r, r)), mode=mode))
    expected = stepper(inner)((wide,))[0][..., r:-r, r:-r]
    torch.testing.assert_close(stepper(law)(state)[0], expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("name", LAWS)
def test_odd_and_oblong_grids_step_under_every_boundary(name: str, boundary: str) -> None:
    law = small_law(name, boundary=boundary)
    divisor = wrapped(law).divisor
    for grid in ((11, 23), (17, 12), (31, 11)) if divisor == 1 else ((8, 12), (20, 8)):
        motor = small_motor(law, grid, batch=2)
        motor.step(2)
        assert motor.cells.shape[2:] == grid
        assert motor.cells.isfinite().all()


@pytest.mark.parametrize("name", QUANTUM)
def test_probability_is_conserved_over_the_grid_or_at_each_cell(name: str) -> None:
    whole = small_motor(small_law(name, normalise="grid", decay=0.1), batch=2)
    each = small_motor(small_law(name, normalise="cell", decay=0.1), batch=2)
    free = small_motor(small_law(name, normalise="none", decay=0.1), batch=2)
    for motor in (whole, each, free):
        motor.step(20)
    np.testing.assert_allclose(whole.cells.double().square().sum((1, 2, 3)), 1, rtol=1e-6)
    np.testing.assert_allclose(each.cells.double().square().sum(1), 1, rtol=1e-6)
    assert abs(float(free.cells.double().square().sum((1, 2, 3))[0]) / (16 * 20) - 1) > 0.1


def _agrees(one: Tensor, other: Tensor, tolerance: float) -> bool:
    """Within `tolerance` of the largest cell, but for the few cells that a threshold may tip."""
    far = (one.double() - other.double()).abs() > tolerance * float(other.abs().max())
    return bool(far.double().mean() <= 1e-3)


@pytest.mark.parametrize("precision", ["bf16", "tf32", "fp64"])
def test_every_precision_stays_near_float32(law_name: str, precision: str) -> None:
    plain = small_motor(small_law(law_name))
    motor = small_motor(small_law(law_name), initial=plain.cells, cfg={"precision": precision})
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
def test_a_gpu_steps_as_the_cpu_does(law_name: str) -> None:
    here, law = small_motor(small_law(law_name), batch=2), small_law(law_name)
    there = Aetheria_Motor(law, (16, 20), width_of(law), "cuda", {"plan": "eager"}, initial=here.cells, batch=2, seed=7)
    here.step(3)
    there.step(3)
    assert there.cells.is_cuda
    assert _agrees(there.cells.cpu(), here.cells, 1e-4)
