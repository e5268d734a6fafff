"""The law of a training: built, its controls learned, and written with its weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aetheria.core.errors import ConfigError
from aetheria.files.atomic import atomic_write
from aetheria.files.checked_tensors import write_safetensors
from aetheria.laws.base import Law, as_law
from aetheria.laws.controls import Control
from aetheria.laws.weights import law_note
from aetheria.runs.config_tables import LawConfig
from aetheria.runs.run import law_from_config


def build_learner(config: LawConfig, d_state: int | None = None, learn: Sequence[str] = (), rank: int = 2) -> Law:
    """The law to train, whose learned controls are parameters. Raises ConfigError for a law without parameters."""
    law = as_law(*law_from_config(config, d_state, rank))
    learn_controls(law, learn)
    if not any(True for _ in law.parameters()):
        raise ConfigError(f"[law] {law.name} has no weights; name controls to learn, as [train] learn = [...], or another law")
    return law


def learn_controls(law: Law, names: Sequence[str]) -> None:
    """Makes controls of a law parameters, so that they are trained with its weights.

    Raises:
        ConfigError: no such control, or one that is not a number with a gradient.
    """
    for name in names:
        value = law.get_control(name)
        control = next(c for c in law.controls if c.name == name)
        if not isinstance(control, Control) or not isinstance(value, float) or not control.as_tensor(value).is_floating_point():
            raise ConfigError(f'[train] learn: "{name}" has no gradient; expected a number that changes the cells smoothly')
        setattr(law, name, nn.Parameter(torch.tensor(value)))


@torch.no_grad()
def clamp_control(law: Law, name: str) -> None:
    """Moves a learned control to the nearest end of its range, if it has left the range."""
    control = next(c for c in law.controls if c.name == name)
    held = getattr(law, name)
    if isinstance(control, Control) and not control.allowed(held.item()):
        held.clamp_(control.low, control.high)


def learned_controls(law: Law) -> dict[str, float]:
    """The learned controls with their values."""
    named = [c for c in law.controls if isinstance(c, Control) and isinstance(getattr(law, c.name), nn.Parameter)]
    return {control.name: getattr(law, control.name).item() for control in named}


def write_law(law: Law, config: LawConfig, training: str, path: Path) -> None:
    """Writes the weights as safetensors, with the law's parameters and learned controls, and the training's config in TOML."""
    learned = learned_controls(law)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in law.state_dict().items() if name not in learned}
    with atomic_write(path) as temporary:
        note = law_note(config.name, {**config.parameters, **learned})
        write_safetensors(tensors, temporary, {"config": training, **note})


def law_table(law: Law, config: LawConfig, weights: str) -> dict[str, Any]:
    """The table [law] of a run of the trained law."""
    return {"name": config.name, **config.parameters, **learned_controls(law), "weights": weights}
