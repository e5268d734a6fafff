"""Training on several devices: one process each, started by torchrun, each with its part of every batch.

The processes hold the same weights from the first step on, because they start from the same, and add the same gradients up.
Gradients are summed here, once a step, instead of by `DistributedDataParallel`: that hooks itself on one forward pass for each
backward, where a rollout takes many, in pieces and with checkpoints; and a law's few weights leave nothing to overlap.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aetheria.core.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes that train together; one alone by default.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
        device: where this one trains, as `setup_training` takes it; None for what was asked for.
    """

    rank: int = 0
    size: int = 1
    device: str | None = None

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks: one of them does."""
        return self.rank == 0

    def share(self, samples: Sequence[T]) -> Sequence[T]:
        """This process's part of a batch's samples; all parts are of one size.

        Raises:
            ConfigError: the batch cannot be parted so.
        """
        if len(samples) % self.size:
            raise ConfigError(
                f"batch: {len(samples)} samples for {self.size} processes; expected a multiple, so that each has the same share"
            )
        return samples[self.rank :: self.size]

    def same_weights(self, model: nn.Module) -> None:
        """Gives every process the parameters and buffers of the first."""
        if self.size > 1:
            with torch.no_grad():
                for tensor in model.state_dict().values():
                    dist.broadcast(tensor, 0)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces gradients by their mean over the processes: the gradients of the whole batch's mean loss.

        A parameter must have a gradient in every process or in none.
        """
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.size == 1 or not gradients:
            return
        # All in one message: a law's are many and small.
        together = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(together)
        parts = torch.split(together / self.size, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a value over the processes, detached."""
        total = value.detach().clone()
        if self.size == 1:
            return total
        dist.all_reduce(total)
        return total / self.size

    def any(self, claim: bool) -> bool:
        """Whether any process says so: then all stop, or skip, at the same step, and none waits for ever."""
        if self.size == 1:
            return claim
        said = torch.tensor(float(claim), device=self.device)
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said)


ALONE = Processes()


def processes() -> int:
    """How many torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def team(device: str | None = None) -> Iterator[Processes]:
    """Joins the processes that torchrun started, for as long as the block lasts; a `Processes` of one without torchrun.

    Inside another such block it is the same team. A process can join once: torchrun's store remembers those who left, and who
    comes back waits for them for ever.

    Args:
        device: "cpu" for processes on the CPU; otherwise each takes the CUDA device of its number on this machine, if there are
            any.

    Raises:
        ConfigError: fewer CUDA devices than processes, or a device by number, of which each process would take the same.
    """
    if processes() == 1:
        yield Processes(device=device)
        return
    local = int(os.environ["LOCAL_RANK"])
    if device not in (None, "auto", "cpu", "cuda"):
        raise ConfigError(f'device: "{device}" given with {processes()} processes; expected auto, cpu or cuda')
    own = "cpu" if device == "cpu" or not torch.cuda.is_available() else f"cuda:{local}"
    if own != "cpu":
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"device: {torch.cuda.device_count()} CUDA devices for {local + 1} processes or more on this machine"
            )
        torch.cuda.set_device(local)
    if dist.is_initialized():
        yield Processes(dist.get_rank(), dist.get_world_size(), own)
        return
    dist.init_process_group("gloo" if own == "cpu" else "nccl")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), own)
    finally:
        dist.destroy_process_group()
