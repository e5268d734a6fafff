"""Larger than Life, and other rules by counts over neighbourhoods of any range."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws.controls import TextControl
from aetheria.laws.discrete.generations import decay_palette
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import CountRule
from aetheria.laws.layers import pad
from aetheria.laws.registry import register
from aetheria.laws.rules import rule_for, same_rule
from aetheria.laws.rules.larger_than_life import RangeRule, range_rule
from aetheria.laws.rules.range_weights import runs_of
from aetheria.laws.states import StateLaw
from aetheria.laws.topology import check_topology, is_twisted

_WANTED = 'expected a rule by counts, as in "R5,C0,M1,S34..58,B34..45,NM" or "R2,C2,S2-3,B3,NN"'


@register
class LargerThanLife(StateLaw):
    """Rule by counts over a neighbourhood of any range and shape, exact.

    Cells: one channel, 0 dead, 1 alive, 2 .. n - 1 decaying. Shapes: Moore, von Neumann, circular, Euclidean, checkerboards,
    cross, saltire, star, hash, hexagonal, asterisk, tripod, triangular, Gaussian, weighted and custom. Default: Bosco, of
    K. M. Evans, "Larger than Life: digital creatures in a family of two-dimensional cellular automata", 2001; higher-range
    outer-totalistic rules as in Golly's help, "Larger than Life".
    """

    reads_patterns = True
    controls = (TextControl("rule", 'range, states and counts, as in "R5,C0,M1,S34..58,B34..45,NM"; range and states stay'),)

    def __init__(self, rule: str = "R5,C0,M1,S34..58,B34..45,NM", *, boundary: str = "periodic") -> None:
        """
        Args:
            rule: range, number of states, survivals, births and neighbourhood, as in "R5,C0,M1,S34..58,B34..45,NM" (M1: the
                middle cell counts for survivals) or "R2,C2,S2-3,5,B3,NN".
            boundary: "periodic", "zero", "reflect", or edges joined with a twist or shift but "sphere", whose corners have no
                neighbourhoods; see `aetheria.laws.topology`.

        Raises:
            ConfigError: `rule` is no such rule, or the boundary is none that it has.
        """
        super().__init__()
        self.boundary = check_topology(boundary, "largerthanlife")
        if boundary == "sphere":
            raise ConfigError(
                '[law.largerthanlife] boundary: "sphere" given; its corners have no neighbourhoods of a larger range'
            )
        self._take(_range_rule(rule))
        self.set_states(self._rule.states, decay_palette(self._rule.states))
        self.radius: int = self._form.reach

    @property
    def rule(self) -> str:
        """The rule, as in "R5,C0,S33-57,B34-45" (survivals without the middle cell). A new one applies from the next step on.

        Raises:
            ConfigError: it is no such rule, or has another range or number of states.
        """
        return self._rule.text

    @rule.setter
    def rule(self, rule: str) -> None:
        new, old = _range_rule(rule), self._rule
        spans = [each.neighbourhood.weights(each.reach).shape for each in (new, old)]
        if spans[0] != spans[1] or new.states != old.states:
            raise ConfigError(
                f'[law.largerthanlife] rule: "{rule}" given; range {old.reach} and {old.states} states stay as they are'
            )
        self._take(new)

    def _take(self, rule: RangeRule) -> None:
        self._rule, self._form = rule, _form_of(rule, self.boundary)
        # Tuples of whole numbers, for the compiler reads no arrays.
        self._even = runs_of(self._form.weights)
        self._odd = runs_of(self._form.weights[::-1]) if self._form.upside_down else None
        self.spatial_period = 2 if self._form.upside_down else 1

    def prepare(self, cells: Tensor) -> None:
        least = self.radius + (self.boundary == "reflect")
        if (self.boundary == "reflect" or is_twisted(self.boundary)) and min(cells.shape[2:]) < least:
            raise LawError(
                f'[law.largerthanlife] boundary "{self.boundary}" with {self.radius} cells counted to each side: the grid has '
                f"a side of {min(cells.shape[2:])}; expected {least} or more"
            )

    def forward(self, cells: Tensor) -> Tensor:
        state = (cells + 0.5).to(torch.int32)
        counts = self._counts(state)
        born, stays = (_within(counts, ranges) for ranges in (self._form.births, self._form.survivals))
        older = (state + 1) * (state != self._form.states - 1)
        return torch.where(state == 0, born.int(), torch.where((state == 1) & stays, 1, older)).to(cells.dtype)

    def _counts(self, state: Tensor) -> Tensor:
        values = torch.zeros_like(state)
        for of, value in enumerate(self._form.values):
            values = values + value * (state == of) if value else values
        sums = torch.cumsum(pad(values, self.radius, self.boundary), -1, dtype=torch.int32)
        sums = torch.nn.functional.pad(sums, (1, 0))
        even = _run_counts(sums, self._even, self.radius)
        if self._odd is None:
            return even
        odd = _run_counts(sums, self._odd, self.radius)
        height, width = state.shape[-2:]
        y, x = (torch.arange(side, device=state.device) for side in (height, width))
        return torch.where((y[:, None] + x) % 2 == 0, even, odd)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A soup: each cell alive with chance 0.5, the others dead."""
        return (torch.rand(1, *grid, generator=generator) < 0.5).float()

    @property
    def rule_string(self) -> str:
        return self._rule.text

    def obeys(self, rule: str) -> bool:
        return same_rule(rule, self._rule.text)

    def count_rule(self) -> CountRule:
        return replace(self._form, boundary=self.boundary)


def _form_of(rule: RangeRule, boundary: str) -> CountRule:
    shape = rule.neighbourhood
    weights = shape.weights(rule.reach)
    if len(weights) < weights.shape[1]:  # triangles reach further along a row
        missing = (weights.shape[1] - len(weights)) // 2
        weights = np.pad(weights, ((missing, missing), (0, 0)))
    reach = len(weights) // 2
    if not shape.counts_middle:
        weights[reach, reach] = 0
    values = tuple(int(digit, 16) for digit in shape.states) or (0, 1)
    return CountRule(rule.text, reach, weights, shape.triangular, values, rule.births, rule.survivals, rule.states, boundary)


def _run_counts(sums: Tensor, runs: Sequence[tuple[int, int, int, int]], reach: int) -> Tensor:
    """Weighted counts `(B, 1, H, W)` int32, from the running sums along padded rows, which start with 0."""
    height, width = sums.shape[-2] - 2 * reach, sums.shape[-1] - 1 - 2 * reach
    counts = torch.zeros((*sums.shape[:-2], height, width), dtype=torch.int32, device=sums.device)
    for row, first, end, weight in runs:
        rows = sums.narrow(-2, row + reach, height)
        counts = counts + weight * (rows.narrow(-1, end + reach, width) - rows.narrow(-1, first + reach, width))
    return counts


def _within(counts: Tensor, ranges: tuple[tuple[int, int], ...]) -> Tensor:
    """Whether each count lies in one of the ranges."""
    inside = torch.zeros_like(counts, dtype=torch.bool)
    for low, high in ranges:
        inside |= (counts >= low) & (counts <= high)
    return inside


def _range_rule(text: str) -> RangeRule:
    found = range_rule(rule_for("LargerThanLife", text, _WANTED).text)
    assert found is not None
    return found
