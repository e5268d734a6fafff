"""`aetheria profile`: where the time and the memory of a run go, by stage and by operator, and what the machine would allow."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.table import Table
from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity

from aetheria.diagnostics.bench import Ceilings, Report, report_on, stepper, steps_in, synchronise
from aetheria.diagnostics.stage_timer import STAGE, Mark, Stage, watched
from aetheria.files.atomic import atomic_write
from aetheria.laws import updates
from aetheria.laws.neural import growing_nca
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.stepper import Stepper
from aetheria.observe.feed import Feed
from aetheria.recording import Recorder
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor, make_recorder
from aetheria.stepping.plan import make_call, make_step, settled
from aetheria.training.batch_size import peak_memory

MIB = 2**20
_WATCHED_S = 0.3  # of steps, about: a trace holds every operator of every one of them
_RUN = (
    Mark(Stepper, "advance", "step"),
    Mark(Stepper, "check_finite", "check for NaN"),
    Mark(GPUOptimizer, "clean_up", "clean up"),
    Mark(GPUOptimizer, "render", "fields"),
    Mark(GPUOptimizer, "fetch", "transfer"),
    Mark(Feed, "deliver", "hand over, or wait for the recorder"),
    Mark(Recorder, "_commit", "recorder"),
)
# What a law's methods are, by name; its children by their own names are the network's layers.
_METHODS = {"forward": "update", "perceive": "perceive", "neighbours": "perceive", "living": "alive mask", "predict": "network"}


@dataclass(frozen=True)
class Operator:
    """What one of torch's operators took in all its calls, or what a stage spent outside of them ("outside torch: ...").

    Attributes:
        seconds: without the operators that it calls; on the device where that is CUDA.
        allocated: bytes that it asked for.
        flops: of products and convolutions, 2 for a multiplication with its addition; 0 for all else.
    """

    name: str
    seconds: float
    calls: int
    allocated: int
    flops: int


_OWN = "outside torch: "


@dataclass(frozen=True)
class Profile:
    """Where the time and memory of an action went.

    Attributes:
        seconds: it takes when nobody watches; what was watched takes longer.
        stages, operators: the longest first.
        allocated: bytes that the operators of a stage asked for, by stage; only of the thread that was watched.
        peak: the most bytes in use on the way.
    """

    seconds: float
    stages: tuple[Stage, ...]
    allocated: dict[str, int]
    operators: tuple[Operator, ...]
    peak: int


@dataclass(frozen=True)
class RunProfile:
    """A run, profiled.

    Attributes:
        report: the rate, and what the machine allows.
        steps: that were watched.
        whole: the steps as the run takes them, with its recorder.
        parts: of the law itself, in eager steps; a plan may take several in one kernel.
    """

    report: Report
    steps: int
    whole: Profile
    parts: Profile


def profile(action: Callable[[], object], marks: Sequence[Mark], device: torch.device, trace: Path | None = None) -> Profile:
    """Does `action` five times: to warm up, for its time, for its memory, for its stages, and for its operators.

    Args:
        marks: the stages.
        trace: a file for the operators and stages one by one, as Chrome's tracing, Perfetto and others read it.
    """

    def done() -> None:
        action()
        synchronise(device)

    done()
    with watched([], device) as watch, watch.stage("all"):
        done()
    seconds = watch.stages[0].seconds
    peak = peak_memory(done, device)
    with watched(marks, device) as watch:
        done()
    stages = watch.stages
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with (
        torch.profiler.profile(
            activities=activities, record_shapes=True, profile_memory=True, with_flops=True, acc_events=True
        ) as seen,
        watched(marks, device),
    ):
        done()
    if trace is not None:
        with atomic_write(trace) as beside:
            seen.export_chrome_trace(str(beside))
    events = [event for event in seen.events() or [] if not event.name.startswith(("ProfilerStep", "[memory]"))]
    return Profile(seconds, stages, _allocated(events, device), _operators(events, device), peak)


def _operators(events: Sequence[FunctionEvent], device: torch.device) -> tuple[Operator, ...]:
    by_name: dict[str, list[FunctionEvent]] = defaultdict(list)
    for event in events:
        by_name[event.name.replace(STAGE, _OWN)].append(event)
    found = (
        Operator(
            name,
            sum(_own_microseconds(call, device) for call in calls) / 1e6,
            len(calls),
            sum(_asked_for(call, device) for call in calls),
            sum(call.flops or 0 for call in calls),
        )
        for name, calls in by_name.items()
    )
    return tuple(sorted(found, key=lambda one: -one.seconds))


def _allocated(events: Sequence[FunctionEvent], device: torch.device) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for event in events:
        stage: FunctionEvent | None = event
        while stage is not None and not stage.name.startswith(STAGE):
            stage = stage.cpu_parent
        if stage is not None:
            found[stage.name.removeprefix(STAGE)] += _asked_for(event, device)
    return dict(found)


def _own_microseconds(event: FunctionEvent, device: torch.device) -> float:
    return float(event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total)


def _asked_for(event: FunctionEvent, device: torch.device) -> int:
    """Bytes; what an operator gives back on the whole does not count against what others took."""
    return max(0, int(event.self_device_memory_usage if device.type == "cuda" else event.self_cpu_memory_usage))


def profile_run(
    config: RunConfig, *, device: str | None = None, steps: int | None = None, trace: Path | None = None
) -> RunProfile:
    """Profiles a run with its recorder, whose file is thrown away.

    Args:
        device: instead of the config's.
        steps: to watch; None for as many as take a moment, and at least to the first frame.
        trace: see `profile`; of the whole.

    Raises:
        AetheriaError: whatever `build_motor`, stepping and the recorder refuse.
    """
    with build_motor(config, device) as motor, tempfile.TemporaryDirectory() as folder:
        report = report_on(motor, seconds=_WATCHED_S)
        count = steps or max(config.record.every, steps_in(stepper(motor), _WATCHED_S))
        with make_recorder(config, motor, Path(folder) / "run.h5", overwrite=False) as recorder:

            def run_and_write() -> None:
                motor.step(count)
                recorder.sync()  # its thread may begin only when the steps are done

            whole = profile(run_and_write, _RUN, motor.device, trace)
        return RunProfile(report, count, whole, _parts(motor))


def _parts(motor: Aetheria_Motor) -> Profile:
    """One eager step of the law, whatever the plan is."""
    law, state = motor.law, (motor.cells, *motor.memory)
    step = make_step(make_call(law, motor.device, motor.config.precision))
    state = tuple(map(settled, state, state))
    with torch.inference_mode(), motor.optimizer.numerics():
        return profile(lambda: step(*state), law_marks(law), motor.device)


def law_marks(law: nn.Module) -> list[Mark]:
    """The stages of a law's own step: its methods that are known by name, and its layers."""
    marks = [Mark(updates, "normalised", "normalise"), Mark(growing_nca, "hash_words", "chance")]
    marks += [Mark(law, name, stage) for name, stage in _METHODS.items() if callable(getattr(type(law), name, None))]
    for name, child in law.named_children():
        # A list of modules is never called itself.
        inside = (
            {f"{name}.{i}": one for i, one in child.named_children()} if isinstance(child, nn.ModuleList) else {name: child}
        )
        marks += [Mark(one, "forward", "perceive" if key == "perceive" else f"network: {key}") for key, one in inside.items()]
    return marks


def tables(found: RunProfile) -> Iterator[Table]:
    """Stages, parts of the law and operators, for people."""
    steps = found.steps
    memory = f"{found.whole.peak / MIB:,.0f} MiB in use at most"
    yield stage_table(
        f"stages of {steps:,} steps, {found.whole.seconds / steps * 1e3:.4g} ms each; {memory}",
        found.whole,
        steps,
    )
    yield stage_table(f"parts of the law, one eager step, {found.parts.seconds * 1e3:.4g} ms", found.parts, 1)
    yield operator_table(f"operators of {steps:,} steps", found.whole, steps, found.report.ceilings)
    if found.report.plan != "eager":
        yield operator_table("operators of the eager step", found.parts, 1, found.report.ceilings)


def stage_table(title: str, found: Profile, steps: int) -> Table:
    """Shares are of the watched time of the thread that steps."""
    table = _table(title, "stage", "ms/step", "share", "calls", "MiB/step")
    total = sum(stage.seconds for stage in found.stages if not stage.beside)
    for stage in found.stages:
        share = "beside" if stage.beside else f"{stage.seconds / total:.1%}"
        memory = "" if stage.beside else f"{found.allocated.get(stage.name, 0) / steps / MIB:,.2f}"
        table.add_row(stage.name, f"{stage.seconds / steps * 1e3:.4g}", share, f"{stage.calls:,}", memory)
    return table


def operator_table(title: str, found: Profile, steps: int, ceilings: Ceilings, most: int = 12) -> Table:
    """The operators that took longest; the rate of products also as a share of a large product's."""
    table = _table(
        f"{title}; peak {found.peak / MIB:,.0f} MiB",
        "operator",
        "ms/step",
        "share",
        "calls",
        "MiB/step",
        "GFLOP/s",
        "of product",
    )
    total = sum(one.seconds for one in found.operators) or 1.0
    for one in found.operators[:most]:
        rate = one.flops / one.seconds if one.flops and one.seconds else 0.0
        table.add_row(
            one.name,
            f"{one.seconds / steps * 1e3:.4g}",
            f"{one.seconds / total:.1%}",
            f"{one.calls:,}",
            f"{one.allocated / steps / MIB:,.2f}",
            f"{rate / 1e9:.3g}" if rate else "",
            f"{rate / ceilings.arithmetic:.0%}" if rate else "",
        )
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table
