"""Kernels in C++: compiled by the machine's own compiler for its own processor, once, and kept."""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path

log = logging.getLogger(__name__)


class NativeKernelError(RuntimeError):
    """A kernel that could not be compiled here."""


_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC", "-pthread")
_HEADERS = ("columns.h", "crew.h", "grid.h", "lanes.h", "products.h", "stages.h", "transforms.h")


def compiler() -> str | None:
    """The C++ compiler: `$CXX`, g++ or clang++; None when there is none."""
    if wanted := os.environ.get("CXX"):
        if found := shutil.which(wanted):
            return found
        log.warning('CXX: "%s" is no program; g++ or clang++ is taken', wanted)
    return shutil.which("g++") or shutil.which("clang++")


@cache
def native_kernel(source: str, **defines: int) -> ctypes.CDLL:
    """The library compiled from `kernels/<source>` with these macros defined.

    Raises:
        NativeKernelError: no compiler, or it fails; the first line of what it said.
    """
    folder = resources.files("aetheria.stepping") / "kernels"
    texts = {name: (folder / name).read_text("utf-8") for name in (source, *_HEADERS)}
    command = compiler()
    if command is None:
        raise NativeKernelError("no C++ compiler found (g++ or clang++)")
    flags = [*_FLAGS, *(f"-D{name}={value}" for name, value in sorted(defines.items()))]
    library = _kept_in() / f"{Path(source).stem}-{_fingerprint(texts, flags, command)}.so"
    if not library.exists():
        _build(command, flags, texts, source, library)
    return ctypes.CDLL(str(library))


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
            said = next((line for line in lines if "error" in line), lines[0])
            raise NativeKernelError(f"{command} cannot compile {source}: {said}")
        built.replace(library)  # whole or not at all, whoever else compiles it now


def _kept_in() -> Path:
    """Where compiled kernels are kept: `$AETHERIA_CACHE_DIR`, or the user's cache folder; a temporary one if neither works."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("AETHERIA_CACHE_DIR") or Path(home) / "aetheria")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return _temporary()


@cache
def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="aetheria-"))


def _fingerprint(texts: dict[str, str], flags: list[str], command: str) -> str:
    """Changes with the source, the flags, the compiler and the processor that `-march=native` stands for."""
    stat = Path(command).resolve().stat()
    parts = [*texts.values(), *flags, command, str(stat.st_mtime_ns), str(stat.st_size), platform.machine(), _processor()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(next((line for line in lines if line.startswith(key)), "") for key in ("model name", "flags", "Features"))
