"""The examination of a machine: optional packages, CUDA, cuDNN and driver, present, missing and broken."""

import importlib
import importlib.util
import os
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from aetheria.core.extras import EXTRAS
from aetheria.diagnostics import doctor
from tests.paths import ROOT


def test_a_missing_package_is_named_with_its_use_and_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    results = list(doctor._packages())
    assert {result.name for result in results} >= {"PySide6", "pyqtgraph", "tensorboard", "zarr", "av", "xarray", "triton"}
    assert {result.value for result in results} == {"not installed"}
    assert doctor.healthy(results)
    hints = {result.name: result.hint for result in results}
    assert hints["PySide6"] == "optional, needed for the viewer: pip install PySide6-Essentials"
    assert hints["tensorboard"] == "optional, needed for following a training: pip install tensorboard"


def test_the_list_of_packages_is_that_of_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for extra in EXTRAS:
        if extra.extra:
            assert any(line.startswith(extra.package) for line in project[extra.extra]), extra


def test_a_package_that_is_there_but_broken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ImportError(f"libEGL.so.1: cannot open shared object file ({name})\nmore")

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(importlib, "import_module", broken)
    found = {result.name: result for result in doctor._packages()}
    assert "cannot be imported" in found["PySide6"].value
    assert found["PySide6"].hint == "libEGL.so.1: cannot open shared object file (PySide6.QtWidgets)"


@pytest.mark.parametrize(("number", "version"), [(91002, "9.10.2"), (90100, "9.1.0"), (8905, "8.9.5"), (None, "none")])
def test_cudnns_number_is_read_as_a_version(number: int | None, version: str) -> None:
    assert doctor._cudnn(number) == version


def machine(monkeypatch: pytest.MonkeyPatch, built: str | None, available: bool, driver: str) -> dict[str, doctor.CheckResult]:
    monkeypatch.setattr(torch, "version", SimpleNamespace(cuda=built))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    monkeypatch.setattr(doctor, "_driver", lambda: driver)
    return {result.name: result for result in doctor._cuda()}


def test_cuda_cudnn_and_driver_have_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found = machine(monkeypatch, "13.0", True, "580.65.06")
    assert {name: result.value for name, result in found.items()} == {
        "CUDA": "13.0",
        "cuDNN": "9.10.2",
        "NVIDIA driver": "580.65.06",
    }


@pytest.mark.parametrize(
    ("built", "driver", "value", "hint"),
    [
        (None, "", "none (this torch is a CPU build)", "optional; a CUDA build of torch steps on the GPU"),
        (None, "580.65.06", "none (this torch is a CPU build)", "a GPU is here; a CUDA build of torch uses it"),
        ("13.0", "", "13.0, but no driver or device responds", "optional; CUDA needs an NVIDIA GPU and its driver"),
        ("13.0", "450.1", "13.0, but no driver or device responds", "the driver may be too old for this CUDA"),
    ],
)
def test_a_machine_without_cuda_says_why(
    monkeypatch: pytest.MonkeyPatch, built: str | None, driver: str, value: str, hint: str
) -> None:
    found = machine(monkeypatch, built, False, driver)
    assert (found["CUDA"].value, found["CUDA"].hint, found["CUDA"].good) == (value, hint, True)
    assert ("NVIDIA driver" in found) == bool(driver)


@pytest.mark.skipif(os.name != "posix", reason="the program is a shell script here")
@pytest.mark.parametrize(
    ("script", "version"), [("echo 580.65.06; echo 580.65.06", "580.65.06"), ("echo broken >&2; exit 9", ""), ("", "")]
)
def test_the_drivers_version_is_asked_of_nvidia_smi(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, version: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _: str(program))
    assert doctor._driver() == version
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert doctor._driver() == ""
