"""Objective "arc_1d": one-dimensional tasks of the kind of the Abstraction and Reasoning Corpus, generated.

Source of the idea: Y. Xu et al., "LLMs and the Abstraction and Reasoning Corpus", arXiv:2305.18354 (1D-ARC).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.training.task import Batch, Figures, Task

COLOURS = 10
Kind = Literal["move", "move_2", "move_3", "fill", "hollow", "mirror", "flip", "recolour", "denoise"]
Row = NDArray[np.int64]
_SHOWN = 16  # rows in a picture
# Of the ten colours, 0 is the background.
_PALETTE = np.array(
    [[0, 0, 0], [0, 116, 217], [255, 65, 54], [46, 204, 64], [255, 220, 0], [170, 170, 170], [240, 18, 190], [255, 133, 27],
     [127, 219, 255], [135, 12, 37]], np.uint8
)  # fmt: skip


class Arc1D(Task):
    """Rows of ten colours, each with the row that a rule makes of it; the law reads the first and writes the second.

    The last ten channels are inputs, the given row with a channel a colour, and keep it; the first ten are the answer: the
    largest is the colour. A law without inputs of its own is given the row in its last ten channels once.
    """

    def __init__(self, law: Law, grid: tuple[int, ...], /, *, kind: Kind = "move") -> None:
        """
        Args:
            kind: "move" (a block goes one cell to the right; "move_2", "move_3": two, three), "fill" (between two marks),
                "hollow" (only the ends of a block stay), "mirror" (the row backwards), "flip" (the two ends of a block change
                places), "recolour" (a block takes the colour of a mark at the left edge), "denoise" (single cells vanish,
                a block stays).

        Raises:
            ConfigError: a grid of more axes than one or too short, or a law of too few channels.
        """
        super().__init__(law, grid)
        if len(grid) != 1 or grid[0] < 8:
            raise ConfigError(f"[grid]: {list(grid)} given; objective arc_1d needs one axis of 8 cells or more")
        if law.channels < 2 * COLOURS:
            raise ConfigError(
                f"[law] {law.name} has {law.channels} channels; objective arc_1d needs {2 * COLOURS} or more: ten for "
                "the answer, and ten for the given row"
            )
        self.rule = _KINDS[kind]

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        draw = np.random.default_rng(int(torch.randint(2**62, (), generator=rng)))
        pairs = [self.rule(self.grid[0], draw) for _ in range(size)]
        given, wanted = (torch.from_numpy(np.stack(rows)) for rows in zip(*pairs, strict=True))
        first = torch.zeros(size, self.law.channels, *self.grid)
        first[:, -COLOURS:] = F.one_hot(given, COLOURS).movedim(-1, 1)
        return first, wanted

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """Cross entropy of the colours, with a cell that has one counted as much as all others together."""
        wanted = batch[1]
        each = F.cross_entropy(cells[:, :COLOURS].float(), wanted, reduction="none")
        coloured = (wanted > 0).float()
        return (each * coloured).sum() / coloured.sum().clamp_min(1) + (each * (1 - coloured)).sum() / (1 - coloured).sum()

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        right = cells[:, :COLOURS].argmax(1) == batch[1]
        wrong = 1 - float(right.all(1).float().mean())
        return {"rows wrong": wrong, "cells wrong": 1 - float(right.float().mean())} | super().figures(cells, batch)

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """Three lines for each row: given, wanted, and the law's answer."""
        given = batch[0][:_SHOWN, -COLOURS:].argmax(1)
        lines = torch.stack((given, batch[1][:_SHOWN], cells[:_SHOWN, :COLOURS].argmax(1), torch.full_like(given, 5)), 1)
        pixels: NDArray[np.uint8] = _PALETTE[lines.flatten(0, 1).cpu().numpy()]
        return pixels.repeat(8, 0).repeat(8, 1)


def _block(width: int, draw: np.random.Generator, longest: int, room: int = 0) -> tuple[int, int, int]:
    """Start, length and colour of a block with `room` cells free to its right."""
    length = int(draw.integers(2, max(3, longest + 1)))
    return int(draw.integers(0, width - length - room + 1)), length, int(draw.integers(1, COLOURS))


def _move(by: int) -> Callable[[int, np.random.Generator], tuple[Row, Row]]:
    def made(width: int, draw: np.random.Generator) -> tuple[Row, Row]:
        given, (start, length, colour) = np.zeros(width, np.int64), _block(width, draw, width // 3, by)
        given[start : start + length] = colour
        return given, np.roll(given, by)

    return made


def _fill(width: int, draw: np.random.Generator) -> tuple[Row, Row]:
    given, (start, length, colour) = np.zeros(width, np.int64), _block(width, draw, width // 2)
    wanted = given.copy()
    given[[start, start + length - 1]] = colour
    wanted[start : start + length] = colour
    return given, wanted


def _hollow(width: int, draw: np.random.Generator) -> tuple[Row, Row]:
    given, wanted = _fill(width, draw)
    return wanted, given


def _mirror(width: int, draw: np.random.Generator) -> tuple[Row, Row]:
    given, (start, length, colour) = np.zeros(width, np.int64), _block(width, draw, width // 3)
    given[start : start + length] = colour
    return given, given[::-1].copy()


def _flip(width: int, draw: np.random.Generator) -> tuple[Row, Row]:
    given, (start, length, colour) = np.zeros(width, np.int64), _block(width, draw, width // 3)
    given[start : start + length] = colour
    given[start] = 1 + (colour + int(draw.integers(0, COLOURS - 2))) % (COLOURS - 1)
    wanted = given.copy()
    wanted[start : start + length] = given[start : start + length][::-1]
    return given, wanted


def _recolour(width: int, draw: np.random.Generator) -> tuple[Row, Row]:
    given, (start, length, colour) = np.zeros(width, np.int64), _block(width - 2, draw, width // 3)
    given[start + 2 : start + 2 + length] = colour
    wanted = given.copy()
    given[0] = wanted[0] = mark = int(draw.integers(1, COLOURS))
    wanted[start + 2 : start + 2 + length] = mark
    return given, wanted


def _denoise(width: int, draw: np.random.Generator) -> tuple[Row, Row]:
    given, (start, length, colour) = np.zeros(width, np.int64), _block(width, draw, width // 3, 0)
    given[start : start + length] = colour
    wanted = given.copy()
    for place in range(int(draw.integers(0, 2)), width, 2):  # no two of them touch
        near = given[max(0, place - 1) : place + 2]
        if not near.any() and draw.random() < 0.3:
            given[place] = draw.integers(1, COLOURS)
    return given, wanted


_KINDS: dict[Kind, Callable[[int, np.random.Generator], tuple[Row, Row]]] = {
    "move": _move(1),
    "move_2": _move(2),
    "move_3": _move(3),
    "fill": _fill,
    "hollow": _hollow,
    "mirror": _mirror,
    "flip": _flip,
    "recolour": _recolour,
    "denoise": _denoise,
}
