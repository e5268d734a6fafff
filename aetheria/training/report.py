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
from torch import Tensor, nn

from aetheria.export.pictures import find_levels, picture
from aetheria.files.atomic import atomic_write
from aetheria.files.checked_tensors import write_safetensors
from aetheria.laws.base import Law
from aetheria.laws.controls import Control
from aetheria.laws.weights import law_note
from aetheria.motor.state import fresh_memory
from aetheria.observe.law_fields import field_of
from aetheria.observe.request import view_of
from aetheria.recording import Recording
from aetheria.training.rollout import RolloutConfig, roll_out
from aetheria.training.train_config import TrainConfig
from aetheria.training.trajectories import TrajectoryDataset

_COLUMNS = 8  # pictures in a row of the strip
_LEAST_SIDE = 96  # pixels of a picture


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
    field = field_of(law, law.default_field)
    shown = [[field(view_of(law, (cells[i : i + 1],)))[0].cpu().numpy() for i in chosen] for cells in (window, own)]
    levels = find_levels(shown[0], *field.range)
    scale = max(1, -(-_LEAST_SIDE // min(window.shape[-2:])))
    rows = [[picture(values, field.name, field.colour_map, levels, scale) for values in row] for row in shown]
    width, height = rows[0][0].size
    strip = Image.new("RGB", (len(chosen) * (width + 2) - 2, 2 * height + 2), "grey")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            strip.paste(image.convert("RGB"), (x * (width + 2), y * (height + 2)))
    return strip


def learned_controls(law: Law) -> dict[str, float]:
    """The learned controls with their values."""
    named = [c for c in law.controls if isinstance(c, Control) and isinstance(getattr(law, c.name), nn.Parameter)]
    return {control.name: getattr(law, control.name).item() for control in named}


def write_law(law: Law, config: TrainConfig, path: Path) -> None:
    """Writes the weights as safetensors, with the config of the training, and the law's parameters with learned controls."""
    learned = learned_controls(law)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in law.state_dict().items() if name not in learned}
    with atomic_write(path) as temporary:
        note = law_note(config.law.name, {**config.law.parameters, **learned})
        write_safetensors(tensors, temporary, {"config": config.to_toml(), **note})


def run_toml(law: Law, config: TrainConfig, recording: Path, weights: str) -> str:
    """The config of a run of the learned law, with the grid and initial cells of a recorded run."""
    with Recording(recording) as source:
        height, width = (int(size) for size in source.attributes["grid"])
        given: dict[str, Any] = tomllib.loads(source.config) if source.config else {}
    table = {"name": config.law.name, **config.law.parameters, **learned_controls(law), "weights": weights}
    run: dict[str, Any] = {"title": f"{config.title or config.law.name}, learned", "steps": given.get("steps", 1000)}
    if config.d_state:
        run["d_state"] = config.d_state
    run |= {"seed": given.get("seed", 0), "grid": {"height": height, "width": width}, "law": table}
    if "initial" in given:
        run["initial"] = given["initial"]
    return tomli_w.dumps(run)
