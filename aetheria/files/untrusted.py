"""Files from strangers: what is asked of each kind before a library is let at it. Nothing is trusted that can be checked first.

A file must be an ordinary one (a device or a pipe may never end), no larger than its kind ever is, and able to hold what it
claims; what it would fill must fit into memory (see `aetheria.core.memory_limits`).
"""

import json
import math
import re
import stat
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError
from aetheria.core.memory_limits import check_room

MOST_TOML_BYTES = 2**18
MOST_TOML_DEPTH = 8  # of tables and lists in one another; a run has three
MOST_TENSOR_HEADER = 8 * 2**20  # bytes of JSON before the tensors; ten thousand tensors need one
MOST_TENSORS = 100_000
MOST_ARRAY_HEADER = 10_000  # NumPy's own limit: it reads the header as a Python literal
MOST_ARCHIVED = 100_000  # entries of a .pt
IMAGE_FORMATS = ("PNG", "JPEG", "BMP")  # Pillow knows others, one of which starts a program (EPS)
_PIXEL_BYTES = 56  # while a pixel is decoded, made a share of 255, and float32
# safetensors' names of what torch can hold and check: bytes each.
_TENSOR_TYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
# Possessive, and only where a part can begin: else this search would take the square of a text's length itself.
_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w\\-])(?:{_PART}[ \t]*+\.[ \t]*+){{{MOST_TOML_DEPTH + 4}}}")


def check_input(path: Path, wanted: str, most: int | None = None) -> int:
    """The size of a file that is about to be read.

    Args:
        path: of the file.
        wanted: what is expected there, for errors.
        most: bytes; None for any number.

    Raises:
        FileUnreadableError: it is missing, a folder, a device or a pipe, or larger.
    """
    try:
        about = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a null in it
        said = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise FileUnreadableError(f"{path}: {said}; expected {wanted}") from None
    if not stat.S_ISREG(about.st_mode):
        what = "a folder" if stat.S_ISDIR(about.st_mode) else "a device or a pipe"
        raise FileUnreadableError(f"{path}: {what}, no such file as is read here; expected {wanted}")
    if most is not None and about.st_size > most:
        raise FileUnreadableError(f"{path}: {about.st_size:,} bytes; {wanted} may have {most:,} at most")
    return about.st_size


def read_toml(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text of at most 256 KiB, at most 8 deep.

    Args:
        text: to read.
        where: it is from, for errors.

    Raises:
        ConfigError: it is no TOML, or longer, or deeper.
    """
    if len(text) > MOST_TOML_BYTES:
        raise ConfigError(f"{where}: {len(text):,} characters; a config may have {MOST_TOML_BYTES:,} at most")
    if _LONG_KEY.search(text):  # for which tomllib takes the square of their length
        raise ConfigError(f"{where}: a key of more than {MOST_TOML_DEPTH} parts; no setting lies so deep")
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of more digits than Python reads
        raise ConfigError(f"{where}: is not TOML; {first_line(error)}") from None
    level: list[Any] = [values]
    for _ in range(MOST_TOML_DEPTH + 1):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        level = [inner for inner in level if isinstance(inner, dict | list)]
    if level:
        raise ConfigError(f"{where}: tables and lists lie more than {MOST_TOML_DEPTH} deep in one another; no setting does")
    return values


def read_array(path: Path) -> NDArray[np.generic]:
    """A `.npy` file of one array of real numbers; memory is asked for it and for a float32 copy.

    Raises:
        FileUnreadableError: it is none, or claims more than it holds. StateError: no room for it.
    """
    size = check_input(path, "a .npy array of numbers")
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read_header(file, max_header_size=MOST_ARRAY_HEADER)
            claimed = math.prod(shape) * dtype.itemsize
            if dtype.kind not in "biuf" or min(shape, default=0) < 0 or claimed > size - file.tell():
                raise ValueError(
                    f"claims {claimed:,} bytes of {dtype}, has {size - file.tell():,}; expected real numbers, all there"
                )
            check_room(claimed + 4 * math.prod(shape), f"{path}: an array of {shape}", "cut out a part of it")
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # a torn header is read as Python: TokenError, SyntaxError ...
        if isinstance(error, AetheriaError):
            raise
        raise FileUnreadableError(f"{path}: cannot be read as a .npy array of numbers; {first_line(error)}") from error


def read_image(path: Path) -> Image.Image:
    """A PNG, JPEG or BMP, decoded.

    Raises:
        FileUnreadableError: it is none. StateError: no room for its pixels, asked before they are decoded.
    """
    check_input(path, f"an image ({', '.join(IMAGE_FORMATS)})")
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            width, height = image.size
            check_room(width * height * _PIXEL_BYTES, f"{path}: an image of {height} x {width} pixels", "make it smaller")
            image.load()
            return image
    except Exception as error:  # a torn PNG raises SyntaxError too, and a bomb its own
        if isinstance(error, AetheriaError):
            raise
        raise FileUnreadableError(f"{path}: cannot be read as an image; {first_line(error)}") from error


def check_safetensors(path: Path, wanted: str) -> None:
    """Before safetensors reads a file: its header is no longer than 8 MiB, and each tensor is of a known type and all there.

    Args:
        path: of the file.
        wanted: what is expected there, for errors.

    Raises:
        FileUnreadableError: it is none. StateError: no room for its tensors.
    """
    size = check_input(path, wanted)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MOST_TENSOR_HEADER, size - 8):
                raise ValueError(f"a header of {length:,} bytes in a file of {size:,}; expected {MOST_TENSOR_HEADER:,} at most")
            header: Any = json.loads(file.read(length))
        held = size - 8 - length
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        if len(tensors) > MOST_TENSORS:
            raise ValueError(f"{len(tensors):,} tensors; expected {MOST_TENSORS:,} at most")
        for name, entry in tensors.items():
            _check_tensor(name, entry, held)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as {wanted}; {first_line(error)}") from error
    check_room(held, f"{path}: {wanted}", "use a smaller one")


def _check_tensor(name: str, entry: dict[str, Any], held: int) -> None:
    shape, (first, end) = entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, first, end)):
        raise ValueError(f"{name[:60]!r} has a shape or place that is no whole number")
    nbytes = math.prod(shape) * _TENSOR_TYPES[entry["dtype"]]
    if nbytes != end - first or end > held:
        raise ValueError(f"{name[:60]!r} claims {nbytes:,} bytes at {first:,} to {end:,}; the file holds {held:,}")


def check_archive(path: Path, wanted: str) -> None:
    """Before torch reads a `.pt`: it is a zip archive whose entries are not compressed, as torch writes them, and all there.

    Raises:
        FileUnreadableError: it is none. StateError: no room for what it holds.
    """
    size = check_input(path, wanted)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise FileUnreadableError(f"{path}: cannot be read as {wanted}; {first_line(error)}") from error
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_ARCHIVED or total > size or any(e.compress_type != zipfile.ZIP_STORED for e in entries):
        raise FileUnreadableError(
            f"{path}: cannot be read as {wanted}; {len(entries):,} entries of {total:,} bytes in a file of {size:,}, "
            f"or compressed ones; expected what torch.save writes, {MOST_ARCHIVED:,} entries at most"
        )
    check_room(2 * total, f"{path}: {wanted}", "use a smaller one")


def first_line(error: Exception) -> str:
    """What an error of some library says, in a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
