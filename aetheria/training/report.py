"""Results of a training: errors by horizon, a strip of pictures, weights, and the config of a run."""

import csv
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aetheria.files.atomic import atomic_write
from aetheria.laws.base import Law
from aetheria.motor.state import fresh_memory
from aetheria.recording import Recording
from aetheria.training.learner import law_table
from aetheria.training.rollout import RolloutConfig, roll_out
from aetheria.training.strips import strip
from aetheria.training.train_config import TrainConfig
from aetheria.training.trajectories import TrajectoryDataset

_COLUMNS = 8  # pictures in a row of the strip


@torch.no_grad()
def own_trajectory(law: Law, window: Tensor, seed: int = 0) -> Tensor:
    """The law's own trajectory `(B, frames, C, H, W)` from the first frame of a window, in eval mode."""
    law.eval()
    first = window[:, 0].contiguous(memory_format=torch.channels_last)
    after = roll_out(law, first, fresh_memory(law, first, seed), window.shape[1] - 1, RolloutConfig())
    return torch.stack([first, *after], 1)


def horizon_errors(law: Law, dataset: TrajectoryDataset, device: torch.device, most: int = 16) -> NDArray[np.float64]:
    """Mean absolute error of a cell after 1, 2 .. steps, over at most `most` windows, evenly spaced, one at a time."""
    total = np.zeros(dataset.frames - 1)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, most).round().astype(int))
    for number in chosen:
        window = dataset[int(number)][None].to(device)
        errors = (own_trajectory(law, window) - window).abs().mean((0, 2, 3, 4))
        total += errors[1:].double().cpu().numpy()
    return total / len(chosen)


def empty_error(dataset: TrajectoryDataset, most: int = 16) -> float:
    """The mean absolute error of empty cells in at most `most` windows; 1 if the recorded cells are empty, too."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, most).round().astype(int))
    return float(np.mean([dataset[int(number)].abs().mean().item() for number in chosen])) or 1.0


def write_errors(errors: Sequence[float] | NDArray[np.float64], path: Path) -> None:
    """The errors by step, as CSV."""
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("step", "mean_absolute_error"))
        rows.writerows((step, f"{error:.6g}") for step, error in enumerate(errors, 1))


def rollout_strip(law: Law, window: Tensor) -> Image.Image:
    """A strip of pictures of a window `(frames, C, H, W)`: recorded frames above, the law's own rollout below."""
    own = own_trajectory(law, window[None])[0]
    chosen = np.unique(np.linspace(0, len(window) - 1, _COLUMNS).round().astype(int)).tolist()
    return strip(law, [window[chosen], own[chosen]])


def run_toml(law: Law, config: TrainConfig, recording: Path, weights: str) -> str:
    """The config of a run of the learned law, with the grid and initial cells of a recorded run."""
    with Recording(recording) as source:
        height, width = (int(size) for size in source.attributes["grid"])
        given: dict[str, Any] = tomllib.loads(source.config) if source.config else {}
    run: dict[str, Any] = {"title": f"{config.title or config.law.name}, learned", "steps": given.get("steps", 1000)}
    if config.d_state:
        run["d_state"] = config.d_state
    run |= {
        "seed": given.get("seed", 0),
        "grid": {"height": height, "width": width},
        "law": law_table(law, config.law, weights),
    }
    if "initial" in given:
        run["initial"] = given["initial"]
    return tomli_w.dumps(run)
