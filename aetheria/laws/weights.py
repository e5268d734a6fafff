"""Trained weights from files: the part of a file that fits a law, by the names and shapes of its tensors."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.core.errors import AetheriaError, LawError
from aetheria.core.printable import get_logger
from aetheria.files.tensor_files import read_tensor_file
from aetheria.files.untrusted import read_toml
from aetheria.laws.int8_weights import dequantised

log = get_logger(__name__)
Tensors = Mapping[str, Tensor]
# What torch puts into the names of a module's tensors when it wraps the module: compiled, on several devices, recomputed.
WRAPPERS = frozenset({"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
MOST_FAULTS = 50  # lines of an error
_NOT_OF_THE_LAW = frozenset({"name", "weights", "seed"})  # keys of a config's [law] that are no parameters


def load_weights(law: nn.Module, path: str | Path, part: str | None = None) -> None:
    """Loads the tensors of a file into `law` by name; arguments and errors as for `fitting_weights`."""
    law.load_state_dict(fitting_weights(law, path, part))


def fitting_weights(law: nn.Module, path: str | Path, part: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file in the law's names, shapes and types, if exactly one part of the file fits the law.

    A part is a mapping of names to tensors, as in a checkpoint with "model" and "ema", or the names with one prefix in it.
    The words that torch adds to names for compiled or distributed modules do not count. The weight of a convolution over one
    cell may be stored as a matrix `(outputs, inputs)`, and any weight in eight bits (`quantised`). If all that is missing is
    the bias of the last layer, it is 0, with a warning in the log.

    Args:
        part: the part to take, where several fit.

    Raises:
        FileUnreadableError: the file is missing, torn or no file of tensors. ConfigError: a suffix of none.
        LawError: tensors missing, extra, mis-shaped or not finite, each named; or several parts that fit and differ.
    """
    return read_weights(path).fitting(law, part)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file that holds one mapping of names to tensors, on the CPU; weights in eight bits multiplied out.

    Raises:
        FileUnreadableError, ConfigError: as `fitting_weights`. LawError: the file holds several such mappings.
    """
    file = read_weights(path)
    if len(file.groups) > 1:
        raise LawError(f"{path}: several sets of tensors ({', '.join(map(shown, file.groups))}); expected one")
    (tensors,) = file.groups.values()
    return dict(tensors)


def read_weights(path: str | Path) -> "WeightFile":
    """Reads a file of weights: .safetensors, .pt and the like, or .npz; raises as `fitting_weights` does for a bad file."""
    path = Path(path)
    file = read_tensor_file(path)
    return WeightFile(path, {place: _plain(dequantised(tensors)) for place, tensors in file.groups.items()}, file.notes)


def law_note(name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Metadata for a file of weights, from which `build_law` takes the parameters of the law."""
    return {"law": json.dumps({"name": name, **parameters})}


@dataclass(frozen=True)
class WeightFile:
    """The content of a file of weights.

    Attributes:
        groups: tensors by name, by the place of their mapping in the file; see `TensorFile`.
        notes: texts in the file, by key.
    """

    path: Path
    groups: Mapping[str, Tensors]
    notes: Mapping[str, str]

    def fitting(self, law: nn.Module, part: str | None = None) -> dict[str, Tensor]:
        """See `fitting_weights`."""
        own, name = law.state_dict(), type(law).__name__
        parts = dict(self._parts(_unwrapped(own)))
        if part is not None and part not in parts:
            raise LawError(f'{self.path}: part "{part}" given; expected one of {", ".join(map(shown, parts))}')
        fits = {place: _Fit(own, tensors) for place, tensors in parts.items() if part in (None, place)}
        good = {place: fit for place, fit in fits.items() if not fit.faults}
        if not good:
            place, fit = min(fits.items(), key=lambda one: len(one[1].faults))
            of = f" in its part {shown(place)}" if place else ""
            raise LawError(f"{self.path}: does not fit {name}{of}", *(f"  {fault}" for fault in _listed(sorted(fit.faults))))
        first, *others = good.values()
        if not all(_equal(first.tensors, other.tensors) for other in others):
            raise LawError(
                f"{self.path}: several parts fit {name}, and differ: {', '.join(map(shown, good))}; "
                f'choose one: load_weights(law, path, part="{shown(min(good))}")'
            )
        if first.zeros:
            log.warning("%s: has no %s, which is taken as 0", self.path, first.zeros)
        return first.tensors

    @property
    def numbers(self) -> int:
        """How many numbers its tensors hold."""
        return sum(tensor.numel() for tensors in self.groups.values() for tensor in tensors.values())

    def parameters(self, law: str) -> dict[str, Any]:
        """The parameters of the law of this name that the file states; empty if it states none, or those of another law."""
        try:
            table = json.loads(self.notes["law"]) if "law" in self.notes else self._from_config()
        except (ValueError, KeyError, AttributeError, RecursionError, AetheriaError):
            return {}  # of another program
        if not isinstance(table, dict) or str(table.get("name")).lower() != law.lower():
            return {}
        return {key: value for key, value in table.items() if key not in _NOT_OF_THE_LAW}

    def _from_config(self) -> dict[str, Any]:
        """[law] of the training's config, which files of earlier versions hold; without what was learned from there."""
        config = read_toml(self.notes["config"], str(self.path))
        learned = config.get("train", {}).get("learn", [])
        return {key: value for key, value in config["law"].items() if key not in learned}

    def _parts(self, own: Tensors) -> Iterator[tuple[str, Tensors]]:
        """The parts of the file that hold tensors of these names, by name: `model`, or `state_dict.net` for a prefix."""
        found = False
        for place, tensors in self.groups.items():
            for prefix in dict.fromkeys(name[: -len(end)] for end in own for name in tensors if _ends(name, end)):
                found = True
                inside = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
                yield ".".join(filter(None, (place, prefix[:-1]))), inside
        if not found:
            yield from self.groups.items()


class _Fit:
    """How well tensors fit those of a law: `faults`, a line each, or `tensors` by the law's names.

    Attributes:
        zeros: the name of the last bias if it is missing and taken as 0; else empty.
    """

    def __init__(self, own: Tensors, given: Tensors) -> None:
        wanted = _unwrapped(own)
        names = dict(zip(wanted, own, strict=True))
        bias = _last_bias(wanted)
        self.zeros = names[bias] if bias and wanted.keys() - given.keys() == {bias} else ""
        self.faults = [f"{names[name]}: missing" for name in wanted.keys() - given.keys() if not self.zeros]
        self.faults += [f"{shown(name)}: not part of this law" for name in given.keys() - wanted.keys()]
        self.tensors = {self.zeros: torch.zeros_like(own[self.zeros])} if self.zeros else {}
        for name in wanted.keys() & given.keys():
            fault = _fault(given[name], wanted[name])
            if fault:
                self.faults.append(f"{names[name]}: {fault}")
            else:
                self.tensors[names[name]] = given[name].reshape(wanted[name].shape).to(wanted[name].dtype)


def _fault(given: Tensor, wanted: Tensor) -> str:
    """Why a tensor cannot take the place of another; empty if it can."""
    if _as_matrix(given.shape) != _as_matrix(wanted.shape):
        return f"shape {tuple(given.shape)}; expected {tuple(wanted.shape)}"
    if given.is_complex() != wanted.is_complex():
        return "complex numbers; expected real ones" if given.is_complex() else "real numbers; expected complex ones"
    if given.to(wanted.dtype).isfinite().all():
        return ""
    wide = given.to(torch.complex128 if given.is_complex() else torch.float64)
    return f"numbers beyond the range of {wanted.dtype}".replace("torch.", "") if wide.isfinite().all() else "holds NaN or Inf"


def _last_bias(own: Tensors) -> str:
    """The name of the bias of the last layer, or an empty text if that has none."""
    weights = [name for name, tensor in own.items() if name.rpartition(".")[2] == "weight" and tensor.ndim >= 2]
    bias = weights[-1].removesuffix("weight") + "bias" if weights else ""
    return bias if bias in own else ""


def _unwrapped(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors by their names without the words of torch's wrappers; as they are if two names would become one."""
    plain = {".".join(word for word in name.split(".") if word not in WRAPPERS): t for name, t in tensors.items()}
    return plain if len(plain) == len(tensors) else dict(tensors)


def _plain(tensors: Tensors) -> dict[str, Tensor]:
    """The same for the tensors of a file, without the counter that torch's AveragedModel adds."""
    plain = _unwrapped(tensors)
    if plain.keys() != tensors.keys():
        plain.pop("n_averaged", None)
    return plain


def _listed(faults: list[str]) -> list[str]:
    return faults if len(faults) <= MOST_FAULTS else [*faults[:MOST_FAULTS], f"and {len(faults) - MOST_FAULTS:,} more"]


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(f".{end}")


def _equal(some: Tensors, others: Tensors) -> bool:
    return all(torch.equal(tensor, others[name]) for name, tensor in some.items())


def _as_matrix(shape: torch.Size) -> tuple[int, ...]:
    return tuple(shape[:2]) if set(shape[2:]) == {1} else tuple(shape)


def shown(name: str) -> str:
    """A name from a file, fit for a message: no control characters, not too long."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return plain if len(plain) <= 100 else f"{plain[:97]}..."
