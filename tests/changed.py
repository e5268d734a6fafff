"""The test files of `make check`: those of the files that differ from the last commit, or from a commit given as argument.

A changed module has the tests of its own name, or else those of its room; a changed test file has itself. Slow suites run only
when one of their own files changed.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SLOW = (
    "tests/benchmarks",
    "tests/training",
    "tests/diagnostics",
    "tests/recording/repair",
    "tests/stepping/test_gpu_life.py",
    "tests/stepping/test_gpu_local_network.py",
    "tests/viewer",
)


def changed(base: str) -> list[Path]:
    """Files that differ from `base`, and files that git does not know yet, below the root."""
    commands = (["diff", "--name-only", base], ["ls-files", "--others", "--exclude-standard"])
    found = [subprocess.run(["git", *one], cwd=ROOT, capture_output=True, text=True, check=True).stdout for one in commands]
    return [Path(name) for name in "".join(found).splitlines()]


def files_of(file: Path) -> list[Path]:
    """The test files of a changed file; none for a file without tests."""
    if file.suffix != ".py":
        return []
    if file.parts[0] == "tests":
        return [file] if file.name.startswith("test_") else []
    if file.parts[0] not in ("aetheria", "viewer") or len(file.parts) < 3:
        return []
    room = Path("tests", *file.parts[1:2]) if file.parts[0] == "aetheria" else Path("tests", *file.parts[:2])
    of_its_name = sorted((ROOT / room).rglob(f"test_{file.stem}.py"))
    return [path.relative_to(ROOT) for path in of_its_name or sorted((ROOT / room).rglob("test_*.py"))]


def selected(files: list[Path]) -> list[Path]:
    """Test files of all changed files, each once, without slow ones that did not change themselves."""
    wanted = {test for file in files for test in files_of(file) if (ROOT / test).is_file()}
    return sorted(test for test in wanted if test in files or not str(test).startswith(_SLOW))


if __name__ == "__main__":
    print(*selected(changed(sys.argv[1] if len(sys.argv) > 1 else "HEAD")))
