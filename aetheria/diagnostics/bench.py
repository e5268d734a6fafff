"""Stepping rate of a config on this machine (`aetheria bench`), beside the machine's limits."""

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from aetheria.core.device import times
from aetheria.core.errors import ConfigError
from aetheria.core.precision import Numerics, Precision, numerics
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from aetheria.stepping import State

# The copy is larger than any cache; the product is so large that its edges cost nothing.
COPY_BYTES = 256 << 20
PRODUCT_SIDE = {"cpu": 2048, "cuda": 8192}
CEILING_S = 0.5  # of measuring each
_TYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp64": torch.float64}


@dataclass(frozen=True)
class Ceilings:
    """Limits of the machine: bytes read and written per second in a large copy, FLOP/s in a large matrix product."""

    bandwidth: float
    arithmetic: float


@dataclass(frozen=True)
class BenchReport:
    """The stepping rate of a motor, and a lower bound for the time of a step.

    Attributes:
        law, device, precision: names, for display.
        shape: of the cells, `(B, C, *grid)`.
        plan, reason: the motor's plan, and the reason for its choice.
        seconds: per step, median.
        traffic: bytes per step, if it reads the state once and writes it once.
        flops: per step, in matrix products and convolutions; 0 if there are none (see `flops_per_step`).
        ceilings: of this machine, in this precision.
    """

    law: str
    device: str
    precision: str
    shape: tuple[int, ...]
    plan: str
    reason: str
    seconds: float
    traffic: int
    flops: int
    ceilings: Ceilings

    @property
    def cells_per_second(self) -> float:
        """Cell updates per second, in all universes together."""
        return self.shape[0] * math.prod(self.shape[2:]) / self.seconds

    @property
    def bound(self) -> str:
        """The ceiling that limits a step: "bandwidth" or "arithmetic"."""
        moving, computing = self._least()
        return "arithmetic" if computing > moving else "bandwidth"

    @property
    def bound_seconds(self) -> float:
        """A lower bound for the time of a step that reads and writes the state once."""
        return max(self._least())

    def _least(self) -> tuple[float, float]:
        return self.traffic / self.ceilings.bandwidth, self.flops / self.ceilings.arithmetic


def bench(
    config: RunConfig,
    *,
    device: str | None = None,
    seconds: float = 2.0,
    steps: int | None = None,
) -> BenchReport:
    """Measures the motor of a config. Nothing is recorded.

    Args:
        device: replaces the config's.
        seconds: to measure for, approximately.
        steps: number of steps to time, once, instead.

    Raises:
        ConfigError: `seconds` or `steps` is not above 0. AetheriaError: the motor cannot be built, or its steps fail.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConfigError(f"seconds: {seconds} given; expected a finite number above 0")
    if steps is not None and steps < 1:
        raise ConfigError(f"steps: {steps} given; expected 1 or more")
    with build_motor(config, device) as motor:
        return measure_motor(motor, seconds, steps)


def measure_motor(motor: Aetheria_Motor, seconds: float = 2.0, steps: int | None = None) -> BenchReport:
    """Measures a motor; the measured steps advance it."""
    plan = motor.warm_up()
    return BenchReport(
        law=motor.traits.name,
        device=str(motor.device),
        precision=motor.config.precision,
        shape=motor.shape,
        plan=plan.name,
        reason=plan.reason,
        seconds=seconds_per_step(synchronised_step(motor), seconds, steps),
        traffic=traffic_per_step((motor.cells, *motor.memory)),
        flops=flops_per_step(motor.law, (motor.cells, *motor.memory)),
        ceilings=measure_ceilings(motor.device, motor.config.precision),
    )


def synchronised_step(motor: Aetheria_Motor) -> Callable[[int], None]:
    """`motor.step`, returning when the device is done."""

    def advance(steps: int) -> None:
        motor.step(steps)
        synchronise(motor.device)

    return advance


def seconds_per_step(
    advance: Callable[[int], object], seconds: float = 2.0, steps: int | None = None, repeats: int = 5
) -> float:
    """Median time of a step.

    Args:
        advance: takes the given number of steps, and returns when they are done.
        seconds: of timed steps, approximately; more if three repeats of one step take longer.
        steps: number of steps to time, once, instead.
    """
    advance(1)
    advance(1)
    if steps is not None:
        return _timed(advance, steps) / steps
    count = steps_within(advance, seconds / repeats)
    times = [_timed(advance, count)]
    while len(times) < 3 or (len(times) < repeats and sum(times) < seconds):
        times.append(_timed(advance, count))
    return statistics.median(times) / count


def flops_per_step(law: nn.Module, state: State) -> int:
    """Floating-point operations of one step in matrix products and convolutions, 2 for a multiplication with its addition.

    Counted by `torch.utils.flop_counter` on the law itself, on the meta device, where nothing is computed. Sums, norms,
    activations, pooling, comparisons and FFTs are not counted. 0 for a law without products, and for one that cannot be
    traced without values.
    """
    shapes = [torch.empty_like(tensor, device="meta") for tensor in state]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            copy.deepcopy(law).to("meta")(*shapes)
    except Exception:  # noqa: BLE001 - a user's module may look at values, need its device, or refuse copies
        return 0
    return counter.get_total_flops()


def traffic_per_step(state: State) -> int:
    """Bytes read and written when the state is read once and written once."""
    return 2 * sum(tensor.numel() * tensor.itemsize for tensor in state)


def measure_ceilings(
    device: torch.device, precision: Precision, *, copy_bytes: int | None = None, product_side: int | None = None
) -> Ceilings:
    """Times a copy of `copy_bytes`, and a product of square matrices of `product_side` in `precision`."""
    size, side = copy_bytes or COPY_BYTES, product_side or PRODUCT_SIDE[device.type]
    with torch.inference_mode(), numerics(Numerics(precision == "tf32", deterministic=False)):
        return Ceilings(_copy_bandwidth(device, size), _product_rate(device, _TYPES[precision], side))


def _copy_bandwidth(device: torch.device, size: int) -> float:
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / seconds_per_step(_repeated(lambda: target.copy_(source), device), CEILING_S)


def _product_rate(device: torch.device, dtype: torch.dtype, side: int) -> float:
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    out = torch.empty_like(a)
    return 2 * side**3 / seconds_per_step(_repeated(lambda: torch.mm(a, b, out=out), device), CEILING_S)


def _repeated(action: Callable[[], object], device: torch.device) -> Callable[[int], None]:
    def advance(times: int) -> None:
        for _ in range(times):
            action()
        synchronise(device)

    return advance


def synchronise(device: torch.device) -> None:
    """Waits until the device has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def steps_within(advance: Callable[[int], object], seconds: float) -> int:
    """Number of steps that take about `seconds`, so many that the clock and the loop around them cost nothing."""
    count, took = 1, _timed(advance, 1)
    while took < seconds / 2:
        # 16 times as many at most: the first steps may have been slow to start, or too short for the clock.
        count *= max(2, min(16, int(seconds / max(took, 1e-9))))
        advance(count)  # untimed: a plan may compile for this number of steps
        took = _timed(advance, count)
    return count


def _timed(advance: Callable[[int], object], steps: int) -> float:
    began = time.perf_counter()
    advance(steps)
    return time.perf_counter() - began


def describe(report: BenchReport) -> dict[str, str]:
    """The report in words, by heading."""
    batch, channels, *grid = report.shape
    universes = f", {batch} universes" if batch > 1 else ""
    ceilings = report.ceilings
    moved, computed = report.traffic / report.seconds, report.flops / report.seconds
    return {
        "law": f"{report.law} on {report.device}, {report.precision}: {times(grid)} cells, {channels} channels{universes}",
        "plan": f"{report.plan}: {report.reason}",
        "rate": f"{report.seconds * 1e3:.4g} ms/step, {1 / report.seconds:,.0f} steps/s, "
        f"{report.cells_per_second / 1e6:,.4g} Mcell/s",
        "bandwidth": f"{moved / 1e9:.3g} GB/s, the state read and written once per step; "
        f"{moved / ceilings.bandwidth:.0%} of the {ceilings.bandwidth / 1e9:.3g} of a large copy",
        "arithmetic": f"{computed / 1e9:.3g} GFLOP/s in products and convolutions; "
        f"{computed / ceilings.arithmetic:.0%} of the {ceilings.arithmetic / 1e9:.3g} of a large matrix product"
        if report.flops
        else "no products or convolutions were counted",
        "bound": f"{report.bound}: {_compare_with_bound(report)}",
    }


def _compare_with_bound(report: BenchReport) -> str:
    least = f"{report.bound_seconds * 1e3:.3g} ms/step at the least"
    ratio = report.seconds / report.bound_seconds
    if ratio >= 1:
        return f"{least}; this is {ratio:.3g} times that"
    if report.bound == "arithmetic":
        why = "the kernel skips cells that do not fire, or are dead"
        return f"{least} for all cells; this takes {ratio:.3g} of that: {why}"
    why = "the state stays in cache, a pass takes several steps, or the cells are packed"
    return f"{least} from memory, one pass per step; this takes {ratio:.3g} of that: {why}"
