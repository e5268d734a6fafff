"""The measurements of the day, in the order of their importance; each gives the cells of a line of the table.

Rates are of the plan alone, without the motor's loop, timed by events on the device.
"""

import math
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import Any

import torch

from aetheria import Aetheria_Motor
from aetheria.core.device import times
from aetheria.core.precision import Precision
from aetheria.diagnostics import bench
from aetheria.laws import Life, build_law
from aetheria.laws.rules.block_table import table_text
from aetheria.stepping.cuda_graph import LENGTHS, Graphed
from benchmarks.harness.cases import CASES, Job, motor_for
from benchmarks.speed import watching
from benchmarks.speed.overheads import EVERY

COLUMNS = "measurement | grid | precision | plan | us/step | Gcell/s | GB/s | of copy | TFLOP/s | of product | remarks"
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "tf32")
REPEATS = 5
Cells = list[str]


@dataclass(frozen=True)
class Sizes:
    """The sizes of a day; small ones prove the script on the CPU.

    Attributes:
        sides: of the grids of rates, the most important first.
        packed: of those of packed Life.
        states: of those of the other laws of whole states; 1-D and 3-D ones have grids in proportion.
        loop, watched: of those of the motor's loop, and of the watched ones.
        batch: universes of 64^2.
        steps: in a timed chunk of a plan.
        seconds: of each measurement of the loop.
        copy_bytes, product_side: of the ceilings; None for those of `aetheria bench`.
    """

    sides: tuple[int, ...] = (1024, 256, 4096)
    packed: tuple[int, ...] = (4096, 1024, 16384)
    states: int = 2048
    loop: tuple[int, ...] = (64, 1024)
    watched: int = 512
    batch: int = 256
    steps: int = LENGTHS[0]
    seconds: float = 0.5
    copy_bytes: int | None = None
    product_side: int | None = None


TINY = Sizes((32,), (64,), 64, (32,), 32, 3, 2, 0.02, 1 << 20, 64)
# Of each form of whole states, by what is measured: the law, its settings, and the number of grid axes.
STATES: dict[str, tuple[str, dict[str, Any], int]] = {
    "isotropic B2-a/S12": ("Life", {"rule": "B2-a/S12"}, 2),
    "table of 512": ("Life", {"rule": table_text(random.Random(1).getrandbits(512))}, 2),
    "3 states": ("Generations", {"rule": "/2/3"}, 2),
    "16 states": ("Generations", {"rule": "345/2/16"}, 2),
    "Elementary 30": ("Elementary", {"rule": 30}, 1),
    "WireWorld": ("RuleTable", {"rule": "WireWorld"}, 2),
    "JvN29": ("RuleTable", {"rule": "JvN29"}, 2),
    "square R3": ("LargerThanLife", {"rule": "R3,C2,S14-24,B15-19"}, 2),
    "square R5": ("LargerThanLife", {}, 2),
    "square R10": ("LargerThanLife", {"rule": "R10,C2,S122-211,B123-170"}, 2),
    "square R40": ("LargerThanLife", {"rule": "R40,C2,S1800-3200,B1850-2500"}, 2),
    "circular R7": ("LargerThanLife", {"rule": "R7,C2,S40-75,B42-60,NC"}, 2),
    "cyclic": ("Cyclic", {}, 2),
    "Life3D": ("Life3D", {}, 3),
    "second order": ("SecondOrder", {"rule": "B3/S23"}, 2),
}


def entries(sizes: Sizes, device: str) -> dict[str, Callable[[], Cells]]:
    """All measurements by name."""
    found: dict[str, Callable[[], Cells]] = {}

    def add(name: str, action: Callable[..., Cells], *arguments: Any) -> None:
        found[name] = lambda: action(name, sizes, device, *arguments)

    main, *other = sizes.sides
    for precision in PRECISIONS:
        add(f"ceilings {precision}", ceilings_row, precision)
    _add_rates(add, main, PRECISIONS[:2])
    for side in sizes.packed:
        add(f"packed Life {side}", packed)
    for kind, case in STATES.items():
        add(f"states: {kind}", whole_states, *case)
    for law, side in product(("Life", "GrowingNCA"), sizes.loop):
        for interval in (0, 100):
            add(f"loop {law} {side} clean-up {interval}", loop, law, side, interval)
    for law in ("Life", "MLP", "GrowingNCA"):
        add(f"replay {law}", replay, law)
    for law in ("GrowingNCA", "MLP", "UNet"):
        add(f"watched {law}", watched, law)
    for side in other:
        _add_rates(add, side, PRECISIONS[:2])
    for law in CASES:
        add(f"batch {law}", rate, law, 64 if main >= 64 else main, "fp32", sizes.batch)
    for side in sizes.sides:
        _add_rates(add, side, PRECISIONS[2:])
    return found


def _add_rates(add: Callable[..., None], side: int, precisions: tuple[Precision, ...]) -> None:
    for precision, (law, case) in product(precisions, CASES.items()):
        if case.network or precision == "fp32":
            add(f"{law} {side} {precision}", rate, law, side, precision, 1)


@cache
def ceilings(device: str, precision: Precision, copy_bytes: int | None, product_side: int | None) -> bench.Ceilings:
    """The rates of a large copy and a large product, measured once a process."""
    return bench.measure_ceilings(torch.device(device), precision, copy_bytes=copy_bytes, product_side=product_side)


def ceilings_row(name: str, sizes: Sizes, device: str, precision: Precision) -> Cells:
    """The rates that others are compared with."""
    found = ceilings(device, precision, sizes.copy_bytes, sizes.product_side)
    rates = ["", f"{found.bandwidth / 1e9:,.0f}", "100%", f"{found.arithmetic / 1e12:.4g}", "100%"]
    return [name, "", precision, "", "", *rates, "a large copy, a large product"]


def rate(name: str, sizes: Sizes, device: str, law: str, side: int, precision: Precision, batch: int) -> Cells:
    """The rate of the plan that "auto" takes."""
    motor = motor_for(Job("ours", law, side, precision, batch, device))
    seconds = plan_seconds(motor, sizes.steps)
    state = (motor.cells, *motor.memory)
    work = bench.traffic_per_step(state), bench.flops_per_step(motor.law, state)
    top = ceilings(device, precision, sizes.copy_bytes, sizes.product_side)
    least = max(work[0] / top.bandwidth, work[1] / top.arithmetic)
    remarks = f"{seconds / least:.2f} x its lower bound" if motor.device.type == "cuda" else "on the CPU"
    return [name, grid(side, batch), precision, plan_of(motor), *figures(seconds, batch * side**2, *work, top), remarks]


def packed(name: str, sizes: Sizes, device: str) -> Cells:
    """Packed Life: bytes are those of the words, once for each pass of up to eight steps."""
    side = int(name.split()[-1])
    motor = Aetheria_Motor(Life(), side, 1, device, {"plan": "packed"}, seed=1)
    seconds = plan_seconds(motor, sizes.steps)
    top = ceilings(device, "fp32", sizes.copy_bytes, sizes.product_side)
    traffic = 2 * side * -(-side // 64) * 8 / 8
    return [name, grid(side), "exact", plan_of(motor), *figures(seconds, side**2, traffic, 0, top), "bytes per pass of 8 steps"]


def whole_states(name: str, sizes: Sizes, device: str, law: str, settings: dict[str, Any], rank: int) -> Cells:
    """The packed plan of a law of whole states; it is compared with two eager steps of the grid when it is made."""
    side = sizes.states
    cells = {1: (side * side // 4,), 2: (side, side), 3: (side // 16,) * 3}[rank]
    made: Any = build_law(law, **settings)
    motor = Aetheria_Motor(made, cells, made.channels, device, {"plan": "packed"}, seed=1, initial="noise")
    seconds = plan_seconds(motor, sizes.steps)
    traffic = 2 * sum(tensor.numel() * tensor.element_size() for tensor in pack(motor))
    top = ceilings(device, "fp32", sizes.copy_bytes, sizes.product_side)
    rates = figures(seconds, math.prod(cells), traffic, 0, top)
    return [name, times(cells), "exact", plan_of(motor), *rates, "bytes of the packed state, read and written once"]


def loop(name: str, sizes: Sizes, device: str, law: str, side: int, interval: int) -> Cells:
    """The motor's loop beside its plan alone."""
    motor = motor_for(Job("ours", law, side, device=device))
    motor.optimizer.empty_cache_interval = interval
    plan = plan_seconds(motor, sizes.steps)
    motor.step(sizes.steps)
    whole = bench.seconds_per_step(bench.synchronised_step(motor), sizes.seconds)
    done = motor.optimizer.cleanup_stats.done
    remarks = f"plan alone {plan * 1e6:,.2f} us: x{whole / plan:.3f}; {done} clean-ups freed memory"
    return [name, grid(side), "fp32", plan_of(motor), f"{whole * 1e6:,.2f}", *[""] * 5, remarks]


def replay(name: str, sizes: Sizes, device: str, law: str) -> Cells:
    """Launch and device time of a graph of each length, on a grid so small that launching decides."""
    side = sizes.loop[0]
    motor = motor_for(Job("ours", law, side, device=device))
    plan: Any = motor.warm_up()
    state = pack(motor)
    each = {n: seconds_of(partial(plan.advance, state, n), motor.device) / n for n in LENGTHS}
    times = (f"{steps}: {seconds * 1e6:.2f} us/step" for steps, seconds in each.items())
    kind = "graphs" if isinstance(plan, Graphed) else "no graphs"
    return [name, grid(side), "fp32", plan_of(motor), *[""] * 6, f"{kind} of {', '.join(times)}"]


def watched(name: str, sizes: Sizes, device: str, law: str) -> Cells:
    """The cost of a window's frames at 60 Hz, and of recording every ten steps besides."""
    side = sizes.watched
    _, _, plan, steps, alone, viewed, both, *_ = watching.cost(law, side, device, sizes.seconds, 60.0)
    each = float(alone) / int(steps.replace(",", ""))
    remarks = f"viewed at 60 Hz x{viewed}; and recorded every {EVERY} steps x{both}"
    return [name, grid(side), "fp32", plan, f"{each * 1e6:,.2f}", *[""] * 5, remarks]


def plan_seconds(motor: Aetheria_Motor, steps: int) -> float:
    """Seconds of a step of the motor's plan, without its loop."""
    plan: Any = motor.warm_up()
    held = [pack(motor)]

    def advance() -> None:
        held[0] = plan.advance(held[0], steps)

    with torch.inference_mode(), motor.optimizer.numerics():
        return seconds_of(advance, motor.device) / steps


def pack(motor: Aetheria_Motor) -> Any:
    """A copy of the motor's state in the form of its plan."""
    with torch.inference_mode():
        return motor.warm_up().pack((motor.cells, *motor.memory))


def seconds_of(action: Callable[[], object], device: torch.device) -> float:
    """Median seconds of a call, after an untimed one; of the device where it is a GPU."""
    with torch.inference_mode():
        action()
        if device.type != "cuda":
            return statistics.median(bench._timed(lambda _: action(), 1) for _ in range(REPEATS))
        times = []
        for _ in range(REPEATS):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            start.record()
            action()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times)


def figures(seconds: float, cells: int, traffic: float, flops: float, top: bench.Ceilings) -> Cells:
    """Time, rates, and shares of the ceilings."""
    moved, computed = traffic / seconds, flops / seconds
    products = [f"{computed / 1e12:.3g}", f"{computed / top.arithmetic:.0%}"] if flops else ["", ""]
    return [
        f"{seconds * 1e6:,.2f}",
        f"{cells / seconds / 1e9:.3g}",
        f"{moved / 1e9:,.0f}",
        f"{moved / top.bandwidth:.0%}",
        *products,
    ]


def plan_of(motor: Aetheria_Motor) -> str:
    """The name of the motor's plan, and what it is made of."""
    plan = motor.warm_up()
    return f"{plan.name} ({type(plan._inner).__name__})" if isinstance(plan, Graphed) else plan.name


def grid(side: int, batch: int = 1) -> str:
    """A grid for people."""
    return f"{side}^2" if batch == 1 else f"{batch} x {side}^2"
