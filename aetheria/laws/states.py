"""`StateLaw`: base of the laws whose cells hold whole states, with their colours and fields."""

import colorsys
from collections.abc import Sequence

import torch
from torch import Tensor

from aetheria.laws.base import PLOTTED, Colour, Law
from aetheria.laws.hash_noise import noise_memory

MOST_STATES = 256  # a state is a byte
_MOST_COLOURS = 64  # of a palette that can still be told apart


class StateLaw(Law):
    """A law on whole states 0 .. states - 1, exact under every plan."""

    channels = 1
    exact = True
    alive: tuple[int, float] | None = (0, 0.5)
    default_field = "state"
    fields: tuple[str, ...] = ("state", "alive", "channel", "population", "count", "energy", *PLOTTED)

    def set_states(self, states: int, palette: Sequence[Colour] | None = None) -> None:
        """States the number of states, and what follows from it; without a palette they have the default colours."""
        self.states = states
        self.value_range = (0.0, states - 1.0)
        self.palette = palette or default_palette(states)

    def following(self, state: Tensor) -> Tensor:
        """The next state of each cell, in a circle, of `state` in uint8."""
        assert self.states is not None
        return torch.where(state == self.states - 1, 0, state + 1)


class StochasticStateLaw(StateLaw):
    """A law on whole states that draws hash noise.

    Memory, both int64: seed `(B, 2)` (the run's, and the universe's number) and step `(B,)`.
    """

    stochastic = True

    def initial_memory(self, cells: Tensor, seed: int = 0) -> tuple[Tensor, ...]:
        return noise_memory(cells, seed)


def default_palette(states: int) -> list[Colour] | None:
    """Dark for state 0, then white for two states, else hues from red on by decreasing lightness; None for too many."""
    if states > _MOST_COLOURS:
        return None
    dark: Colour = (16, 16, 24)
    if states == 2:
        return [dark, (240, 240, 240)]
    hues = [0.13 - 0.75 * k / (states - 2) for k in range(states - 1)] if states > 2 else []
    return [dark, *(_rgb(hue % 1, 1 - 0.35 * k / len(hues)) for k, hue in enumerate(hues))]


def wheel_palette(states: int) -> list[Colour] | None:
    """Hues around the colour wheel, for states that follow each other in a circle; None for too many."""
    return None if states > _MOST_COLOURS else [_rgb(k / states, 0.95) for k in range(states)]


def _rgb(hue: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.75, value))
    return red, green, blue
