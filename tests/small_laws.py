"""Every law of the registry, built small and so that it moves; and what the contract suite needs to step one by hand."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.laws import LAWS, GrowingNCA, Law, build_law
from aetheria.laws.base import as_law
from aetheria.motor.motor import Aetheria_Motor

State = tuple[Tensor, ...]

QUANTUM = ("MLP", "DEEP_QCA", "UNet", "ConvLSTM")
PLAIN = "a user's module"
NAMES = (*LAWS, PLAIN)
SMALL: dict[str, dict[str, Any]] = {
    "MLP": {"d_state": 2, "hidden_channels": 8, "output_scale": 0.1},
    "DEEP_QCA": {"d_state": 2, "hidden_channels": 8, "output_scale": 0.1},
    "UNet": {"d_state": 2, "hidden_channels": 4, "output_scale": 0.1},
    "ConvLSTM": {"d_state": 2, "hidden_channels": 4, "output_scale": 0.1},
    "GrowingNCA": {"channels": 6, "hidden_channels": 16},
    "NeuralCA": {"channels": 2, "hidden_channels": 8, "radius": 3, "kernels": 2},
    "Life": {},
    "Lenia": {"R": 5, "T": 4, "m": 0.4, "s": 0.1},
}
LOCAL: dict[str, Any] = {"normalise": "cell"}  # what the four quantum laws need to be local


class Plain(nn.Module):
    """What a user may bring: no base class, no traits, three real channels in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular")
        with torch.no_grad():
            self.mix.weight.mul_(4)  # or it would soon settle

    def forward(self, cells: Tensor) -> Tensor:
        # All of it in bfloat16 where the motor asks for that: no sum with the cells brings float32 back.
        return torch.tanh(self.mix(cells))


def small_law(name: str, *, seed: int = 0, **changes: Any) -> nn.Module:
    """The law called `name`, small, with random weights that make it move."""
    if name == PLAIN:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Plain()
    law = build_law(name, seed=seed, **(SMALL[name] | changes))
    if isinstance(law, GrowingNCA):  # starts with a last layer of zeros, which would leave every cell as it is
        generator = torch.Generator().manual_seed(seed)
        for parameter in law.update.parameters():
            nn.init.normal_(parameter, std=0.1, generator=generator)
    return law


def local_law(name: str, **changes: Any) -> Law:
    """The law called `name` in its local form, in float64, ready to step by hand."""
    settings = (LOCAL if name in QUANTUM else {}) | changes
    law = small_law(name, **settings).double().eval()
    assert isinstance(law, Law)
    return law


def width_of(law: nn.Module) -> int:
    """What a motor wants as `d_state` for this law."""
    width = getattr(law, "d_state", None) or getattr(law, "channels", 3)
    assert isinstance(width, int)
    return width


def wrapped(law: nn.Module) -> Law:
    return as_law(law, width_of(law))


def small_motor(law: nn.Module, grid: tuple[int, int] = (16, 20), **changes: Any) -> Aetheria_Motor:
    """An eager motor on the CPU; `cfg` and the motor's other arguments may be changed."""
    cfg = {"plan": "eager"} | changes.pop("cfg", {})
    arguments: dict[str, Any] = {"initial": "noise", "seed": 7} | changes
    return Aetheria_Motor(law, grid, width_of(law), "cpu", cfg, **arguments)


def stepper(law: nn.Module) -> Callable[[State], State]:
    """One step from state to state, without a motor in between."""

    def step(state: State) -> State:
        with torch.no_grad():
            out = law(*state)
        return out if isinstance(out, tuple) else (out,)

    return step


def fresh(law: Law, grid: tuple[int, int], *, batch: int = 1, seed: int = 3) -> State:
    """Noise and its memory, float64, not from the motor."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.rand(batch, law.channels, *grid, generator=generator, dtype=torch.float64)
    if law.d_state is not None:
        cells = cells - 0.5
    law.prepare(cells)
    memory = law.initial_memory(cells, 11) if law.stochastic else law.initial_memory(cells)  # type: ignore[call-arg]
    return (cells, *memory)


class Refuses(Law):
    """A law that cannot be built, with a parameter no TOML value fits and one that hides a method."""

    channels = 1

    def __init__(self, dtype: torch.dtype = torch.float32, copy: int = 0) -> None:
        raise RuntimeError("not today")
