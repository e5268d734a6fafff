"""The findings as Markdown tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchmarks.harness.cases import PEERS, Job
from benchmarks.harness.findings import Findings
from benchmarks.harness.processes import Finding
from benchmarks.harness.targets import Target, targets

NOTHING = "–"  # noqa: RUF001 - the dash of a table
Row = Sequence[str]


def table(header: str, rows: Iterable[Row]) -> list[str]:
    """A Markdown table; the columns of `header` are parted by |."""
    columns = [column.strip() for column in header.split("|")]
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def rates(findings: Findings) -> list[str]:
    """Ours on every grid."""
    jobs = sorted(
        (job for job in findings.rates if job.who == "ours" and job.batch == 1),
        key=lambda job: (findings.options.laws.index(job.law), job.precision != "fp32", job.side, job.plan),
    )
    header = (
        "law | grid | precision | plan | ms/step | Mcell/s | GB/s | of copy | GFLOP/s | of product | of its convolutions"
        " | x plain | x compiled | x CAX | peak MB"
    )
    return table(header, [_rate(findings, job) for job in jobs])


def _rate(findings: Findings, job: Job) -> Row:
    seconds = findings.seconds(job)
    row = [job.law, f"{job.side}^2", job.precision]
    if seconds is None:
        return [*row, findings.missing(job) or "", *[NOTHING] * 11]
    ceiling = findings.ceilings.get(job.precision, {})
    bandwidth, arithmetic = (findings.fact(job, key) / seconds for key in ("traffic", "flops"))
    alone = replace(job, who="convolutions", plan="auto")
    return [
        *row,
        findings.fact(job, "plan"),
        f"{seconds * 1e3:.4g}",
        f"{job.cells / seconds / 1e6:.4g}",
        f"{bandwidth / 1e9:.3g}",
        _percent(bandwidth, ceiling.get("bandwidth")),
        f"{arithmetic / 1e9:.3g}" if arithmetic else NOTHING,
        _percent(arithmetic or None, ceiling.get("arithmetic")),
        _percent(findings.seconds(alone), seconds),
        *(_times(findings.ratio(job, replace(job, who=who, precision="fp32", plan="auto"))) for who in PEERS),
        f"{findings.fact(job, 'peak') / 1e6:,.0f}",
    ]


def peers(findings: Findings) -> list[str]:
    """Everybody else."""
    rows = [
        [job.law, f"{job.side}^2", job.precision, job.who, *_measured(findings, job)]
        for job in findings.rates
        if job.who != "ours"
    ]
    return table("law | grid | precision | who | ms/step | Mcell/s | peak MB", rows)


def _measured(findings: Findings, job: Job) -> Row:
    seconds = findings.seconds(job)
    if seconds is None:
        return [findings.missing(job) or NOTHING, NOTHING, NOTHING]
    return [f"{seconds * 1e3:.4g}", f"{job.cells / seconds / 1e6:.4g}", f"{findings.fact(job, 'peak') / 1e6:,.0f}"]


def ceilings(findings: Findings) -> list[str]:
    """The copy and the product."""
    rows = [[precision, *_scaled(found, ("bandwidth", "arithmetic"), 1e-9)] for precision, found in findings.ceilings.items()]
    return table("precision | large copy, GB/s | large matrix product, GFLOP/s", rows)


def reached(findings: Findings) -> list[str]:
    """The targets, computed from this run."""
    return table("what | wanted | measured | met", [_target(target) for target in targets(findings)])


def _target(target: Target) -> Row:
    bound = "at most" if target.at_most else "at least"
    measured = NOTHING if target.measured is None else f"{target.measured:.3g} {target.unit}"
    met = {True: "yes", False: "no", None: "not measured"}[target.met]
    return [target.what, f"{bound} {target.wanted:.3g} {target.unit}", measured, met]


def batches(findings: Findings) -> list[str]:
    """Mcell/s of as many cells in one universe and in many, and of a small grid and a large one."""
    return [*_by_grid(findings.batches), "", *_by_grid(findings.sizes)]


def _by_grid(found: Mapping[str, Finding]) -> list[str]:
    grids = list(next((one for one in found.values() if "missing" not in one), {}))
    return table(" | ".join(["Mcell/s", *grids]), [[law, *_scaled(one, grids, 1e-6)] for law, one in found.items()])


def loops(findings: Findings) -> list[str]:
    """The motor's own loop."""
    rows = []
    for law, found in findings.loops.items():
        each, bare, motor, off = _scaled(found, ("each", "bare", "motor", "off"), 1e3)
        ratio = f"{found['motor'] / found['bare']:.3f}" if "bare" in found else NOTHING
        rows.append([law, found.get("plan", NOTHING), str(found.get("steps", NOTHING)), each, bare, motor, ratio, off])
    heads = "a call a step, ms | n steps a call, ms | motor.step(n), ms | over n steps a call | motor.step(n), feed off, ms"
    return table(f"law | plan | n | {heads}", rows)


def recorders(findings: Findings) -> list[str]:
    """What a recorder costs."""
    rows = []
    for law, found in findings.recorders.items():
        ratio = f"{found['with'] / found['without']:.3f}" if "with" in found else NOTHING
        cells = _scaled(found, ("without", "with"), 1)
        rows.append([law, found.get("plan", NOTHING), str(found.get("steps", NOTHING)), *cells, ratio])
    return table("law | plan | n | n steps, s | recorded every 10, s | ratio", rows)


def starts(findings: Findings) -> list[str]:
    """Time to the first step."""
    rows = []
    for law, found in findings.starts.items():
        cold, warm = found["cold"], found["warm"]
        figures = [*_scaled(cold, ("whole", "after"), 1), *_scaled(warm, ("whole", "after"), 1)]
        rows.append([law, cold.get("plan", NOTHING), *figures])
    return table("law | plan | cold, s | after imports, s | warm, s | after imports, s", rows)


def _scaled(found: Finding, keys: Sequence[str], factor: float) -> list[str]:
    return [f"{found[key] * factor:.4g}" if key in found else str(found.get("missing", NOTHING)) for key in keys]


def _percent(part: float | None, whole: float | None) -> str:
    return f"{part / whole:.0%}" if part and whole else NOTHING


def _times(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{ratio:.3g}"
