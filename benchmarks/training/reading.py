"""Cost of reading in a training: additional resident memory, and the share of time spent waiting for data.

    python -m benchmarks.training.reading --out benchmarks/results/reading.md

A recording of noise is trained on by Growing NCA: 16 channels, 128^2 cells, rollouts of 8 steps. The
memory of the training itself is measured with the same steps on cells in memory.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from aetheria import Aetheria_Motor, Recorder
from aetheria.core.device import keep_freed_memory
from aetheria.laws import GrowingNCA
from aetheria.stepping.cpu.training_step import training_step
from aetheria.training.batch_size import peak_memory
from aetheria.training.batches import Batches, SampleSchedule
from aetheria.training.rollout import RolloutConfig, rollout_loss
from aetheria.training.trajectories import TrajectoryDataset
from benchmarks.harness.machine import publish

CPU = torch.device("cpu")
MIB = 2**20


class Noise(nn.Module):
    """A law whose cells compress badly."""

    def forward(self, cells: Tensor) -> Tensor:
        return torch.frac(cells * 977.7 + 0.137)


def record_noise(path: Path, frames: int, side: int, channels: int) -> None:
    """Records `frames` frames of `4 side^2 channels` bytes each."""
    motor = Aetheria_Motor(Noise(), side, channels, "cpu", {"plan": "eager", "check_interval": 0})
    with motor, Recorder(motor, path, fields=["cells"]):
        motor.step(frames - 1)


def measure(path: Path, *, steps: int, batch: int, rollout: int) -> tuple[float, float]:
    """Additional memory of reading in MiB, and the share of time that the training waits."""
    dataset = TrajectoryDataset([path], rollout + 1)
    law = GrowingNCA(dataset.shape[0], 128)
    step, chance = training_step(law), torch.Generator().manual_seed(0)

    def train(window: Tensor) -> None:
        rollout_loss(step, law, window, RolloutConfig(), chance).backward()  # type: ignore[no-untyped-call]
        law.zero_grad()

    present = torch.rand(batch, rollout + 1, *dataset.shape)
    train(present)
    own = peak_memory(lambda: train(present), CPU)
    waited, seconds = 0.0, 0.0

    def read_and_train() -> None:
        nonlocal waited, seconds
        schedule = SampleSchedule(len(dataset), batch, lambda _: rollout + 1, 0, steps, seed=0)
        with Batches(dataset, schedule, CPU) as batches:
            began = time.perf_counter()
            for (window,) in batches:
                train(window)
            waited, seconds = batches.waited_s, time.perf_counter() - began

    above = peak_memory(read_and_train, CPU) - own
    return above / MIB, waited / seconds


def main() -> None:
    """Records, trains and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=2048, help="size of the recording's cells")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.h5"
        record_noise(path, given.mib, 128, 16)  # a frame is 1 MiB
        size = path.stat().st_size / MIB
        above, waiting = measure(path, steps=given.steps, batch=4, rollout=8)
    publish(
        "Reading while training",
        [
            f"{given.mib:,} frames of 1 MiB (16 x 128^2 cells), {size:,.0f} MiB on the disk; {given.steps} steps, batch 4,",
            "rollouts of 8; one thread computes, one reads.",
            "",
            "| | measured | target |",
            "|---|---|---|",
            f"| resident memory in addition to the training's own | {above:.0f} MiB | under 300 MiB |",
            f"| share of the time waiting for data | {waiting:.1%} | under 5 % |",
        ],
        given.out,
    )


if __name__ == "__main__":
    main()
