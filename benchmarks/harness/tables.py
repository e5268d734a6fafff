"""Measurements as Markdown tables."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchmarks.harness.cases import PEERS, Job
from benchmarks.harness.measurements import Measurements
from benchmarks.harness.processes import Measurement
from benchmarks.harness.targets import Target, targets

NOTHING = "–"  # noqa: RUF001 - the dash of a table
Row = Sequence[str]
QUICK = ("**Quick: the grids are tiny, and the figures have no meaning.**", "")  # begins such a report


def table(header: str, rows: Iterable[Row]) -> list[str]:
    """A Markdown table; the columns of `header` are separated by |."""
    columns = [column.strip() for column in header.split("|")]
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def printed(rows: Iterable[Row]) -> list[Row]:
    """The rows, each written to stderr as soon as it is measured."""
    found = []
    for row in rows:
        sys.stderr.write(" | ".join(row) + "\n")
        found.append(row)
    return found


def rates(measurements: Measurements) -> list[str]:
    """Rates of ours on every grid."""
    jobs = sorted(
        (job for job in measurements.rates if job.contestant == "ours" and job.batch == 1),
        key=lambda job: (measurements.options.laws.index(job.law), job.precision != "fp32", job.side, job.plan),
    )
    header = (
        "law | grid | precision | plan | ms/step | Mcell/s | GB/s | of copy | GFLOP/s | of product | of its convolutions"
        " | x plain | x compiled | x CAX | peak MB"
    )
    return table(header, [_rate(measurements, job) for job in jobs])


def _rate(measurements: Measurements, job: Job) -> Row:
    seconds = measurements.seconds(job)
    row = [job.law, f"{job.side}^2", job.precision]
    if seconds is None:
        return [*row, measurements.missing(job) or "", *[NOTHING] * 11]
    ceiling = measurements.ceilings.get(job.precision, {})
    bandwidth, arithmetic = (measurements.fact(job, key) / seconds for key in ("traffic", "flops"))
    alone = replace(job, contestant="convolutions", plan="auto")
    return [
        *row,
        measurements.fact(job, "plan"),
        f"{seconds * 1e3:.4g}",
        f"{job.cells / seconds / 1e6:.4g}",
        f"{bandwidth / 1e9:.3g}",
        _percent(bandwidth, ceiling.get("bandwidth")),
        f"{arithmetic / 1e9:.3g}" if arithmetic else NOTHING,
        _percent(arithmetic or None, ceiling.get("arithmetic")),
        _percent(measurements.seconds(alone), seconds),
        *(_times(measurements.ratio(job, replace(job, contestant=name, precision="fp32", plan="auto"))) for name in PEERS),
        f"{measurements.fact(job, 'peak') / 1e6:,.0f}",
    ]


def peers(measurements: Measurements) -> list[str]:
    """Rates of all other contestants."""
    rows = [
        [job.law, f"{job.side}^2", job.precision, job.contestant, *_measured(measurements, job)]
        for job in measurements.rates
        if job.contestant != "ours"
    ]
    return table("law | grid | precision | contestant | ms/step | Mcell/s | peak MB", rows)


def _measured(measurements: Measurements, job: Job) -> Row:
    seconds = measurements.seconds(job)
    if seconds is None:
        return [measurements.missing(job) or NOTHING, NOTHING, NOTHING]
    return [f"{seconds * 1e3:.4g}", f"{job.cells / seconds / 1e6:.4g}", f"{measurements.fact(job, 'peak') / 1e6:,.0f}"]


def ceilings(measurements: Measurements) -> list[str]:
    """Limits of the machine: copy and product."""
    rows = [
        [precision, *_scaled(found, ("bandwidth", "arithmetic"), 1e-9)] for precision, found in measurements.ceilings.items()
    ]
    return table("precision | large copy, GB/s | large matrix product, GFLOP/s", rows)


def reached(measurements: Measurements) -> list[str]:
    """The targets and the figures of this run."""
    return table("figure | target | measured | met", [_target(target) for target in targets(measurements)])


def _target(target: Target) -> Row:
    bound = "at most" if target.at_most else "at least"
    measured = NOTHING if target.measured is None else f"{target.measured:.3g} {target.unit}"
    met = {True: "yes", False: "no", None: "not measured"}[target.met]
    return [target.name, f"{bound} {target.value:.3g} {target.unit}", measured, met]


def batches(measurements: Measurements) -> list[str]:
    """Mcell/s of equal numbers of cells in one universe and in many, and of a small and a large grid."""
    return [*_by_grid(measurements.batches), "", *_by_grid(measurements.sizes)]


def _by_grid(found: Mapping[str, Measurement]) -> list[str]:
    grids = list(next((one for one in found.values() if "missing" not in one), {}))
    return table(" | ".join(["Mcell/s", *grids]), [[law, *_scaled(one, grids, 1e-6)] for law, one in found.items()])


def loops(measurements: Measurements) -> list[str]:
    """Times of the motor's loop."""
    rows = []
    for law, found in measurements.loops.items():
        each, bare, motor, off = _scaled(found, ("each", "bare", "motor", "off"), 1e3)
        ratio = f"{found['motor'] / found['bare']:.3f}" if "bare" in found else NOTHING
        rows.append([law, found.get("plan", NOTHING), str(found.get("steps", NOTHING)), each, bare, motor, ratio, off])
    heads = "a call a step, ms | n steps a call, ms | motor.step(n), ms | over n steps a call | motor.step(n), feed off, ms"
    return table(f"law | plan | n | {heads}", rows)


def recorders(measurements: Measurements) -> list[str]:
    """Times with and without a recorder."""
    rows = []
    for law, found in measurements.recorders.items():
        ratio = f"{found['with'] / found['without']:.3f}" if "with" in found else NOTHING
        cells = _scaled(found, ("without", "with"), 1)
        rows.append([law, found.get("plan", NOTHING), str(found.get("steps", NOTHING)), *cells, ratio])
    return table("law | plan | n | n steps, s | recorded every 10, s | ratio", rows)


def starts(measurements: Measurements) -> list[str]:
    """Times to the first step."""
    rows = []
    for law, found in measurements.starts.items():
        cold, warm = found["cold"], found["warm"]
        figures = [*_scaled(cold, ("whole", "after"), 1), *_scaled(warm, ("whole", "after"), 1)]
        rows.append([law, cold.get("plan", NOTHING), *figures])
    return table("law | plan | cold, s | after imports, s | warm, s | after imports, s", rows)


def _scaled(found: Measurement, keys: Sequence[str], factor: float) -> list[str]:
    return [f"{found[key] * factor:.4g}" if key in found else str(found.get("missing", NOTHING)) for key in keys]


def _percent(part: float | None, whole: float | None) -> str:
    return f"{part / whole:.0%}" if part and whole else NOTHING


def _times(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{ratio:.3g}"
