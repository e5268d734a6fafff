"""Reads and writes files of tensors: safetensors, and PyTorch's `.pt`, both checked before their library opens them.

A `.pt` is a zip archive with a pickle. torch reads it without running code from it, but it does not check the archive's
checksums, inflates any entry, and makes whatever tensors the pickle asks for. Here an archive is read only if it is as
`torch.save` writes it, and its pickle builds nothing but tensors and plain data. safetensors have no checksum; the files that
Aetheria writes have a digest in their metadata.
"""

import hashlib
import io
import json
import math
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from aetheria.core.errors import AetheriaError, FileUnreadableError
from aetheria.core.memory_limits import check_room
from aetheria.files.untrusted import check_input, first_line

MAX_HEADER = 8 * 2**20  # bytes of JSON before the tensors; ten thousand tensors need 1 MiB
MAX_TENSORS = 100_000
MAX_ENTRIES = 100_000  # of a .pt
MAX_PICKLE = 16 * 2**20  # bytes
DIGEST = "contents_sha256"  # in the metadata
# Bytes of each of safetensors' types that torch holds.
_TYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_TYPES |= {"F8_E4M3": 1, "F8_E5M2": 1}
_END, _END_64 = 22, 76  # bytes of the record at the end of an archive, without a comment, and of the large one before it
_FLAGS, _FOLDER = 0x808, 0x10  # of an entry: sizes that follow it, names in UTF-8; an attribute
_BUILT = re.compile(
    r"collections (OrderedDict|Counter|defaultdict)|__builtin__ (set|complex|dict|list)|_codecs encode"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|tensor_v3|parameter)"
    r"|torch(\.storage)? (\w+Storage|Size|device|bool|(u?int|b?float|complex)\d+\w*)"
)
_CALLS = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}  # torch.save writes none
_SMALL = 64 * 2**20  # bytes of repeated numbers that any file may claim
SAVE_PLAIN = "save the tensors alone, with torch.save(module.state_dict(), path)"


def check_safetensors(path: Path, wanted: str) -> None:
    """Checks a safetensors file before it is read: a header of at most 8 MiB; every tensor of a known type and complete.

    Args:
        path: of the file.
        wanted: the kind of file that is expected, for errors.

    Raises:
        FileUnreadableError: it is another kind of file.
        StateError: not enough memory for its tensors.
    """
    size = check_input(path, wanted)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MAX_HEADER, size - 8):
                raise ValueError(f"a header of {length:,} bytes in a file of {size:,}; expected {MAX_HEADER:,} at most")
            header: Any = json.loads(file.read(length))
        held = size - 8 - length
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        if len(tensors) > MAX_TENSORS:
            raise ValueError(f"{len(tensors):,} tensors; expected {MAX_TENSORS:,} at most")
        for name, entry in tensors.items():
            _check_tensor(name, entry, held)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as {wanted}; {first_line(error)}") from error
    check_room(held, f"{path}: {wanted}", "use a smaller one")


def _check_tensor(name: str, entry: dict[str, Any], held: int) -> None:
    shape, (first, end) = entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, first, end)):
        raise ValueError(f"{name[:60]!r} has a shape or offsets that are not whole numbers")
    nbytes = math.prod(shape) * _TYPES[entry["dtype"]]
    if nbytes != end - first or end > held:
        raise ValueError(f"{name[:60]!r} claims {nbytes:,} bytes at {first:,} to {end:,}; the file holds {held:,}")


def read_safetensors(path: Path, wanted: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, on the CPU, and its metadata; checked against its digest if it has one.

    Raises:
        FileUnreadableError: it is missing, another kind of file, or damaged.
        StateError: not enough memory for its tensors.
    """
    check_safetensors(path, wanted)
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:  # a torn header can raise anything
        raise FileUnreadableError(f"{path}: cannot be read as {wanted}; {first_line(error)}") from error
    if DIGEST in metadata and metadata[DIGEST] != (found := digest_of(_text(metadata), tensors)):
        raise FileUnreadableError(f"{path}: is damaged; its contents have the digest {found[:16]}, not {metadata[DIGEST][:16]}")
    return tensors, metadata


def write_safetensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Writes tensors and metadata, with a digest of both."""
    plain = {key: value for key, value in metadata.items() if key != DIGEST}
    save_file(dict(tensors), path, plain | {DIGEST: digest_of(_text(plain), tensors)})


def digest_of(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over a text and every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _text(metadata: Mapping[str, str]) -> str:
    return json.dumps({key: value for key, value in metadata.items() if key != DIGEST}, sort_keys=True)


def read_archive(path: Path, wanted: str) -> Any:
    """The content of a `.pt` file, on the CPU: tensors and plain data.

    Raises:
        FileUnreadableError: it is missing, another kind of file, or damaged.
        StateError: not enough memory for its tensors.
    """
    size = check_input(path, wanted)
    try:
        total = _check_entries(path, size)
    except Exception as error:  # of a damaged archive or pickle: BadZipFile, struct.error, UnicodeDecodeError ...
        raise FileUnreadableError(f"{path}: cannot be read as {wanted}; {first_line(error)}") from error
    check_room(2 * total, f"{path}: {wanted}", "use a smaller one")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        held = sum(_bytes_of(tensor) for tensor in _tensors_in(content))
        check_room(2 * held, f"{path}: {wanted}", "use a smaller one")
        if held > 2 * size + _SMALL:  # each may be there twice, under two names
            raise ValueError(f"its tensors claim {held:,} bytes in a file of {size:,}")
    except AetheriaError:
        raise
    except Exception as error:  # a torn file can make the unpickler raise anything: IndexError, KeyError, struct.error ...
        raise FileUnreadableError(f"{path}: cannot be read as {wanted}; {first_line(error)}") from error
    return content


def _check_entries(path: Path, size: int) -> int:
    """The total size of an archive's entries; raises an error for one that torch.save did not write."""
    _check_end(path, size)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        names = {entry.filename for entry in entries}
        stored = all(map(_is_stored, entries))
        if len(entries) > MAX_ENTRIES or total > size or not stored or len(names) < len(entries):
            raise ValueError(
                f"{len(entries):,} entries of {total:,} bytes in a file of {size:,}, or compressed ones, or folders; "
                f"expected what torch.save writes, {MAX_ENTRIES:,} entries at most"
            )
        if damaged := archive.testzip():
            raise ValueError(f"its entry {damaged!r} does not match its checksum")
        for entry in entries:
            if entry.filename.endswith(".pkl"):
                if entry.file_size > MAX_PICKLE:
                    raise ValueError(f"its pickle has {entry.file_size:,} bytes; expected {MAX_PICKLE:,} at most")
                check_pickle(io.BytesIO(archive.read(entry)))
    return total


def _is_stored(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a plain file as torch.save writes it; of a folder torch would give memory as it was before."""
    plain = not entry.flag_bits & ~_FLAGS and not entry.external_attr & _FOLDER and not entry.is_dir() and not entry.volume
    return plain and entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size


def _check_end(path: Path, size: int) -> None:
    """Raises ValueError unless the directory of an archive is the last thing in the file, where all readers look for it.

    Source: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 4.3.14 to 4.3.16.
    """
    with path.open("rb") as file:
        file.seek(max(0, size - _END - _END_64))
        record = file.read(_END_64) if size >= _END + _END_64 else b""
        end = file.read(_END)
    stated = int.from_bytes(end[12:16], "little"), int.from_bytes(end[16:20], "little")
    large = int.from_bytes(record[40:48], "little"), int.from_bytes(record[48:56], "little")
    is_large = record[:4] == b"PK\x06\x06"
    length, first = large if is_large else stated
    agree = all(small in (one, 0xFFFFFFFF) for small, one in zip(stated, (length, first), strict=True))
    if end[:4] != b"PK\x05\x06" or not agree or first + length != size - _END - _END_64 * is_large:
        raise ValueError("it is not an archive as torch.save writes it, or its end is missing")


def check_pickle(file: BinaryIO) -> None:
    """Checks the pickle that comes next in a file; nothing is unpickled.

    Raises:
        ValueError: it builds anything but tensors and plain data.
    """
    for operation, argument, _ in pickletools.genops(file):
        name = str(argument)[:80]
        if operation.name == "GLOBAL" and name.startswith("torch._utils _rebuild_") and not _BUILT.fullmatch(name):
            raise ValueError(f"expected a state dict of plain tensors; one is sparse, quantised or without data ({name[22:]})")
        if operation.name in _CALLS or (operation.name == "GLOBAL" and not _BUILT.fullmatch(name)):
            named = name.replace(" ", ".")
            raise ValueError(
                f"it holds Python objects ({named}), which are not loaded because they could run code; "
                f"where it was made, {SAVE_PLAIN}"
            )


def _tensors_in(content: Any) -> Iterator[Tensor]:
    pending, seen = [content], set[int]()
    while pending:
        value = pending.pop()
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            pending.extend(value.values() if isinstance(value, dict) else value)


def _bytes_of(tensor: Tensor) -> int:
    """Bytes of a copy of a tensor: more than it holds where a stride is 0."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise ValueError("a tensor that is not plain numbers in memory")
    return tensor.numel() * tensor.element_size()
