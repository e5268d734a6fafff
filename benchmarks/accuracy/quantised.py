"""Weights in eight bits: file size, accuracy and rate of each law; and torchao's int8 arithmetic in comparison with ours.

python -m benchmarks.accuracy.quantised --out benchmarks/results/quantised.md
"""

import argparse
import copy
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from aetheria.laws import GrowingNCA, Law, UNet, load_weights
from aetheria.laws.int8_weights import dequantised, quantise_file, quantised
from benchmarks.accuracy.drift import moving_law, relative_difference
from benchmarks.harness.cases import CASES, Job, build, motor_for
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import NOTHING, Row, table

Nets = dict[str, Callable[[Tensor], Tensor]]
LAWS = [name for name, case in CASES.items() if case.network]
_NOTE = (
    "Rollouts from equal cells, eager, fp32: difference of the cells with eight-bit weights from those with the original "
    "weights, root mean square over the root mean square of the cells. The weights are converted to float32 when they are "
    "loaded, so that both step by the same plan: differences of the rates are noise. GrowingNCA has the trained lizard's "
    "weights, the others random ones (standard deviation of the last layer 0.02). Times are CPU time, one thread, medians "
    "of turns."
)
_AO_NOTE = (
    "The network of a law alone, compiled, one step. torchao's `quantize_` supports only `nn.Linear`, which no law has: "
    "its rows are of GrowingNCA's two 1x1 convolutions rewritten as matrices. Convolutions are quantised through export "
    "(pt2e, X86 Inductor). Error: of the network's output, largest and root mean square, over those of fp32's output."
)


def files(law: Law, folder: Path) -> tuple[Law, int, int]:
    """A copy of `law` with weights from an eight-bit file, and the sizes of both files in bytes."""
    whole, eight = folder / "whole.safetensors", folder / "eight.safetensors"
    save_file(law.state_dict(), whole)
    quantise_file(whole, eight)
    other = copy.deepcopy(law)
    load_weights(other, eight)
    return other, whole.stat().st_size, eight.stat().st_size


def rollout(name: str, side: int, checkpoints: Sequence[int], steps: int, repeats: int) -> Row:
    """The row of a law: file sizes, error of the weights, drift at each checkpoint, and rates over `steps` steps."""
    law = moving_law(name)
    with tempfile.TemporaryDirectory() as folder:
        eight, size, small = files(law, Path(folder))
    job = Job("ours", name, side, plan="eager")
    exact, rough = motor_for(job, copy.deepcopy(law)), motor_for(job, copy.deepcopy(eight))
    drifts = []
    for checkpoint in sorted(checkpoints):
        for motor in (exact, rough):
            motor.step(checkpoint - motor.step_count)
        drifts.append(f"{relative_difference(rough.cells, exact.cells.double())[1]:.1e}")
    job = Job("ours", name, side)
    motors = [motor_for(job, one) for one in (law, eight)]
    plan = motors[0].warm_up().name
    rates = median_seconds_in_turn([partial(motor.step, steps) for motor in motors], repeats)
    sizes = [f"{size / 1024:.0f}", f"{small / 1024:.0f}", f"{size / small:.2f}"]
    return [name, *sizes, f"{weight_error(law):.1e}", *drifts, plan, *(f"{rate / steps * 1e3:.4g}" for rate in rates)]


def median_seconds_in_turn(actions: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median CPU seconds of each action, run in turns, so that a busy machine affects all equally."""
    times: list[list[float]] = [[] for _ in actions]
    for turn in range(repeats + 1):
        for action, taken in zip(actions, times, strict=True):
            began = time.process_time()
            action()
            if turn:  # the first is a warm-up
                taken.append(time.process_time() - began)
    return [statistics.median(taken) for taken in times]


def weight_error(law: Law) -> float:
    """Root mean square error of the quantised weights, over the root mean square of the weights."""
    own = {key: tensor for key, tensor in law.state_dict().items() if tensor.ndim >= 2}
    back = dequantised(quantised(own))
    run_isolated = sum(float((back[key] - own[key]).square().sum()) for key in own)
    return float((run_isolated / sum(float(tensor.square().sum()) for tensor in own.values())) ** 0.5)


def torchao_rows(side: int, repeats: int) -> list[Row]:
    """Rows of the network alone, in torchao's int8, in bf16 and in fp32; one row if torchao is not installed."""
    try:
        import torchao  # noqa: F401
    except ImportError:
        return [["torchao", "not installed", *[NOTHING] * 4]]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # its deprecations of its own interfaces
        return [*_as_matrices(side, repeats), *_convolutions(side, repeats)]


def _as_matrices(side: int, repeats: int) -> list[Row]:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig, quantize_

    law = moving_law("GrowingNCA")
    assert isinstance(law, GrowingNCA)
    net = nn.Sequential(nn.Linear(48, 128), nn.ReLU(), nn.Linear(128, 16)).eval()
    layers = zip(("0", "2"), (law.hidden, law.update), strict=True)
    wanted = {f"{i}.{key}": tensor for i, layer in layers for key, tensor in layer.state_dict().items()}
    net.load_state_dict({key: tensor.flatten(1) if tensor.ndim > 1 else tensor for key, tensor in wanted.items()})
    # The cells of a grown lizard, side^2 of them, one per row.
    motor = motor_for(Job("ours", "GrowingNCA", 64, plan="eager"), copy.deepcopy(law))
    motor.step(64)
    cells = law.perceive(motor.cells).movedim(1, -1).flatten(0, 2)
    cells = cells[cells.abs().sum(1) > 0]
    cells = cells.repeat(-(-(side**2) // len(cells)), 1)[: side**2].contiguous()
    exact = net(cells)
    nets: Nets = {"fp32": net}
    for name, config in (
        ("int8 weights (torchao)", Int8WeightOnlyConfig()),
        ("int8 weights and cells (torchao)", Int8DynamicActivationInt8WeightConfig()),
    ):
        other = copy.deepcopy(net)
        quantize_(other, config)
        nets[name] = other
    whole = motor_for(Job("ours", "GrowingNCA", side, plan="fused"), law)
    whole.set_cells(torch.rand(whole.cells.shape))  # all cells alive, as above
    (seconds,) = median_seconds_in_turn([partial(whole.step, 1)], repeats)
    row = ["GrowingNCA", "fp32, the whole step in our fused kernel", f"{seconds * 1e3:.4g}", NOTHING, NOTHING, NOTHING]
    return [*_network_rows("GrowingNCA as matrices", nets, cells, exact, repeats), row]


class _Network(nn.Module):
    """A UNet's own network, without the update around it."""

    def __init__(self, law: UNet) -> None:
        super().__init__()
        self.law = law

    def forward(self, cells: Tensor) -> Tensor:
        return self.law.predict(cells)[0]


def _convolutions(side: int, repeats: int) -> list[Row]:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    law = build("UNet", normalise="none").eval()
    assert isinstance(law, UNet)
    net = _Network(law)
    cells = torch.randn(1, 16, side, side, generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=torch.channels_last
    )
    exact = net(cells)

    def in_bf16(value: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return net(value)

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(torch.export.export(net, (cells,)).module(), quantizer)
    prepared(cells)  # calibrated on the cells of the comparison: its best case
    nets: Nets = {"fp32": net, "bf16": in_bf16, "int8 weights and cells (torchao, pt2e)": convert_pt2e(prepared)}
    return _network_rows("UNet", nets, cells, exact, repeats)


def _network_rows(law: str, nets: Nets, cells: Tensor, exact: Tensor, repeats: int) -> list[Row]:
    """A row for each arithmetic, compared with the first."""
    compiled = {name: torch.compile(net) for name, net in nets.items()}
    times = median_seconds_in_turn([partial(net, cells) for net in compiled.values()], repeats)
    rows: list[Row] = []
    for (name, net), seconds in zip(compiled.items(), times, strict=True):
        run_isolated = (net(cells).float() - exact).abs()
        largest = float(run_isolated.max() / exact.abs().max())
        rms = float(run_isolated.square().mean().sqrt() / exact.square().mean().sqrt())
        rows.append([law, name, f"{seconds * 1e3:.4g}", f"{times[0] / seconds:.2f}", f"{largest:.1e}", f"{rms:.1e}"])
    return rows


def main() -> None:
    """Prints the tables, and writes them to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=LAWS, default=LAWS)
    parser.add_argument("--side", type=int, default=32, help="side of the grid of the rollouts")
    parser.add_argument("--steps", nargs="+", type=int, default=[1, 10, 100])
    parser.add_argument("--timed", type=int, default=20, help="number of timed steps")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each contestant")
    parser.add_argument("--arithmetic", type=int, default=128, metavar="SIDE", help="side for torchao's int8; 0 for none")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    lines = [f"Grid {wanted.side}^2. {_NOTE}", ""]
    steps = " | ".join(f"after {n:,}" for n in sorted(wanted.steps))
    header = f"law | KiB | KiB in int8 | times smaller | error of weights | {steps} | plan | fp32, ms/step | int8, ms/step"
    lines += table(header, [rollout(name, wanted.side, wanted.steps, wanted.timed, wanted.repeats) for name in wanted.laws])
    if wanted.arithmetic:
        lines += ["", "## Arithmetic in int8", "", f"Grid {wanted.arithmetic}^2. {_AO_NOTE}", ""]
        rows = torchao_rows(wanted.arithmetic, wanted.repeats)
        lines += table("network | arithmetic | ms/step | x fp32 | error, largest | error, root mean square", rows)
    publish("Weights in eight bits", lines, wanted.out)


if __name__ == "__main__":
    main()
