"""3x3 convolutions by minimal filtering against direct ones: time by layer; rounding by tile size and evaluation points.

python -m benchmarks.speed.winograd --out benchmarks/results/winograd.md
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.core.device import keep_freed_memory
from aetheria.core.precision import Precision
from aetheria.laws.layers import Conv
from aetheria.stepping.cpu.conv1x1 import PointwiseConv, PointwiseKernel
from aetheria.stepping.cpu.conv3x3 import Conv3x3, Conv3x3Kernel
from aetheria.stepping.cpu.kernel_layer import flat
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import Row, table

# (side, inputs, outputs): those of a UNet with d = 8, h = 32 on 256^2, and the gates of a ConvLSTM.
LAYERS = (
    *((256, 16, 32), (256, 32, 32), (128, 32, 64), (128, 64, 64), (64, 64, 128), (64, 128, 128), (64, 128, 256)),
    *((64, 256, 256), (128, 192, 128), (128, 128, 128), (256, 96, 32), (64, 256, 512)),
)
# (side, inputs, between, others, outputs): those of its two ways up.
UPSAMPLED = ((64, 256, 128, 64, 128), (128, 128, 64, 32, 32))
POINTS = ((1.0, 2.0), (0.5, 1.0), (0.5**0.5, 2**0.5), (5 / 8, 3 / 2), (2 / 3, 3 / 2), (3 / 4, 3 / 2))
Matrices = tuple[Tensor, Tensor, Tensor]


def milliseconds(side: int, inputs: int, outputs: int, rounds: int) -> list[float]:
    """Medians of processor time: direct in float32 and bfloat16, ours in float32 and 16 bits, in turn."""
    conv = Conv(inputs, outputs, 3, "periodic", bias=False)
    cells = torch.randn(1, inputs, side, side).contiguous(memory_format=torch.channels_last)
    padded = F.pad(cells, (1, 1, 1, 1), mode="circular").contiguous(memory_format=torch.channels_last)
    weight = conv.weight.detach().contiguous(memory_format=torch.channels_last)
    own = [Conv3x3Kernel(Conv3x3(conv, "periodic"), "fp32"), Conv3x3Kernel(Conv3x3(conv, "periodic"), "bf16")]
    calls: list[Callable[[], Tensor]] = [
        lambda: F.conv2d(padded, weight),
        lambda: F.conv2d(short, short_weight),
        lambda: own[0](cells),
        lambda: own[1](short_cells),
    ]
    short, short_weight, short_cells = padded.bfloat16(), weight.bfloat16(), cells.bfloat16()
    return _in_turn(calls, rounds)


def milliseconds_upsampled(side: int, inputs: int, middle: int, others: int, outputs: int, rounds: int) -> list[float]:
    """Upsampling, then a 3x3 convolution with other channels: one after the other and merged, in float32 and 16 bits."""
    transposed, conv = nn.ConvTranspose2d(inputs, middle, 2, 2), Conv(middle + others, outputs, 3, "periodic", bias=False)
    low, skip = (torch.randn(1, n, size, size) for n, size in ((inputs, side), (others, 2 * side)))
    calls: list[Callable[[], Tensor]] = []
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for precision in precisions:
        upsampler, own = (
            PointwiseKernel(PointwiseConv(transposed, 2), precision),
            Conv3x3Kernel(Conv3x3(conv, "periodic"), precision),
        )
        cells, beside = (flat(part, own.stored) for part in (low, skip))
        calls += [partial(_both, upsample, own, cells, beside) for upsample in (upsampler.compute, upsampler)]
    return _in_turn(calls, rounds)


def _both(upsample: Callable[[Tensor], Tensor], own: Conv3x3Kernel, cells: Tensor, beside: Tensor) -> Tensor:
    return own(upsample(cells), beside)


def _in_turn(calls: Sequence[Callable[[], Tensor]], rounds: int) -> list[float]:
    with torch.inference_mode():
        turns = [[_timed(call) for call in calls] for _ in range(rounds + 1)][1:]
    return [1e3 * statistics.median(times) for times in zip(*turns, strict=True)]


def _timed(call: Callable[[], Tensor]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def four(a: float, b: float) -> Matrices:
    """F(4, 3) evaluated at 0, +-a, +-b and infinity: of the inputs, the weights and the products."""
    aa, bb = a * a, b * b
    na, nb = 2 * aa * (aa - bb), 2 * bb * (bb - aa)
    inputs = [[aa * bb, 0, -aa - bb, 0, 1, 0], *_signed(-a * bb, -bb, a), *_signed(-b * aa, -aa, b)]
    inputs.append([0, aa * bb, 0, -aa - bb, 0, 1])
    weights = [
        [1 / (aa * bb), 0, 0],
        *([1 / n, s * p / n, p * p / n] for p, n in ((a, na), (b, nb)) for s in (1, -1)),
        [0, 0, 1],
    ]
    outputs = [[float(k == 0), *(s**k * p**k for p in (a, b) for s in (1, -1)), float(k == 3)] for k in range(4)]
    return torch.tensor(inputs).double(), torch.tensor(weights).double(), torch.tensor(outputs).double()


def _signed(first: float, even: float, odd: float) -> list[list[float]]:
    return [[0, sign * first, even, sign * odd, 1, 0] for sign in (1, -1)]


def two() -> Matrices:
    """F(2, 3) evaluated at 0, +-1 and infinity."""
    inputs = torch.tensor([[1.0, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]])
    weights = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    return inputs.double(), weights.double(), torch.tensor([[1.0, 1, 1, 0], [0, 1, -1, 1]]).double()


def rounding(down: Matrices, across: Matrices, dtype: torch.dtype, channels: int = 64, tiles: int = 400) -> float:
    """Root mean square error over the result's, of random tiles; what is multiplied is rounded to `dtype`, no more."""
    generator = torch.Generator().manual_seed(0)
    size = down[0].shape[0], across[0].shape[0]
    cells = torch.randn(tiles, channels, *size, generator=generator)
    weight = torch.randn(channels, channels, 3, 3, generator=generator)
    seen = (down[0].float() @ cells @ across[0].float().T).to(dtype).float()
    weighed = (down[1] @ weight.double() @ across[1].T).to(dtype).float()
    products = torch.einsum("ncij,ocij->noij", seen, weighed)
    given = down[2].float() @ products @ across[2].float().T
    return apartness(given, F.conv2d(cells.double(), weight.double()))


def direct_rounding(dtype: torch.dtype, channels: int = 64, tiles: int = 400) -> float:
    """The same of a direct convolution."""
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(tiles, channels, 6, 6, generator=generator)
    weight = torch.randn(channels, channels, 3, 3, generator=generator)
    given = F.conv2d(cells.to(dtype).float(), weight.to(dtype).float())
    return apartness(given, F.conv2d(cells.double(), weight.double()))


def own_rounding(precision: str, channels: int = 64) -> float:
    """The same of our kernel."""
    conv, cells = Conv(channels, channels, 3, "periodic", bias=False), torch.randn(1, channels, 40, 40)
    with torch.inference_mode():
        expected = F.conv2d(F.pad(cells.double(), (1, 1, 1, 1), mode="circular"), conv.weight.double())
        return apartness(
            Conv3x3Kernel(Conv3x3(conv, "periodic"), "bf16" if precision == "16 bits" else "fp32")(cells), expected
        )


def apartness(given: Tensor, exact: Tensor) -> float:
    return float((given - exact).square().mean().sqrt() / exact.square().mean().sqrt())


def rounding_rows() -> list[Row]:
    """For each way to convolve: products, and how far it is from float64."""
    kinds = (torch.float32, torch.bfloat16)
    rows: list[Row] = [["direct", "1", *(f"{direct_rounding(kind):.1e}" for kind in kinds)]]
    ways = [("F(2x2)", "1/2.25", two(), two())]
    ways += [(f"F(4x2) at {a:.3g}, {b:.3g}", "1/3", four(a, b), two()) for a, b in POINTS]
    ways += [(f"F(4x4) at {a:.3g}, {b:.3g}", "1/4", four(a, b), four(a, b)) for a, b in POINTS]
    rows += [[name, share, *(f"{rounding(down, across, kind):.1e}" for kind in kinds)] for name, share, down, across in ways]
    return rows


def main() -> None:
    """Prints the tables, and writes them where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--shrink", type=int, default=1, help="of the grids' sides")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    rows: list[Row] = []
    for side, inputs, outputs in LAYERS:
        times = milliseconds(side // wanted.shrink, inputs, outputs, wanted.rounds)
        ratios = (times[0] / times[2], times[1] / times[3])
        rows.append([f"{side // wanted.shrink}^2", f"{inputs} to {outputs}", *(f"{one:.3g}" for one in (*times, *ratios))])
    lines = ["One convolution in one thread: processor time, medians in turn. Direct: PyTorch's, padding not counted.", ""]
    heads = ("grid", "channels", "direct fp32, ms", "direct bf16, ms", "ours fp32, ms", "ours 16 bits, ms")
    lines += table(" | ".join((*heads, "direct / ours, fp32", "bf16 / 16 bits")), rows)
    lines += [
        "",
        "A transposed 2x2 convolution, then a 3x3 convolution with other channels: one after the other, and merged.",
        "",
    ]
    upsampled: list[Row] = []
    for side, *channels in UPSAMPLED:
        inputs, between, others, outputs = channels
        times = milliseconds_upsampled(side // wanted.shrink, inputs, between, others, outputs, wanted.rounds)
        made = f"{inputs} to {between}, with {others} to {outputs}"
        upsampled.append([f"{side // wanted.shrink}^2", made, *(f"{one:.3g}" for one in times)])
    heads = ("grid", "channels", "fp32, ms", "fp32 merged, ms", "16 bits, ms", "16 bits merged, ms")
    lines += table(" | ".join(heads), upsampled)
    note = "Distance from float64, root mean square over the result's, of white noise in 64 channels"
    lines += ["", f"{note}. What is multiplied is rounded to the precision named; sums are float32.", ""]
    lines += table("way | products | float32 | bfloat16", rounding_rows())
    own = [[f"{n}", f"{own_rounding('float32', n):.1e}", f"{own_rounding('16 bits', n):.1e}"] for n in (32, 64, 128, 256)]
    lines += ["", "Our kernel, F(4x4) at 2/3, 3/2, by the number of channels:", "", *table("channels | float32 | 16 bits", own)]
    publish("Minimal filtering", lines, wanted.out)


if __name__ == "__main__":
    main()
