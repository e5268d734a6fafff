"""Every law of the registry, built small and so that it moves, in every rank it states; and how to step one by hand.

Nothing here needs to know a new law: `SMALL` and the other tables are for laws whose defaults are large, slow or at rest.
"""

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.laws import LAWS, NCA, Law, build_law, parameters
from aetheria.laws.base import as_law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.updates import QuantumLaw
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.reference import TOLERANCE

State = tuple[Tensor, ...]
Case = tuple[str, int]  # the name of a law, and the rank that it is built for

PLAIN = "a user's module"
NAMES = (*LAWS, PLAIN)
QUANTUM = tuple(name for name, law in LAWS.items() if issubclass(law, QuantumLaw) and "output_scale" in parameters(law))
SMALL: dict[str, dict[str, Any]] = {
    "MLP": {"d_state": 2, "hidden_channels": 8, "output_scale": 0.1},
    "DEEP_QCA": {"d_state": 2, "hidden_channels": 8, "output_scale": 0.1},
    "UNet": {"d_state": 2, "hidden_channels": 4, "output_scale": 0.1},
    "ConvLSTM": {"d_state": 2, "hidden_channels": 4, "output_scale": 0.1},
    "GrowingNCA": {"channels": 6, "hidden_channels": 16},
    "NCA": {"channels": 6, "hidden_channels": [12, 8], "perception": ["identity", "sobel", "laplacian"], "inputs": 1},
    "AttentionNCA": {
        "channels": 3,
        "hidden_channels": 8,
        "token_channels": 6,
        "heads": 2,
        "head_channels": 12,
        "output_scale": 0.1,
    },
    "LogicGates": {"channels": 3, "circuits": 4, "perceive_gates": [8, 4], "update_gates": [16, 8]},
    "NeuralCA": {"channels": 2, "hidden_channels": 8, "radius": 3, "kernels": 2},
    "Lenia": {"R": 5, "T": 4, "m": 0.4, "s": 0.1},
    "FlowLenia": {"R": 3, "dd": 1},
    "LargerThanLife": {"rule": "R2,C2,S6-9,B7-8"},
    "GreenbergHastings": {"states": 6, "threshold": 2, "radius": 2, "neighbourhood": "von_neumann"},
}
# Settings that leave nothing to chance.
CERTAIN: dict[str, dict[str, Any]] = {
    "GrowingNCA": {"fire_rate": 1.0},
    "NCA": {"fire_rate": 1.0},
    "AttentionNCA": {"fire_rate": 1.0},
}
GRIDS = {1: (40,), 2: (16, 20), 3: (12, 11, 13)}


class Plain(nn.Module):
    """A user's module: no base class, nothing stated, three real channels in and out."""

    def __init__(self, rank: int = 2) -> None:
        super().__init__()
        kind = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[rank]
        self.mix = kind(3, 3, 3, padding=1, padding_mode="circular")
        with torch.no_grad():
            self.mix.weight.mul_(4)  # or it would soon settle

    def forward(self, cells: Tensor) -> Tensor:
        # All of it in bfloat16 where the motor asks for that: no sum with the cells brings float32 back.
        return torch.tanh(self.mix(cells))


def class_of(name: str) -> type[Law]:
    """The class of a registered law."""
    return LAWS[name]


def cases(*names: str) -> list[Case]:
    """(name, rank) of each rank that each of these laws states; of all laws without names."""
    return [(name, rank) for name in names or LAWS for rank in class_of(name).ranks]


def each(some: list[Case]) -> pytest.MarkDecorator:
    """Runs a test for each of these as its `case`."""
    return pytest.mark.parametrize("case", some, ids=[f"{name} {rank}d" for name, rank in some])


def boundaries(name: str) -> tuple[str, ...]:
    """The plain boundaries that a law can be built with: its annotation is their `Literal`, or `str` if it joins edges too."""
    given = parameters(class_of(name)).get("boundary")
    if given is None:
        return (class_of(name).boundary,)
    return get_args(given.annotation) or tuple(boundary for boundary in BOUNDARIES if _has(name, boundary))


def _has(name: str, boundary: str) -> bool:
    try:
        build_law(name, **{**SMALL.get(name, {}), "boundary": boundary})
    except ConfigError:
        return False
    return True


def small_law(name: str, rank: int | None = None, *, seed: int = 0, **changes: Any) -> nn.Module:
    """The law called `name`, small, with random weights that make it move, for a grid of `rank` axes."""
    if name == PLAIN:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Plain(rank or 2)
    if rank is not None and "rank" in parameters(class_of(name)):
        changes = {"rank": rank} | changes
    law = build_law(name, seed=seed, **(SMALL.get(name, {}) | changes))
    if isinstance(law, NCA):  # starts with a last layer of zeros, which would leave every cell as it is
        generator = torch.Generator().manual_seed(seed)
        for parameter in law.update.parameters():
            nn.init.normal_(parameter, std=0.1, generator=generator)
    return law


def local_law(name: str, rank: int | None = None, **changes: Any) -> Law:
    """The law called `name` in its local form, in float64, ready to step by hand."""
    local = {"normalise": "cell"} if "normalise" in parameters(class_of(name)) else {}
    law = small_law(name, rank, **(local | changes)).double().eval()
    assert isinstance(law, Law)
    return law


def width_of(law: nn.Module) -> int:
    """The `d_state` that a motor wants for this law."""
    width = getattr(law, "d_state", None) or getattr(law, "channels", 3)
    assert isinstance(width, int)
    return width


def wrapped(law: nn.Module) -> Law:
    return as_law(law, width_of(law))


def fitting(law: Law, grid: tuple[int, ...]) -> tuple[int, ...]:
    """The grid, or the next larger one whose sides are multiples of the law's divisor."""
    return tuple(-(-side // law.divisor) * law.divisor for side in grid)


def small_motor(law: nn.Module, grid: tuple[int, ...] | None = None, **changes: Any) -> Aetheria_Motor:
    """An eager motor on the CPU; `cfg` and the motor's other arguments may be changed. In two dimensions where it can be."""
    ranks = wrapped(law).ranks
    grid = grid or fitting(wrapped(law), GRIDS[2 if 2 in ranks else ranks[0]])
    cfg = {"plan": "eager"} | changes.pop("cfg", {})
    arguments: dict[str, Any] = {"initial": "noise", "seed": 7} | changes
    return Aetheria_Motor(law, grid, width_of(law), "cpu", cfg, **arguments)


def agree(compiled: Aetheria_Motor, eager: Aetheria_Motor, precision: str = "fp32") -> bool:
    """Cells and memory within the stated tolerance of the largest; of one cell in a thousand a threshold may tip."""
    for one, other in zip((compiled.cells, *compiled.memory), (eager.cells, *eager.memory), strict=True):
        if not one.is_floating_point():
            if not torch.equal(one, other):
                return False
            continue
        far = (one - other).abs() > TOLERANCE[precision] * float(other.abs().max())
        if float(far.double().mean()) > 1e-3:
            return False
    return True


def stepper(law: nn.Module) -> Callable[..., State]:
    """One step from state to state, without a motor in between; a law of several phases takes the step's number."""
    phases = getattr(law, "phases", 1)

    def step(state: State, number: int = 0) -> State:
        with torch.no_grad():
            out = law(*state, phase=number % phases) if phases > 1 else law(*state)
        return out if isinstance(out, tuple) else (out,)

    return step


def fresh(law: Law, grid: tuple[int, ...], *, batch: int = 1, seed: int = 3) -> State:
    """The law's own random cells and its memory, float64, not from the motor."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.stack([law.random_cells(grid, generator) for _ in range(batch)]).double()
    law.prepare(cells)
    memory = law.initial_memory(cells, 11) if law.stochastic else law.initial_memory(cells)  # type: ignore[call-arg]
    return (cells, *memory)


class Refuses(Law):
    """A law that cannot be built, with a parameter no TOML value fits and one that hides a method."""

    channels = 1

    def __init__(self, dtype: torch.dtype = torch.float32, copy: int = 0) -> None:
        raise RuntimeError("not today")
