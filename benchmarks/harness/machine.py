"""Description of the machine, reports headed by it, and median times."""

import datetime
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import torch


def describe_machine() -> str:
    """Processor or GPU, cores, memory and versions."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    memory = psutil.virtual_memory().total / 2**30
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{cpu}, {psutil.cpu_count()} cores, {memory:.0f} GiB{gpu}; {versions}"


def publish(title: str, lines: Sequence[str], out: Path | None) -> None:
    """Prints a Markdown report headed by the machine and the date; writes it to `out` if given."""
    head = [f"# {title}", "", f"{describe_machine()}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}.", ""]
    text = "\n".join([*head, *lines]) + "\n"
    sys.stdout.write(text)
    if out:
        out.write_text(text)


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Median time of `repeats` calls of `action`, after an untimed one."""
    action()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []
