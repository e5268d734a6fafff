"""All plans, fastest first: the laws that each can step, and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from aetheria.core.device import keep_freed_memory
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.forms import BitRule, RowRule
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.cpu import bit_packed_life as cpu_life
from aetheria.stepping.cpu import block_rule as cpu_block
from aetheria.stepping.cpu import lenia as cpu_lenia
from aetheria.stepping.cpu import local_network as cpu_network
from aetheria.stepping.cpu import neighbour_count as cpu_count
from aetheria.stepping.cpu import rule_tree as cpu_tree
from aetheria.stepping.cpu import winograd
from aetheria.stepping.cpu.whole_states import WholeStatesOnCpu
from aetheria.stepping.cuda_graph import Graphed
from aetheria.stepping.gpu import bit_packed_life as gpu_life
from aetheria.stepping.gpu import local_network as gpu_network
from aetheria.stepping.packed_row import PackedRow
from aetheria.stepping.plan import Plan, State, Step, Stepwise, make_call, make_step
from aetheria.stepping.unmodified import why_no

Device = Literal["cpu", "cuda"]
_DEVICES: dict[Device, str] = {"cpu": "the CPU", "cuda": "a CUDA GPU"}  # for people

# A cold compile takes 10 to 30 s on two cores; eager steps do fewer cell updates than this in that time.
WORTH_COMPILING, COMPILING_S = 2**24, 10.0
# The C++ kernels are compiled in 3 s, once for all runs, and loaded in a tenth of a second.
WORTH_BUILDING, BUILDING_S = 2**18, 1.0
WORTH_PACKING = 2**16  # without a compiler: a few calls


@dataclass(frozen=True)
class StepProblem:
    """A law, a state to step it from, and a precision."""

    law: Law
    state: State
    precision: Precision

    @property
    def on_cuda(self) -> bool:
        """Whether the cells are on a GPU."""
        return self.state[0].is_cuda

    @property
    def device(self) -> Device:
        """The kind of device that holds the cells."""
        return "cuda" if self.on_cuda else "cpu"

    @property
    def rank(self) -> int:
        """Number of grid axes."""
        return self.state[0].ndim - 2

    def call(self) -> Step:
        """The law as a function that returns a tuple."""
        return make_call(self.law, self.state[0].device, self.precision)


@dataclass(frozen=True)
class PlanFactory:
    """Makes a plan, and says which problems it can step.

    Attributes:
        reason: for choosing the plan, for people.
        worth: cell updates in a run from which on making it pays.
        refusal: why it cannot step a problem of its device, rank and phases, for people; empty if it can.
        device: the only device that it is for; None: any.
        ranks: numbers of grid axes that it takes.
        phased: it takes laws of several phases.
        any_grid: on the CPU it is the same code for grids of all sizes, so that it can be tried on a small one.
        follows_own_state: it steps modules that change their own buffers or draw random numbers, as a plain loop does.
        seconds: of eager steps, on a nominal machine, after which a run of unknown length makes it.
        ready: whether it can be made at once, without a compiler.
        slower_than_compiled: whether the compiled plan is faster, once it is compiled.
    """

    name: str
    reason: str
    worth: int
    refusal: Callable[[StepProblem], str]
    make: Callable[[StepProblem], Plan]
    device: Device | None = None
    ranks: tuple[int, ...] = (2,)
    phased: bool = False
    any_grid: bool = False
    follows_own_state: bool = False
    seconds: float = BUILDING_S
    ready: Callable[[StepProblem], bool] = lambda _: False
    slower_than_compiled: Callable[[StepProblem], bool] = lambda _: False

    def why_not(self, problem: StepProblem) -> str:
        """Why it cannot step a problem, for people; empty if it can."""
        if self.device not in (None, problem.device):
            return f"it is for {_DEVICES[self.device]}, and the cells are on {_DEVICES[problem.device]}"
        if problem.rank not in self.ranks:
            stepped = {1: "one-dimensional", 2: "two-dimensional", 3: "three-dimensional"}
            axes = "axis" if problem.rank == 1 else "axes"
            kinds = " and ".join(stepped[rank] for rank in self.ranks)
            return f"it steps {kinds} grids, and this one has {problem.rank} {axes}"
        if problem.law.phases > 1 and not self.phased:
            return f"{problem.law.name} alternates between {problem.law.phases} phases"
        return self.refusal(problem)


ANY_RANK = (1, 2, 3)
_EXACT = "exact sums over the grid are taken between its steps"


def make_eager(problem: StepProblem) -> Plan:
    """The reference: the law as it is, step by step."""
    return Stepwise("eager", make_step(problem.call()), problem.law.phases)


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


def _make_ring(problem: StepProblem) -> Plan:
    keep_freed_memory()
    return cpu_lenia.FusedLenia(problem.law)


def _why_not_fused(problem: StepProblem) -> str:
    if problem.on_cuda and problem.law.square_sum is not None:
        return _EXACT
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


def _packed(reason: str, plan: type[WholeStatesOnCpu[Any]]) -> PlanFactory:
    """The factory of a packed plan on the CPU."""

    def make(problem: StepProblem) -> Plan:
        keep_freed_memory()
        return plan(problem.law, problem.state[0])

    return PlanFactory(
        "packed",
        reason,
        WORTH_BUILDING,
        lambda problem: why_no(problem.law, plan.form),
        make,
        "cpu",
        any_grid=True,
        ready=lambda problem: plan.is_built(problem.law),
    )


PLAN_FACTORIES = (
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
        "whole states on the 3x3 block: the bits of 64 cells in a word, next states from a table", cpu_block.BlockRuleOnCpu
    ),
    _packed("whole states by counts: a byte a cell, running sums along rows", cpu_count.NeighbourCountOnCpu),
    _packed("whole states by a table: a byte a cell, a decision tree over the 3x3 block", cpu_tree.RuleTreeOnCpu),
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
        "a small network at each cell: one kernel a step",
        WORTH_BUILDING,
        _why_not_fused,
        _make_fused,
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


def automatic(problem: StepProblem) -> list[PlanFactory]:
    """The plans that "auto" would try for a long run, fastest first."""
    able = [factory for factory in PLAN_FACTORIES if not factory.why_not(problem)]
    return sorted(able, key=lambda factory: factory.slower_than_compiled(problem))


def why_none(name: str, problem: StepProblem) -> str:
    """Why no plan of this name can step a problem, for people."""
    named = [factory for factory in PLAN_FACTORIES if factory.name == name]
    here = [factory for factory in named if factory.device in (None, problem.device)]
    return "; ".join(dict.fromkeys(factory.why_not(problem) for factory in here or named))


def first_plan(law: Law, state: State, precision: Precision) -> PlanFactory:
    """The plan that "auto" would try first for a long run; nothing is compiled."""
    return automatic(StepProblem(law, state, precision))[0]
