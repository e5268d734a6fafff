"""Small recordings, made by the recorder, to be opened by the viewer."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aetheria import GrowingNCA, Life
from aetheria.laws.base import Law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder

EAGER = {"plan": "eager"}
_WRITER = """
import sys
import numpy as np
from aetheria import Life
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder

motor = Aetheria_Motor(Life(), (12, 20), 1, "cpu", {"plan": "eager"}, seed=1)
with Recorder(motor, sys.argv[1], fields=["channel_0"]):
    print("ready", flush=True)
    for line in sys.stdin:
        motor.step(int(line))
"""


def record_life(path: Path, steps: int = 30, every: int = 1, grid: Any = (12, 20), **options: Any) -> Path:
    """A soup: frames 0, every, 2 every ... steps."""
    torch.set_num_threads(1)
    motor = Aetheria_Motor(Life(), grid, 1, "cpu", EAGER, seed=1)
    with Recorder(motor, path, fields=["channel_0", "energy", "population"], every=every, **options):
        motor.step(steps)
    motor.close()
    return path


def record_nca(path: Path, steps: int = 10, batch: int = 2, **options: Any) -> Path:
    """Colours and a channel of a grown pattern, for several universes."""
    torch.set_num_threads(1)
    law = GrowingNCA(channels=5, hidden_channels=8)
    torch.manual_seed(0)
    nn.init.normal_(law.update.weight, std=0.1)
    motor = Aetheria_Motor(law, (12, 20), 5, "cpu", EAGER, initial="noise", batch=batch)
    with Recorder(motor, path, fields=["rgb", "channel_3", "population"], every=2, **options):
        motor.step(steps)
    motor.close()
    return path


class Turning(Law):
    """One amplitude a cell, whose phase turns by a tenth of a radian a step."""

    d_state = 1
    channels = 2
    radius = 0
    fields = ("density", "phase", "real", "imag")
    default_field = "phase"

    def forward(self, cells: Tensor) -> Tensor:
        re, im = cells.split(1, 1)
        c, s = torch.cos(torch.tensor(0.1)), torch.sin(torch.tensor(0.1))
        return torch.cat((re * c - im * s, re * s + im * c), 1)


def record_phase(path: Path, steps: int = 6, **options: Any) -> Path:
    """Phases of random amplitudes, turning."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    motor = Aetheria_Motor(Turning(), (12, 20), 1, "cpu", EAGER, initial=torch.randn(2, 12, 20))
    with Recorder(motor, path, fields=["phase", "density"], **options):
        motor.step(steps)
    motor.close()
    return path


@contextlib.contextmanager
def writing(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A headless run in a process of its own that records every step; it takes as many as `tell` says."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def tell(writer: "subprocess.Popen[str]", steps: int) -> None:
    """Has the run of `writing` take steps."""
    assert writer.stdin is not None
    writer.stdin.write(f"{steps}\n")
    writer.stdin.flush()
