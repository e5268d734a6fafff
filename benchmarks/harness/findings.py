"""What a run of the benchmark has found, job by job, and how it is measured: who, where, in which order."""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.harness.cases import CASES, PEERS, Job
from benchmarks.harness.processes import Finding, apart
from benchmarks.speed.first_step import cold_and_warm

SERIES = {"cpu": (64, 256, 1024, 2048, 4096), "cuda": (64, 512, 1024, 4096, 16384)}
CUDA_MEETING = 512
BATCHES = ((1, 1024), (4, 512), (16, 256), (256, 64))  # universes and side: always as many cells
SIZES = ((1, 256), (1, 2048))
SCALED = ("MLP", "DEEP_QCA", "GrowingNCA", "Life")  # laws whose large grids are held against small ones
RECORDED = ("UNet", "GrowingNCA")
COMPILED_SIDE = 4096  # on CUDA: where the plan is compared with "compiled"


@dataclass(frozen=True)
class Options:
    """What to measure, and how long.

    Attributes:
        laws: keys of `CASES`.
        sides: grids on which all contestants meet; None for the usual series, with the peers at one side a law.
        precisions: of ours at every side; None for fp32, and bf16 where peers are met (on CUDA everywhere).
        rounds: how often each job is measured where contestants meet, in rotated order.
        seconds: of timed steps a job.
        longest: seconds a step may be expected to take; larger grids are skipped.
        shrink: batches have so many times smaller sides, and quick ceilings are measured.
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

    def meetings(self, law: str) -> tuple[int, ...]:
        """The sides at which the peers are met."""
        return tuple(self.sides or (CASES[law].meeting if self.device == "cpu" else CUDA_MEETING,))

    def lone(self, law: str) -> tuple[int, ...]:
        """The other sides, ascending."""
        largest = CASES[law].largest if self.device == "cpu" else SERIES["cuda"][-1]
        series = () if self.sides else SERIES[self.device]
        return tuple(side for side in series if side <= largest and side not in self.meetings(law))

    def precisions_of(self, law: str, meeting: bool) -> tuple[str, ...]:
        """Precisions of ours; a law without a network has one."""
        usual = ("fp32", "bf16") if meeting or self.device != "cpu" else ("fp32",)
        wanted = tuple(self.precisions or usual)
        return wanted if CASES[law].network else wanted[:1]


@dataclass
class Findings:
    """Everything found so far; each measurement runs in a process of its own."""

    options: Options
    rates: dict[Job, list[Finding]] = field(default_factory=dict)
    ceilings: dict[str, Finding] = field(default_factory=dict)
    batches: dict[str, Finding] = field(default_factory=dict)
    sizes: dict[str, Finding] = field(default_factory=dict)
    loops: dict[str, Finding] = field(default_factory=dict)
    recorders: dict[str, Finding] = field(default_factory=dict)
    starts: dict[str, dict[str, Finding]] = field(default_factory=dict)

    def seconds(self, job: Job) -> float | None:
        """Median seconds a step of `job`; None when it was not measured."""
        found = [one["seconds"] for one in self.rates.get(job, []) if "seconds" in one]
        return statistics.median(found) if found else None

    def fact(self, job: Job, key: str) -> Any:
        """What a measured job said of itself."""
        return next((one[key] for one in self.rates.get(job, []) if key in one), None)

    def missing(self, job: Job) -> str | None:
        """Why a job that was tried has no figure."""
        return self.fact(job, "missing") if self.seconds(job) is None else None

    def ratio(self, job: Job, other: Job) -> float | None:
        """How many times the steps of `other` take as long as those of `job`."""
        mine, its = self.seconds(job), self.seconds(other)
        return its / mine if mine and its else None

    # -- measuring -------------------------------------------------------------------------------------------------

    def measure(self, job: Job) -> None:
        """Measures one job once more."""
        found = apart("benchmarks.harness.peers:rate", seconds=self.options.seconds, **asdict(job))
        self.rates.setdefault(job, []).append(found)
        said = f"{found['seconds'] * 1e3:.4g} ms/step {found['plan']}" if "seconds" in found else found["missing"]
        _say(f"{job.who} {job.law} {job.batch} x {job.side}^2 {job.precision}: {said}")

    def measure_ceilings(self) -> None:
        """The copy and the product, in each precision that is used."""
        wanted = {p for law in self.options.laws for p in self.options.precisions_of(law, meeting=True)}
        for precision in sorted(wanted):
            arguments: dict[str, Any] = {
                "device": self.options.device,
                "precision": precision,
                "quick": self.options.shrink > 1,
            }
            self.ceilings[precision] = apart("benchmarks.speed.overheads:ceilings", **arguments)

    def measure_rates(self, law: str) -> None:
        """Ours on every grid, and everybody where they meet."""
        for side in self.options.meetings(law):
            contestants = self._contestants(law, side)
            for turn in range(self.options.rounds):
                for job in contestants[turn:] + contestants[:turn]:
                    self.measure(job)
        for precision in self.options.precisions_of(law, meeting=False):
            for side in self.options.lone(law):
                self._measure_lone(self.options.job(law, side, precision=precision))

    def _contestants(self, law: str, side: int) -> list[Job]:
        first = self.options.job(law, side)
        ours = [replace(first, precision=p) for p in self.options.precisions_of(law, meeting=True)]
        alone = [replace(job, who="convolutions", plan="auto") for job in ours if CASES[law].convolutional]
        peers = [replace(first, who=who, plan="auto") for who in PEERS if who != "CAX" or CASES[law].cax]
        return ours + alone + peers

    def _measure_lone(self, job: Job) -> None:
        known = [(seconds / one.cells) for one in self.rates if same_series(one, job) and (seconds := self.seconds(one))]
        expected = min(known, default=0.0) * job.cells
        if expected > self.options.longest:
            self.rates[job] = [{"missing": f"skipped: about {expected:.0f} s/step"}]
            return
        self.measure(job)
        if job.case.convolutional:
            self.measure(replace(job, who="convolutions", plan="auto"))
        if job.device != "cpu" and job.side == COMPILED_SIDE:
            self.measure(replace(job, plan="compiled"))

    def measure_batches(self, law: str) -> None:
        """As many cells in one universe and in many; for some laws a small grid and a large one, too."""
        self.batches[law] = self._in_turn(law, BATCHES)
        if law in SCALED:
            self.sizes[law] = self._in_turn(law, SIZES)
        _say(f"batches {law}: {self.batches[law]} {self.sizes.get(law, '')}")

    def _in_turn(self, law: str, grids: Sequence[tuple[int, int]]) -> Finding:
        smaller = [(batch, side // self.options.shrink) for batch, side in grids]
        job = asdict(self.options.job(law, smaller[0][1]))
        return apart("benchmarks.speed.overheads:batches", seconds=10 * self.options.seconds, grids=smaller, **job)

    def measure_loop(self, law: str) -> None:
        """The motor's loop against a bare one."""
        side = 64 if self.options.device == "cpu" else CUDA_MEETING
        job = self.options.job(law, side // self.options.shrink)
        self.loops[law] = apart("benchmarks.speed.overheads:loop", seconds=10 * self.options.seconds, **asdict(job))
        _say(f"loop {law}: {self.loops[law]}")

    def measure_recorder(self, law: str) -> None:
        """Steps with a recorder and without."""
        job = self.options.job(law, 512 // self.options.shrink)
        self.recorders[law] = apart("benchmarks.speed.overheads:recorder", seconds=20 * self.options.seconds, **asdict(job))
        _say(f"recorder {law}: {self.recorders[law]}")

    def measure_start(self, law: str) -> None:
        """The first step of a new process."""
        self.starts[law] = cold_and_warm(**asdict(self.options.job(law, self.options.meetings(law)[0])))
        _say(f"start {law}: {self.starts[law]}")


def same_series(one: Job, other: Job) -> bool:
    """Whether two jobs differ in their grids alone."""
    return replace(one, side=other.side, batch=other.batch) == other


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
