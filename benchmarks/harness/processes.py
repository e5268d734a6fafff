"""Runs one measurement in a process of its own, so that no thread pool, allocator or cache of one contestant meets another.

Imports nothing but the standard library: a cold start is measured from here.
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
BEGAN = time.perf_counter()  # before anything is imported
Finding = dict[str, Any]  # what a measurement found, or {"missing": why there is nothing}


class NotHereError(Exception):
    """What was to be measured is not to be had on this machine."""


def apart(task: str, environment: Mapping[str, str] | None = None, **arguments: Any) -> Finding:
    """What `task` ("module:function") returns for `arguments`, called in a new process.

    Args:
        environment: variables set besides the present ones.
        arguments: and what the task returns, as JSON takes it.
    """
    command = [sys.executable, "-m", "benchmarks.harness.processes", task, json.dumps(arguments)]
    surroundings = {**os.environ, **(environment or {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=surroundings)
    if done.returncode == 0:
        found: Finding = json.loads(done.stdout.splitlines()[-1])
        return found
    said = done.stderr.strip().splitlines()
    return {"missing": f"killed by signal {-done.returncode}" if done.returncode < 0 else said[-1] if said else "failed"}


def peak_bytes() -> int:
    """The most memory this process has had resident at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """Calls the task named in the first argument with the JSON of the second; the last line printed is what it returned."""
    module, _, function = sys.argv[1].partition(":")
    try:
        task = getattr(importlib.import_module(module), function)
        found = task(**json.loads(sys.argv[2]))
    except NotHereError as error:
        found = {"missing": str(error)}
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    # As the module that tasks import, not as a second copy of it whose NotHereError is another.
    importlib.import_module("benchmarks.harness.processes").main()
