"""Stepping rates of all laws, in comparison with the limits of the machine and with other implementations.

python -m benchmarks.speed.stepping --out benchmarks/results/stepping.md
python -m benchmarks.speed.stepping --quick --laws Life   # takes seconds: a check that it works
"""

import argparse
import datetime
import sys
from pathlib import Path

import torch

from benchmarks.harness import tables
from benchmarks.harness.cases import CASES
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.measurements import RECORDED, Measurements, Options

SECTIONS = ("rates", "batches", "loop", "recorder", "start")
_QUICK = {"sides": (32,), "rounds": 1, "seconds": 0.02, "shrink": 16}
_NOTES = {
    "Targets": "Computed from the tables below; a ratio is the peer's time over ours.",
    "Ceilings": "Measured in this run: bytes read and written in a copy of 256 MiB, and a square matrix product.",
    "Rates": "GB/s: the state read and written once per step, whatever the plan does. GFLOP/s: matrix products and "
    "convolutions of the law; sums, norms, activations, comparisons and FFTs are not counted, and all cells are, although the "
    "fused GrowingNCA computes only the half that fires. On the grids of the peers: medians over rounds in turn. Peak: of the "
    "whole process on the CPU, of the allocator on a GPU.",
    "Peers": "plain: the eager loop of `benchmarks/harness/plain.py`; compiled: the same around "
    '`torch.compile(model, mode="reduce-overhead")`; CAX: its own jitted scan, GrowingNCA with zero padding (it has no '
    "torus); convolutions: those of one step alone, channels last.",
    "Batches": "Equal numbers of cells in one universe and in many, then a small grid and a large one: fp32, in one process, "
    "in turns of equal numbers of cells.",
    "The motor's loop": "Alternating, fp32, without subscribers. The plan alone: a call for each step, and all steps in one "
    "call, which is faster for kernels that take many steps per call.",
    "Recorder": "512^2, float32, default field and codec; until the file is closed.",
    "First step": "A new process with empty compile caches, then another; from before the first import to the end of the step.",
}


def measure(measurements: Measurements, sections: list[str]) -> None:
    """Takes the measurements, section by section and law by law."""
    laws = measurements.options.laws
    if "rates" in sections:
        measurements.measure_ceilings()
        for law in laws:
            measurements.measure_rates(law)
    wanted = {"batches": laws, "loop": laws, "recorder": RECORDED, "start": laws}
    for section, measured in wanted.items():
        for law in laws:
            if section in sections and law in measured:
                _MEASURES[section](measurements, law)


_MEASURES = {
    "batches": Measurements.measure_batches,
    "loop": Measurements.measure_loop,
    "recorder": Measurements.measure_recorder,
    "start": Measurements.measure_start,
}


def report(measurements: Measurements, sections: list[str]) -> str:
    """All tables, the targets first."""
    shown = {"Targets": tables.reached}
    if "rates" in sections:
        shown |= {"Ceilings": tables.ceilings, "Rates": tables.rates, "Peers": tables.peers}
    rest = {
        "Batches": ("batches", tables.batches),
        "The motor's loop": ("loop", tables.loops),
        "Recorder": ("recorder", tables.recorders),
        "First step": ("start", tables.starts),
    }
    shown |= {title: make for title, (section, make) in rest.items() if section in sections}
    threads = f"{torch.get_num_threads()} threads of torch"
    lines = ["# Stepping", "", f"{describe_machine()}; {threads}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}.", ""]
    lines += ["Made by `python -m benchmarks.speed.stepping`; each measurement in a process of its own.", ""]
    if measurements.options.shrink > 1:
        lines += tables.QUICK
    for title, make in shown.items():
        lines += [f"## {title}", "", _NOTES[title], "", *make(measurements), ""]
    return "\n".join(lines)


def main() -> None:
    """Measures, prints the tables, and writes them to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--plan", default="auto", help="of ours")
    parser.add_argument("--sides", nargs="+", type=int, help="grids on which all contestants are measured")
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "tf32", "bf16"], help="of ours, on every grid")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of each contestant on those grids")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timed steps per measurement")
    parser.add_argument("--longest", type=float, default=5.0, help="predicted seconds per step above which a grid is skipped")
    parser.add_argument("--quick", action="store_true", help="tiny grids and short times: the figures have no meaning")
    wanted = vars(parser.parse_args())
    out, sections, quick = (wanted.pop(key) for key in ("out", "sections", "quick"))
    measurements = Measurements(Options(**{**wanted, **(_QUICK if quick else {})}))
    measure(measurements, sections)
    text = report(measurements, sections)
    sys.stdout.write(text)
    if out:
        out.write_text(text)


if __name__ == "__main__":
    main()
