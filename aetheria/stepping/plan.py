"""A plan: a way to take n steps, and the one-step function that plans are built from."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aetheria.optimizer import Precision

State = tuple[Tensor, ...]  # cells (B, C, H, W), then the law's memory
Step = Callable[..., State]


@dataclass(frozen=True)
class Plan:
    """Takes steps one after the other with one function.

    Attributes:
        name: "eager" or "compiled".
        reason: why this plan was picked, for people.
        step: state to next state.
    """

    name: str
    reason: str
    step: Step

    def advance(self, state: State, steps: int) -> State:
        """The state after `steps` steps."""
        step = self.step
        for _ in range(steps):
            state = step(*state)
        return state


def memory_format(cells: Tensor) -> torch.memory_format:
    """Channels last for cells with several channels: convolutions run fastest so; contiguous for one."""
    return torch.channels_last if cells.shape[1] > 1 else torch.contiguous_format


def settled(tensor: Tensor, like: Tensor) -> Tensor:
    """`tensor` in the type and memory layout of `like`, so that a step's output is like its input in every way."""
    tensor = tensor.to(like.dtype)
    return tensor.contiguous(memory_format=memory_format(like)) if tensor.ndim == 4 else tensor.contiguous()


def make_call(law: nn.Module, device: torch.device, precision: Precision) -> Step:
    """`law` as a function of the state that always returns a tuple; with "bf16" the network runs in bfloat16."""
    reduced = precision == "bf16"

    def call(*state: Tensor) -> State:
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            out = law(*state)
        return out if isinstance(out, tuple) else (out,)

    return call


def make_step(call: Step) -> Step:
    """One step: `call`, its results in the types and layouts of its arguments."""

    def step(*state: Tensor) -> State:
        return tuple(map(settled, call(*state), state))

    return step
