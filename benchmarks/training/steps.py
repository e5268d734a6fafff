"""Training steps of Growing NCA: ours, the plain loop's and CAX's, in one run, in turns.

    python -m benchmarks.training.steps --out benchmarks/results/training.md

The plain loop is what most people write: the law as an `nn.Module` in NCHW, float32, eager, half of the cells masked after they
were computed; and the same with channels last. Same weights, same cells, same target, same rollout; one training step is
rollout, loss, gradients and AdamW.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria.core.device import keep_freed_memory
from aetheria.laws import GrowingNCA
from aetheria.stepping.cpu.training_step import run_steps, training_step
from benchmarks.harness.machine import publish

Train = Callable[[], float]


def law_for(channels: int, hidden: int) -> GrowingNCA:
    """Growing NCA with random weights that change the cells."""
    torch.manual_seed(0)
    law = GrowingNCA(channels, hidden)
    torch.nn.init.normal_(law.update.weight, std=0.02)
    return law


def plain(law: GrowingNCA, cells: Tensor, target: Tensor, steps: int) -> Tensor:
    """The loss after a plain rollout."""
    channels = law.channels

    def alive(x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x[:, 3:4], (1, 1, 1, 1), mode="circular"), 3, stride=1) > 0.1

    for _ in range(steps):
        halo = F.pad(cells, (1, 1, 1, 1), mode="circular")
        across, down = (F.conv2d(halo, kernel, groups=channels) for kernel in law.get_buffer("sobel").chunk(2))
        delta = law.update(F.relu(law.hidden(torch.cat((cells, across, down), 1))))
        fire = (torch.rand(len(cells), 1, *cells.shape[-2:]) < 0.5).float()
        moved = cells + delta * fire
        cells = moved * (alive(cells) & alive(moved)).float()
    return F.mse_loss(cells, target)


def ours(law: GrowingNCA, cells: Tensor, target: Tensor, steps: int) -> Tensor:
    """The loss after a rollout of the motor's own law, stepped for training."""
    state = run_steps(training_step(law), (cells, *law.initial_memory(cells)), steps)
    return F.mse_loss(state[0], target)


def trainer(
    loss: Callable[..., Tensor], batch: int, steps: int, side: int, channels: int, hidden: int, layout: torch.memory_format
) -> Train:
    """A training step to be timed; law, cells and target in this layout."""
    law: GrowingNCA = law_for(channels, hidden).to(memory_format=layout)  # type: ignore[call-overload]  # by torch
    generator = torch.Generator().manual_seed(1)
    pair = (torch.rand(batch, channels, side, side, generator=generator) for _ in range(2))
    cells, target = (tensor.contiguous(memory_format=layout) for tensor in pair)
    optimizer = torch.optim.AdamW(law.parameters(), 1e-3)

    def train() -> float:
        value = loss(law, cells, target, steps)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        return value.item()

    return train


def cax_trainer(batch: int, steps: int, side: int) -> Train | None:
    """CAX's own Growing NCA, trained as its examples do: a jitted value and gradient of a scanned rollout. None without CAX."""
    try:
        import jax
        import jax.numpy as jnp
        import optax
        from flax import nnx

        from benchmarks.harness.cax_peer import GrowingNCA as CaxNCA
    except ImportError:
        return None
    system = CaxNCA()
    optimizer = nnx.Optimizer(system, optax.adamw(1e-3), wrt=nnx.Param)
    states = jax.random.uniform(jax.random.key(0), (batch, side, side, 16))
    target = jax.random.uniform(jax.random.key(1), (batch, side, side, 16))

    def loss_of(model: CaxNCA) -> jax.Array:
        axes = nnx.StateAxes({nnx.RngState: 0, nnx.Intermediate: 0, ...: None})
        split = nnx.split_rngs(splits=batch)
        ends = split(nnx.vmap(lambda one, state: one(state, num_steps=steps), in_axes=(axes, 0)))(model, states)
        return jnp.mean((ends - target) ** 2)

    @nnx.jit  # type: ignore[untyped-decorator]  # of an extra, which mypy skips
    def advance(model: CaxNCA, rule: nnx.Optimizer) -> jax.Array:
        value, grads = nnx.value_and_grad(loss_of)(model)
        rule.update(model, grads)
        return value

    return lambda: float(jax.block_until_ready(advance(system, optimizer)))


def measure(contestants: dict[str, Train], repeats: int) -> dict[str, list[float]]:
    """Seconds of each contestant in each round; an untimed round comes first."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for repeat in range(repeats + 1):
        for name, train in contestants.items():
            began = time.perf_counter()
            train()
            if repeat:
                times[name].append(time.perf_counter() - began)
    return times


def table(times: dict[str, list[float]]) -> list[str]:
    """Median seconds, and how many times the plain loop's: the median of the ratios of rounds."""
    lines = ["| contestant | s / training step | times the plain loop |", "|---|---|---|"]
    for name, seconds in times.items():
        ratio = statistics.median(p / s for p, s in zip(times["plain"], seconds, strict=True))
        lines.append(f"| {name} | {statistics.median(seconds):.3f} | {ratio:.2f} |")
    return lines


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=72)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cax", action="store_true", help="CAX too; a round of it takes half a minute")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    keep_freed_memory()
    sizes = (given.batch, given.steps, given.side, 16, 128)
    contestants = {
        "plain": trainer(plain, *sizes, torch.contiguous_format),
        "plain, channels last": trainer(plain, *sizes, torch.channels_last),
        "Aetheria": trainer(ours, *sizes, torch.channels_last),
    }
    size = f"batch {given.batch}, {given.steps} steps of {given.side}^2 cells"
    lines = [f"Growing NCA, {size}, 16 channels, hidden 128, float32; {torch.get_num_threads()} threads.", ""]
    lines += table(measure(contestants, given.repeats))
    cax = cax_trainer(given.batch, given.steps, given.side) if given.cax else None
    if cax:
        times = measure({"plain": contestants["plain"], "Aetheria": contestants["Aetheria"], "CAX": cax}, 1)
        ratio = times["CAX"][0] / times["Aetheria"][0]
        lines += ["", f"Against CAX, one timed round: Aetheria's step takes 1 / {ratio:.0f} of CAX's.", "", *table(times)]
    publish("Training", lines, given.out)


if __name__ == "__main__":
    main()
