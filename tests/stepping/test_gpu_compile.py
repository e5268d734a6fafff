"""The Triton kernels compile for GPUs that need not be there, with every Triton that a supported torch brings.

torch 2.11 brings Triton 3.6.0, and 2.12.1 and 2.13 bring 3.7.1: `make test` installs these beside the one of the environment.
The interpreter of the tests beside this one accepts what the compilers do not.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.paths import ROOT

FOLDER = Path(sys.prefix) / "triton"  # with a folder for each version
NEWEST = "the environment's"
VERSIONS = ("3.6.0", "3.7.1", NEWEST)
CAPABILITIES = ("8.0", "9.0", "10.0")


def environment(version: str, **changes: str) -> dict[str, str]:
    """That of a process in which this version of Triton compiles."""
    folder = FOLDER / version
    if find_spec("triton") is None if version == NEWEST else not folder.is_dir():
        pytest.skip(f"Triton {version} is not installed; make test does it")
    found = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    path = [str(ROOT)] if version == NEWEST else [str(folder), str(ROOT)]
    return found | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"} | changes


@pytest.mark.parametrize("version", VERSIONS)
def test_the_kernels_compile_for_absent_gpus(version: str, tmp_path: Path) -> None:
    env = environment(version, TRITON_CACHE_DIR=str(tmp_path))
    first = VERSIONS.index(version)  # each version compiles the kernels for whole states for another GPU
    capabilities = (*CAPABILITIES[first:], *CAPABILITIES[:first])
    command = [sys.executable, "-W", "error", "-m", "tests.stepping.compile_triton", *capabilities]
    ran = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    compiled, *lines = ran.stdout.splitlines()
    assert version in (compiled, NEWEST)
    kernels = ["step_cells", "step_cells", "step_cells", "mask_cells", "step_words", "step_words"]
    states = ["step_planes", "step_planes", "step_tree", "step_counts", "step_circle"]
    wanted = [(c, kernel) for c in capabilities for kernel in kernels + (states if c == capabilities[0] else [])]
    assert [line.split()[:2] for line in lines] == [[c.replace(".", ""), kernel] for c, kernel in wanted]


@pytest.mark.parametrize("version", VERSIONS[:2])
def test_the_kernels_run_in_the_interpreter_of_each_version(version: str) -> None:
    env = environment(version, TRITON_INTERPRET="1")
    tests = [f"tests/stepping/test_gpu_{name}.py" for name in ("life", "local_network", "states")]
    others = "(block_equals and 345) or (table_equals and reflect) or (counts_equals and Bosco) or (circle_equals and grid1)"
    some = f"splitting_steps or beyond_the_width or (fire and 0.9) or (lower_precisions and bf16 and DEEP_QCA) or {others}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", f"cpu and ({some})"]
    ran = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "8 passed" in ran.stdout
