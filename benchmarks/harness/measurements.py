"""Measurements of a run of the stepping benchmark, and the order in which they are taken."""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.harness.cases import CASES, PEERS, Job
from benchmarks.harness.processes import Measurement, run_isolated
from benchmarks.speed.first_step import cold_and_warm

SERIES = {"cpu": (64, 256, 1024, 2048, 4096), "cuda": (64, 512, 1024, 4096, 16384)}
CUDA_PEER_SIDE = 512
BATCHES = ((1, 1024), (4, 512), (16, 256), (256, 64))  # universes and side: always as many cells
SIZES = ((1, 256), (1, 2048))
SCALED = ("MLP", "DEEP_QCA", "GrowingNCA", "Life")  # laws whose large grids are held against small ones
RECORDED = ("UNet", "GrowingNCA")
COMPILED_SIDE = 4096  # on CUDA: where the plan is compared with "compiled"


@dataclass(frozen=True)
class Options:
    """Options of the benchmark.

    Attributes:
        laws: keys of `CASES`.
        sides: grids on which all contestants are measured; None for the usual series, with the peers on one grid per law.
        precisions: of ours at every side; None for fp32, and bf16 on the grids of the peers (on CUDA everywhere).
        rounds: measurements of each job on the grids of the peers, in rotated order.
        seconds: of timed steps per job.
        longest: predicted seconds per step above which a grid is skipped.
        shrink: divisor of the sides of batches; above 1 ceilings are measured quickly, too.
    """

    device: str
    laws: Sequence[str]
    sides: Sequence[int] | None = None
    precisions: Sequence[str] | None = None
    plan: str = "auto"
    rounds: int = 2
    seconds: float = 1.0
    longest: float = 5.0
    shrink: int = 1

    def job(self, law: str, side: int, **more: Any) -> Job:
        """Our job for this law and side."""
        return Job("ours", law, side, **{"device": self.device, "plan": self.plan, **more})

    def peer_sides(self, law: str) -> tuple[int, ...]:
        """The sides at which all contestants are measured."""
        return tuple(self.sides or (CASES[law].peer_side if self.device == "cpu" else CUDA_PEER_SIDE,))

    def other_sides(self, law: str) -> tuple[int, ...]:
        """The sides at which only ours is measured, ascending."""
        largest = CASES[law].largest if self.device == "cpu" else SERIES["cuda"][-1]
        series = () if self.sides else SERIES[self.device]
        return tuple(side for side in series if side <= largest and side not in self.peer_sides(law))

    def precisions_of(self, law: str, peer_side: bool) -> tuple[str, ...]:
        """Precisions of ours; one for a law without a network."""
        usual = ("fp32", "bf16") if peer_side or self.device != "cpu" else ("fp32",)
        wanted = tuple(self.precisions or usual)
        return wanted if CASES[law].network else wanted[:1]


@dataclass
class Measurements:
    """The measurements so far; each is taken in a process of its own."""

    options: Options
    rates: dict[Job, list[Measurement]] = field(default_factory=dict)
    ceilings: dict[str, Measurement] = field(default_factory=dict)
    batches: dict[str, Measurement] = field(default_factory=dict)
    sizes: dict[str, Measurement] = field(default_factory=dict)
    loops: dict[str, Measurement] = field(default_factory=dict)
    recorders: dict[str, Measurement] = field(default_factory=dict)
    starts: dict[str, dict[str, Measurement]] = field(default_factory=dict)

    def seconds(self, job: Job) -> float | None:
        """Median seconds per step of `job`; None if it was not measured."""
        found = [one["seconds"] for one in self.rates.get(job, []) if "seconds" in one]
        return statistics.median(found) if found else None

    def fact(self, job: Job, key: str) -> Any:
        """A fact of a measured job."""
        return next((one[key] for one in self.rates.get(job, []) if key in one), None)

    def missing(self, job: Job) -> str | None:
        """The reason why a job has no figure, if it was tried."""
        return self.fact(job, "missing") if self.seconds(job) is None else None

    def ratio(self, job: Job, other: Job) -> float | None:
        """Seconds per step of `other` over those of `job`."""
        seconds, others = self.seconds(job), self.seconds(other)
        return others / seconds if seconds and others else None

    # -- measuring -------------------------------------------------------------------------------------------------

    def measure(self, job: Job) -> None:
        """Measures one job once more."""
        found = run_isolated("benchmarks.harness.peers:rate", seconds=self.options.seconds, **asdict(job))
        self.rates.setdefault(job, []).append(found)
        text = f"{found['seconds'] * 1e3:.4g} ms/step {found['plan']}" if "seconds" in found else found["missing"]
        _print(f"{job.contestant} {job.law} {job.batch} x {job.side}^2 {job.precision}: {text}")

    def measure_ceilings(self) -> None:
        """Measures the copy and the product in each precision."""
        wanted = {p for law in self.options.laws for p in self.options.precisions_of(law, peer_side=True)}
        for precision in sorted(wanted):
            arguments: dict[str, Any] = {
                "device": self.options.device,
                "precision": precision,
                "quick": self.options.shrink > 1,
            }
            self.ceilings[precision] = run_isolated("benchmarks.speed.overheads:ceilings", **arguments)

    def measure_rates(self, law: str) -> None:
        """Measures ours on every grid, and the peers on theirs."""
        for side in self.options.peer_sides(law):
            jobs = self._jobs_with_peers(law, side)
            for number in range(self.options.rounds):
                for job in jobs[number:] + jobs[:number]:
                    self.measure(job)
        for precision in self.options.precisions_of(law, peer_side=False):
            for side in self.options.other_sides(law):
                self._measure_alone(self.options.job(law, side, precision=precision))

    def _jobs_with_peers(self, law: str, side: int) -> list[Job]:
        first = self.options.job(law, side)
        ours = [replace(first, precision=p) for p in self.options.precisions_of(law, peer_side=True)]
        alone = [replace(job, contestant="convolutions", plan="auto") for job in ours if CASES[law].convolutional]
        peers = [replace(first, contestant=name, plan="auto") for name in PEERS if name != "CAX" or CASES[law].cax]
        return ours + alone + peers

    def _measure_alone(self, job: Job) -> None:
        known = [
            (seconds / one.cells) for one in self.rates if differ_only_by_grid(one, job) and (seconds := self.seconds(one))
        ]
        expected = min(known, default=0.0) * job.cells
        if expected > self.options.longest:
            self.rates[job] = [{"missing": f"skipped: about {expected:.0f} s/step"}]
            return
        self.measure(job)
        if job.case.convolutional:
            self.measure(replace(job, contestant="convolutions", plan="auto"))
        if job.device != "cpu" and job.side == COMPILED_SIDE:
            self.measure(replace(job, plan="compiled"))

    def measure_batches(self, law: str) -> None:
        """Measures equal numbers of cells in one universe and in many; for some laws also a small and a large grid."""
        self.batches[law] = self._rates_by_grid(law, BATCHES)
        if law in SCALED:
            self.sizes[law] = self._rates_by_grid(law, SIZES)
        _print(f"batches {law}: {self.batches[law]} {self.sizes.get(law, '')}")

    def _rates_by_grid(self, law: str, grids: Sequence[tuple[int, int]]) -> Measurement:
        smaller = [(batch, side // self.options.shrink) for batch, side in grids]
        job = asdict(self.options.job(law, smaller[0][1]))
        return run_isolated("benchmarks.speed.overheads:batches", seconds=10 * self.options.seconds, grids=smaller, **job)

    def measure_loop(self, law: str) -> None:
        """Measures the motor's loop against a bare loop."""
        side = 64 if self.options.device == "cpu" else CUDA_PEER_SIDE
        job = self.options.job(law, side // self.options.shrink)
        self.loops[law] = run_isolated("benchmarks.speed.overheads:loop", seconds=10 * self.options.seconds, **asdict(job))
        _print(f"loop {law}: {self.loops[law]}")

    def measure_recorder(self, law: str) -> None:
        """Measures steps with and without a recorder."""
        job = self.options.job(law, 512 // self.options.shrink)
        self.recorders[law] = run_isolated(
            "benchmarks.speed.overheads:recorder", seconds=20 * self.options.seconds, **asdict(job)
        )
        _print(f"recorder {law}: {self.recorders[law]}")

    def measure_start(self, law: str) -> None:
        """Measures the first step of a new process."""
        self.starts[law] = cold_and_warm(**asdict(self.options.job(law, self.options.peer_sides(law)[0])))
        _print(f"start {law}: {self.starts[law]}")


def differ_only_by_grid(one: Job, other: Job) -> bool:
    """Whether two jobs differ in nothing but their grids."""
    return replace(one, side=other.side, batch=other.batch) == other


def _print(text: str) -> None:
    sys.stderr.write(text + "\n")
