"""Measurements in processes of their own, so that thread pools, allocators and caches of contestants stay apart.

Imports nothing but the standard library, because a cold start is measured from here.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STARTED = time.perf_counter()  # before anything is imported
Measurement = dict[str, Any]  # its figures by name, or {"missing": reason}


class UnavailableError(Exception):
    """The contestant is not available on this machine."""


def run_isolated(task: str, environment: Mapping[str, str] | None = None, **arguments: Any) -> Measurement:
    """Calls `task` ("module:function") in a new process and returns its result.

    Args:
        environment: variables added to the present ones.
        arguments: of the task; they and the result are values of JSON.
    """
    command = [sys.executable, "-m", "benchmarks.harness.processes", task, json.dumps(arguments)]
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=variables)
    if done.returncode == 0:
        found: Measurement = json.loads(done.stdout.splitlines()[-1])
        return found
    lines = done.stderr.strip().splitlines()
    return {"missing": f"killed by signal {-done.returncode}" if done.returncode < 0 else lines[-1] if lines else "failed"}


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """Calls the task in the first argument with the JSON of the second; prints the result as the last line."""
    module, _, function = sys.argv[1].partition(":")
    try:
        task = getattr(importlib.import_module(module), function)
        found = task(**json.loads(sys.argv[2]))
    except UnavailableError as error:
        found = {"missing": str(error)}
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    # Through the imported module: a second copy of it would have another UnavailableError.
    importlib.import_module("benchmarks.harness.processes").main()
