"""Targets of the stepping benchmark, and the figures of a run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from aetheria.diagnostics.bench import Ceilings
from benchmarks.harness.cases import ContestantName, Job
from benchmarks.harness.measurements import COMPILED_SIDE, RECORDED, Measurements

_NOISE = 0.95  # ratio of two medians that still counts as equal

# law, precision, side, peer, how many times as fast
_CPU_RATIOS: tuple[tuple[str, str, int, ContestantName, float], ...] = (
    ("MLP", "fp32", 256, "plain", 6),
    ("DEEP_QCA", "fp32", 256, "plain", 12),
    ("UNet", "fp32", 256, "plain", 1.6),
    ("UNet", "bf16", 256, "plain", 5),
    ("ConvLSTM", "fp32", 256, "plain", 1.5),
    ("ConvLSTM", "bf16", 256, "plain", 6),
    ("GrowingNCA", "fp32", 256, "plain", 12),
    ("GrowingNCA", "fp32", 256, "CAX", 6),
    ("Life", "fp32", 1024, "CAX", 400),
    ("Lenia", "fp32", 512, "CAX", 3),
)


@dataclass(frozen=True)
class Target:
    """A figure to reach.

    Attributes:
        name: of the figure.
        value: the lower limit, or with `at_most` the upper limit.
        measured: in this run; None if it was not measured.
    """

    name: str
    value: float
    measured: float | None
    at_most: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool | None:
        """Whether it was reached; None if it was not measured."""
        if self.measured is None:
            return None
        return self.measured <= self.value if self.at_most else self.measured >= self.value


def targets(measurements: Measurements) -> list[Target]:
    """The targets of the measured device."""
    return list(_cpu(measurements) if measurements.options.device == "cpu" else _cuda(measurements))


def _cpu(measurements: Measurements) -> Iterator[Target]:
    for law, precision, side, peer, wanted in _CPU_RATIOS:
        yield _against(measurements, law, precision, side, peer, wanted)
    for law, found in measurements.sizes.items():
        small, large = found.values() if "missing" not in found else (None, None)
        yield Target(f"{law}: throughput at 2048^2 over 256^2", 0.85, _over(large, small))
    for law, found in measurements.batches.items():
        one, *many = found.values() if "missing" not in found else (None,)
        yield Target(f"{law}: slowest batch over one grid of as many cells", _NOISE, _over(min(many, default=None), one))
    yield from _loops(measurements, 1.05)
    yield from _recorders(measurements)
    yield from _starts(measurements)


def _cuda(measurements: Measurements) -> Iterator[Target]:
    for law in measurements.options.laws:
        yield _against(measurements, law, "fp32", 512, "plain", 10)
    for law in ("MLP", "DEEP_QCA", "GrowingNCA"):
        job = measurements.options.job(law, COMPILED_SIDE, precision="bf16")
        yield Target(f"{law}, bf16, {job.side}^2: share of the lower bound", 0.5, _share_of_bound(measurements, job))
        ratio = measurements.ratio(job, replace(job, plan="compiled"))
        yield Target(f"{law}, bf16, {job.side}^2: against the compiled plan", 3, ratio)
    life = measurements.options.job("Life", 16384)
    # Packed cells are one bit each, read and written once.
    yield Target("Life, 16384^2: against one pass over packed cells", 1, _share_of_bound(measurements, life, life.cells // 4))
    for law in ("UNet", "ConvLSTM"):
        for precision in ("fp32", "bf16"):
            job = measurements.options.job(law, 1024, precision=precision)
            share = measurements.ratio(replace(job, contestant="convolutions", plan="auto"), job)
            yield Target(f"{law}, {precision}, 1024^2: against its convolutions alone", 1.15, share, at_most=True)
    yield from _loops(measurements, 1.02)
    yield from _recorders(measurements)
    yield from _starts(measurements)


def _against(measurements: Measurements, law: str, precision: str, side: int, peer: ContestantName, wanted: float) -> Target:
    ours = measurements.options.job(law, side, precision=precision)
    theirs = Job(peer, law, side, device=measurements.options.device)
    name = {"plain": "the plain loop"}.get(peer, peer)
    return Target(f"{law}, {precision}, {side}^2: against {name}", wanted, measurements.ratio(ours, theirs))


def _share_of_bound(measurements: Measurements, job: Job, traffic: int | None = None) -> float | None:
    seconds, ceiling = measurements.seconds(job), measurements.ceilings.get(job.precision, {})
    if seconds is None or "bandwidth" not in ceiling:
        return None
    least = Ceilings(ceiling["bandwidth"], ceiling["arithmetic"])
    moved, flops = traffic or measurements.fact(job, "traffic"), measurements.fact(job, "flops")
    return max(moved / least.bandwidth, flops / least.arithmetic) / seconds


def _loops(measurements: Measurements, wanted: float) -> Iterator[Target]:
    for law, found in measurements.loops.items():
        steps = f"{law}: motor.step({found.get('steps', 'n')})"
        motor = found.get("motor")
        yield Target(f"{steps} over a bare loop, a call a step", wanted, _over(motor, found.get("each")), at_most=True)
        yield Target(f"{steps} over all of them in one call", wanted, _over(motor, found.get("bare")), at_most=True)
        unsubscribed = _over(motor, found.get("off"))
        yield Target(f"{steps} without subscribers over the feed off", 1 / _NOISE, unsubscribed, at_most=True)


def _recorders(measurements: Measurements) -> Iterator[Target]:
    for law in RECORDED:
        found = measurements.recorders.get(law, {})
        wanted = 1 / 0.9 if law == "UNet" else 1.15
        yield Target(
            f"{law}: steps recorded over not recorded", wanted, _over(found.get("with"), found.get("without")), at_most=True
        )


def _starts(measurements: Measurements) -> Iterator[Target]:
    for law, found in measurements.starts.items():
        cold = 30 if law in ("UNet", "ConvLSTM") else 15
        for when, wanted in (("cold", cold), ("warm", 5)):
            yield Target(f"{law}: first step, {when}", wanted, found[when].get("whole"), at_most=True, unit="s")


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None
