"""Data-parallel training: processes started by torchrun, each with its part of every batch.

All processes hold equal weights at every step, because they start from equal weights and apply the mean of their gradients.
Gradients are averaged here, once per step, and not by `DistributedDataParallel`, which expects one forward pass for each
backward pass; a rollout takes many, in parts and with recomputation. A law has so few weights that overlapping would gain
nothing.
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
    """The processes of a training; by default one alone.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
        device: of this process, as for `setup_training`; None for its default.
    """

    rank: int = 0
    size: int = 1
    device: str | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def share(self, samples: Sequence[T]) -> Sequence[T]:
        """This process's part of a batch's samples; all parts have equal size.

        Raises:
            ConfigError: the batch is not a multiple of the number of processes.
        """
        if len(samples) % self.size:
            raise ConfigError(f"batch: {len(samples)} samples for {self.size} processes; expected a multiple of that number")
        return samples[self.rank :: self.size]

    def same_weights(self, model: nn.Module) -> None:
        """Copies the parameters and buffers of the first process to all."""
        if self.size > 1:
            with torch.no_grad():
                for tensor in model.state_dict().values():
                    dist.broadcast(tensor, 0)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces gradients by their mean over the processes, which are the gradients of the whole batch's mean loss.

        A parameter must have a gradient in every process or in none.
        """
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.size == 1 or not gradients:
            return
        # In one message: a law has many small gradients.
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
        """Whether the claim is true in any process. All processes must call it, and get the same answer."""
        if self.size == 1:
            return claim
        highest = torch.tensor(float(claim), device=self.device)
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        return bool(highest)


ALONE = Processes()


def process_count() -> int:
    """Number of processes that torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def join_processes(device: str | None = None) -> Iterator[Processes]:
    """Joins the processes that torchrun started, for the length of the block; without torchrun a `Processes` of one.

    Inside another such block it gives the same processes. A process can join only once: torchrun's store remembers those that
    left, and a process that joined again would wait for them for ever.

    Args:
        device: "cpu" for processes on the CPU; otherwise each uses the CUDA device of its number on this machine, if there is
            one.

    Raises:
        ConfigError: fewer CUDA devices than processes, or a device by number, which all processes would share.
    """
    if process_count() == 1:
        yield Processes(device=device)
        return
    local = int(os.environ["LOCAL_RANK"])
    if device not in (None, "auto", "cpu", "cuda"):
        raise ConfigError(f'device: "{device}" given with {process_count()} processes; expected auto, cpu or cuda')
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


team = join_processes  # its name in the first documentation
