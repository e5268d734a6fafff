"""`aetheria bench`: the rate of one config on this machine, beside what the machine can do."""

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from aetheria.core.errors import ConfigError
from aetheria.core.precision import Numerics, Precision, numerics
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from aetheria.stepping import State

# Larger than any cache; the product is large enough that its edges do not count.
COPY_BYTES = 256 << 20
PRODUCT_SIDE = {"cpu": 2048, "cuda": 8192}
_TYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp64": torch.float64}


@dataclass(frozen=True)
class Ceilings:
    """What the machine does at best: bytes read and written per second in a large copy, FLOP/s in a large matrix product."""

    bandwidth: float
    arithmetic: float


@dataclass(frozen=True)
class Report:
    """How fast a motor steps, and what a step needs at the least.

    Attributes:
        law, device, precision: what was measured, for people.
        shape: of the cells, `(B, C, H, W)`.
        plan, reason: how the motor steps, and why so.
        seconds: a step took, median.
        traffic: bytes of a step that reads the state once and writes it once.
        flops: of a step's matrix products and convolutions; 0 where it has none (see `flops_per_step`).
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
        """Cell updates a second, all universes together."""
        batch, _, height, width = self.shape
        return batch * height * width / self.seconds

    @property
    def bound(self) -> str:
        """Which of the two ceilings a step meets first: "bandwidth" or "arithmetic"."""
        moving, computing = self._least()
        return "arithmetic" if computing > moving else "bandwidth"

    @property
    def bound_seconds(self) -> float:
        """What a step takes at the least, if it reads and writes the state once."""
        return max(self._least())

    def _least(self) -> tuple[float, float]:
        return self.traffic / self.ceilings.bandwidth, self.flops / self.ceilings.arithmetic


def bench(
    config: RunConfig,
    *,
    device: str | None = None,
    seconds: float = 2.0,
    steps: int | None = None,
) -> Report:
    """Measures the motor that `config` describes. Steps only: nothing is recorded.

    Args:
        device: instead of the config's.
        seconds: how long to time steps for, about.
        steps: time exactly so many, once, instead.

    Raises:
        ConfigError: `seconds` or `steps` is not above 0. AetheriaError: whatever `build_motor` and stepping refuse.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConfigError(f"seconds: {seconds} given; expected a finite number above 0")
    if steps is not None and steps < 1:
        raise ConfigError(f"steps: {steps} given; expected 1 or more")
    with build_motor(config, device) as motor:
        return report_on(motor, seconds, steps)


def report_on(motor: Aetheria_Motor, seconds: float = 2.0, steps: int | None = None) -> Report:
    """Measures a motor as it stands; its steps count."""
    plan = motor.warm_up()
    return Report(
        law=motor.traits.name,
        device=str(motor.device),
        precision=motor.config.precision,
        shape=motor.shape,
        plan=plan.name,
        reason=plan.reason,
        seconds=seconds_per_step(stepper(motor), seconds, steps),
        traffic=traffic_per_step((motor.cells, *motor.memory)),
        flops=flops_per_step(motor.law, (motor.cells, *motor.memory)),
        ceilings=measure_ceilings(motor.device, motor.config.precision),
    )


def stepper(motor: Aetheria_Motor) -> Callable[[int], None]:
    """`motor.step` that returns when the device is done."""

    def advance(steps: int) -> None:
        motor.step(steps)
        synchronise(motor.device)

    return advance


def seconds_per_step(
    advance: Callable[[int], object], seconds: float = 2.0, steps: int | None = None, repeats: int = 5
) -> float:
    """Median time of a step.

    Args:
        advance: takes so many steps, and returns when they are done.
        seconds: of timed steps, about; more where a few steps take longer.
        steps: time exactly so many, once, instead.
    """
    advance(1)
    advance(1)
    if steps is not None:
        return _timed(advance, steps) / steps
    count = steps_in(advance, seconds / repeats)
    times = [_timed(advance, count)]
    while len(times) < 3 or (len(times) < repeats and sum(times) < seconds):
        times.append(_timed(advance, count))
    return statistics.median(times) / count


def flops_per_step(law: nn.Module, state: State) -> int:
    """Floating-point operations of one step in matrix products and convolutions, 2 for a multiplication with its addition.

    Counted on the law as it is written, by `torch.utils.flop_counter`, on the meta device: nothing is computed. Not counted
    are sums, norms, activations, pooling, comparisons and FFTs. 0 for a law without products, and for one that cannot be
    traced without values.
    """
    shapes = [torch.empty_like(tensor, device="meta") for tensor in state]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            copy.deepcopy(law).to("meta")(*shapes)
    except Exception:  # noqa: BLE001 - a user's module may do anything: look at values, live on one device, refuse copies
        return 0
    return counter.get_total_flops()


def traffic_per_step(state: State) -> int:
    """Bytes of reading the state once and writing it once."""
    return 2 * sum(tensor.numel() * tensor.itemsize for tensor in state)


def measure_ceilings(
    device: torch.device, precision: Precision, *, copy_bytes: int | None = None, product_side: int | None = None
) -> Ceilings:
    """Times a copy of `copy_bytes`, and a product of square matrices of `product_side` in `precision`."""
    size, side = copy_bytes or COPY_BYTES, product_side or PRODUCT_SIDE[device.type]
    with torch.inference_mode(), numerics(Numerics(precision == "tf32", deterministic=False)):
        return Ceilings(_copied_per_second(device, size), _computed_per_second(device, _TYPES[precision], side))


def _copied_per_second(device: torch.device, size: int) -> float:
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / seconds_per_step(_repeated(lambda: target.copy_(source), device), 0.5)


def _computed_per_second(device: torch.device, dtype: torch.dtype, side: int) -> float:
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    out = torch.empty_like(a)
    return 2 * side**3 / seconds_per_step(_repeated(lambda: torch.mm(a, b, out=out), device), 0.5)


def _repeated(action: Callable[[], object], device: torch.device) -> Callable[[int], None]:
    def advance(times: int) -> None:
        for _ in range(times):
            action()
        synchronise(device)

    return advance


def synchronise(device: torch.device) -> None:
    """Waits until the device has done all it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def steps_in(advance: Callable[[int], object], seconds: float) -> int:
    """How many steps fill `seconds`, so that reading the clock and entering the loop do not count."""
    count, took = 1, _timed(advance, 1)
    while took < seconds / 2:
        # By 16 times at the most: the first steps may have been slow to start, or too short for the clock.
        count *= max(2, min(16, int(seconds / max(took, 1e-9))))
        advance(count)  # untimed: what is compiled for a number of steps is compiled here
        took = _timed(advance, count)
    return count


def _timed(advance: Callable[[int], object], steps: int) -> float:
    began = time.perf_counter()
    advance(steps)
    return time.perf_counter() - began


def describe(report: Report) -> dict[str, str]:
    """The report in words, line by line."""
    batch, channels, height, width = report.shape
    universes = f", {batch} universes" if batch > 1 else ""
    ceilings = report.ceilings
    moved, computed = report.traffic / report.seconds, report.flops / report.seconds
    return {
        "law": f"{report.law} on {report.device}, {report.precision}: {height} x {width} cells, {channels} channels{universes}",
        "plan": f"{report.plan}: {report.reason}",
        "rate": f"{report.seconds * 1e3:.4g} ms/step, {1 / report.seconds:,.0f} steps/s, "
        f"{report.cells_per_second / 1e6:,.4g} Mcell/s",
        "bandwidth": f"{moved / 1e9:.3g} GB/s, the state read and written once a step; "
        f"{moved / ceilings.bandwidth:.0%} of the {ceilings.bandwidth / 1e9:.3g} of a large copy",
        "arithmetic": f"{computed / 1e9:.3g} GFLOP/s in products and convolutions; "
        f"{computed / ceilings.arithmetic:.0%} of the {ceilings.arithmetic / 1e9:.3g} of a large matrix product"
        if report.flops
        else "no products or convolutions were counted",
        "bound": f"{report.bound}: {_how_far(report)}",
    }


def _how_far(report: Report) -> str:
    least = f"{report.bound_seconds * 1e3:.3g} ms/step at the least"
    ratio = report.seconds / report.bound_seconds
    if ratio >= 1:
        return f"{least}; this is {ratio:.3g} times that"
    if report.bound == "arithmetic":
        why = "the kernel does not ask cells that do not fire, or are dead"
        return f"{least} for every cell; this takes {ratio:.3g} of that: {why}"
    why = "the state stays in cache, several steps are taken a pass, or its cells are packed"
    return f"{least} from memory, one pass a step; this takes {ratio:.3g} of that: {why}"
