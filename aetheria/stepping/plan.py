"""`Plan`: a way to take n steps; and the function for one step, on which most plans are based."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from aetheria.core.notebook import html_table
from aetheria.core.precision import Precision
from aetheria.core.printable import printable
from aetheria.stepping.edges import edge_cells, margin

State = tuple[Tensor, ...]  # cells (B, C, *grid), then the law's memory
Step = Callable[..., State]


class Plan:
    """Steps a state in a form of the plan's own: `unpack(advance(pack(state), n))` is the state n steps later.

    Attributes:
        name: "eager", "compiled" ...
        reason: why this plan was chosen, for people.
    """

    name: str
    reason: str = ""

    def __repr__(self) -> str:
        return printable(f"<Plan {self.name}: {self.reason}>" if self.reason else f"<Plan {self.name}>")

    def _repr_html_(self) -> str:
        return html_table("Plan", {"name": self.name, "reason": self.reason})

    def pack(self, state: State) -> State:
        """The public state `(cells, *memory)` in the plan's own form."""
        return state

    def unpack(self, held: State) -> State:
        """The public state, from the plan's own form."""
        return held

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        """The packed state after `steps` steps. The given one may be overwritten: do not use it again.

        Args:
            first: steps done before these, for laws with phases.
        """
        raise NotImplementedError

    def reached(self, held: State) -> tuple[State, int]:
        """After an exception in `advance(held, ...)`: the newest whole state in packed form, and its steps since `held`.

        For a plan that leaves `held` as it was until it returns; others keep account of their steps.
        """
        return held, 0

    def probe(self, held: State) -> Tensor:
        """A tensor that is finite exactly if the cells are."""
        return held[0]

    def edges(self, held: State) -> Tensor:
        """Channel 0 of the cells at the edges `(B, n)`, in any form that is 0 exactly where they are."""
        return edge_cells(self.unpack(held)[0][:, 0])

    def margin(self, held: State) -> Tensor:
        """Distance `(B,)` of the cells whose channel 0 is not 0 to the nearest edge of the grid; 0 at an edge."""
        return margin(self.unpack(held)[0][:, 0])

    def refresh(self) -> None:
        """Takes over the law's current numbers, where steps do not read them from the law itself."""

    def stale(self) -> bool:
        """Whether the law was edited in a way that needs a new plan."""
        return False


class Stepwise(Plan):
    """Calls a function from state to next state, step by step."""

    def __init__(self, name: str, step: Step, phases: int = 1) -> None:
        self.name = name
        self.step = step
        self._phases = phases

    def pack(self, state: State) -> State:
        return tuple(map(settled, state, state))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        step, phases = self.step, self._phases
        if phases > 1:
            for number in range(first, first + steps):
                held = step(*held, phase=number % phases)
            return held
        for _ in range(steps):
            held = step(*held)
        return held


def memory_format(cells: Tensor) -> torch.memory_format:
    """Channels last for two-dimensional grids of several channels, on which convolutions run fastest; else contiguous."""
    return torch.channels_last if cells.ndim == 4 and cells.shape[1] > 1 else torch.contiguous_format


def settled(tensor: Tensor, like: Tensor) -> Tensor:
    """`tensor` in the type and memory layout of `like`: a step's output must match its input in both."""
    tensor = tensor.to(like.dtype)
    return tensor.contiguous(memory_format=memory_format(like)) if tensor.ndim == 4 else tensor.contiguous()


def make_call(law: nn.Module, device: torch.device, precision: Precision) -> Step:
    """`law` as a function of the state that always returns a tuple; with "bf16" the network runs in bfloat16."""
    reduced = precision == "bf16"

    def call(*state: Tensor, **phase: int) -> State:
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            out = law(*state, **phase)
        return out if isinstance(out, tuple) else (out,)

    return call


def make_step(call: Step) -> Step:
    """One step: `call`, its results in the types and layouts of its arguments."""

    def step(*state: Tensor, **phase: int) -> State:
        return tuple(map(settled, call(*state, **phase), state))

    return step
