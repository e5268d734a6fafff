"""The plans there are, fastest first: whom each can step, and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from aetheria.core.device import keep_freed_memory
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.continuous.lenia import Lenia
from aetheria.laws.discrete.life import Life
from aetheria.stepping import banded
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.cpu import bit_packed_life as cpu_life
from aetheria.stepping.cpu import lenia as cpu_lenia
from aetheria.stepping.cpu import local_network as cpu_network
from aetheria.stepping.cpu import winograd
from aetheria.stepping.cpu.bit_packed_life import PackedOnCpu
from aetheria.stepping.cuda_graph import Graphed
from aetheria.stepping.gpu import bit_packed_life as gpu_life
from aetheria.stepping.gpu import local_network as gpu_network
from aetheria.stepping.gpu.bit_packed_life import PackedInPasses, PackedOnCuda
from aetheria.stepping.plan import Plan, State, Step, Stepwise, make_call, make_step


@dataclass(frozen=True)
class StepProblem:
    """What is to be stepped: a law, from a state, in a precision."""

    law: nn.Module
    state: State
    precision: Precision

    @property
    def on_cuda(self) -> bool:
        return self.state[0].is_cuda

    def call(self) -> Step:
        """The law as a function that returns a tuple."""
        return make_call(self.law, self.state[0].device, self.precision)


@dataclass(frozen=True)
class PlanFactory:
    """A plan that may be made.

    Attributes:
        reason: to take it, for people.
        why_not: why it cannot step a task, for people; empty if it can.
        worth: cell updates that a run must have for making it to pay.
        automatic: taken by "auto"; otherwise only when asked for.
        yields: whether the compiled plan is faster, once it is compiled.
    """

    name: str
    reason: str
    worth: int
    why_not: Callable[[StepProblem], str]
    make: Callable[[StepProblem], Plan]
    automatic: bool = True
    yields: Callable[[StepProblem], bool] = lambda _: False


# A cold compile takes 10 to 30 s on two cores; fewer cell updates than this are done sooner without.
WORTH_COMPILING = 2**24
# Our own kernels for the CPU are compiled in 3 s, once for all runs.
WORTH_BUILDING = 2**18


def make_eager(task: StepProblem) -> Plan:
    """The reference: the law as it is, step by step."""
    return Stepwise("eager", make_step(task.call()))


def _why_not_packed(task: StepProblem) -> str:
    if not isinstance(task.law, Life):
        return f"{type(task.law).__name__} is not Life"
    width = task.state[0].shape[-1]
    return cpu_life.why_not(task.law) or (gpu_life.why_not_in_passes(task.law, width) if task.on_cuda else "")


def _make_packed(task: StepProblem) -> Plan:
    assert isinstance(task.law, Life)
    if not task.on_cuda:
        keep_freed_memory()
        return PackedOnCpu(task.law, task.state[0])
    passes = PackedInPasses(task.law, task.state[0])
    passes.check(passes.pack(task.state))
    return Graphed("packed", passes, task.law, task.state)


def _why_not_packed_stepwise(task: StepProblem) -> str:
    if not isinstance(task.law, Life):
        return f"{type(task.law).__name__} is not Life"
    return cpu_life.why_not(task.law) if task.on_cuda else "on the CPU C++ takes any grid"


def _make_packed_stepwise(task: StepProblem) -> Plan:
    assert isinstance(task.law, Life)
    return Graphed("packed", PackedOnCuda(task.law, task.state[0]), task.law, task.state)


def _why_not_fused(task: StepProblem) -> str:
    if not isinstance(task.law, Law):
        return f"{type(task.law).__name__} does not say what it computes"
    if isinstance(task.law, Lenia) and not task.on_cuda:
        return cpu_lenia.why_not(task.law, task.precision)
    return (gpu_network if task.on_cuda else cpu_network).why_not(task.law, task.precision)


def _make_fused(task: StepProblem) -> Plan:
    assert isinstance(task.law, Law)
    if task.on_cuda:
        return Graphed("fused", gpu_network.FusedOnCuda(task.law, task.precision), task.law, task.state)
    keep_freed_memory()
    return cpu_lenia.FusedLenia(task.law) if isinstance(task.law, Lenia) else cpu_network.FusedOnCpu(task.law)


def _why_not_winograd(task: StepProblem) -> str:
    if task.on_cuda:
        return "on CUDA convolutions are left to cuDNN"
    return winograd.why_not(task.law, task.precision)


def _make_winograd(task: StepProblem) -> Plan:
    keep_freed_memory()
    return winograd.Winograd(task.law, task.precision)


def _why_not_banded(task: StepProblem) -> str:
    if task.on_cuda:
        return "bands are for the caches of a CPU"
    if not isinstance(task.law, Law):
        return f"{type(task.law).__name__} does not say how far it looks"
    return banded.why_not(task.law, task.state)


def _make_banded(task: StepProblem) -> Plan:
    assert isinstance(task.law, Law)
    keep_freed_memory()
    return banded.Banded(task.law, make_step(task.call()), task.state)


def _why_not_graphed(task: StepProblem) -> str:
    return "" if task.on_cuda else "graphs are CUDA's, and the cells are on the CPU"


def _make_graphed(task: StepProblem) -> Plan:
    return Graphed("graphed", _make_compiled(task), task.law, task.state)


def _make_compiled(task: StepProblem) -> Plan:
    if not task.on_cuda:
        keep_freed_memory()
    return Compiled(make_step(task.call()), task.state)


PLAN_FACTORIES = (
    PlanFactory(
        "packed",
        "two states, Moore neighbourhood: 64 cells a word, several steps a pass",
        WORTH_BUILDING,
        _why_not_packed,
        _make_packed,
    ),
    PlanFactory(
        "packed",
        "64 cells a word, one step a pass: for more the grid is narrower than a word and periodic, or Triton is missing",
        WORTH_BUILDING,
        _why_not_packed_stepwise,
        _make_packed_stepwise,
    ),
    PlanFactory(
        "fused", "a small network at each cell, or a small ring: one kernel a step", WORTH_BUILDING, _why_not_fused, _make_fused
    ),
    PlanFactory(
        "winograd",
        "3x3 convolutions between many channels: a quarter of the products",
        WORTH_BUILDING,
        _why_not_winograd,
        _make_winograd,
        yields=lambda task: winograd.yields(task.law, task.state),
    ),
    # For convolutions the whole grid is faster (benchmarks/results/bands.md), and for networks at each cell there is "fused".
    PlanFactory("banded", "asked for", WORTH_COMPILING, _why_not_banded, _make_banded, automatic=False),
    PlanFactory(
        "graphed", "no faster form is known: steps are launched together", WORTH_COMPILING, _why_not_graphed, _make_graphed
    ),
    PlanFactory("compiled", "no faster form is known", WORTH_COMPILING, lambda _: "", _make_compiled),
)


def automatic(task: StepProblem) -> list[PlanFactory]:
    """The plans that "auto" would try for a long run, fastest first."""
    able = [candidate for candidate in PLAN_FACTORIES if candidate.automatic and not candidate.why_not(task)]
    return sorted(able, key=lambda candidate: candidate.yields(task))


def first_candidate(law: nn.Module, state: State, precision: Precision) -> PlanFactory:
    """The plan that "auto" would try first for a long run; nothing is compiled."""
    return automatic(StepProblem(law, state, precision))[0]
