"""Loads trained weights into a law: from safetensors, or `.pt` read without running code from it."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, FileUnreadableError, LawError
from aetheria.files.untrusted import check_archive, check_safetensors, first_line
from aetheria.laws.int8_weights import dequantised


def load_weights(law: nn.Module, path: str | Path) -> None:
    """Loads the tensors of a file into `law` by name; raises as `fitting_weights` does."""
    law.load_state_dict(fitting_weights(law, path))


def fitting_weights(law: nn.Module, path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file in the law's shapes, if their names are exactly those of the law's tensors.

    The weight of a convolution over one cell may be stored as a matrix `(outputs, inputs)`, and any weight in eight bits
    (`quantised`).

    Raises:
        FileUnreadableError: the file is missing or is not safetensors / a plain `.pt` state dict.
        LawError: tensors missing, extra, mis-shaped or not finite; each is named.
    """
    path = Path(path)
    tensors = read_tensors(path)
    own = law.state_dict()
    faults = [f"{name}: missing" for name in own.keys() - tensors.keys()]
    faults += [f"{name}: not part of this law" for name in tensors.keys() - own.keys()]
    for name in own.keys() & tensors.keys():
        given, wanted = tensors[name], own[name]
        if _as_matrix(given.shape) != _as_matrix(wanted.shape):
            faults.append(f"{name}: shape {tuple(given.shape)}; expected {tuple(wanted.shape)}")
        elif not given.isfinite().all():
            faults.append(f"{name}: holds NaN or Inf")
    if faults:
        raise LawError(f"{path}: does not fit {type(law).__name__}", *(f"  {fault}" for fault in sorted(faults)))
    return {name: tensor.reshape(own[name].shape) for name, tensor in tensors.items()}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or `.pt`/`.pth` file, on the CPU; weights in eight bits multiplied out."""
    if path.suffix not in (".safetensors", ".pt", ".pth"):
        raise ConfigError(f"{path}: unknown kind of weights; expected .safetensors, .pt or .pth")
    (check_safetensors if path.suffix == ".safetensors" else check_archive)(path, "weights")
    try:
        if path.suffix == ".safetensors":
            return dequantised(load_file(path))
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn file can make the unpickler raise anything: IndexError, KeyError, struct.error ...
        raise FileUnreadableError(f"{path}: cannot be read as weights; {first_line(error)}") from error
    if not isinstance(tensors, dict) or not all(isinstance(k, str) and _is_plain(t) for k, t in tensors.items()):
        raise FileUnreadableError(
            f"{path}: expected a state dict (names to plain tensors), as `torch.save(law.state_dict())` writes"
        )
    return dequantised(tensors)


def _as_matrix(shape: torch.Size) -> tuple[int, ...]:
    return tuple(shape[:2]) if set(shape[2:]) == {1} else tuple(shape)


def _is_plain(value: object) -> bool:
    """Whether it is a dense tensor in memory: not sparse, not quantised, not on the meta device."""
    return isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
