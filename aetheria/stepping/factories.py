"""All plans, fastest first: the laws that each can step, and how it is made."""

from aetheria.core.device import keep_freed_memory
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.local_network import CellNetwork
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.cpu import formulas as cpu_formulas
from aetheria.stepping.cpu import lenia as cpu_lenia
from aetheria.stepping.cpu import local_network as cpu_network
from aetheria.stepping.cpu import winograd
from aetheria.stepping.cuda_graph import Graphed
from aetheria.stepping.gpu import local_network as gpu_network
from aetheria.stepping.packed_factories import PACKED_FACTORIES
from aetheria.stepping.plan import Plan, State, Stepwise, make_step
from aetheria.stepping.plan_factory import (
    ANY_RANK,
    COMPILING_S,
    UNKNOWN_LENGTH,
    WORTH_BUILDING,
    WORTH_COMPILING,
    PlanFactory,
    StepProblem,
)
from aetheria.stepping.unmodified import form_of

_EXACT = "exact sums over the grid are taken between its steps"


def make_eager(problem: StepProblem) -> Plan:
    """The reference: the law as it is, step by step."""
    return Stepwise("eager", make_step(problem.call()), problem.law.phases)


def _make_ring(problem: StepProblem) -> Plan:
    keep_freed_memory()
    return cpu_lenia.FusedLenia(problem.law)


def _make_formulas(problem: StepProblem) -> Plan:
    keep_freed_memory()
    return cpu_formulas.FusedFormulas(problem.law, problem.rank)


def _why_not_fused(problem: StepProblem) -> str:
    if problem.on_cuda and problem.law.square_sum is not None:
        return _EXACT
    network = form_of(problem.law, CellNetwork)
    if isinstance(network, CellNetwork) and network.rank != problem.rank:
        return f"{problem.law.name}.cell_network() is for grids of {network.rank} axes, and this one has {problem.rank}"
    return (gpu_network if problem.on_cuda else cpu_network).why_not(problem.law, problem.precision)


def _make_fused(problem: StepProblem) -> Plan:
    if problem.on_cuda:
        return Graphed("fused", gpu_network.FusedOnCuda(problem.law, problem.precision), problem.law, problem.state)
    keep_freed_memory()
    return cpu_network.FusedOnCpu(problem.law)


def _make_winograd(problem: StepProblem) -> Plan:
    keep_freed_memory()
    return winograd.Winograd(problem.law, problem.precision)


def _make_graphed(problem: StepProblem) -> Plan:
    return Graphed("graphed", _make_compiled(problem), problem.law, problem.state)


def _make_compiled(problem: StepProblem) -> Plan:
    if not problem.on_cuda:
        keep_freed_memory()
    return Compiled(make_step(problem.call()), problem.state, phases=problem.law.phases)


def _why_not_compiled(problem: StepProblem) -> str:
    return _EXACT if problem.law.square_sum is not None else ""


PLAN_FACTORIES = (
    *PACKED_FACTORIES,
    PlanFactory(
        "fused",
        "a small ring: one kernel a step",
        WORTH_BUILDING,
        lambda problem: cpu_lenia.why_not(problem.law, problem.precision),
        _make_ring,
        "cpu",
        any_grid=True,
    ),
    PlanFactory(
        "fused",
        "formulas of a cell and those around it: several steps in a pass",
        WORTH_BUILDING,
        lambda problem: cpu_formulas.why_not(problem.law, problem.precision),
        _make_formulas,
        "cpu",
        ANY_RANK,
        any_grid=True,
    ),
    PlanFactory(
        "fused",
        "a small network at each cell: one kernel a step",
        WORTH_BUILDING,
        _why_not_fused,
        _make_fused,
        ranks=ANY_RANK,
        any_grid=True,
    ),
    PlanFactory(
        "winograd",
        "3x3 convolutions between many channels: a quarter of the products",
        WORTH_BUILDING,
        lambda problem: winograd.why_not(problem.law, problem.precision),
        _make_winograd,
        "cpu",
        any_grid=True,
        slower_than_compiled=lambda problem: winograd.slower_than_compiled(problem.law, problem.state),
    ),
    PlanFactory(
        "graphed",
        "no faster form is known: steps are launched together",
        WORTH_COMPILING,
        _why_not_compiled,
        _make_graphed,
        "cuda",
        ANY_RANK,
        seconds=COMPILING_S,
    ),
    PlanFactory(
        "compiled",
        "no faster form is known",
        WORTH_COMPILING,
        _why_not_compiled,
        _make_compiled,
        ranks=ANY_RANK,
        phased=True,
        follows_own_state=True,
        seconds=COMPILING_S,
    ),
)


def automatic(problem: StepProblem, updates: int = UNKNOWN_LENGTH) -> list[PlanFactory]:
    """The plans that "auto" would try for a run of so many cell updates, fastest first."""
    able = [factory for factory in PLAN_FACTORIES if updates >= factory.worth and not factory.why_not(problem)]
    return sorted(able, key=lambda factory: factory.slower_than_compiled(problem))


def why_none(name: str, problem: StepProblem) -> str:
    """Why no plan of this name can step a problem, for people."""
    named = [factory for factory in PLAN_FACTORIES if factory.name == name]
    here = [factory for factory in named if factory.device in (None, problem.device)]
    return "; ".join(dict.fromkeys(factory.why_not(problem) for factory in here or named))


def first_plan(law: Law, state: State, precision: Precision) -> PlanFactory:
    """The plan that "auto" would try first for a run of unknown length; nothing is compiled."""
    return automatic(StepProblem(law, state, precision))[0]
