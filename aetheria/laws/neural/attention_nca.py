"""AttentionNCA: each cell attends to its Moore neighbourhood, then a network at each cell makes its change."""

from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import PLOTTED
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_rank, check_whole
from aetheria.laws.layers import make_dense, pad, start_small, window
from aetheria.laws.neural.firing import FiringLaw
from aetheria.laws.registry import register

POSITIONS = ("none", "sinusoidal", "rotary")
_WHERE = "[law.attentionnca]"
_SLOWEST = 10_000.0  # ratio of the fastest to the slowest wave of a sinusoidal encoding


@register
class AttentionNCA(FiringLaw):
    """A cell's token attends to those of its Moore neighbourhood and itself; a network on the result gives the cell's change.

    Token: a projection of the cell's channels, followed by the encoding of its place for each axis (y, then x), where positions
    are sinusoidal or a table. Rotary positions turn the keys by the neighbour's offset instead, so that only relative places
    count. Attention is softmax(q k / sqrt(head size)) over the 3^n cells; beyond a "zero" edge there are none to attend to.
    Memory: seed `(B, 2)` and step `(B,)`, both int64, from which the cells that fire are drawn.

    Source: M. Tesfaldet, D. Nowrouzezahrai, C. Pal, "Attention-based Neural Cellular Automata", NeurIPS 2022; rotary
    positions: J. Su et al., "RoFormer", arXiv:2104.09864.
    """

    ranks = RANKS
    radius = 1

    def __init__(
        self,
        channels: int = 16,
        hidden_channels: int = 64,
        *,
        token_channels: int = 32,
        heads: int = 4,
        head_channels: int = 8,
        position: Any = "rotary",
        position_channels: int = 8,
        fire_rate: float = 0.5,
        rank: int = 2,
        boundary: Boundary = "periodic",
        output_scale: float | None = None,
    ) -> None:
        """
        Args:
            channels: C.
            hidden_channels: width of the network's hidden layer.
            token_channels: of the projection.
            heads, head_channels: number of heads, and their size; with rotary positions a multiple of 2n on n axes.
            position: "none", "sinusoidal" (absolute, so that places are told apart), "rotary" (relative), or rows of numbers,
                one a coordinate, the same for all axes.
            position_channels: even number of sines and cosines for each axis of a sinusoidal encoding.
            fire_rate: chance that a cell updates in a step, 0 < fire_rate <= 1.
            rank: number of grid axes n, 1, 2 or 3.
            boundary: of the neighbourhood.
            output_scale: standard deviation of the last layer's weights; None for 1e-5.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.channels = check_whole(_WHERE, 1, None, channels=channels)
        self.hidden_channels = check_whole(_WHERE, 1, None, hidden_channels=hidden_channels)
        self.token_channels = check_whole(_WHERE, 1, None, token_channels=token_channels)
        self.heads = check_whole(_WHERE, 1, None, heads=heads)
        self.head_channels = check_whole(_WHERE, 1, None, head_channels=head_channels)
        self.ranks = (check_rank(rank, "attentionnca"),)
        self.boundary = check_boundary(boundary, "attentionnca")
        colours = ("rgb",) if channels >= 4 else ()
        self.fields = (*colours, "channel", "mass", "energy", "density", "gradient", *PLOTTED)
        table = self._checked_position(position, position_channels, rank)
        self.register_buffer("position_table", table, persistent=False)
        turns = rotary_angles(rank, head_channels) if self.position == "rotary" else None
        self.register_buffer("turns", turns, persistent=False)
        places = 0 if table is None else table.shape[1]
        width, inner = (
            token_channels + rank * (position_channels if self.position == "sinusoidal" else places),
            heads * head_channels,
        )
        self.project = make_dense(rank, channels, token_channels)
        self.queries, self.keys, self.values = (make_dense(rank, width, inner) for _ in range(3))
        self.join = make_dense(rank, inner, width)
        self.hidden = make_dense(rank, width, hidden_channels)
        self.out = start_small(make_dense(rank, hidden_channels, channels), output_scale)
        self.fire_rate = fire_rate

    def _checked_position(self, position: Any, position_channels: int, rank: int) -> Tensor | None:
        """The rows of a table of positions; None for positions by name."""
        self.position_channels = position_channels
        if not isinstance(position, str):
            try:
                rows = np.asarray(position, np.float64)
            except (TypeError, ValueError):
                rows = np.array(np.nan)
            if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
                raise ConfigError(f"{_WHERE} position: expected one of {', '.join(POSITIONS)}, or rows of finite numbers")
            self.position = "table"
            return torch.from_numpy(rows.copy())
        if position not in POSITIONS:
            raise ConfigError(
                f'{_WHERE} position: "{position}" given; expected one of {", ".join(POSITIONS)}, or rows of numbers'
            )
        self.position = position
        if position == "rotary" and self.head_channels % (2 * rank):
            raise ConfigError(
                f"{_WHERE} head_channels: {self.head_channels} given; expected a multiple of {2 * rank} for rotary positions"
            )
        if position == "sinusoidal" and (check_whole(_WHERE, 2, None, position_channels=position_channels) % 2):
            raise ConfigError(f"{_WHERE} position_channels: {position_channels} given; expected an even number")
        return None

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        if self.position != "table" or max(grid) <= len(self.get_buffer("position_table")):
            return ""
        return f"its table of positions has {len(self.get_buffer('position_table'))} rows; expected one for each coordinate"

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        return self.fired(cells, self.change(cells), seed, step), seed, step + 1

    def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
        """The network's output, before the cells that fire are drawn."""
        tokens = self.project(cells)
        if self.position in ("sinusoidal", "table"):
            tokens = torch.cat((tokens, self._places(tokens)), 1)
        out: Tensor = self.out(F.relu(self.hidden(self.join(self._attended(tokens)))))
        return out

    def _places(self, tokens: Tensor) -> Tensor:
        """The encodings of the coordinates `(B, axes * P, *grid)`, of the first axis first."""
        grid, found = tokens.shape[2:], []
        for axis, side in enumerate(grid):
            rows = self._encoding(side, tokens.device).to(tokens.dtype)
            shape = [1, rows.shape[1], *(side if other == axis else 1 for other in range(len(grid)))]
            found.append(rows.T.reshape(shape).expand(len(tokens), -1, *grid))
        return torch.cat(found, 1)

    def why_not_split(self) -> str:
        absolute = self.position in ("sinusoidal", "table")
        return f'position "{self.position}" encodes the coordinates in the whole grid; "rotary" does not' if absolute else ""

    def _encoding(self, side: int, device: torch.device) -> Tensor:
        """The rows `(side, P)` of all coordinates along an axis."""
        if self.position == "table":
            return self.get_buffer("position_table")[:side]
        half = self.position_channels // 2
        rates = _SLOWEST ** (-torch.arange(half, device=device, dtype=torch.float64) / half)
        angles = torch.arange(side, device=device, dtype=torch.float64)[:, None] * rates
        return torch.cat((angles.sin(), angles.cos()), 1)

    def _attended(self, tokens: Tensor) -> Tensor:
        """The attention output of each cell, all heads `(B, heads * head_channels, *grid)`."""
        batch, _, *grid = tokens.shape
        offsets = list(product((-1, 0, 1), repeat=len(grid)))
        queries = self.queries(tokens).reshape(batch, self.heads, self.head_channels, -1).permute(0, 3, 1, 2)
        keys = self._around(self.keys(tokens), offsets)
        if self.position == "rotary":
            keys = self._turned(keys)
        values = self._around(self.values(tokens), offsets)
        mask = None
        if self.boundary == "zero":
            inside = pad(tokens.new_ones(1, 1, *grid), 1, "zero") > 0
            mask = torch.stack([window(inside, [1 + by for by in offset], grid).flatten() for offset in offsets], 1)
            mask = mask[None].expand(batch, -1, -1).reshape(-1, 1, 1, len(offsets))
        # Every cell is an item of the batch, with one query.
        one = queries.reshape(-1, self.heads, 1, self.head_channels)
        found = F.scaled_dot_product_attention(one, keys.flatten(0, 1), values.flatten(0, 1), attn_mask=mask)
        return found.reshape(batch, -1, self.heads * self.head_channels).transpose(1, 2).reshape(batch, -1, *grid)

    def _around(self, features: Tensor, offsets: list[tuple[int, ...]]) -> Tensor:
        """`(B, cells, heads, 3^n, head_channels)`: the features of each cell's neighbourhood."""
        batch, _, *grid = features.shape
        halo = pad(features, 1, self.boundary)
        seen = torch.stack([window(halo, [1 + by for by in offset], grid) for offset in offsets], 1)
        seen = seen.reshape(batch, len(offsets), self.heads, self.head_channels, -1)
        return seen.permute(0, 4, 2, 1, 3)

    def _turned(self, keys: Tensor) -> Tensor:
        """Keys turned by the offsets of their cells."""
        angles = self.get_buffer("turns")
        cos, sin = angles.cos().to(keys.dtype), angles.sin().to(keys.dtype)
        first, second = keys.chunk(2, -1)
        return torch.cat((first * cos - second * sin, first * sin + second * cos), -1)


def rotary_angles(rank: int, head_channels: int) -> Tensor:
    """Angles `(3^n, head_channels / 2)` of the offsets in reading order; each axis turns an equal share of the pairs."""
    pairs = head_channels // (2 * rank)
    rates = _SLOWEST ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    places = torch.tensor(list(product((-1.0, 0.0, 1.0), repeat=rank)), dtype=torch.float64)
    return (places[:, :, None] * rates).flatten(1)
