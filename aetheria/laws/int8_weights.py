"""Weights in eight bits: a quarter of the file, read like any other weights.

A weight tensor of two axes or more becomes int8, with one float32 scale for each of its first axis (an output of a
convolution): `weight = int8 * scale`. Biases and norms stay as they are, too few to matter.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.files.atomic import atomic_write
from aetheria.files.checked_tensors import read_safetensors, write_safetensors

_SCALE = ".int8_scale"
_MOST = 127  # symmetric: zero is exact, and -128 is not used


def quantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with weights in int8, each beside its scales, named `<weight>.int8_scale`."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 2 or not tensor.is_floating_point():
            found[name] = tensor
            continue
        rows = tensor.float().flatten(1)
        # Not 0 for a row of zeros, which is divided by it.
        scale = (rows.abs().amax(1) / _MOST).clamp_min(torch.finfo(torch.float32).tiny)
        found[name] = (rows / scale[:, None]).round().to(torch.int8).reshape(tensor.shape)
        found[name + _SCALE] = scale
    return found


def dequantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with int8 weights multiplied out to float32; others as they are."""
    scales = {name + _SCALE: name for name, tensor in tensors.items() if tensor.dtype == torch.int8 and tensor.ndim >= 2}
    scales = {key: name for key, name in scales.items() if key in tensors and tensors[key].shape == tensors[name].shape[:1]}
    found = {name: tensor for name, tensor in tensors.items() if name not in scales}
    for key, name in scales.items():
        weight = tensors[name]
        found[name] = weight * tensors[key].reshape(-1, *[1] * (weight.ndim - 1))
    return found


def quantise_file(source: str | Path, target: str | Path) -> None:
    """Writes the weights of a .safetensors file in eight bits, with the metadata of the file.

    Raises:
        ConfigError: not .safetensors. FileUnreadableError: `source` cannot be read.
    """
    source, target = Path(source), Path(target)
    for path in (source, target):
        if path.suffix != ".safetensors":
            raise ConfigError(f"{path}: expected a name that ends in .safetensors")
    tensors, metadata = read_safetensors(source, "weights")
    with atomic_write(target) as beside:
        write_safetensors(quantised(tensors), beside, metadata)
