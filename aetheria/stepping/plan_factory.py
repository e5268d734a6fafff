"""`PlanFactory`: the problems that a plan can step, and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.stepping.plan import Plan, State, Step, make_call

Device = Literal["cpu", "cuda"]
_DEVICES: dict[Device, str] = {"cpu": "the CPU", "cuda": "a CUDA GPU"}  # for people

# A cold compile takes 10 to 30 s on two cores; eager steps do fewer cell updates than this in that time.
WORTH_COMPILING, COMPILING_S = 2**24, 10.0
# The C++ kernels are compiled in 3 s, once for all runs, and loaded in a tenth of a second.
WORTH_BUILDING, BUILDING_S = 2**18, 1.0
WORTH_PACKING = 2**16  # without a compiler: a few calls
# A network of logic operations is searched for and compiled in 2 to 3 s for each rule; the kernel for tables, which is compiled
# once for all rules, loses as much in so many cell updates.
WORTH_SEARCHING = 2**35
UNKNOWN_LENGTH = 2**32  # cell updates for which plans of a run of unknown length have to pay
ANY_RANK = (1, 2, 3)


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
