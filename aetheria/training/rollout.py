"""Rollouts and their loss: how far a law's own trajectory parts from the recorded one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.motor.state import fresh_memory
from aetheria.observe.fields import Field, get_field
from aetheria.observe.request import view_of
from aetheria.stepping.cpu.training_step import Step

LossName = Literal["squared", "absolute", "cross_entropy"]
_CERTAIN = 1e-6  # chances are kept this far from 0 and 1, where a logarithm is infinite


@dataclass(frozen=True)
class Rollout:
    """How a rollout is taken and judged.

    Attributes:
        loss: of a step: mean "squared" or "absolute" error, or "cross_entropy" of cells that are chances of a 1.
        noise: standard deviation of what is added to the first cells, so that the law learns to find back.
        truncate: steps after which gradients are not carried further back; None for never.
        checkpoint: steps between the cells that are kept for the gradients; those between are computed again. None keeps all.
        shrink: cells at each edge that are wrong after a step, as those beyond the edge of a crop are not known.
        conserve: weight of each observable that shall stay what it was, in the loss.
    """

    loss: LossName = "squared"
    noise: float = 0.0
    truncate: int | None = None
    checkpoint: int | None = None
    shrink: int = 0
    conserve: Mapping[str, float] = field(default_factory=dict)


def rolled_out(step: Step, cells: Tensor, memory: tuple[Tensor, ...], steps: int, how: Rollout) -> list[Tensor]:
    """The cells after 1, 2 .. `steps` steps."""

    def stretch(count: int, cells: Tensor, *memory: Tensor) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        seen = []
        for _ in range(count):
            out = step(cells, *memory)
            cells, *rest = (out,) if isinstance(out, Tensor) else out
            memory = tuple(rest)
            seen.append(cells)
        return seen, memory

    trajectory: list[Tensor] = []
    while len(trajectory) < steps:
        if how.truncate and trajectory and len(trajectory) % how.truncate == 0:
            cells, memory = cells.detach(), tuple(tensor.detach() for tensor in memory)
        count = _until(len(trajectory), steps, how)
        if how.checkpoint and torch.is_grad_enabled():
            seen, memory = checkpoint(stretch, count, cells, *memory, use_reentrant=False)
        else:
            seen, memory = stretch(count, cells, *memory)
        trajectory += seen
        cells = seen[-1]
    return trajectory


def _until(done: int, steps: int, how: Rollout) -> int:
    """Steps to the next cut: of gradients, of what is kept, or the end."""
    cuts = [steps - done, *(every - done % every for every in (how.truncate, how.checkpoint) if every)]
    return min(cuts)


def rollout_loss(step: Step, law: Law, window: Tensor, how: Rollout, chance: torch.Generator) -> Tensor:
    """The mean loss over a rollout from the first frame of `(B, frames, C, h, w)` against the others.

    Args:
        step: what steps; `law` itself or a faster form of it.
        chance: of the noise, and of stochastic laws.
    """
    first = window[:, 0]
    if how.noise:
        first = first + how.noise * torch.randn(first.shape, generator=chance).to(first)
    first = first.contiguous(memory_format=torch.channels_last)
    seed = int(torch.randint(2**62, (), generator=chance))
    trajectory = rolled_out(step, first, fresh_memory(law, first, seed), window.shape[1] - 1, how)
    losses = [
        _LOSSES[how.loss](_inner(cells, how.shrink * number), _inner(window[:, number], how.shrink * number))
        for number, cells in enumerate(trajectory, 1)
    ]
    total = torch.stack(losses).mean()
    for name, weight in how.conserve.items():
        total = total + weight * drift(observable(name, law), law, window[:, 0], trajectory[-1])
    return total


def observable(name: str, law: Law) -> Field:
    """The observable called `name`. Raises ConfigError when this law has none of that name, or it is a picture."""
    found = get_field(name, law.d_state, law.channels, law.fields)
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


def _cross_entropy(chance: Tensor, target: Tensor) -> Tensor:
    # Not binary_cross_entropy, which refuses autocast; and in float32, where 1 - 1e-6 is not 1.
    chance = chance.float().clamp(_CERTAIN, 1 - _CERTAIN)
    return -(target * chance.log() + (1 - target) * (1 - chance).log()).mean()


_LOSSES: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": F.mse_loss,
    "absolute": F.l1_loss,
    "cross_entropy": _cross_entropy,
}
