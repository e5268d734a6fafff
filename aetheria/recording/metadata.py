"""Metadata of a recording: law, grid, seed, config, device and versions."""

import datetime
import hashlib
import uuid
from typing import Any

import torch
from torch import nn

from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import schema


def describe(motor: Aetheria_Motor, config: str) -> dict[str, Any]:
    """The attributes of a recording of `motor` that was built from `config` (TOML)."""
    device = torch.cuda.get_device_name(motor.device) if motor.device.type == "cuda" else "CPU"
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "id": uuid.uuid4().hex,
        "law": motor.traits.name,
        "weights_sha256": weights_hash(motor.law),
        "seed": motor.seed,
        "first_step": motor.step_count,
        "grid": motor.shape[2:],
        "channels": motor.shape[1],
        "universes": motor.shape[0],
        "dt": motor.traits.dt,
        "precision": motor.config.precision,
        "plan": motor.fixed_plan,
        "deterministic": motor.config.deterministic,
        "device": str(motor.device),
        "device_name": device,
        "config": config,
        "config_sha256": hashlib.sha256(config.encode()).hexdigest(),
        **schema.versions(),
    }


def weights_hash(law: nn.Module) -> str:
    """SHA-256 over the names, shapes, types and bytes of a law's tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(law.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
