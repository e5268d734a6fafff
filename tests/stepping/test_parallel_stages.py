"""Stages and the thread pool of the C++ kernels, in a program of their own."""

import subprocess
from pathlib import Path

import pytest

from aetheria.stepping.cpu.build import compiler
from tests.paths import ROOT

KERNELS = ROOT / "aetheria" / "stepping" / "kernels"


def built(folder: Path, *flags: str) -> Path | str:
    """The program, or what the compiler said."""
    command = compiler()
    assert command
    program = folder / "stages"
    words = [command, "-std=c++17", "-pthread", *flags, f"-I{KERNELS}", str(Path(__file__).with_name("parallel_stages.cpp"))]
    done = subprocess.run([*words, "-o", str(program)], capture_output=True, text=True, check=False)
    return program if done.returncode == 0 else done.stderr


def test_any_number_of_threads_and_callers_gives_the_same_also_in_a_forked_process(tmp_path: Path) -> None:
    program = built(tmp_path, "-O2")
    assert isinstance(program, Path), program
    subprocess.run([program, "fork"], check=True, timeout=60)


def test_the_thread_sanitizer_finds_no_race(tmp_path: Path) -> None:
    program = built(tmp_path, "-O1", "-g", "-fsanitize=thread")
    if isinstance(program, str):
        pytest.skip(f"the compiler has no thread sanitizer: {program.splitlines()[-1]}")
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
    if "FATAL: ThreadSanitizer" in done.stderr:
        pytest.skip(f"the thread sanitizer does not run here: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
