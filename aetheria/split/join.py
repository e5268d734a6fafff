"""Joining the processes that torchrun started, for a run on a split grid."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from aetheria.core.errors import ConfigError
from aetheria.files.untrusted import first_line
from aetheria.split.keepalive import kept_alive
from aetheria.split.processes import ProcessLostError


@contextmanager
def joined_mesh(split: Sequence[int], device: str | None) -> Iterator[DeviceMesh]:
    """The mesh of all processes that torchrun started, for the length of the block.

    Args:
        split: number of processes along each axis of the grid, checked by `check_split`.
        device: "cpu" for processes on the CPU; otherwise each uses the GPU of its number on this machine, if there is one.

    Raises:
        ConfigError: fewer GPUs than processes on this machine, or a device by number, which all processes would share.
        ProcessLostError: a process was killed, or could not be reached, before all had joined.
    """
    kind = _device_type(device)
    try:
        if not dist.is_initialized():
            with kept_alive():
                dist.init_process_group("gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl")
        mesh = init_device_mesh(kind, tuple(split))
    except RuntimeError as error:
        raise ProcessLostError(
            f"split: the processes cannot reach each other, or one was lost while they joined ({first_line(error)}); "
            "start all of them again"
        ) from error
    yield mesh
    dist.destroy_process_group()  # not after an error: the store tells the others which process failed


def _device_type(device: str | None) -> str:
    if device not in (None, "auto", "cpu", "cuda"):
        raise ConfigError(f'device: "{device}" given with a split; expected auto, cpu or cuda, one GPU for each process')
    if device == "cpu" or not torch.cuda.is_available():
        return "cpu"
    local, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= count:
        raise ConfigError(f"device: {count} GPUs for {local + 1} processes or more on this machine; use --device cpu")
    torch.cuda.set_device(local)
    return "cuda"


def shared_text(text: str | None, leader: int = 0) -> str:
    """On every process the text that the leader gives; the others give None."""
    data = b"" if text is None else text.encode()
    length = torch.tensor(len(data))
    dist.broadcast(length, leader)
    content = (
        torch.zeros(int(length), dtype=torch.uint8) if text is None else torch.frombuffer(bytearray(data), dtype=torch.uint8)
    )
    dist.broadcast(content, leader)
    return content.numpy().tobytes().decode()
