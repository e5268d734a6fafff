"""Tensors from files of weights: safetensors, both forms of torch's `.pt`, NumPy's `.npz`. No code in a file is run."""

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError
from aetheria.core.memory_limits import check_room
from aetheria.files.checked_tensors import (
    MAX_ENTRIES,
    MAX_TENSORS,
    SAVE_PLAIN,
    check_pickle,
    read_archive,
    read_safetensors,
)
from aetheria.files.untrusted import MAX_ARRAY_HEADER, check_input, first_line

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin")
SUFFIXES = (".safetensors", *TORCH_SUFFIXES, ".npz")
MAX_DEPTH = 6  # of mappings inside mappings; a checkpoint has two or three
# Of torch's form before 1.6: a pickle (two bytes name its protocol) of this number, then of the content, then the storages.
_OLD_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_OLD_PICKLES = 5  # that number, the version, the machine, the content, the names of the storages


@dataclass(frozen=True)
class TensorFile:
    """The content of a file of weights, on the CPU.

    Attributes:
        groups: tensors by name, for each mapping of names to tensors in the file, by its place: "" for the outermost,
            "model" for the one of that key, "model.ema" for one inside it.
        notes: texts in the file, by key: the metadata of safetensors, or the texts in the outermost mapping of a `.pt`.
    """

    groups: Mapping[str, Mapping[str, Tensor]]
    notes: Mapping[str, str]


def read_tensor_file(path: Path) -> TensorFile:
    """Reads the tensors of a file, by the kind that its suffix names.

    Raises:
        ConfigError: another suffix. StateError: not enough memory for its tensors.
        FileUnreadableError: it is missing or torn, holds objects other than tensors and plain data, or no named tensors.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: unknown kind of weights; expected {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    read = {".safetensors": _read_safetensors, ".npz": _read_npz}.get(path.suffix, _read_torch)
    try:
        file = read(path)
    except AetheriaError:
        raise
    except Exception as error:  # a torn file can make an unpickler raise anything: IndexError, KeyError, struct.error ...
        raise FileUnreadableError(f"{path}: cannot be read as weights; {_said(error)}") from error
    if not file.groups:
        raise FileUnreadableError(
            f"{path}: expected a state dict (names to plain tensors), as `torch.save(law.state_dict(), path)` writes"
        )
    return file


def _read_safetensors(path: Path) -> TensorFile:
    tensors, metadata = read_safetensors(path, "weights")
    return TensorFile({"": tensors} if tensors else {}, metadata)


def _read_npz(path: Path) -> TensorFile:
    check_input(path, "weights")
    tensors: dict[str, Tensor] = {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise ValueError(f"{len(entries):,} arrays; expected {MAX_ENTRIES:,} at most")
        check_room(2 * sum(entry.file_size for entry in entries), f"{path}: weights", "use a smaller file")
        for entry in entries:
            tensors[entry.filename.removesuffix(".npy")] = _read_entry(archive, entry)
    return TensorFile({"": tensors} if tensors else {}, {})


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Tensor:
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = headers[version](file, max_header_size=MAX_ARRAY_HEADER)
        count = int(np.prod([int(side) for side in shape], dtype=object))
        if dtype.kind not in "biuf" or min(shape, default=0) < 0 or count * dtype.itemsize > entry.file_size:
            raise ValueError(f"{entry.filename[:60]!r} claims {count:,} values of {dtype}; expected real numbers, all there")
    with archive.open(entry) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    if array.dtype.itemsize > 8:  # long doubles, which torch has not
        array = array.astype(np.float64)
    # torch takes no other byte order.
    return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))


def _read_torch(path: Path) -> TensorFile:
    size = check_input(path, "weights")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any("/code/" in name for name in archive.namelist()):
                raise ValueError(f"it is a TorchScript module, which is code; open it with torch.jit.load, and {SAVE_PLAIN}")
        content = read_archive(path, "weights")
    else:
        with path.open("rb") as file:
            if file.read(2 + len(_OLD_TORCH))[2:] != _OLD_TORCH:
                raise ValueError("neither a zip archive nor a pickle of torch's form before 1.6")
            file.seek(0)
            for _ in range(_OLD_PICKLES):
                check_pickle(file)
        check_room(2 * size, f"{path}: weights", "use a smaller file")
        content = torch.load(path, map_location=_Claims(size), weights_only=True)
    groups = {place: tensors for place, tensors in _groups(content) if tensors}
    _check_sizes(path, [tensor for tensors in groups.values() for tensor in tensors.values()], size)
    notes = {key: value for key, value in content.items() if isinstance(value, str)} if isinstance(content, dict) else {}
    return TensorFile(groups, {str(key): value for key, value in notes.items()})


class _Claims:
    """Ends the reading of an old `.pt` whose storages claim more than the file holds: each is made before it is read."""

    def __init__(self, size: int) -> None:
        self._left = size

    def __call__(self, storage: Any, _: str) -> Any:  # an UntypedStorage; torch's stubs say another class
        self._left -= storage.nbytes()
        if self._left < 0:
            raise ValueError("its tensors claim more bytes than the file has")
        return storage


def _groups(content: object) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The mappings of names to tensors in what a `.pt` holds, the outer ones first."""
    level: list[tuple[str, Any]] = [("", content)]
    seen: set[int] = set()
    for _ in range(MAX_DEPTH):
        inner: list[tuple[str, Any]] = []
        for place, mapping in level:
            if not isinstance(mapping, dict) or id(mapping) in seen:
                continue
            seen.add(id(mapping))
            named = {key: value for key, value in mapping.items() if isinstance(key, str)}
            yield place, {key: value.detach() for key, value in named.items() if isinstance(value, Tensor)}
            inner += [(f"{place}.{key}" if place else key, value) for key, value in named.items() if isinstance(value, dict)]
        level = inner


def _check_sizes(path: Path, tensors: list[Tensor], size: int) -> None:
    """Refuses tensors that are no plain ones, or whose pickled description claims other numbers than the file has."""
    if len(tensors) > MAX_TENSORS:
        raise ValueError(f"{len(tensors):,} tensors; expected {MAX_TENSORS:,} at most")
    held: dict[int, int] = {}
    for tensor in tensors:
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise ValueError("expected a state dict of plain tensors; one is sparse, quantised or without data")
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    if sum(held.values()) > size:
        raise ValueError("its tensors claim more bytes than the file has")
    # A tensor may repeat its numbers (a stride of 0), so that it is larger than its storage.
    check_room(2 * sum(t.numel() * t.element_size() for t in tensors), f"{path}: weights", "use a smaller file")


def _said(error: Exception) -> str:
    """The fault in one line; objects in a pickle, on which torch says a page in colours, in our own words."""
    text = str(error)
    if "weights_only" in text or "Weights only" in text:
        named = re.search(r"GLOBAL ([\w.]+)", text)
        what = f"Python objects ({named[1]})" if named else "Python objects"
        return f"it holds {what}, which are not loaded because they could run code; where it was made, {SAVE_PLAIN}"
    return first_line(error)
