"""Runs on a split grid: rank 0 runs, records and resumes as ever, the other processes follow."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from aetheria.runs.config import RunConfig
from aetheria.runs.full_frames import TileWriter
from aetheria.runs.run import build_motor
from aetheria.split.join import shared_text
from aetheria.split.processes import lost_processes_named


def leads(mesh: DeviceMesh | None) -> bool:
    """Whether this process runs and records: rank 0, or the only one."""
    return mesh is None or dist.get_rank() == 0


def follow(mesh: DeviceMesh, device: str | None) -> None:
    """On the other ranks: builds the motor of the config that rank 0 shares, and follows until it closes.

    Raises:
        AetheriaError: the motor cannot be built, or a process failed.
    """
    with lost_processes_named():
        text = shared_text(None)
    config = RunConfig.from_toml(text, "the config of rank 0")
    with _signals_ignored(), build_motor(config, device, mesh=mesh) as motor:
        if config.record.format == "zarr":
            TileWriter(motor, config.record)
        motor.follow()


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Leaves signals to rank 0, which ends the run in order: torchrun passes them on to all."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
