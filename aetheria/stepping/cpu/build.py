"""Compiles the C++ kernels for this machine's processor, once, and loads them."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from aetheria.core.printable import get_logger
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import CURVES
from aetheria.laws.local_network import ACTIVATIONS, NORMALISATIONS

log = get_logger(__name__)


class NativeKernelError(RuntimeError):
    """A kernel that cannot be compiled on this machine."""


_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC", "-pthread")
# The positions in these lists are the numbers of named choices in the kernels (enums.h).
_CHOICES = {"BOUNDARIES": BOUNDARIES, "ACTIVATIONS": ACTIVATIONS, "NORMALISATIONS": NORMALISATIONS, "CURVES": CURVES}


def compiler() -> str | None:
    """The C++ compiler: `$CXX`, g++ or clang++; None when there is none."""
    if wanted := os.environ.get("CXX"):
        if found := shutil.which(wanted):
            return found
        log.warning('CXX: no program "%s" found; using g++ or clang++', wanted)
    return shutil.which("g++") or shutil.which("clang++")


def choice_flags() -> list[str]:
    """Compiler flags that define the named choices."""
    return [f"-D{name}={','.join(choices).upper()}" for name, choices in _CHOICES.items()]


@cache
def native_kernel(source: str, *structures: type[ctypes.Structure], **defines: int) -> ctypes.CDLL:
    """The library compiled from `kernels/<source>`.

    Args:
        structures: those that the kernel is called with, under the names that they have in the source.
        defines: macros, by name.

    Raises:
        NativeKernelError: no compiler, or it fails; with the first error message.
        AssertionError: a structure has another size in the source.
    """
    command = compiler()
    if command is None:
        raise NativeKernelError("no C++ compiler found (g++ or clang++)")
    flags, texts = _flags(defines), _texts(source)
    path = _library(command, flags, texts, source)
    if not path.exists():
        _build(command, flags, texts, source, path)
    library = ctypes.CDLL(str(path))
    for structure in structures:
        _check_size(library, source, structure)
    return library


def is_cached(source: str, **defines: int) -> bool:
    """Whether `native_kernel` has no need to compile."""
    command = compiler()
    return command is not None and _library(command, _flags(defines), _texts(source), source).exists()


def _flags(defines: Mapping[str, int]) -> list[str]:
    return [*_FLAGS, *choice_flags(), *(f"-D{name}={value}" for name, value in sorted(defines.items()))]


def _texts(source: str) -> dict[str, str]:
    """The source and all headers, by name."""
    folder = resources.files("aetheria.stepping") / "kernels"
    headers = sorted(file.name for file in folder.iterdir() if file.name.endswith(".h"))
    return {name: (folder / name).read_text("utf-8") for name in (source, *headers)}


def _library(command: str, flags: list[str], texts: dict[str, str], source: str) -> Path:
    return _cache_folder() / f"{Path(source).stem}-{_fingerprint(texts, flags, command)}.so"


def _check_size(library: ctypes.CDLL, source: str, structure: type[ctypes.Structure]) -> None:
    name, ours = structure.__name__, ctypes.sizeof(structure)
    theirs = getattr(library, f"{name}_bytes")()
    if theirs != ours:  # not an assert, which -O removes: the kernel would read memory that is not its own
        raise AssertionError(f"{source}: {name} has {theirs} bytes there, and {ours} in {structure.__module__}")


def _build(command: str, flags: list[str], texts: dict[str, str], source: str, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, "utf-8")
        built = Path(folder) / library.name
        done = subprocess.run(  # noqa: S603 - the user's own compiler, our own source
            [command, *flags, str(Path(folder) / source), "-o", str(built)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
            message = next((line for line in lines if "error" in line), lines[0])
            raise NativeKernelError(f"{command} cannot compile {source}: {message}")
        built.replace(library)  # atomic: another process may be compiling the same kernel


def _cache_folder() -> Path:
    """`$AETHERIA_CACHE_DIR`, or the user's cache folder; a temporary folder if it cannot be written."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("AETHERIA_CACHE_DIR") or Path(home) / "aetheria")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return _temporary_folder()


@cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="aetheria-"))


def _fingerprint(texts: dict[str, str], flags: list[str], command: str) -> str:
    """A hash of the source, the flags, the compiler and the processor, for which `-march=native` compiles."""
    stat = Path(command).resolve().stat()
    parts = [*texts.values(), *flags, command, str(stat.st_mtime_ns), str(stat.st_size), platform.machine(), _processor()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(next((line for line in lines if line.startswith(key)), "") for key in ("model name", "flags", "Features"))
