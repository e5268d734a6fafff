"""`aetheria doctor`: what this machine has, what works, and what to install where something is missing."""

import importlib.metadata
import importlib.util
import platform
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from aetheria.core.hardware import all_hardware
from aetheria.laws import LAWS, GrowingNCA, Life
from aetheria.laws.updates import QuantumLaw
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping import PlanName, compiler, first_plan
from aetheria.training.setup import recommended

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
    for look in (_versions, _devices, _compiler, _plans, _self_test):
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


def _devices() -> Iterator[Finding]:
    if not torch.cuda.is_available():
        built = "this torch is a CPU build" if torch.version.cuda is None else "no driver or device answers"
        yield Finding("CUDA", f"none ({built})", True, "optional; a CUDA build of torch steps on the GPU")
    for hardware in all_hardware():
        for what, value in hardware.describe().items():
            yield Finding(what, value)
        yield Finding(f"training on {hardware.device}", recommended(hardware).summary())


def _compiler() -> Iterator[Finding]:
    if found := compiler():
        yield Finding("C++ compiler", found)
    else:
        hint = "every plan but eager needs one: install g++ (Debian: build-essential); laws step eagerly until then"
        yield Finding("C++ compiler", "none found", False, hint)


def _plans() -> Iterator[Finding]:
    """What plan "auto" tries first for each law in float32, for a run that is worth it."""
    if compiler() is None:
        return  # as the line before says, laws step eagerly
    for device in _all_devices():
        for name, kind in LAWS.items():
            law = kind(d_state=8) if issubclass(kind, QuantumLaw) else kind()
            law = law.to(device)
            cells = torch.zeros(1, law.channels, 256, 256, device=device)
            first = first_plan(law, (cells, *law.initial_memory(cells)), "fp32")
            yield Finding(f"plan for {name} on {device}", f"{first.name}: {first.reason}")


def _all_devices() -> list[str]:
    return ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


def _self_test() -> Iterator[Finding]:
    for device in _all_devices():
        for plan in ("fused", "compiled"):
            yield _equals_eager(plan, device)
        yield _life_is_exact(device)


def _equals_eager(plan: PlanName, device: str) -> Finding:
    what = f"{plan} = eager on {device}"
    law = GrowingNCA()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nn.init.normal_(law.update.weight, std=0.1)  # an untrained law leaves the cells as they are
    motors = [Aetheria_Motor(law, 32, 16, device, {"plan": p}, initial="noise") for p in ("eager", plan)]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for motor in motors:
            motor.step(4)
    if (taken := motors[1].plan) is not None and taken.name == plan:
        apart = float((motors[0].cells - motors[1].cells).abs().max())
        return Finding(what, f"largest difference {apart:.1e} after 4 steps of GrowingNCA", apart < 1e-4)
    return Finding(what, "it failed; laws step by another plan", False, str(said[-1].message) if said else "")


def _life_is_exact(device: str) -> Finding:
    motor = Aetheria_Motor(Life(), 16, 1, device, initial=torch.zeros(1, 16, 16))
    cells = motor.cells
    cells[0, 0, [1, 2, 3, 3, 3], [2, 3, 1, 2, 3]] = 1  # a glider
    motor.set_cells(cells)
    motor.step(64)  # once around the torus
    plan = motor.plan.name if motor.plan else ""
    return Finding(f"Life on {device}", f"a glider circles the torus (plan {plan})", bool((motor.cells == cells).all()))


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing is broken; a missing optional package is not."""
    return all(finding.good for finding in findings)
