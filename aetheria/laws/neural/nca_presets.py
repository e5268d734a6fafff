"""Presets of `NCA`: the settings of neural automata as they were published, by name."""

from dataclasses import dataclass
from typing import Literal

Perception = Literal["identity", "sobel", "laplacian", "learned"]
PERCEPTIONS: tuple[Perception, ...] = ("identity", "sobel", "laplacian", "learned")
Preset = Literal["growing", "texture", "self_classifying", "conditional", "diffusing", "arc_1d", "isotropic", "steerable"]


@dataclass(frozen=True)
class NCASettings:
    """Settings of an `NCA`, those of "growing" unless stated; see its arguments.

    Source of "growing": A. Mordvintsev et al., "Growing Neural Cellular Automata", Distill 2020.
    """

    channels: int = 16
    hidden_channels: int | list[int] = 128
    rank: int = 2
    perception: tuple[Perception, ...] = ("identity", "sobel")
    kernels: int = 0
    steerable: bool = False
    kept: tuple[int, ...] = ()
    inputs: int = 0
    alive_mask: bool = True
    alive_channel: int = 3
    fire_rate: float = 0.5


PRESETS: dict[Preset, NCASettings] = {
    "growing": NCASettings(),
    # E. Niklasson et al., "Self-Organising Textures", Distill 2021.
    "texture": NCASettings(channels=12, hidden_channels=96, perception=("identity", "sobel", "laplacian"), alive_mask=False),
    # E. Randazzo et al., "Self-classifying MNIST Digits", Distill 2020; channel 0 is the picture, whose strokes are alive.
    "self_classifying": NCASettings(
        channels=20, hidden_channels=80, perception=("learned",), kernels=80, kept=(0,), alive_channel=0
    ),
    # S. Sudhakaran et al., "Goal-Guided Neural Cellular Automata", 2022: a goal is read at every cell.
    "conditional": NCASettings(channels=24, inputs=8),
    # J. Kalkhof et al., "Frequency-Time Diffusion with Neural Cellular Automata", 2024; the input is the level of noise.
    "diffusing": NCASettings(channels=16, inputs=1, perception=("identity", "sobel", "laplacian"), alive_mask=False),
    # M. Faldor, A. Cully, "CAX: Cellular Automata Accelerated in JAX", 2024; the inputs are the given row, a channel a colour.
    "arc_1d": NCASettings(channels=32, inputs=10, rank=1, alive_mask=False),
    # A. Mordvintsev, E. Randazzo, C. Fouts, "Growing Isotropic Neural Cellular Automata", ALIFE 2022.
    "isotropic": NCASettings(perception=("identity", "laplacian")),
    # E. Randazzo, A. Mordvintsev, C. Fouts, "Growing Steerable Neural Cellular Automata", ALIFE 2023.
    "steerable": NCASettings(perception=("identity", "sobel", "laplacian"), steerable=True),
}
