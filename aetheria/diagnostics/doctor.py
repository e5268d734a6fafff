"""Examination of this machine (`aetheria doctor`): devices, versions, plans, a self-test, and hints for what is missing."""

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

_USUAL_GRIDS = {1: (1024,), 2: (256, 256), 3: (64, 64, 64)}  # by number of axes


@dataclass(frozen=True)
class CheckResult:
    """One line of the report.

    Attributes:
        name: of the property or test.
        value: the result.
        good: False if something does not work.
        hint: the remedy, if there is one.
    """

    name: str
    value: str
    good: bool = True
    hint: str = ""


def examine() -> Iterator[CheckResult]:
    """Results, one by one as they are found: properties of the machine, then tests."""
    for check in (_versions, _devices, _compiler, _plans, _self_test):
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - the report is needed most when a driver is broken
            name = check.__name__.strip("_").replace("_", " ")
            yield CheckResult(name, f"failed: {type(error).__name__}: {error}", False)


def _versions() -> Iterator[CheckResult]:
    yield CheckResult("Python", f"{platform.python_version()} on {platform.platform()}")
    for package in ("aetheria", "torch", "numpy", "h5py"):
        yield CheckResult(package, importlib.metadata.version(package))
    for package, use in _OPTIONAL.items():
        if importlib.util.find_spec(package):
            yield CheckResult(package, importlib.metadata.version(package))
        else:
            yield CheckResult(package, "not installed", True, f"optional, for {use}: pip install {package}")


def _devices() -> Iterator[CheckResult]:
    if not torch.cuda.is_available():
        built = "this torch is a CPU build" if torch.version.cuda is None else "no driver or device responds"
        yield CheckResult("CUDA", f"none ({built})", True, "optional; a CUDA build of torch steps on the GPU")
    for hardware in all_hardware():
        for name, value in hardware.describe().items():
            yield CheckResult(name, value)
        yield CheckResult(f"training on {hardware.device}", recommended(hardware).summary())


def _compiler() -> Iterator[CheckResult]:
    if found := compiler():
        yield CheckResult("C++ compiler", found)
    else:
        hint = "on the CPU every plan but eager needs one: install g++ (Debian: build-essential); laws step eagerly until then"
        yield CheckResult("C++ compiler", "none found", False, hint)


def _plans() -> Iterator[CheckResult]:
    """The plan that "auto" tries first for each law, in float32, for a long run on the law's usual grid."""
    for device in _all_devices():
        if device == "cpu" and compiler() is None:
            continue  # laws step eagerly there, as the line before says
        for name, kind in LAWS.items():
            law = kind(d_state=8) if issubclass(kind, QuantumLaw) else kind()
            law = law.to(device)
            grid = _USUAL_GRIDS[2 if 2 in law.ranks else law.ranks[0]]
            cells = torch.zeros(1, law.channels, *grid, device=device)
            first = first_plan(law, (cells, *law.initial_memory(cells)), "fp32")
            yield CheckResult(f"plan for {name} on {device}", f"{first.name}: {first.reason}")


def _all_devices() -> list[str]:
    return ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


def _self_test() -> Iterator[CheckResult]:
    for device in _all_devices():
        for plan in ("fused", "compiled"):
            yield _equals_eager(plan, device)
        yield _life_is_exact(device)


def _equals_eager(plan: PlanName, device: str) -> CheckResult:
    name = f"{plan} = eager on {device}"
    law = GrowingNCA()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nn.init.normal_(law.update.weight, std=0.1)  # an untrained law does not change the cells
    motors = [Aetheria_Motor(law, 32, 16, device, {"plan": p}, initial="noise") for p in ("eager", plan)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for motor in motors:
            motor.step(4)
    if (used := motors[1].plan) is not None and used.name == plan:
        difference = float((motors[0].cells - motors[1].cells).abs().max())
        return CheckResult(name, f"largest difference {difference:.1e} after 4 steps of GrowingNCA", difference < 1e-4)
    return CheckResult(name, "it failed; laws step by another plan", False, str(caught[-1].message) if caught else "")


def _life_is_exact(device: str) -> CheckResult:
    motor = Aetheria_Motor(Life(), 16, 1, device, initial=torch.zeros(1, 16, 16))
    cells = motor.cells
    cells[0, 0, [1, 2, 3, 3, 3], [2, 3, 1, 2, 3]] = 1  # a glider
    motor.set_cells(cells)
    motor.step(64)  # once around the torus
    plan = motor.plan.name if motor.plan else ""
    return CheckResult(f"Life on {device}", f"a glider circles the torus (plan {plan})", bool((motor.cells == cells).all()))


def healthy(results: list[CheckResult]) -> bool:
    """Whether everything works; a missing optional package counts as working."""
    return all(result.good for result in results)
