"""Examination of this machine (`aetheria doctor`): packages, devices, versions, plans, a self-test, and hints."""

import importlib
import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import nn

from aetheria.core.extras import EXTRAS, Extra
from aetheria.core.hardware import all_hardware
from aetheria.files.untrusted import first_line
from aetheria.laws import LAWS, GrowingNCA, Life
from aetheria.laws.updates import QuantumLaw
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping import PlanName, compiler, first_plan
from aetheria.training.setup import recommended

_PATIENCE_S = 20.0  # for nvidia-smi, which wakes a sleeping GPU first
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
    for check in (_versions, _packages, _cuda, _devices, _compiler, _plans, _self_test):
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - the report is needed most when a driver is broken
            name = check.__name__.strip("_").replace("_", " ")
            yield CheckResult(name, f"failed: {type(error).__name__}: {error}", False)


def _versions() -> Iterator[CheckResult]:
    yield CheckResult("Python", f"{platform.python_version()} on {platform.platform()}")
    for package in ("aetheria", "torch", "numpy", "h5py"):
        yield CheckResult(package, importlib.metadata.version(package))


def _packages() -> Iterator[CheckResult]:
    """The optional packages; one that is missing is no fault."""
    for extra in EXTRAS:
        if importlib.util.find_spec(extra.module) is None:
            hint = f"optional, needed for {extra.use}: pip install {extra.package}"
            yield CheckResult(extra.module, "not installed", hint=hint)
            continue
        version = _version_of(extra)
        if extra.module == "PySide6" and (fault := _fault_of("PySide6.QtWidgets")):
            yield CheckResult(extra.module, f"{version}, but it cannot be imported", hint=fault)
        else:
            yield CheckResult(extra.module, version)


def _version_of(extra: Extra) -> str:
    for package in (extra.package, extra.module):
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return "installed, of unknown version"


def _fault_of(module: str) -> str:
    """The reason for which a module cannot be imported, such as a missing system library; empty if it can."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        return first_line(error)
    return ""


def _cuda() -> Iterator[CheckResult]:
    """Versions of CUDA, cuDNN and NVIDIA's driver."""
    available, driver, built = torch.cuda.is_available(), _driver(), torch.version.cuda
    if built is None:
        hint = "a GPU is here; a CUDA build of torch uses it" if driver else "optional; a CUDA build of torch steps on the GPU"
        yield CheckResult("CUDA", "none (this torch is a CPU build)", hint=hint)
    elif not available:
        hint = "optional; CUDA needs an NVIDIA GPU and its driver" if not driver else "the driver may be too old for this CUDA"
        yield CheckResult("CUDA", f"{built}, but no driver or device responds", hint=hint)
    else:
        yield CheckResult("CUDA", str(built))
        yield CheckResult("cuDNN", _cudnn(torch.backends.cudnn.version()))  # type: ignore[no-untyped-call]
    if driver:
        yield CheckResult("NVIDIA driver", driver)


def _cudnn(number: int | None) -> str:
    """The version from cuDNN's number, as 9.10.2 from 91002; before version 9 the major part counts thousands."""
    if number is None:
        return "none"
    major = 10_000 if number >= 90_000 else 1_000
    return f"{number // major}.{number % major // 100}.{number % 100}"


def _driver() -> str:
    """The version of NVIDIA's driver, as nvidia-smi says it; empty without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(said.stdout.split()), "")


def _devices() -> Iterator[CheckResult]:
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
    if motors[1].plan.name == plan:
        difference = float((motors[0].cells - motors[1].cells).abs().max())
        return CheckResult(name, f"largest difference {difference:.1e} after 4 steps of GrowingNCA", difference < 1e-4)
    return CheckResult(name, "it failed; laws step by another plan", False, str(caught[-1].message) if caught else "")


def _life_is_exact(device: str) -> CheckResult:
    motor = Aetheria_Motor(Life(), 16, 1, device, initial=torch.zeros(1, 16, 16))
    cells = motor.cells
    cells[0, 0, [1, 2, 3, 3, 3], [2, 3, 1, 2, 3]] = 1  # a glider
    motor.set_cells(cells)
    motor.warm_up()
    motor.step(64)  # once around the torus
    return CheckResult(
        f"Life on {device}", f"a glider circles the torus (plan {motor.plan.name})", bool((motor.cells == cells).all())
    )


def healthy(results: list[CheckResult]) -> bool:
    """Whether everything works; a missing optional package counts as working."""
    return all(result.good for result in results)
