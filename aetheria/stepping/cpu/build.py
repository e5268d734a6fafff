"""Compiles the C++ kernels for this machine's processor, once, and loads them."""

import atexit
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path

from aetheria.core.printable import get_logger
from aetheria.files.atomic import sync
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.local_network import ACTIVATIONS, NORMALISATIONS
from aetheria.laws.ring_forms import CURVES, UPDATES

log = get_logger(__name__)


class NativeKernelError(RuntimeError):
    """A kernel that cannot be compiled on this machine."""


_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC", "-pthread")
# The positions in these lists are the numbers of named choices in the kernels (enums.h).
_CHOICES = {
    "BOUNDARIES": BOUNDARIES,
    "ACTIVATIONS": ACTIVATIONS,
    "NORMALISATIONS": NORMALISATIONS,
    "CURVES": CURVES,
    "UPDATES": UPDATES,
}


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
def native_kernel(source: str, *structures: type[ctypes.Structure], generated: str = "", **defines: int) -> ctypes.CDLL:
    """The library compiled from `kernels/<source>`.

    Args:
        structures: those that the kernel is called with, under the names that they have in the source.
        generated: text of the header `generated.h`, made for one law. Each of its operations is rounded by itself, as in torch.
        defines: macros, by name.

    Raises:
        NativeKernelError: no compiler, or it fails; with the first error message.
        AssertionError: a structure has another size in the source.
    """
    command = compiler()
    if command is None:
        raise NativeKernelError("no C++ compiler found (g++ or clang++)")
    flags, texts = _flags(defines, generated), _texts(source, generated)
    name = _name(command, flags, texts, source)
    library = _cached(_cache_folder(), name) or _built(command, flags, texts, source, name)
    for structure in structures:
        _check_size(library, source, structure)
    return library


def is_cached(source: str, *, generated: str = "", **defines: int) -> bool:
    """Whether `native_kernel` has no need to compile."""
    command = compiler()
    name = command and _name(command, _flags(defines, generated), _texts(source, generated), source)
    return any(_cache_folder().glob(f"{name}-*.so"))


def _flags(defines: Mapping[str, int], generated: str) -> list[str]:
    exact = ["-ffp-contract=off"] if generated else []
    return [*_FLAGS, *choice_flags(), *(f"-D{name}={value}" for name, value in sorted(defines.items())), *exact]


def _texts(source: str, generated: str) -> dict[str, str]:
    """The source and all headers, by name."""
    folder = resources.files("aetheria.stepping") / "kernels"
    headers = sorted(file.name for file in folder.iterdir() if file.name.endswith(".h"))
    texts = {name: (folder / name).read_text("utf-8") for name in (source, *headers)}
    return texts | {"generated.h": generated} if generated else texts


def _name(command: str, flags: list[str], texts: dict[str, str], source: str) -> str:
    """The first part of a library's name."""
    return f"{Path(source).stem}-{_fingerprint(texts, flags, command)}"


def _check_size(library: ctypes.CDLL, source: str, structure: type[ctypes.Structure]) -> None:
    name, ours = structure.__name__, ctypes.sizeof(structure)
    theirs = getattr(library, f"{name}_bytes")()
    if theirs != ours:  # not an assert, which -O removes: the kernel would read memory that is not its own
        raise AssertionError(f"{source}: {name} has {theirs} bytes there, and {ours} in {structure.__module__}")


def _cached(folder: Path, name: str) -> ctypes.CDLL | None:
    """The library of this name in the cache; one that is torn, or cannot be loaded, is deleted.

    The name ends with the digest of the content: after a crash of the machine a file may have its name, and not its content.
    """
    for path in sorted(folder.glob(f"{name}-*.so")):
        with suppress(OSError):  # not there any more, or of another C library
            if path.name == f"{name}-{_digest(path)}.so" and not _not_private(path):
                return ctypes.CDLL(str(path))
        log.warning("%s: is damaged, or cannot be loaded; it is compiled again", path)
        with suppress(OSError):
            path.unlink()
    return None


def _built(command: str, flags: list[str], texts: dict[str, str], source: str, name: str) -> ctypes.CDLL:
    for folder in (_cache_folder(), _temporary_folder()):  # the second where no code may be run from the first
        path = _build(command, flags, texts, source, folder / name)
        try:
            return ctypes.CDLL(str(path))
        except OSError as error:
            failure = error
            with suppress(OSError):
                path.unlink()
    raise NativeKernelError(f"{command} compiled {source}, and the library cannot be loaded: {failure}")


def _build(command: str, flags: list[str], texts: dict[str, str], source: str, library: Path) -> Path:
    """Compiles to `LIBRARY-DIGEST.so`; returns that path."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, "utf-8")
        built = Path(folder) / "built.so"
        done = subprocess.run(  # noqa: S603 - the user's own compiler, our own source
            [command, *flags, str(Path(folder) / source), "-o", str(built)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
            message = next((line for line in lines if "error" in line), lines[0])
            raise NativeKernelError(f"{command} cannot compile {source}: {message}")
        built.chmod(0o700)
        sync(built)
        # Atomic: another process may be compiling the same kernel.
        path = built.replace(library.with_name(f"{library.name}-{_digest(built)}.so"))
    sync(path.parent)
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _not_private(path: Path) -> str:
    """Why code from a file or folder is not run, for people; empty if only this user can have written it."""
    about = path.resolve().stat()
    if not hasattr(os, "geteuid"):
        return ""
    if about.st_uid != os.geteuid():
        return f"belongs to user {about.st_uid}, not to the one who runs this"
    return "may be written to by other users (chmod go-w)" if about.st_mode & 0o022 else ""


@cache
def _cache_folder() -> Path:
    """`$AETHERIA_CACHE_DIR`, or the user's cache folder; a temporary one if it cannot be written, or others can."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("AETHERIA_CACHE_DIR") or Path(home) / "aetheria")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if why := _not_private(folder):
            log.warning("%s: %s; kernels are compiled in a temporary folder, and again in the next process", folder, why)
            return _temporary_folder()
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return _temporary_folder()


@cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="aetheria-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


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
