"""The winograd plan against the compiled one, by the share of a step's products in its convolutions.

It shows the share from which on plan "auto" should take winograd.

python -m benchmarks.speed.shares --out benchmarks/results/shares.md
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from aetheria.core.precision import Precision
from aetheria.laws import MLP, ConvLSTM, UNet
from aetheria.laws.base import as_law
from aetheria.stepping.choose import choose_plan
from aetheria.stepping.cpu.winograd import LEAST_SHARE, share
from aetheria.stepping.plan import Plan, State
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import Row, table


class Plain(nn.Module):
    """Convolutions of equal width, one after the other, as somebody may write them."""

    def __init__(self, channels: int, layers: int, activation: type[nn.Module]) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(channels, channels, 3, padding=1, padding_mode="circular") for _ in range(layers)]
        self.net = nn.Sequential(*(part for convolution in convolutions for part in (convolution, activation())))

    def forward(self, cells: Tensor) -> Tensor:
        return cells + 0.01 * self.net(cells)


CHANNELS = 16
D = CHANNELS // 2
LAWS: dict[str, Callable[[], nn.Module]] = {
    **{f"UNet, h = {h}": partial(UNet, D, h) for h in (8, 12, 16)},
    "UNet, h = 16, group norm": partial(UNet, D, 16, norm="group"),
    **{f"ConvLSTM, h = {h}": partial(ConvLSTM, D, h) for h in (8, 12)},
    **{f"MLP, h = {h}, group norm": partial(MLP, D, h, norm="group") for h in (32, 64, 128)},
    "a convolution and ReLU": partial(Plain, CHANNELS, 1, nn.ReLU),
    "3 convolutions and GELU": partial(Plain, CHANNELS, 3, nn.GELU),
}


def state_of(law: nn.Module, side: int) -> State:
    cells = 0.1 * torch.randn(1, CHANNELS, side, side, generator=torch.Generator().manual_seed(0))
    memory = getattr(law, "initial_memory", lambda _: ())(cells)
    return (cells, *memory)


def milliseconds(law: nn.Module, state: State, precision: Precision, rounds: int) -> tuple[float, float]:
    """Medians of a step, winograd and compiled, in turn."""
    plans = [
        choose_plan(as_law(law, CHANNELS), state, wanted=wanted, precision=precision) for wanted in ("winograd", "compiled")
    ]
    with torch.inference_mode():
        held = [plan.pack(state) for plan in plans]
        turns = [[_timed(plan, one) for plan, one in zip(plans, held, strict=True)] for _ in range(rounds + 1)][1:]
    first, second = (1e3 * statistics.median(times) for times in zip(*turns, strict=True))
    return first, second


def _timed(plan: Plan, held: State) -> float:
    began = time.perf_counter()
    plan.advance(plan.advance(held, 1), 1)
    return (time.perf_counter() - began) / 2


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=list(LAWS), default=list(LAWS))
    parser.add_argument("--side", type=int, default=128, help="side of the grid in cells")
    parser.add_argument("--rounds", type=int, default=15)
    wanted = parser.parse_args()
    rows: list[Row] = []
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for name in wanted.laws:
        torch.manual_seed(0)
        law = LAWS[name]().eval()
        state = state_of(law, wanted.side)
        row = [name, f"{share(law, state):.2f}"]
        for precision in precisions:
            ours, compiled = milliseconds(law, state, precision, wanted.rounds)
            row += [f"{ours:.3g}", f"{compiled:.3g}", f"{compiled / ours:.3g}"]
        rows.append(row)
    lines = [
        f"Grid {wanted.side}^2, {CHANNELS} channels, {torch.get_num_threads()} threads of torch; milliseconds a step. Share: "
        "of a step's products, in convolutions of the kernel.",
        "",
        f'Plan "auto" takes `winograd` where the share is {LEAST_SHARE} or more, and where a run is too short to compile for.',
        "",
    ]
    lines += table("law | share | fp32 | compiled | compiled / ours | bf16 | compiled | compiled / ours", rows)
    publish("Shares", lines, wanted.out)


if __name__ == "__main__":
    main()
