"""Compiling and loading of the C++ kernels: cache, compilers, sizes of structures, numbers of named choices."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.local_network import ACTIVATIONS, NORMALISATIONS
from aetheria.laws.ring_forms import CURVES, UPDATES
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
    _forget()
    yield tmp_path / "kernels"
    _forget()


def _forget() -> None:
    build.native_kernel.cache_clear()
    build._cache_folder.cache_clear()


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
    _forget()
    assert build.native_kernel("lstm_cell.cpp").lstm_cell
    _forget()


@pytest.fixture(scope="module")
def tiny_library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder, command = tmp_path_factory.mktemp("tiny"), build.compiler()
    assert command
    (folder / "tiny.cpp").write_text('extern "C" int lstm_cell() { return 0; }')
    subprocess.run([command, "-shared", "-fPIC", str(folder / "tiny.cpp"), "-o", str(folder / "tiny.so")], check=True)
    return (folder / "tiny.so").read_bytes()


@pytest.fixture
def quick_compiler(empty_cache: Path, tiny_library: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty cache; a compilation takes no time."""

    def compiled_at_once(words: list[str], **named: object) -> subprocess.CompletedProcess[str]:
        Path(words[-1]).write_bytes(tiny_library)
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(subprocess, "run", compiled_at_once)
    return empty_cache


@pytest.mark.parametrize("damage", ["empty", "torn", "one byte", "not a library"])
def test_a_damaged_library_is_replaced_before_it_is_loaded(
    damage: str, quick_compiler: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build.native_kernel("lstm_cell.cpp")
    (library,) = quick_compiler.iterdir()
    good = library.read_bytes()
    library.unlink()  # it is loaded: a write into it would change the code that runs
    library.write_bytes({"empty": b"", "torn": good[:5000], "one byte": good[:-1] + b"!", "not a library": b"text"}[damage])
    _forget()
    assert build.native_kernel("lstm_cell.cpp").lstm_cell
    assert "is damaged, or cannot be loaded; it is compiled again" in caplog.text
    (library,) = quick_compiler.iterdir()
    assert library.stem.endswith(hashlib.sha256(library.read_bytes()).hexdigest())


def test_a_library_that_does_not_load_is_replaced(quick_compiler: Path) -> None:
    build.native_kernel("lstm_cell.cpp")
    (library,) = quick_compiler.iterdir()
    text = b"a whole file, and no library"
    name = f"{library.stem.rpartition('-')[0]}-{hashlib.sha256(text).hexdigest()}.so"
    library.unlink()
    (quick_compiler / name).write_bytes(text)
    (quick_compiler / name).chmod(0o700)
    _forget()
    assert build.native_kernel("lstm_cell.cpp").lstm_cell
    assert name not in {path.name for path in quick_compiler.iterdir()}


@pytest.mark.parametrize("what", ["all may write", "the group may write", "of another user"])
def test_a_cache_that_others_can_write_is_not_used(
    what: str, quick_compiler: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    build.native_kernel("lstm_cell.cpp")
    loaded: list[str] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda path: loaded.append(path))
    if what == "of another user":
        monkeypatch.setattr(os, "geteuid", lambda: quick_compiler.stat().st_uid + 1)
        monkeypatch.setattr(build, "_temporary_folder", lambda: quick_compiler.parent)
    else:
        quick_compiler.chmod(0o777 if what == "all may write" else 0o770)
    _forget()
    build.native_kernel("lstm_cell.cpp")
    assert not Path(loaded[-1]).is_relative_to(quick_compiler)
    assert ("belongs to user" if what == "of another user" else "may be written to by other users") in caplog.text


def test_a_library_that_others_can_write_is_compiled_again(quick_compiler: Path) -> None:
    build.native_kernel("lstm_cell.cpp")
    (library,) = quick_compiler.iterdir()
    library.chmod(0o666)
    _forget()
    build.native_kernel("lstm_cell.cpp")
    assert [path.stat().st_mode & 0o777 for path in quick_compiler.iterdir()] == [0o700]


def test_a_library_is_on_the_disk_before_it_has_its_name(quick_compiler: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(build, "sync", lambda path: synced.append(path.is_file() and not any(quick_compiler.glob("*.so"))))
    build.native_kernel("lstm_cell.cpp")
    assert synced == [True, False]


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
    lists = {"": (BOUNDARIES, ACTIVATIONS, CURVES, UPDATES), "normalisation::": (NORMALISATIONS,)}
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
