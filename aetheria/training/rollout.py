"""Rollouts of a law, and their loss against a recorded trajectory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.motor.state import fresh_memory
from aetheria.observe.fields import Field
from aetheria.observe.law_fields import field_of
from aetheria.observe.request import view_of
from aetheria.stepping.cpu.training_step import Step, run_steps

LossName = Literal["squared", "absolute", "cross_entropy"]
_MARGIN = 1e-6  # probabilities are kept this far from 0 and 1, where a logarithm is infinite


@dataclass(frozen=True)
class RolloutConfig:
    """Settings of a rollout and its loss.

    Attributes:
        loss: of a step: mean "squared" or "absolute" error, or "cross_entropy" of cells that are probabilities of a 1.
        noise: standard deviation of noise added to the first cells, so that the law learns to correct errors.
        truncate: steps through which gradients are carried back; None for all.
        checkpoint: steps between cells that are stored for the gradients; those between are recomputed. None stores all.
        shrink: cells at each edge that become unknown in a step, because cells beyond the edge of a crop are not known.
        conserve: weights in the loss of the change of each observable that is to be conserved.
    """

    loss: LossName = "squared"
    noise: float = 0.0
    truncate: int | None = None
    checkpoint: int | None = None
    shrink: int = 0
    conserve: Mapping[str, float] = field(default_factory=dict)


def roll_out(step: Step, cells: Tensor, memory: tuple[Tensor, ...], steps: int, settings: RolloutConfig) -> list[Tensor]:
    """The cells after 1, 2 .. `steps` steps."""

    def segment(count: int, cells: Tensor, *memory: Tensor) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        stepped = []
        for _ in range(count):
            out = step(cells, *memory)
            cells, *rest = (out,) if isinstance(out, Tensor) else out
            memory = tuple(rest)
            stepped.append(cells)
        return stepped, memory

    trajectory: list[Tensor] = []
    while len(trajectory) < steps:
        if settings.truncate and trajectory and len(trajectory) % settings.truncate == 0:
            cells, memory = cells.detach(), tuple(tensor.detach() for tensor in memory)
        count = _next_cut(len(trajectory), steps, settings)
        if settings.checkpoint and torch.is_grad_enabled():
            stepped, memory = checkpoint(segment, count, cells, *memory, use_reentrant=False)
        else:
            stepped, memory = segment(count, cells, *memory)
        trajectory += stepped
        cells = stepped[-1]
    return trajectory


def last_state(step: Step, state: Sequence[Tensor], steps: int, every: int | None = None) -> tuple[Tensor, ...]:
    """The state (cells and memory) after some steps, without the states between them.

    Args:
        every: steps between two states that are stored for the gradients; those between are computed again. None stores all.
    """
    now = tuple(state)
    for first in range(0, steps, every or max(1, steps)):
        count = min(every or steps, steps - first)
        if every and torch.is_grad_enabled():
            now = checkpoint(run_steps, step, now, count, use_reentrant=False)
        else:
            now = tuple(run_steps(step, now, count))
    return now


def _next_cut(done: int, steps: int, settings: RolloutConfig) -> int:
    """Steps to the next cut of gradients, stored cells, or the end."""
    cuts = [steps - done, *(every - done % every for every in (settings.truncate, settings.checkpoint) if every)]
    return min(cuts)


def rollout_loss(step: Step, law: Law, window: Tensor, settings: RolloutConfig, rng: torch.Generator) -> Tensor:
    """The mean loss over a rollout from the first frame of `(B, frames, C, h, w)` against the others.

    Args:
        step: steps the law: `law` itself or a faster equivalent.
        rng: for the noise, and for stochastic laws.
    """
    first = window[:, 0]
    if settings.noise:
        first = first + settings.noise * torch.randn(first.shape, generator=rng).to(first)
    first = first.contiguous(memory_format=torch.channels_last)
    seed = int(torch.randint(2**62, (), generator=rng))
    trajectory = roll_out(step, first, fresh_memory(law, first, seed), window.shape[1] - 1, settings)
    losses = [
        _LOSSES[settings.loss](_inner(cells, settings.shrink * number), _inner(window[:, number], settings.shrink * number))
        for number, cells in enumerate(trajectory, 1)
    ]
    total = torch.stack(losses).mean()
    for name, weight in settings.conserve.items():
        total = total + weight * drift(observable(name, law), law, window[:, 0], trajectory[-1])
    return total


def observable(name: str, law: Law) -> Field:
    """The observable called `name`. Raises ConfigError when this law has no such observable."""
    found = field_of(law, name)
    if not found.scalar:
        raise ConfigError(f'[train] conserve: "{name}" is a picture; expected an observable, one number per universe')
    return found


def drift(of: Field, law: Law, before: Tensor, after: Tensor) -> Tensor:
    """Mean squared relative change of an observable."""
    start, end = (of(view_of(law, (cells,))) for cells in (before, after))
    scale = start.abs().clamp_min(1e-6)
    return ((end - start) / scale).square().mean().float()


def _inner(cells: Tensor, margin: int) -> Tensor:
    return cells[..., margin : cells.shape[-2] - margin, margin : cells.shape[-1] - margin] if margin else cells


def _cross_entropy(probability: Tensor, target: Tensor) -> Tensor:
    # Not binary_cross_entropy, which refuses autocast. In float32, where 1 - 1e-6 is not 1.
    probability = probability.float().clamp(_MARGIN, 1 - _MARGIN)
    return -(target * probability.log() + (1 - target) * (1 - probability).log()).mean()


_LOSSES: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": F.mse_loss,
    "absolute": F.l1_loss,
    "cross_entropy": _cross_entropy,
}
