"""`python -m pytest -m gpu` needs the core dependencies and pytest alone: a GPU machine may have nothing else."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT

MARK = re.compile(r"mark\.gpu")

# Runs pytest where modules of other distributions cannot be found, as on a machine without them.
BARE = """
import importlib.machinery, sys
hidden = set(sys.argv[1].split(","))
find = importlib.machinery.PathFinder.find_spec
def find_spec(_, name, path=None, target=None):
    return None if name.partition(".")[0] in hidden else find(name, path, target)
importlib.machinery.PathFinder.find_spec = classmethod(find_spec)
import pytest
sys.exit(pytest.main(sys.argv[2:]))
"""


def needed(*names: str) -> set[str]:
    """These distributions and all that they need, without extras, in small letters."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another system
            continue
        left += [match[0] for one in required if "extra ==" not in one and (match := re.match(r"[\w.-]+", one))]
    return found


def hidden_modules() -> set[str]:
    """Modules of all distributions here that a bare machine would not have."""
    kept = needed("aetheria", "pytest", "setuptools", "pip")
    distributions = importlib.metadata.packages_distributions().items()
    return {name for name, owners in distributions if kept.isdisjoint(owner.lower().replace("_", "-") for owner in owners)}


def files_with_gpu_tests() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT))
        for path in Path(ROOT, "tests").rglob("test_*.py")
        if path != Path(__file__) and (MARK.search(text := path.read_text("utf-8")) or "tests.stepping.interpreted" in text)
    )


def test_the_gpu_tests_are_collected_with_the_core_dependencies_alone() -> None:
    hidden = hidden_modules() - {"triton"}  # which a CUDA build of torch brings
    assert {"PySide6", "pytestqt", "xdist", "hypothesis", "xarray"} <= hidden
    assert hidden.isdisjoint({"torch", "numpy", "h5py", "pytest", "pydantic", "typer"})
    files = files_with_gpu_tests()
    assert len(files) > 8
    command = [sys.executable, "-c", BARE, ",".join(hidden), "-q", "--collect-only", "-m", "gpu", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, *files, "tests/viewer"],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    collected = {line.partition("::")[0] for line in ran.stdout.splitlines() if "::" in line}
    assert collected == set(files), ran.stdout
