"""The first day with a GPU: runs the tests that need one, then measures every rate and overhead.

python -m benchmarks.gpu_day --out benchmarks/results/gpu_day.md

It ends within --minutes and prints what it has by then. `--device cpu --tiny` tries it out without a GPU.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import torch

from benchmarks.gpu_day.entries import COLUMNS, TINY, Sizes, entries
from benchmarks.gpu_day.worker import failed
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import table

ROOT = Path(__file__).parents[2]
FOR_TESTS = 0.4  # of the time, at the most
LONGEST_S = 120.0  # of one entry: a first step may search or compile
RESERVE_S = 5.0  # for the end of processes and the report


def run_tests(device: str, ends: float) -> list[str]:
    """The tests marked `gpu`, until the deadline; on the CPU they are only collected. Returns: lines for the report."""
    command = [sys.executable, "-m", "pytest", "-v", "-m", "gpu", "-p", "no:cacheprovider", "--maxfail=40", "--tb=line"]
    if device == "cpu":
        command.append("--collect-only")
    try:
        ran = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=max(1.0, ends - time.monotonic())
        )
        said, end = ran.stdout, f"exit status {ran.returncode}"
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        end = "stopped at the time limit"
    return tests_report(said, end)


def tests_report(said: str, end: str) -> list[str]:
    """Lines for the report: the tests that failed, and pytest's own count, or ours of what it said until it was stopped."""
    lines = said.splitlines()
    wrong = [line[:200] for line in lines if line.startswith(("FAILED", "ERROR"))]
    wrong = wrong or [line[:200] for line in lines if " FAILED" in line or " ERROR" in line]
    last = lines[-1] if lines and lines[-1].startswith("=") else f"{sum(' PASSED' in line for line in lines)} passed so far"
    return [f"Tests marked gpu ({end}):", "", "```", *wrong, last, "```"]


class Workers:
    """Processes that measure, one at a time; another is started when one ends or hangs."""

    def __init__(self, device: str, size: str) -> None:
        self._command = [sys.executable, "-m", "benchmarks.gpu_day.worker", device, size]
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()

    def measure(self, name: str, seconds: float) -> list[str]:
        """The line of an entry, which may take so long."""
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(name + "\n")
            process.stdin.flush()
            answer = self._answers.get(timeout=max(0.1, seconds))
        except (queue.Empty, OSError):
            self.stop()
            return failed(name, f"no answer within {seconds:.0f} s")
        if answer is None:
            status = process.wait()
            self.stop()
            return failed(name, f"its process ended with status {status}")
        cells: list[str] = json.loads(answer)
        return cells

    def stop(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(self._command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        answers: queue.Queue[str | None] = queue.Queue()
        self._process, self._answers = process, answers
        assert process.stdout is not None

        def listen(lines: Iterator[str]) -> None:
            try:
                for line in lines:
                    answers.put(line)
            except ValueError:
                return  # closed meanwhile
            answers.put(None)

        threading.Thread(target=listen, args=(iter(process.stdout),), daemon=True).start()
        return process


def measure_all(names: list[str], measure: Callable[[str, float], list[str]], ends: float) -> list[list[str]]:
    """The lines of all entries that there is time for, printed as they come."""
    rows: list[list[str]] = []
    for name in names:
        left = ends - time.monotonic()
        if left <= 0:
            rows.append([f"{len(names) - len(rows)} more", *[""] * 9, "no time left: " + ", ".join(names[len(rows) :])])
            break
        rows.append(measure(name, min(left, LONGEST_S)))
        print(" | ".join(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Prints the report, and writes it to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0, help="in which all is done")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try this out")
    parser.add_argument("--no-tests", action="store_true", help="measure only")
    wanted = parser.parse_args()
    if wanted.device == "cuda" and not torch.cuda.is_available():
        parser.error("no CUDA device here; --device cpu --tiny tries it out")
    began = time.monotonic() - (time.time() - psutil.Process().create_time())  # imports count
    ends = began + 60 * wanted.minutes - RESERVE_S
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    lines = [] if wanted.no_tests else run_tests(wanted.device, began + FOR_TESTS * (ends - began))
    print("\n".join(lines), flush=True)
    workers = Workers(wanted.device, "tiny" if wanted.tiny else "full")
    try:
        rows = measure_all(list(entries(TINY if wanted.tiny else Sizes(), wanted.device)), workers.measure, ends)
    finally:
        workers.stop()
    took = f"{time.monotonic() - began:,.0f} s in all."
    publish("First day with a GPU", [*lines, "", *table(COLUMNS, rows), "", took], wanted.out)


if __name__ == "__main__":
    main()
