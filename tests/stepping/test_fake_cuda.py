"""Every law, field and render call on fake tensors on CUDA: no tensor of another device, and no value read from the GPU."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch

from aetheria.core.block import Block
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.observe.law_fields import known_fields
from aetheria.observe.render import render
from aetheria.observe.request import request_for, view_of
from aetheria.stepping.gpu.block_rule import BlockRuleOnCuda, RowRuleOnCuda
from aetheria.stepping.gpu.neighbour_count import NeighbourCountOnCuda
from aetheria.stepping.gpu.rule_tree import RuleTreeOnCuda
from aetheria.stepping.gpu.state_circle import StateCircleOnCuda
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda
from aetheria.stepping.plan import State, make_call, make_step
from tests.small_laws import GRIDS, PLAIN, boundaries, cases, each, fitting, fresh, small_law, wrapped
from tests.stepping.fake_cuda import CUDA, fake_cuda, moved, on_cuda

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
CASES = [*cases(), *((PLAIN, rank) for rank in (1, 2, 3))]
COMMON = ("MLP", "GrowingNCA", "Cyclic")  # laws of amplitudes, colours and states, which together have the fields of every law


def prepared(name: str, rank: int, **changes: Any) -> tuple[Law, State]:
    """A law and a state of two universes, real, on the CPU, in float32."""
    law = wrapped(small_law(name, rank, **changes))
    state = fresh(law, fitting(law, GRIDS[rank]), batch=2)
    return law, tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in state)


def faked(law: Law, state: State) -> State:
    """The state on fake CUDA, with the law's parts there, too."""
    moved(law)
    cells, *memory = map(on_cuda, state)
    return cells, *memory


def assert_on_cuda(outs: Any, like: State) -> None:
    assert [(out.device, out.shape, out.dtype) for out in outs] == [(CUDA, one.shape, one.dtype) for one in like]


@each(CASES)
def test_a_step_stays_on_the_gpu(case: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    name, rank = case
    choices = () if name == PLAIN else boundaries(name)
    for changes in [{"boundary": boundary} for boundary in choices] if len(choices) > 1 else [{}]:
        law, real = prepared(name, rank, **changes)
        with fake_cuda(monkeypatch), torch.no_grad():
            state = faked(law, real)
            for precision in PRECISIONS if law.boundary == "periodic" else PRECISIONS[:1]:
                call = make_step(make_call(law, CUDA, precision))
                for phase in range(law.phases):
                    out = call(*state, **({"phase": phase} if law.phases > 1 else {}))
                    assert_on_cuda(out, state)


def fields_of(law: Law, rank: int) -> set[str]:
    """All fields that the law offers on such a grid."""
    offered = [known_fields(law)[name] for name in law.fields]
    offered = [field for field in offered if field.least_rank <= rank]
    return {field.name for field in offered if law.d_state is not None or not field.amplitudes}


def test_all_fields_of_every_law_are_those_of_three_laws() -> None:
    laws = [(name, rank, wrapped(small_law(name, rank))) for name, rank in CASES]
    for rank in (1, 2, 3):
        found = {name: fields_of(law, rank) - {own.name for own in law.own_fields} for name, of, law in laws if of == rank}
        assert set().union(*found.values()) == set().union(*(found[name] for name in COMMON))


def parts_of(grid: tuple[int, ...]) -> list[dict[str, Any]]:
    """Parts of a grid, each way to ask for one once: sizes, types, a region, a universe, a slice."""
    small = tuple(max(1, side // 3) for side in grid)
    region = Block(tuple(1 for _ in grid), tuple(side // 2 for side in grid))
    parts: list[dict[str, Any]] = [
        {"size": small, "finite": True, "dtype": "uint8"},
        {"size": small, "reduction": "nearest", "region": region, "universe": 1},
    ]
    return parts + ([{"slice": {"z": cut}} for cut in ("mean", "max")] if len(grid) == 3 else [])


@each(CASES)
def test_every_field_is_rendered_on_the_gpu(case: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """In all parts of the grid for each kind of cells, and in one part for every law."""
    law, real = prepared(*case)
    shape, common = tuple(real[0].shape), case[0] in COMMON
    names = sorted(fields_of(law, case[1]))
    with fake_cuda(monkeypatch), torch.no_grad():
        state = faked(law, real)
        view = view_of(law, state, None if law.phases == 1 else lambda: state[0])
        levels = dict.fromkeys((name for name in names if not known_fields(law)[name].scalar), (0.0, 1.0))
        for part in parts_of(shape[2:])[: None if common else 1]:
            request = request_for(law, shape, names, **({"dtype": "float32", "levels": levels} | part))
            assert {values.device for values in render(view, request).values()} == {CUDA}


WHOLE: tuple[tuple[type[WholeStatesOnCuda], str, dict[str, Any], int], ...] = (
    (BlockRuleOnCuda, "Generations", {"rule": "12/34/7"}, 2),
    (BlockRuleOnCuda, "Life", {"rule": "B2-a/S12"}, 2),
    (RowRuleOnCuda, "Elementary", {}, 1),
    (RuleTreeOnCuda, "RuleTable", {}, 2),
    (NeighbourCountOnCuda, "LargerThanLife", {"rule": "R1,C2,S1,B1,N@58L"}, 2),
    (NeighbourCountOnCuda, "LargerThanLife", {"rule": "R1,C3,S1,B1,NW111111111,012"}, 2),
    (StateCircleOnCuda, "Life3D", {}, 3),
)


@pytest.mark.parametrize(("plan_type", "name", "settings", "rank"), WHOLE)
def test_packed_whole_states_stay_on_the_gpu(
    plan_type: type[WholeStatesOnCuda], name: str, settings: dict[str, Any], rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    law, real = prepared(name, rank, **settings)
    taken: list[torch.Size] = []

    def take(plan: WholeStatesOnCuda, before: torch.Tensor, after: torch.Tensor) -> None:
        tensors = [one for one in (before, after, *vars(plan).values()) if isinstance(one, torch.Tensor)]
        assert {one.device for one in tensors} == {CUDA}
        taken.append(before.shape)

    monkeypatch.setattr(plan_type, "take", take)
    monkeypatch.setattr(torch.cuda, "device_of", nullcontext)
    with fake_cuda(monkeypatch), torch.no_grad():
        state = faked(law, real)
        plan = plan_type(law, state[0])
        held = plan.pack(state)
        (after,) = plan.advance(held, 1)
        assert_on_cuda((plan.minus(after, held[0]),), held)
        assert_on_cuda(plan.unpack((after,)), state)
    assert taken == [held[0].shape]


def test_a_tensor_on_the_cpu_and_a_value_read_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_cuda(monkeypatch):
        cells = torch.empty(3, device=CUDA)
        with pytest.raises(RuntimeError, match="same device"):
            cells + torch.ones(3)
        with pytest.raises(Exception, match="_local_scalar_dense"):
            float(cells.sum())
