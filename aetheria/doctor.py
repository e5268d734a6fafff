"""`aetheria doctor`: what this machine has, what works, and what to install where something is missing."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import torch

from aetheria.laws import GrowingNCA, Life
from aetheria.motor import Aetheria_Motor

GIB = 2**30
_OPTIONAL = {"xarray": "to_xarray", "h5netcdf": "to_xarray", "hdf5plugin": "the codecs fast and compact", "av": "MP4 films"}


@dataclass(frozen=True)
class Finding:
    """One line of the report. `good` is False where something does not work; `hint` says what to do about it."""

    what: str
    value: str
    good: bool = True
    hint: str = ""


def examine() -> Iterator[Finding]:
    """Looks at the machine, then tries: each finding as soon as it is known."""
    for look in (_versions, _machine, _devices, _compiler, _self_test):
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001 - a broken driver is when the report is needed
            what = look.__name__.strip("_").replace("_", " ")
            yield Finding(what, f"failed: {type(error).__name__}: {error}", False)


def _versions() -> Iterator[Finding]:
    yield Finding("Python", f"{platform.python_version()} on {platform.platform()}")
    for package in ("aetheria", "torch", "numpy", "h5py"):
        yield Finding(package, importlib.metadata.version(package))
    for package, use in _OPTIONAL.items():
        if importlib.util.find_spec(package):
            yield Finding(package, importlib.metadata.version(package))
        else:
            yield Finding(package, "not installed", True, f"optional, for {use}: pip install {package}")


def _machine() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    yield Finding(
        "CPU", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    )
    yield Finding("memory", f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free")
    yield Finding("precisions on cpu", "fp32, bf16, fp64")


def _devices() -> Iterator[Finding]:
    if not torch.cuda.is_available():
        built = "this torch is a CPU build" if torch.version.cuda is None else "no driver or device answers"
        yield Finding("CUDA", f"none ({built})", True, "optional; a CUDA build of torch steps on the GPU")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        capability = f"{properties.major}.{properties.minor}"
        yield Finding(f"cuda:{index}", f"{properties.name}, compute capability {capability}")
        yield Finding(f"memory on cuda:{index}", f"{free / GIB:.1f} of {total / GIB:.1f} GiB free")
        # TF32 and bf16 arithmetic came with Ampere, capability 8.0.
        precisions = "fp32, tf32, bf16, fp64" if properties.major >= 8 else "fp32, fp64"
        yield Finding(f"precisions on cuda:{index}", precisions)


def _compiler() -> Iterator[Finding]:
    found = [name for name in (os.environ.get("CXX"), "g++", "clang++", "cl") if name and shutil.which(name)]
    if found:
        yield Finding("C++ compiler", f"{shutil.which(found[0])}")
    else:
        hint = "torch.compile needs one: install g++ (Debian: build-essential); laws step eagerly until then"
        yield Finding("C++ compiler", "none found", False, hint)


def _self_test() -> Iterator[Finding]:
    devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    for device in devices:
        yield _compiled_equals_eager(device)
        yield _life_is_exact(device)


def _compiled_equals_eager(device: str) -> Finding:
    what = f"compiled = eager on {device}"
    motors = [Aetheria_Motor(GrowingNCA(), 32, 16, device, {"plan": plan}, initial="noise") for plan in ("eager", "compiled")]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for motor in motors:
            motor.step(4)
    if (plan := motors[1].plan) is not None and plan.name == "compiled":
        apart = float((motors[0].cells - motors[1].cells).abs().max())
        return Finding(what, f"largest difference {apart:.1e} after 4 steps of GrowingNCA", apart < 1e-4)
    return Finding(what, "compiling failed; laws step eagerly", False, str(said[-1].message) if said else "")


def _life_is_exact(device: str) -> Finding:
    motor = Aetheria_Motor(Life(), 16, 1, device, {"plan": "eager"}, initial=torch.zeros(1, 16, 16))
    cells = motor.cells
    cells[0, 0, [1, 2, 3, 3, 3], [2, 3, 1, 2, 3]] = 1  # a glider
    motor.set_cells(cells)
    motor.step(64)  # once around the torus
    return Finding(f"Life on {device}", "a glider circles the torus", bool((motor.cells == cells).all()))


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing is broken; a missing optional package is not."""
    return all(finding.good for finding in findings)
