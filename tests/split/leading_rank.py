"""What rank 0 of a split grid does alone, while rank 1 follows; called in forked children by `test_leading`."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from aetheria import Aetheria_Motor, Life
from aetheria.core.errors import AetheriaError
from aetheria.laws import Lenia
from tests.split.failing_rank import join
from viewer.model.region import Region
from viewer.model.view_settings import FrameRequest
from viewer.sources.live import LiveSource

Make = Callable[[DeviceMesh | None], Aetheria_Motor]
Use = Callable[[Aetheria_Motor], list[Any]]
PATIENCE_S = 60  # for a frame


def life(mesh: DeviceMesh | None, batch: int = 1) -> Aetheria_Motor:
    cfg = {"plan": "eager", **({"halo_steps": 2} if mesh else {})}
    return Aetheria_Motor(Life(), (24, 20), 1, "cpu", cfg, mesh=mesh, seed=3, batch=batch)


def lenia(mesh: DeviceMesh | None) -> Aetheria_Motor:
    cfg = {"plan": "fused", "exact_sums": True, **({"halo_steps": 1} if mesh else {})}
    return Aetheria_Motor(Lenia(R=4), (48, 40), 1, "cpu", cfg, mesh=mesh, seed=3, initial="noise")


def live_view(motor: Aetheria_Motor) -> list[Any]:
    """What a window shows: of the whole grid, made smaller, and of a part across the edge of the tiles."""
    source, found = LiveSource(motor), []
    assert source.runner is not None
    try:
        for steps, region, size in ((7, Region(0, 0, 24, 20), (12, 10)), (4, Region(5, 3, 14, 9), (14, 9))):
            last = motor.step_count + steps
            source.request_frames(FrameRequest(source.first_view_settings, region, size))
            source.runner.run_steps(steps)
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until:
                source.run_callbacks()
                frame = source.next_frame()
                if frame is not None and frame.step == last and frame.region == region:
                    found.append([frame.step, frame.levels, frame.pixels.shape, frame.pixels.tolist()])
                    break
                time.sleep(0.005)
    finally:
        source.close()
    return found


def subscriptions(motor: Aetheria_Motor) -> list[Any]:
    """Frames of a lossless subscription, averaged down, and of one of a part in numbers of eight bits."""
    small = motor.subscribe(every=2, fields=["channel_0", "population"], size=(6, 5), delivery="lossless", capacity=9)
    levels = {"channel_0": (0.0, 1.0)}
    part = motor.subscribe(every=5, dtype="uint8", levels=levels, delivery="lossless", capacity=9, region=(3, 4, 15, 9))
    motor.step(10)
    found: list[Any] = []
    for subscription in (small, part):
        while subscription.waiting and (frame := subscription.get(PATIENCE_S)) is not None:
            found.append([frame.step, {name: np.asarray(frame[name]).tolist() for name in frame.fields}])
    return found


def edits(motor: Aetheria_Motor) -> list[Any]:
    """Cells after changes across the edge of the tiles, and of the rule; and the refusal of what is no cell of Life."""
    motor.step(3)
    motor.set_cells(torch.ones(1, 9, 20), at=(8, 0))
    motor.step(3)
    motor.set_control("rule", "B36/S23")
    motor.step(3)
    refused = ""
    try:
        motor.set_cells(torch.full((1, 9, 21), 1.0), at=(8, 0))
    except AetheriaError as error:
        refused = str(error)
    motor.step(3)
    return [refused, motor.cells.tolist()]


def masses(motor: Aetheria_Motor) -> list[Any]:
    """Observables of a law of real values, whose sums depend on their order."""
    found = []
    for _ in range(4):
        motor.step(3)
        found.append([motor.read(name).tolist() for name in ("mass", "centre_y", "centre_x")])
    return found


CHECKS: dict[str, tuple[Make, Use]] = {
    "live view": (life, live_view),
    "subscriptions": (partial(life, batch=2), subscriptions),
    "edits": (life, edits),
    "masses": (lenia, masses),
}


def run_rank(rank: int, port: int, folder: str) -> None:
    """Makes each check on two processes, which rank 0 leads, and on one; rank 0 writes both results."""
    join(rank, port)
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    mesh, results = init_device_mesh("cpu", (2,)), {}
    for name, (make, use) in CHECKS.items():
        with make(mesh) as split:
            if rank:
                split.follow()
                continue
            with make(None) as one:
                results[name] = [use(split), use(one)]
    if rank == 0:
        (Path(folder) / "results.json").write_text(json.dumps(results))
    dist.destroy_process_group()


def run_small_mesh(rank: int, port: int) -> None:
    """Makes a motor on a mesh of another size than the world, in each process; prints the refusal."""
    join(rank, port)
    dist.init_process_group("gloo")
    mesh = DeviceMesh("cpu", [[0], [1]][rank], _init_backend=False)
    try:
        life(mesh)
    except AetheriaError as error:
        print(error)
    dist.destroy_process_group()
