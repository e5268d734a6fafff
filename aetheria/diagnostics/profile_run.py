"""Profile of a run (`aetheria profile`): time and memory by stage and by operator, beside the limits of the machine."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.table import Table
from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # by torch's stubs
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity

from aetheria.diagnostics.bench import BenchReport, Ceilings, measure_motor, steps_within, synchronise, synchronised_step
from aetheria.diagnostics.stage_timer import STAGE, StageTime, TimedFunction, timed_stages
from aetheria.files.atomic import atomic_write
from aetheria.laws import updates
from aetheria.laws.neural import nca
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.stepper import Stepper
from aetheria.observe.feed import Feed
from aetheria.recording import Recorder
from aetheria.recording.frame_writer import FrameWriter
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor, recorder_settings
from aetheria.stepping.plan import make_call, make_step, settled
from aetheria.training.batch_size import peak_memory

MIB = 2**20
_PROFILED_S = 0.3  # of steps, about: a trace holds every operator of every step
_RUN = (
    TimedFunction(Stepper, "advance", "step"),
    TimedFunction(Stepper, "check_finite", "check for NaN"),
    TimedFunction(GPUOptimizer, "clean_up", "clean up"),
    TimedFunction(Stepper, "rendered", "fields"),
    TimedFunction(GPUOptimizer, "transfer", "transfer"),
    TimedFunction(Feed, "deliver", "hand over, or wait for the recorder"),
    TimedFunction(FrameWriter, "_commit", "recorder"),
)
# Stages of a law by the names of its methods; the layers of its network have their own names.
_METHODS = {"forward": "update", "perceive": "perceive", "neighbours": "perceive", "living": "alive mask", "predict": "network"}


@dataclass(frozen=True)
class OperatorTime:
    """The time of all calls of an operator of torch, or of a stage outside of operators ("outside torch: ...").

    Attributes:
        seconds: without the operators that it calls; on a CUDA device, the device's time.
        allocated: bytes of memory that it allocated.
        flops: of products and convolutions, 2 for a multiplication with its addition; 0 for other operators.
    """

    name: str
    seconds: float
    calls: int
    allocated: int
    flops: int


@dataclass(frozen=True)
class Profile:
    """Time and memory of an action.

    Attributes:
        seconds: without the profiler, which slows the action down.
        stages, operators: the longest first.
        allocated: bytes allocated by the operators of a stage, by stage; only of the profiled thread.
        peak: the most bytes in use at a time.
    """

    seconds: float
    stages: tuple[StageTime, ...]
    allocated: dict[str, int]
    operators: tuple[OperatorTime, ...]
    peak: int


@dataclass(frozen=True)
class RunProfile:
    """The profile of a run.

    Attributes:
        report: the stepping rate, and the limits of the machine.
        steps: number of profiled steps.
        whole: the steps by the run's plan, with its recorder.
        parts: one eager step of the law; a plan may run several parts in one kernel.
    """

    report: BenchReport
    steps: int
    whole: Profile
    parts: Profile


def profile(
    action: Callable[[], object], functions: Sequence[TimedFunction], device: torch.device, trace: Path | None = None
) -> Profile:
    """Runs `action` five times: to warm up, for its time, for its memory, for its stages, and for its operators.

    Args:
        functions: the stages.
        trace: file for a trace of all operators and stages, in the format of Chrome's tracing and Perfetto.
    """

    def run() -> None:
        action()
        synchronise(device)

    run()
    with timed_stages([], device) as timer, timer.stage("all"):
        run()
    seconds = timer.stages[0].seconds
    peak = peak_memory(run, device)
    with timed_stages(functions, device) as timer:
        run()
    stages = timer.stages
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with (
        torch.profiler.profile(
            activities=activities, record_shapes=True, profile_memory=True, with_flops=True, acc_events=True
        ) as profiler,
        timed_stages(functions, device),
    ):
        run()
    if trace is not None:
        with atomic_write(trace) as temporary:
            profiler.export_chrome_trace(str(temporary))
    events = [event for event in profiler.events() or [] if not event.name.startswith(("ProfilerStep", "[memory]"))]
    return Profile(seconds, stages, _allocated(events, device), _operators(events, device), peak)


def _operators(events: Sequence[FunctionEvent], device: torch.device) -> tuple[OperatorTime, ...]:
    by_name: dict[str, list[FunctionEvent]] = defaultdict(list)
    for event in events:
        if event.device_type == DeviceType.CPU:
            by_name[event.name.replace(STAGE, "outside torch: ")].append(event)
    found = [
        OperatorTime(
            name,
            sum(_own_microseconds(call, device) for call in calls) / 1e6,
            len(calls),
            sum(_allocated_bytes(call, device) for call in calls),
            sum(call.flops or 0 for call in calls),
        )
        for name, calls in by_name.items()
    ]
    return tuple(sorted([*found, *_unlaunched(events)], key=lambda operator: -operator.seconds))


def _unlaunched(events: Sequence[FunctionEvent]) -> Iterator[OperatorTime]:
    """Kernels that no operator of torch launched: our own, and those of a replayed graph.

    The profiler lists each kernel on the device, and those of an operator's with the operator, too.
    """
    launched = Counter(kernel.name for event in events for kernel in event.kernels)
    kernels: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if event.device_type != DeviceType.CPU and not event.is_user_annotation:
            kernels[event.name].append((event.time_range.end - event.time_range.start) / 1e6)
    for name, seconds in kernels.items():
        if own := len(seconds) - launched[name]:
            yield OperatorTime(f"kernel: {name}", sum(seconds) * own / len(seconds), own, 0, 0)


def _allocated(events: Sequence[FunctionEvent], device: torch.device) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for event in events:
        stage: FunctionEvent | None = event
        while stage is not None and not stage.name.startswith(STAGE):
            stage = stage.cpu_parent
        if stage is not None:
            found[stage.name.removeprefix(STAGE)] += _allocated_bytes(event, device)
    return dict(found)


def _own_microseconds(event: FunctionEvent, device: torch.device) -> float:
    return float(event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total)


def _allocated_bytes(event: FunctionEvent, device: torch.device) -> int:
    """Bytes allocated; 0 for an operator that frees more than it allocates, so that it does not reduce the sum."""
    return max(0, int(event.self_device_memory_usage if device.type == "cuda" else event.self_cpu_memory_usage))


def profile_run(
    config: RunConfig, *, device: str | None = None, steps: int | None = None, trace: Path | None = None
) -> RunProfile:
    """Profiles a run with its recorder, whose file is deleted.

    Args:
        device: replaces the config's.
        steps: to profile; None for about 0.3 s of them, and at least one frame.
        trace: see `profile`; of the run's steps.

    Raises:
        AetheriaError: the motor cannot be built, or its steps or recorder fail.
    """
    with build_motor(config, device) as motor, tempfile.TemporaryDirectory() as folder:
        report = measure_motor(motor, seconds=_PROFILED_S)
        count = steps or max(config.record.every, steps_within(synchronised_step(motor), _PROFILED_S))
        with Recorder(motor, Path(folder) / "run.h5", **recorder_settings(config.record), config=config.to_toml()) as recorder:

            def step_and_record() -> None:
                motor.step(count)
                recorder.sync()  # otherwise its thread may not have begun when the steps are done

            whole = profile(step_and_record, _RUN, motor.device, trace)
        return RunProfile(report, count, whole, _profile_eager_step(motor))


def _profile_eager_step(motor: Aetheria_Motor) -> Profile:
    law, state = motor.law, (motor.cells, *motor.memory)
    step = make_step(make_call(law, motor.device, motor.config.precision))
    state = tuple(map(settled, state, state))
    with torch.inference_mode(), motor.optimizer.numerics():
        return profile(lambda: step(*state), law_stages(law), motor.device)


def law_stages(law: nn.Module) -> list[TimedFunction]:
    """The stages of a law's own step: its methods with known names, and its layers."""
    stages = [TimedFunction(updates, "normalised", "normalise"), TimedFunction(nca, "hash_words", "hash noise")]
    stages += [TimedFunction(law, name, stage) for name, stage in _METHODS.items() if callable(getattr(type(law), name, None))]
    for name, child in law.named_children():
        # A ModuleList itself is never called.
        layers = (
            {f"{name}.{i}": one for i, one in child.named_children()} if isinstance(child, nn.ModuleList) else {name: child}
        )
        stages += [
            TimedFunction(layer, "forward", "perceive" if key == "perceive" else f"network: {key}")
            for key, layer in layers.items()
        ]
    return stages


def tables(found: RunProfile) -> Iterator[Table]:
    """Tables of the stages, the parts of the law, and the operators."""
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
    """A table of the stages; shares are of the profiled thread's time."""
    table = _table(title, "stage", "ms/step", "share", "calls", "MiB/step")
    total = sum(stage.seconds for stage in found.stages if not stage.in_background)
    for stage in found.stages:
        share = "background" if stage.in_background else f"{stage.seconds / total:.1%}"
        memory = "" if stage.in_background else f"{found.allocated.get(stage.name, 0) / steps / MIB:,.2f}"
        table.add_row(stage.name, f"{stage.seconds / steps * 1e3:.4g}", share, f"{stage.calls:,}", memory)
    return table


def operator_table(title: str, found: Profile, steps: int, ceilings: Ceilings, most: int = 12) -> Table:
    """A table of the slowest operators; the rate of products also as a share of a large product's rate."""
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
    total = sum(operator.seconds for operator in found.operators) or 1.0
    for operator in found.operators[:most]:
        rate = operator.flops / operator.seconds if operator.flops and operator.seconds else 0.0
        table.add_row(
            operator.name,
            f"{operator.seconds / steps * 1e3:.4g}",
            f"{operator.seconds / total:.1%}",
            f"{operator.calls:,}",
            f"{operator.allocated / steps / MIB:,.2f}",
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
