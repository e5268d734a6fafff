"""Checks of untrusted input files, made before a library parses them.

A file must be a regular one (a device or a pipe may never end), within the size limit of its kind, and large enough for the
data that its header claims; that data must fit into memory (see `aetheria.core.memory_limits`).
"""

import math
import re
import stat
import tomllib
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError
from aetheria.core.memory_limits import check_room

MAX_TOML_BYTES = 2**18
MAX_TOML_DEPTH = 8  # of nested tables and lists; a run has three
MAX_ARRAY_HEADER = 10_000  # NumPy's own limit: it parses the header as a Python literal
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")  # Pillow reads others too, and starts a program for one of them (EPS)
_PIXEL_BYTES = 56  # of memory for each pixel while it is decoded, scaled and converted to float32
_PIECE = 1 << 20  # bytes that are read at once
_MOST_PER_BYTE = 8 * 1032  # pixels that a byte of a file can stand for: eight bits, deflated
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # colours and cursor movements
# Possessive, and anchored where a part can begin: otherwise this search itself would take quadratic time.
_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w\\-])(?:{_PART}[ \t]*+\.[ \t]*+){{{MAX_TOML_DEPTH + 4}}}")


def check_input(path: Path, wanted: str, most: int | None = None) -> int:
    """The size of a file that is about to be read, in bytes.

    Args:
        path: of the file.
        wanted: the kind of file that is expected, for errors.
        most: maximum size in bytes; None for no limit.

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
        raise FileUnreadableError(f"{path}: is {what}; expected {wanted}")
    if most is not None and about.st_size > most:
        raise FileUnreadableError(f"{path}: {about.st_size:,} bytes; expected {wanted} of {most:,} at most")
    return about.st_size


def read_toml(text: str, where: str) -> dict[str, Any]:
    """Parses a TOML text of at most 256 KiB, with tables nested at most 8 deep.

    Args:
        text: to parse.
        where: name of the source, for errors.

    Raises:
        ConfigError: it is not TOML, too long, or nested too deeply.
    """
    if len(text) > MAX_TOML_BYTES:
        raise ConfigError(f"{where}: {len(text):,} characters; expected {MAX_TOML_BYTES:,} at most")
    if _LONG_KEY.search(text):  # tomllib takes quadratic time for dotted keys
        raise ConfigError(f"{where}: a key of more than {MAX_TOML_DEPTH} parts; no setting is nested so deep")
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also for a number with more digits than Python parses
        raise ConfigError(f"{where}: is not TOML; {first_line(error)}") from None
    level: list[Any] = [values]
    for _ in range(MAX_TOML_DEPTH + 1):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        level = [inner for inner in level if isinstance(inner, dict | list)]
    if level:
        raise ConfigError(f"{where}: tables and lists nested more than {MAX_TOML_DEPTH} deep; no setting is")
    return values


def read_array(path: Path) -> NDArray[np.generic]:
    """Reads a `.npy` file of one array of real numbers, if memory has room for it and a float32 copy.

    Raises:
        FileUnreadableError: it is another kind of file, or claims more data than it holds.
        StateError: not enough memory.
    """
    size = check_input(path, "a .npy array of numbers")
    try:
        with path.open("rb") as file:
            return parse_array(file, size, str(path))
    except OSError as error:
        raise FileUnreadableError(f"{path}: cannot be read as a .npy array of numbers; {first_line(error)}") from error


def mapped_array(path: Path) -> NDArray[np.generic]:
    """The array of a `.npy` file of real numbers, of which the system reads the parts that are used; read-only.

    Raises:
        FileUnreadableError: it is another kind of file, or claims more data than it holds.
    """
    size = check_input(path, "a .npy array of numbers")
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _array_header(file, size)
            place: dict[str, Any] = {"offset": file.tell(), "shape": shape, "order": "F" if fortran else "C"}
        return np.memmap(path, dtype, "r", **place) if math.prod(shape) else np.empty(shape, dtype)
    except Exception as error:  # a damaged header is parsed as Python: TokenError, SyntaxError ...
        raise FileUnreadableError(f"{path}: cannot be read as a .npy array of numbers; {first_line(error)}") from error


def _array_header(file: BinaryIO, size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order (True: the first axis runs fastest) and type of a `.npy` file, from its beginning."""
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, fortran, dtype = read_header(file, max_header_size=MAX_ARRAY_HEADER)
    claimed = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biuf" or min(shape, default=0) < 0 or claimed > size - file.tell():
        raise ValueError(f"claims {claimed:,} bytes of {dtype}, has {size - file.tell():,}; expected real numbers, all there")
    return shape, fortran, dtype


def parse_array(file: BinaryIO, size: int, where: str) -> NDArray[np.generic]:
    """Reads an open `.npy` file, or one in memory, of `size` bytes, as `read_array` does; `where` names it for errors."""
    try:
        shape, _, dtype = _array_header(file, size)
        numbers = math.prod(shape)
        check_room(numbers * (dtype.itemsize + 4), f"{where}: an array of {shape}", "cut out a part of it")
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # a damaged header is parsed as Python: TokenError, SyntaxError ...
        if isinstance(error, AetheriaError):
            raise
        raise FileUnreadableError(f"{where}: cannot be read as a .npy array of numbers; {first_line(error)}") from error


def read_image(path: Path, formats: tuple[str, ...] = IMAGE_FORMATS) -> Image.Image:
    """Decodes a PNG, JPEG, BMP or TIFF (its first page), if memory has room for its pixels.

    Args:
        formats: of Pillow, that are read.

    Raises:
        FileUnreadableError: it is another kind of file.
        StateError: not enough memory.
    """
    wanted = f"an image ({', '.join(formats)})"
    size = check_input(path, wanted)
    try:
        # By a file of ours: given a path, Pillow maps the pixels of a turned TIFF in the wrong order (13.0).
        with path.open("rb") as file, Image.open(file, formats=formats) as image:
            width, height = image.size
            check_room(width * height * _PIXEL_BYTES, f"{path}: an image of {height} x {width} pixels", "make it smaller")
            if width * height > size * _MOST_PER_BYTE:
                raise ValueError(f"claims {height} x {width} pixels in {size:,} bytes")
            if image.format == "PNG":
                _check_png(path)
            image.load()
            return image
    except Exception as error:  # Pillow raises SyntaxError for a truncated PNG, and its own for a bomb
        if isinstance(error, AetheriaError):
            raise
        raise FileUnreadableError(f"{path}: cannot be read as {wanted}; {first_line(error)}") from error


def _check_png(path: Path) -> None:
    """Raises ValueError unless the checksums of all parts of a PNG match; Pillow does not check those of the pixels.

    Source: W3C, "Portable Network Graphics (PNG) Specification", 5.3 "Chunk layout".
    """
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, sum_ = int.from_bytes(head[:4], "big"), zlib.crc32(head[4:])
            while length > 0 and (piece := file.read(min(length, _PIECE))):
                length, sum_ = length - len(piece), zlib.crc32(piece, sum_)
            if length or file.read(4) != sum_.to_bytes(4, "big"):
                raise ValueError(f"its part {head[4:].decode('ascii', 'replace')!r} is damaged")
            if head[4:] == b"IEND":
                return
    raise ValueError("its end is missing")


def first_line(error: Exception) -> str:
    """The first line of a library's error message, for one of ours, without what a terminal would obey."""
    said = _ESCAPE.sub("", (str(error).strip() or type(error).__name__).splitlines()[0][:300])
    return "".join(letter if letter.isprintable() else "?" for letter in said)
