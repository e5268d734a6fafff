"""NCA: a neural cellular automaton whose perception, network and masks are settings; presets by name."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.laws.base import PLOTTED
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_choice, check_rank, check_whole
from aetheria.laws.first_cells import by_parts
from aetheria.laws.layers import as_dense, make_dense, pad
from aetheria.laws.local_network import CellNetwork, Dense
from aetheria.laws.neural.firing import FiringLaw
from aetheria.laws.neural.nca_presets import PERCEPTIONS, PRESETS, NCASettings, Perception, Preset
from aetheria.laws.neural.perception import Perceives
from aetheria.laws.registry import register

ALPHA = 3
ALIVE = 0.1
Nonlinearity = Literal["relu", "elu", "tanh", "silu"]
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "elu": F.elu, "tanh": torch.tanh, "silu": F.silu}
_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


@register
class NCA(Perceives, FiringLaw):
    """Perceive, then a network at each cell, whose output is added at a random share of the cells each step.

    Cells: channels 0..2 colour premultiplied by alpha, channel 3 alpha, where there are so many; the rest hidden; the last
    `inputs` channels are fed from outside. With an alive mask a cell lives while its alive channel is above 0.1 somewhere in
    its Moore neighbourhood before and after the update; a dead cell is zero. Memory: seed `(B, 2)` (the motor's seed and the
    universe's number) and step `(B,)`, both int64, from which the cells that fire are drawn.

    A law that perceives "identity" and "laplacian" only is isotropic: it commutes with turning and mirroring the grid. A
    steerable one turns with its cells: turning the grid and adding a quarter turn to the angle channel. Sources of the presets:
    `aetheria.laws.neural.nca_presets`.
    """

    ranks = RANKS
    boundary: Boundary

    def __init__(
        self,
        channels: int | None = None,
        hidden_channels: int | list[int] | None = None,
        *,
        preset: Preset = "growing",
        perception: list[Perception] | None = None,
        kernels: int | None = None,
        steerable: bool | None = None,
        activation: Nonlinearity = "relu",
        kept: list[int] | None = None,
        inputs: int | None = None,
        alive_mask: bool | None = None,
        alive_channel: int | None = None,
        fire_rate: float | None = None,
        rank: int | None = None,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        What is None is the preset's.

        Args:
            channels: C, the inputs among them.
            hidden_channels: width of the hidden layer, or widths of several.
            preset: "growing", "texture", "self_classifying", "conditional", "diffusing", "arc_1d", "isotropic" or "steerable".
            perception: kinds of kernels, of which the network's inputs come in this order: "identity", "sobel" (a gradient for
                each axis, x first; [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]] / 8), "laplacian" ([[1, 2, 1], [2, -12, 2],
                [1, 2, 1]] / 16), "learned" (3 cells along each axis, over all channels, followed by the activation).
            kernels: number of learned kernels.
            steerable: gradients are turned by the angle in the last channel that is no input; two dimensions.
            activation: of hidden layers and learned kernels: "relu", "elu", "tanh" or "silu".
            kept: channels that are put back after the step and its masks, such as a picture that is classified.
            inputs: number of last channels that are fed from outside (`feed`): read by all, changed by nothing.
            alive_mask: cells without neighbours above 0.1 in `alive_channel` become zero.
            alive_channel: number of the channel that says which cells live.
            fire_rate: chance that a cell updates in a step, 0 < fire_rate <= 1.
            rank: number of grid axes, 1, 2 or 3.
            boundary: of perception and of the alive mask.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        given: dict[str, Any] = {
            "channels": channels,
            "hidden_channels": hidden_channels,
            "kernels": kernels,
            "steerable": steerable,
        }
        given |= {"perception": perception and tuple(perception), "kept": None if kept is None else tuple(kept)}
        given |= {
            "inputs": inputs,
            "alive_mask": alive_mask,
            "alive_channel": alive_channel,
            "fire_rate": fire_rate,
            "rank": rank,
        }
        where = f"[law.{type(self).__name__.lower()}]"
        base = PRESETS[check_choice(preset, get_args(Preset), f"{where} preset")]
        settings = NCASettings(**vars(base) | {name: value for name, value in given.items() if value is not None})
        self.preset = preset
        self.activation = check_choice(activation, get_args(Nonlinearity), f"{where} activation")
        self.boundary = check_boundary(boundary, type(self).__name__.lower())
        self._state_channels(settings, where)
        self._add_layers(settings, where)
        self.fire_rate = settings.fire_rate

    def _state_channels(self, settings: NCASettings, where: str) -> None:
        """Checks and states what the channels are, and what follows from it."""
        c = self.channels = check_whole(where, 1, None, channels=settings.channels)
        self.inputs = check_whole(where, 0, c - 1, inputs=settings.inputs)
        self.alive_mask, self.alive_channel = settings.alive_mask, settings.alive_channel
        alive_channel = settings.alive_channel
        own = c - self.inputs
        if self.alive_mask:
            if own <= alive_channel:
                wanted = " (RGBA)" if alive_channel == ALPHA else " (its alive channel is the last)"
                raise ConfigError(f"{where} channels: {c} given; expected at least {alive_channel + 1 + self.inputs}{wanted}")
            self.alive = (check_whole(where, 0, own - 1, alive_channel=alive_channel), ALIVE)
        self.kept = tuple(check_whole(f"{where} kept", 0, own - 1, channel=channel) for channel in settings.kept)
        fixed = [channel in self.kept or channel >= own for channel in range(c)]
        self.register_buffer("fixed", torch.tensor(fixed) if any(fixed) else None, persistent=False)
        self.radius = 2 if self.alive_mask else 1  # the alive mask reads neighbours that were updated from their neighbours
        colours = ("rgb",) if own > ALPHA else ()
        self.default_field = "rgb" if colours else "channel_0"
        living = ("population",) if self.alive_mask else ()
        self.fields = (*colours, "channel", *living, "mass", "energy", "density", "gradient", *PLOTTED)
        self.default_initial = "seed" if self.alive_mask else "noise"

    def _add_layers(self, settings: NCASettings, where: str) -> None:
        rank, widths = check_rank(settings.rank, type(self).__name__.lower()), settings.hidden_channels
        self.ranks = (rank,)
        widths = [widths] if isinstance(widths, int) else list(widths)
        if not widths:
            raise ConfigError(f"{where} hidden_channels: [] given; expected a width, or widths of one or more layers")
        for width in widths:
            check_whole(where, 1, None, hidden_channels=width)
        self.hidden_channels = settings.hidden_channels
        kinds = settings.perception
        if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(PERCEPTIONS):
            raise ConfigError(f"{where} perception: {list(kinds)} given; expected some of {', '.join(PERCEPTIONS)}, each once")
        kernels = check_whole(where, int("learned" in kinds), None, kernels=settings.kernels)
        self.steerable = settings.steerable
        if self.steerable and (rank != 2 or "sobel" not in kinds):
            raise ConfigError(f'{where} steerable: expected two dimensions and perception "sobel", whose gradients it turns')
        angle = self.channels - self.inputs - 1 if self.steerable else None
        seen = self.add_perception(kinds, rank, kernels, self.boundary, angle)
        self.hidden = make_dense(rank, seen, widths[0])
        self.deeper = nn.ModuleList(make_dense(rank, one, other) for one, other in pairwise(widths))
        self.update = make_dense(rank, widths[-1], self.channels)
        # As in the paper: an untrained law leaves the seed as it is.
        for parameter in self.update.parameters():
            nn.init.zeros_(parameter)

    def activate(self, values: Tensor) -> Tensor:
        return _ACTIVATIONS[self.activation](values)

    def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
        """The network's output, before the fire and alive masks, and before kept channels are put back."""
        hidden = self.activate(self.hidden(self.perceive(cells)))
        for layer in self.deeper:
            hidden = self.activate(layer(hidden))
        out: Tensor = self.update(hidden)
        return out

    def living(self, cells: Tensor) -> Tensor:
        """`(B, 1, *grid)` bool: the alive channel is above 0.1 somewhere in the Moore neighbourhood."""
        alpha = pad(cells[:, self.alive_channel : self.alive_channel + 1], 1, self.boundary)
        return _POOL[cells.ndim - 2](alpha, 3, stride=1) > ALIVE

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        moved = self.fired(cells, self.change(cells), seed, step)
        if self.alive_mask:
            moved = torch.where(self.living(cells) & self.living(moved), moved, 0.0)
        fixed = self._buffers["fixed"]
        if fixed is not None:
            moved = torch.where(fixed.view(-1, *[1] * (cells.ndim - 2)), cells, moved)
        return moved, seed, step + 1

    def feed(self, cells: Tensor, values: Tensor | Sequence[float]) -> Tensor:
        """Cells `(B, C, *grid)` with the input channels set, for `set_cells` or a rollout.

        Args:
            values: `(inputs,)`, `(B, inputs)`, or `(B, inputs, *grid)`.

        Raises:
            ConfigError: a tensor of another shape.
        """
        fed = torch.as_tensor(values, dtype=cells.dtype, device=cells.device)
        grid, batch = cells.shape[2:], len(cells)
        if tuple(fed.shape) not in ((self.inputs,), (batch, self.inputs), (batch, self.inputs, *grid)):
            expected = f"({self.inputs},), ({batch}, {self.inputs}) or ({batch}, {self.inputs}, *grid)"
            raise ConfigError(f"[law.{self.name.lower()}] feed: shape {tuple(fed.shape)} given; expected {expected}")
        if fed.ndim <= 2:
            fed = fed.view(-1, self.inputs, *[1] * len(grid)).expand(batch, self.inputs, *grid)
        return torch.cat((cells[:, : self.channels - self.inputs], fed), 1)

    def cell_network(self) -> CellNetwork | None:
        learned = as_dense(self.learned, None, self.activation) if "learned" in self.perception else None
        hidden = [as_dense(layer, None, self.activation) for layer in (self.hidden, *self.deeper)]
        assert hidden[0] is not None
        hidden[0] = replace(hidden[0], weight=self.learned_last(hidden[0].weight))
        if self.perception == ("learned",):
            hidden, learned = [learned, *hidden], None
        weight, bias, fixed = self.update.weight.flatten(1), self.update.bias, self._buffers["fixed"]
        if fixed is not None and not self.alive_mask:  # without masks a channel is kept where its change is 0
            weight, bias = torch.where(fixed[:, None], 0, weight), None if bias is None else torch.where(fixed, 0, bias)
        return CellNetwork(
            self.filters(),
            (*(layer for layer in hidden if layer is not None), Dense(weight, bias, "none")),
            self.boundary,
            fire_rate=self.each("fire_rate"),
            alive=self.alive,
            place=self.place,
            learned=learned,
            steering=self.steering(),
            kept=(*self.kept, *range(self.channels - self.inputs, self.channels)) if self.alive_mask else (),
        )

    def seed_cell(self) -> Tensor:
        """Channels before the alive channel (the colours) 0, as are inputs; all others 1."""
        values = torch.ones(self.channels)
        values[: min(self.alive_channel, self.channels - 1) if self.alive_mask else 0] = 0
        values[self.channels - self.inputs :] = 0
        return values

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform noise in 0..1; the inputs 0."""
        cells = super().random_cells(grid, generator)
        cells[self.channels - self.inputs :] = 0
        return cells
