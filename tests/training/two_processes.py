"""The processes of `test_distributed`, started by torchrun, not by pytest."""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from aetheria.training.distributed import Processes, join_processes
from aetheria.training.imitation import imitate
from aetheria.training.task_config import TaskConfig
from aetheria.training.task_training import train_task
from aetheria.training.train_config import TrainConfig
from aetheria.training.trainer import TrainStatus
from tests.small_laws import small_law

SAMPLES, STEPS, ROLLOUT = 6, 3, 4


def batch(step: int) -> Tensor:
    return torch.rand(SAMPLES, 4, 8, 8, generator=torch.Generator().manual_seed(step), dtype=torch.float64) - 0.5


def loss(law: nn.Module, cells: Tensor) -> Tensor:
    """Of a rollout: the law is called many times before one backward."""
    after = cells
    for _ in range(ROLLOUT):
        after = law(after)
    return (after - cells.flip(-1)).square().mean()


def train(processes: Processes, seed: int) -> tuple[nn.Module, list[float]]:
    """A few steps of AdamW, this process on its share."""
    law = small_law("MLP", seed=seed).double()
    processes.same_weights(law)
    optimizer = torch.optim.AdamW(law.parameters(), 0.01)
    losses = []
    for step in range(STEPS):
        samples = batch(step)
        optimizer.zero_grad()
        value = loss(law, samples[list(processes.share(range(SAMPLES)))])
        value.backward()
        processes.average_gradients(law.parameters())
        losses.append(float(processes.mean(value)))
        optimizer.step()
    return law, losses


def gradients_of_ddp(processes: Processes) -> list[Tensor]:
    """Of one step of the law, as torch's own wrapper averages them."""
    law = DistributedDataParallel(small_law("MLP").double())
    samples = batch(0)[list(processes.share(range(SAMPLES)))]
    (law(samples) - samples.flip(-1)).square().mean().backward()
    return [parameter.grad for parameter in law.parameters() if parameter.grad is not None]


def own_gradients(processes: Processes) -> list[Tensor]:
    law = small_law("MLP").double()
    samples = batch(0)[list(processes.share(range(SAMPLES)))]
    (law(samples) - samples.flip(-1)).square().mean().backward()
    processes.average_gradients(law.parameters())
    return [parameter.grad for parameter in law.parameters() if parameter.grad is not None]


def learn(folder: Path, processes: Processes) -> None:
    """A whole training from a recording, which this process takes its part in; several are interrupted, and go on."""
    values = {
        "law": {"name": "MLP", "d_state": 1, "hidden_channels": 4, "normalise": "none", "output_scale": 0.1},
        "data": {"recordings": [str(folder / "run.h5")], "validation": 0.25},
        "train": {"steps": 4, "batch": 4, "horizon": 2, "validate_every": 2, "rollout": [1, 2]},
        "device": "cpu",
    }
    config, into = TrainConfig.checked(values, ""), folder / f"learned{processes.size}"

    def interrupt(status: TrainStatus) -> None:
        if processes.rank == 1 and status.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    ended = imitate(config, into, trackers=[], progress=interrupt)
    if processes.size > 1:
        assert (ended.status, ended.step) == ("interrupted", 3)
        ended = imitate(config, into, trackers=[], resume=True)
    assert (ended.status, len(ended.errors)) == ("done", 2 if processes.leads else 0)


def task(folder: Path) -> dict[str, Tensor]:
    """The weights after a training for a task with a pool, which this process takes its part in."""
    values = {
        "law": {"name": "NCA", "preset": "texture", "channels": 3, "hidden_channels": 4},
        "grid": {"height": 4, "width": 4},
        "train": {
            "objective": "dark",
            "steps": 4,
            "batch": 4,
            "pool": 8,
            "validate_every": 2,
            "learning_rate": 0.1,
            "warm_up": 0,
        },
        "device": "cpu",
    }
    config = TaskConfig.checked(values, "")
    return train_task(config, folder / "task", objective=dark, trackers=[]).law.state_dict()


def dark(cells: Tensor, _: tuple[Tensor, ...]) -> Tensor:
    return cells.square().mean()


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with join_processes("cpu") as processes:
        law, losses = train(processes, seed=processes.rank)  # other weights in each, until they are made the same
        found = {
            "weights": law.state_dict(),
            "losses": losses,
            "leads": processes.leads,
            "size": processes.size,
            "ddp": gradients_of_ddp(processes),
            "own": own_gradients(processes),
            "task": task(folder),
            "any": [processes.any(processes.rank == 1), processes.any(False)],
        }
        torch.save(found, folder / f"rank{processes.rank}.pt")
        learn(folder, processes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
