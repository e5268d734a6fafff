"""Compiling and loading of the C++ kernels: cache, compilers, sizes of structures, numbers of named choices."""

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import CURVES
from aetheria.laws.local_network import ACTIVATIONS, NORMALISATIONS
from aetheria.stepping import compiled
from aetheria.stepping.cpu import bit_packed_life, build, conv1x1, conv3x3, lenia, local_network, lstm_cell, training_step
from aetheria.stepping.cpu.job import fields
from tests.paths import ROOT
from tests.small_laws import small_law, small_motor

KERNELS = ROOT / "aetheria" / "stepping" / "kernels"
ARRAYS = {f"{number}_{name}": f"{name}[{i}]" for name in ("source", "channels") for i, number in enumerate(("first", "second"))}


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AETHERIA_CACHE_DIR", str(tmp_path / "kernels"))
    build.native_kernel.cache_clear()
    yield tmp_path / "kernels"
    build.native_kernel.cache_clear()


def test_a_kernel_is_compiled_once_and_cached(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build.native_kernel("lstm_cell.cpp")
    assert len(list(empty_cache.iterdir())) == 1
    build.native_kernel.cache_clear()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
    build.native_kernel("lstm_cell.cpp")


def test_without_a_compiler_auto_warns_and_steps_by_another_plan(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    motor = small_motor(small_law("Life"), cfg={"plan": "auto"})
    with pytest.warns(RuntimeWarning, match=r"packed failed: NativeKernelError: no C\+\+ compiler found"):
        motor.warm_up()


def test_the_error_of_a_failing_compiler_is_quoted(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cxx"
    broken.write_text("#!/bin/sh\necho 'lenia.cpp: no such language' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(build.NativeKernelError, match=r"cannot compile lenia\.cpp: lenia\.cpp: no such language"):
        build.native_kernel("lenia.cpp")
    assert list(empty_cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AETHERIA_CACHE_DIR", str(tmp_path / "file" / "folder"))
    build.native_kernel.cache_clear()
    assert build.native_kernel("lstm_cell.cpp").lstm_cell
    build.native_kernel.cache_clear()


# -- agreement of Python and C++ ---------------------------------------------------------------------------------------


def test_a_structure_of_another_size_than_in_the_source_is_refused() -> None:
    class Job(ctypes.Structure):
        _fields_ = fields("gates memory hidden next_memory", int64="cells extra", int32="width threads")

    size = ctypes.sizeof(lstm_cell.Job)
    with pytest.raises(AssertionError, match=rf"lstm_cell\.cpp: Job has {size} bytes there, and {size + 8} in tests\."):
        build.native_kernel("lstm_cell.cpp", Job)


@pytest.mark.parametrize(
    "module",
    [bit_packed_life, conv1x1, conv3x3, lenia, local_network, lstm_cell, training_step],
    ids=lambda module: module.__name__,
)
def test_each_structure_has_the_fields_of_the_source_at_the_same_offsets(module: ModuleType, tmp_path: Path) -> None:
    source = f"{module.__name__.rpartition('.')[2]}.cpp"
    structures = [getattr(module, name) for name in ("Layer", "Job") if hasattr(module, name)]
    checks = [f'#include "{KERNELS / source}"', "#include <cstddef>"]
    for structure in structures:
        name = structure.__name__
        checks.append(f"static_assert(sizeof({name}) == {ctypes.sizeof(structure)});")
        for field, _ in structure._fields_:
            offset = getattr(structure, field).offset
            checks.append(f"static_assert(offsetof({name}, {ARRAYS.get(field, field)}) == {offset});")
    assert compiles("\n".join(checks), tmp_path, "-DBIRTH=8", "-DSURVIVAL=12") == ""


def test_named_choices_have_the_numbers_of_the_lists_in_python(tmp_path: Path) -> None:
    lists = {"": (BOUNDARIES, ACTIVATIONS, CURVES), "normalisation::": (NORMALISATIONS,)}
    names = [
        (f"{prefix}{name.upper()}", number) for prefix, some in lists.items() for one in some for number, name in enumerate(one)
    ]
    right = [f"static_assert({name} == {number});" for name, number in names]
    assert compiles("\n".join(['#include "enums.h"', *right]), tmp_path) == ""
    assert "static assertion failed" in compiles('#include "enums.h"\nstatic_assert(ZERO == 2);', tmp_path)


def compiles(text: str, folder: Path, *flags: str) -> str:
    """The errors of the compiler; empty if it compiles the text."""
    command = build.compiler()
    assert command
    (folder / "checks.cpp").write_text(text)
    words = [command, "-std=c++17", "-fsyntax-only", f"-I{KERNELS}", *build.choice_flags(), *flags, str(folder / "checks.cpp")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr
