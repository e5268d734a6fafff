"""Peer 3: CAX (Faldor and Cully, "CAX: Cellular Automata Accelerated in JAX", ICLR 2025), stepped as its examples do.

`cs(state, num_steps=n)` runs n steps in one compiled scan. Needs the extra `bench`; on a GPU also `pip install "jax[cuda13]"`
(or cuda12), or JAX sees the CPU alone.
"""

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aetheria.laws.continuous.flow_lenia import FlowLenia
from aetheria.laws.continuous.kernel_law import KernelLaw
from aetheria.laws.neural.nca import ALPHA
from benchmarks.harness import cases
from benchmarks.harness.cases import CASES, Contestant, Job, build
from benchmarks.harness.processes import UnavailableError, peak_bytes

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or the peak would be most of the GPU

try:
    import jax
    import jax.numpy as jnp
    from cax.core import ComplexSystem
    from cax.core.perceive import ConvPerceive, grad_kernel, identity_kernel
    from cax.core.update import NCAUpdate
    from cax.cs import flow_lenia, lenia
    from cax.cs.life import Life
    from flax import nnx
except ImportError as error:
    raise UnavailableError("not installed") from error


class GrowingNCA(ComplexSystem):  # type: ignore[misc]  # a class of an extra, which mypy skips
    """Growing NCA with CAX's own parts: 16 channels, 128 hidden, identity and gradient kernels, half of the cells at a time."""

    def __init__(self, channels: int = 16, hidden: int = 128) -> None:
        rngs = nnx.Rngs(0)
        self.perceive = ConvPerceive(channels, 3 * channels, feature_group_count=channels, rngs=rngs)
        self.update = NCAUpdate(channels, 3 * channels, (hidden,), cell_dropout_rate=0.5, zeros_init=True, rngs=rngs)
        filters = jnp.concatenate((identity_kernel(2), grad_kernel(2)), -1)
        self.perceive.conv.kernel.value = jnp.tile(filters, channels)[:, :, None]

    def _step(self, state: Any, input: Any = None, *, sow: bool = False) -> Any:  # noqa: A002 - CAX's name
        return self.update(state, self.perceive(state), input)


def cax_contestant(job: Job) -> Contestant:
    """CAX with our initial cells.

    Raises:
        UnavailableError: JAX does not have the device.
    """
    device = _device(job.device)
    with jax.default_device(device):
        system, state = system_for(job.law, job.side), jax.device_put(cells_for(job), device)

    def advance(steps: int) -> None:
        nonlocal state
        with jax.default_device(device):
            state = jax.block_until_ready(system(state, num_steps=steps))

    def peak() -> int:
        return peak_bytes() if job.device == "cpu" else device.memory_stats()["peak_bytes_in_use"]

    return Contestant(advance, f"jax {jax.__version__}", peak=peak)


def system_for(law: str, side: int) -> Any:
    """CAX's equivalent of our law of `CASES` (GrowingNCA with other weights)."""
    if law == "Life":
        birth, survival = Life.birth_survival_from_string("B3/S23")
        return Life(birth=birth, survival=survival, rngs=nnx.Rngs(0))
    return GrowingNCA() if law == "GrowingNCA" else _lenia(side)


def cells_for(job: Job) -> Any:
    """Our initial cells in CAX's layout: `(H, W, C)`, alpha last."""
    cells = cases.cells_for(job, build(job.law))[0].permute(1, 2, 0).numpy()
    if job.law == "GrowingNCA":
        cells = cells[..., [c for c in range(cells.shape[-1]) if c != ALPHA] + [ALPHA]]
    return jnp.asarray(cells)


def cells_after(laws: list[str], side: int, steps: int) -> dict[str, list[list[list[float]]]]:
    """CAX's cells `(H, W, C)` after `steps` steps, by law, to compare with ours."""
    return {law: system_for(law, side)(cells_for(Job("CAX", law, side)), num_steps=steps).tolist() for law in laws}


def rings_stepper(ours: KernelLaw, cells: Tensor) -> tuple[str, Callable[[int], None], Callable[[], NDArray[np.float32]]]:
    """JAX's version; a function that takes steps from cells `(1, C, H, W)`; and one that gives the present ones `(C, H, W)`."""
    system, state = rings_system(ours, cells.shape[-1]), jnp.asarray(cells[0].permute(1, 2, 0).numpy())

    def advance(steps: int) -> None:
        nonlocal state
        state = jax.block_until_ready(system(state, num_steps=steps))

    return jax.__version__, advance, lambda: np.moveaxis(np.asarray(state), -1, 0)


def rings_system(ours: KernelLaw, side: int) -> Any:
    """CAX's equivalent of a Lenia of several kernels and channels, or of a Flow Lenia, with Gaussian rings."""
    assert (ours.core, ours.growth) == ("gaussian", "exponential")
    longest = max(map(len, ours.b))
    rule = lenia.LeniaRuleParams(
        channel_source=jnp.array(ours.c0),
        channel_target=jnp.array(ours.c1),
        weight=jnp.array(ours.h),
        kernel_params=lenia.KernelParams(
            r=jnp.array(ours.r), b=jnp.array([[*b, *[math.nan] * (longest - len(b))] for b in ours.b])
        ),
        growth_params=lenia.GrowthParams(mean=jnp.array(ours.m), std=jnp.array(ours.s)),
    )
    settings = {"R": ours.R, "T": ours.T, "kernel_fn": lenia.gaussian_kernel_fn, "rule_params": rule}
    if isinstance(ours, FlowLenia):
        settings |= {"theta_A": ours.theta_A, "n": ours.n, "dd": ours.dd, "sigma": ours.sigma}
        return flow_lenia.FlowLenia((side, side), ours.channels, **settings)
    return lenia.Lenia((side, side), ours.channels, **settings)


def _lenia(side: int) -> Any:
    ours: Any = build("Lenia")
    assert CASES["Lenia"].settings == {"core": "exponential", "growth": "exponential"}
    assert ours.b == [1.0]
    rule = lenia.LeniaRuleParams(
        channel_source=jnp.array([0]),
        channel_target=jnp.array([0]),
        weight=jnp.array([1.0]),
        kernel_params=lenia.KernelParams(r=jnp.array([1.0]), b=jnp.array([[1.0]])),
        growth_params=lenia.GrowthParams(mean=jnp.array([ours.m]), std=jnp.array([ours.s])),
    )
    return lenia.Lenia((side, side), 1, R=ours.R, T=ours.T, kernel_fn=lenia.exponential_kernel_fn, rule_params=rule)


def _device(kind: str) -> Any:
    try:
        return jax.devices("cpu" if kind == "cpu" else "gpu")[0]
    except RuntimeError as error:
        raise UnavailableError("JAX has no GPU here") from error
