"""The packed plans: the laws that each can step, and how it is made."""

from typing import Any

from aetheria.core.device import keep_freed_memory
from aetheria.laws.forms import BitRule, DifferenceRule, GateRule, RowRule
from aetheria.stepping.cpu import bit_packed_life as cpu_life
from aetheria.stepping.cpu import bit_planes as cpu_planes
from aetheria.stepping.cpu import bit_sliced_count as cpu_sliced
from aetheria.stepping.cpu import block_bytes as cpu_bytes
from aetheria.stepping.cpu import block_network as cpu_network
from aetheria.stepping.cpu import block_rule as cpu_block
from aetheria.stepping.cpu import neighbour_count as cpu_count
from aetheria.stepping.cpu import packed_row as cpu_row
from aetheria.stepping.cpu import rule_tree as cpu_tree
from aetheria.stepping.cpu import state_circle as cpu_circle
from aetheria.stepping.cpu.whole_states import WholeStatesOnCpu
from aetheria.stepping.cuda_graph import Graphed
from aetheria.stepping.gpu import bit_packed_life as gpu_life
from aetheria.stepping.gpu.block_rule import BlockRuleOnCuda, RowRuleOnCuda
from aetheria.stepping.gpu.neighbour_count import NeighbourCountOnCuda
from aetheria.stepping.gpu.rule_tree import RuleTreeOnCuda
from aetheria.stepping.gpu.state_circle import StateCircleOnCuda
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda
from aetheria.stepping.packed_gates import PackedGates
from aetheria.stepping.packed_row import PackedRow
from aetheria.stepping.packed_states import PackedStates
from aetheria.stepping.plan import Plan
from aetheria.stepping.plan_factory import (
    ANY_RANK,
    WORTH_BUILDING,
    WORTH_PACKING,
    WORTH_SEARCHING,
    PlanFactory,
    StepProblem,
)
from aetheria.stepping.second_order import SecondOrderPlan
from aetheria.stepping.unmodified import form_of, why_no


def _why_not_packed(problem: StepProblem) -> str:
    width = problem.state[0].shape[-1]
    return why_no(problem.law, BitRule) or (gpu_life.why_not_in_passes(problem.law, width) if problem.on_cuda else "")


def _make_packed(problem: StepProblem) -> Plan:
    if not problem.on_cuda:
        keep_freed_memory()
        return cpu_life.PackedOnCpu(problem.law, problem.state[0])
    passes = gpu_life.PackedInPasses(problem.law, problem.state[0])
    passes.check(passes.pack(problem.state))
    return Graphed("packed", passes, problem.law, problem.state)


def _make_packed_stepwise(problem: StepProblem) -> Plan:
    return Graphed("packed", gpu_life.PackedOnCuda(problem.law, problem.state[0]), problem.law, problem.state)


def _packed(
    reason: str,
    plan: type[WholeStatesOnCpu[Any]],
    ranks: tuple[int, ...] = (2,),
    *,
    phased: bool = False,
    worth: int = WORTH_BUILDING,
) -> PlanFactory:
    """The factory of a packed plan on the CPU."""

    def make(problem: StepProblem) -> Plan:
        keep_freed_memory()
        return plan(problem.law, problem.state[0])

    return PlanFactory(
        "packed",
        reason,
        worth,
        lambda problem: plan.why_not(problem.law),
        make,
        "cpu",
        ranks,
        phased,
        any_grid=True,
        ready=lambda problem: plan.is_built(problem.law),
    )


def _on_cuda(reason: str, plan: type[WholeStatesOnCuda], ranks: tuple[int, ...]) -> PlanFactory:
    """The factory of a packed plan on CUDA, in graphs."""

    def make(problem: StepProblem) -> Plan:
        return Graphed("packed", plan(problem.law, problem.state[0]), problem.law, problem.state)

    return PlanFactory("packed", reason, WORTH_BUILDING, lambda problem: plan.why_not(problem.law), make, "cuda", ranks)


WHOLE_STATES = (
    PlanFactory(
        "packed",
        "two states, Moore neighbourhood: 64 cells in a word, several steps in a pass",
        WORTH_BUILDING,
        _why_not_packed,
        _make_packed,
        any_grid=True,
        ready=lambda problem: not problem.on_cuda and cpu_life.PackedOnCpu.is_built(problem.law),
    ),
    PlanFactory(
        "packed",
        "64 cells in a word, one step in a pass: for more the grid is narrower than a word and periodic, or Triton is missing",
        WORTH_BUILDING,
        lambda problem: why_no(problem.law, BitRule),
        _make_packed_stepwise,
        "cuda",
    ),
    PlanFactory(
        "packed",
        "two states, a row: 64 cells in a word, 64 steps in a pass",
        WORTH_BUILDING,
        lambda problem: cpu_row.PackedRowOnCpu.why_not(problem.law),
        lambda problem: cpu_row.PackedRowOnCpu(problem.law, problem.state[0]),
        "cpu",
        (1,),
        any_grid=True,
        ready=lambda _: cpu_row.PackedRowOnCpu.is_built(),
    ),
    PlanFactory(
        "packed",
        "two states, a row: 64 cells in a word",
        WORTH_PACKING,
        lambda problem: why_no(problem.law, RowRule),
        lambda problem: PackedRow(problem.law, problem.state[0]),
        "cpu",
        (1,),
        any_grid=True,
        ready=lambda _: True,
    ),
    _packed(
        "two states on the 3x3 block: 64 cells in a word, logic operations, several steps in a pass",
        cpu_network.BlockNetworkOnCpu,
        worth=WORTH_SEARCHING,
    ),
    _packed(
        "whole states on the 3x3 block: the bits of 64 cells in a word, next states from a table", cpu_block.BlockRuleOnCpu
    ),
    _packed("whole states by counts of live cells: 64 cells in a word, counts digit by digit", cpu_sliced.BitSlicedCountOnCpu),
    _packed("whole states by counts: a byte a cell, running sums along rows", cpu_count.NeighbourCountOnCpu),
    _packed("whole states by a table: a byte a cell, a decision tree over the 3x3 block", cpu_tree.RuleTreeOnCpu),
    _packed("whole states in a circle: a byte a cell, neighbours added row by row", cpu_circle.StateCircleOnCpu, ANY_RANK),
    _packed("four planes of bits: 64 sites in a word, tables as polynomials", cpu_planes.BitPlanesOnCpu, phased=True),
    _packed("shifting blocks of 2x2 cells: a byte a cell, next blocks from tables", cpu_bytes.BlockBytesOnCpu, phased=True),
)

_CUDA_PLANS: tuple[tuple[str, type[WholeStatesOnCuda], tuple[int, ...]], ...] = (
    ("two states, a row: 64 cells in a word, the rule as a circuit", RowRuleOnCuda, (1,)),
    ("whole states on the 3x3 block: the bits of 64 cells in a word, the rule as a circuit", BlockRuleOnCuda, (2,)),
    ("whole states by counts: a byte a cell, counts as matrix products", NeighbourCountOnCuda, (2,)),
    ("whole states by a table: a byte a cell, a decision tree over the 3x3 block", RuleTreeOnCuda, (2,)),
    ("whole states in a circle: a byte a cell, neighbours counted one by one", StateCircleOnCuda, ANY_RANK),
)
ON_CUDA = {_on_cuda(*each): each[1] for each in _CUDA_PLANS}  # the plans before they are in graphs


def _inner(problem: StepProblem) -> tuple[PlanFactory, StepProblem] | str:
    """The packed plan of the law whose steps a law subtracts its past from, and that law's problem; or why there is none."""
    rule = form_of(problem.law, DifferenceRule)
    if isinstance(rule, str):
        return rule
    inner = StepProblem(rule.law, (problem.state[0][:, :1],), problem.precision)
    refusals = {factory: factory.why_not(inner) for factory in (ON_CUDA if problem.on_cuda else WHOLE_STATES)}
    able = next((factory for factory, refusal in refusals.items() if not refusal), None)
    return (able, inner) if able else f"its rule has no packed plan: {'; '.join(dict.fromkeys(refusals.values()))}"


def _why_not_difference(problem: StepProblem) -> str:
    found = _inner(problem)
    return found if isinstance(found, str) else ""


def _make_difference(problem: StepProblem) -> Plan:
    factory, inner = _found(problem)
    plan = ON_CUDA[factory](inner.law, inner.state[0]) if problem.on_cuda else factory.make(inner)
    assert isinstance(plan, PackedStates), plan
    difference = SecondOrderPlan(problem.law, plan)
    return Graphed("packed", difference, problem.law, problem.state) if problem.on_cuda else difference


def _found(problem: StepProblem) -> tuple[PlanFactory, StepProblem]:
    found = _inner(problem)
    assert not isinstance(found, str), found
    return found


def _is_ready(problem: StepProblem) -> bool:
    factory, inner = _found(problem)
    return factory.ready(inner)  # never on CUDA


PACKED_FACTORIES = (
    *WHOLE_STATES,
    *ON_CUDA,
    PlanFactory(
        "packed",
        "circuits of logic gates: 64 cells in a word",
        WORTH_PACKING,
        lambda problem: why_no(problem.law, GateRule),
        lambda problem: PackedGates(problem.law, problem.state[0]),
        "cpu",
        ANY_RANK,
        any_grid=True,
        ready=lambda _: True,
    ),
    PlanFactory(
        "packed",
        "whole states minus the past: the packed plan of the rule, a step at a time",
        WORTH_BUILDING,
        _why_not_difference,
        _make_difference,
        ranks=ANY_RANK,
        any_grid=True,
        ready=_is_ready,
    ),
)
