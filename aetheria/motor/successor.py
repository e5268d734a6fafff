"""A motor that goes on from another one's cells: on a grid of another size, or under another law."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.device import grid_of, times
from aetheria.core.errors import ConfigError, StateError
from aetheria.laws.base import Law, module_of
from aetheria.motor.cells import as_tensor
from aetheria.motor.initial import Initial
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.state import InitialCells
from aetheria.motor.values import law_values
from aetheria.stepping.edges import edge_cells


@dataclass(frozen=True)
class _Move:
    """A grid and its place on another one."""

    old: tuple[int, ...]
    new: tuple[int, ...]
    corner: tuple[int, ...]

    def place(self, values: Tensor, onto: Tensor) -> Tensor:
        """`onto` `(..., *new)` with the values `(..., *old)` in their place."""
        pairs = [(max(0, -at), max(0, at), at, n, m) for at, n, m in zip(self.corner, self.old, self.new, strict=True)]
        size = [min(n - first, m - into) for first, into, _, n, m in pairs]
        if min(size) > 0:
            source = Block(tuple(first for first, *_ in pairs), tuple(size))
            onto[Block(tuple(into for _, into, *_ in pairs), tuple(size)).index] = values[source.index]
        return onto


def resized(motor: Aetheria_Motor, grid_size: int | Sequence[int], at: Sequence[int] | None = None) -> Aetheria_Motor:
    """A motor of its own with the cells, memory, step and seed of `motor` on a grid of another size.

    The cells stay as they are, in their place; new cells are like those at the edges where these are all alike, else 0. The law
    is copied; `restart` begins from the same initial cells, in the same place.

    Args:
        motor: stays as it is.
        grid_size: as for a motor.
        at: place of the old first cell on the new grid, a number for each axis; None for the old grid in the middle.

    Raises:
        ConfigError: another number of axes, or a place that the law's lattice does not allow.
        StateError: a recorder is running, whose file is for the old grid; cells that are not empty would be cut off; a
            memory that does not follow the grid.
        LawError: the law cannot step such a grid.
    """
    law, old, new = motor.traits, motor.shape[2:], grid_of(grid_size)
    if len(new) != len(old):
        raise ConfigError(f"resized: a grid of {times(new)} given; expected {len(old)} sides, as the grid of {times(old)} has")
    _check_unrecorded(motor, "resized")
    move = _Move(old, new, _corner(law, old, new, at))
    with motor.turn:
        state = motor.state_dict()
        initial = motor._initial
    if state.get("law"):
        raise StateError(f"resized: {law.name} keeps a state of its own, which is for the old grid; restart it on the new one")
    cells = state["cells"]
    empty = _empty(cells)
    _check_kept(cells, empty, move)
    made = _made(motor, copy.deepcopy(motor.law), new, move.place(cells, empty.expand(*cells.shape[:2], *new).clone()))
    memory = tuple(_moved(mine, fresh, move) for mine, fresh in zip(state["memory"], made.memory, strict=True))
    made.load_state_dict({"cells": made.cells, "memory": memory, "step": state["step"], "seed": state["seed"]})
    made._initial = made._first_initial = _moved_initial(initial, move)
    return made


def under_law(motor: Aetheria_Motor, law: Law) -> Aetheria_Motor:
    """A motor of its own that steps the cells of `motor` by another law, from the same step on.

    A law of the same class, as with another boundary, goes on with the memory, too.

    Args:
        motor: stays as it is.
        law: for cells of as many channels.

    Raises:
        StateError: a recorder is running, or the law's cells cannot have the present values.
        LawError: the law cannot step the grid.
    """
    _check_unrecorded(motor, "under_law")
    with motor.turn:
        state = motor.state_dict()
        initial = motor._initial
    if law.channels != motor.shape[1]:
        raise StateError(f"under_law: {law.name} has {law.channels} channels; the cells have {motor.shape[1]}")
    made = _made(motor, module_of(law), motor.shape[2:], law_values(state["cells"], law, f"{law.name}: the present cells"))
    same = type(made.law) is type(motor.law)
    kept = {"memory": state["memory"], "law": state.get("law", {})} if same else {"memory": made.memory}
    made.load_state_dict({"cells": made.cells, "step": state["step"], "seed": state["seed"], **kept})
    if isinstance(initial, Initial):
        made._initial = made._first_initial = initial
    return made


def lattice_unit(law: Law) -> int:
    """Cells by which a law's cells may be moved, so that they stay on the same places of its blocks, lattice or colours."""
    return max(law.divisor, 2 if law.phases > 1 else 1)


def _made(motor: Aetheria_Motor, law: Any, grid: tuple[int, ...], cells: Tensor) -> Aetheria_Motor:
    d_state = motor.traits.d_state or motor.traits.channels
    seed, batch = motor.seed, motor.shape[0]
    return type(motor)(law, grid, d_state, motor.device, motor.config, initial=cells, batch=batch, seed=seed)


def _check_unrecorded(motor: Aetheria_Motor, where: str) -> None:
    if motor._loop.feed.lossless():
        raise StateError(f"{where}: a recorder is running, and its file is for this grid and law; finish it first")


def _corner(law: Law, old: tuple[int, ...], new: tuple[int, ...], at: Sequence[int] | None) -> tuple[int, ...]:
    """The place of the old grid on the new one; laws with phases and lattices of two cells move by whole ones of these."""
    unit = lattice_unit(law)
    if at is None:
        return tuple((m - n) // 2 // unit * unit for n, m in zip(old, new, strict=True))
    if len(at) != len(old):
        raise ConfigError(f"resized: at {tuple(at)} given; expected {len(old)} numbers, for the grid of {times(old)}")
    if any(int(place) % unit for place in at):
        raise ConfigError(f"resized: at {tuple(at)} given; {law.name} alternates between cells: expected multiples of {unit}")
    return tuple(map(int, at))


def _empty(cells: Tensor) -> Tensor:
    """The empty cell of each universe `(B, C, 1, ...)`: that at all edges where they are alike, else 0."""
    batch, channels, *grid = cells.shape
    edges = edge_cells(cells.flatten(0, 1)).view(batch, channels, -1)
    alike = (edges == edges[..., :1]).all(-1).all(1)
    return torch.where(alike[:, None], edges[..., 0], 0.0).view(batch, channels, *(1,) * len(grid))


def _check_kept(cells: Tensor, empty: Tensor, move: _Move) -> None:
    """Raises StateError when cells that are not empty lie beyond the new grid."""
    pairs = zip(move.corner, move.old, move.new, strict=True)
    kept = [(max(0, -at), min(n, m - at)) for at, n, m in pairs]
    outside = (cells != empty).any(1)
    if all(first < last for first, last in kept):
        outside[Block(tuple(first for first, _ in kept), tuple(last - first for first, last in kept)).index] = False
    if lost := int(outside.sum()):
        raise StateError(f"resized: {lost:,} cells that are not empty lie beyond the grid of {times(move.new)}; expected none")


def _moved(mine: Tensor, fresh: Tensor, move: _Move) -> Tensor:
    """The memory on the new grid; a memory may be of a grid whose cells are larger."""
    rank = len(move.old)
    scale = max(1, move.old[-1] // mine.shape[-1]) if mine.ndim > rank else 1
    coarse = _Move(*(tuple(number // scale for number in numbers) for numbers in (move.old, move.new, move.corner)))
    exact = not any(number % scale for number in (*move.old, *move.new, *move.corner))
    if exact and tuple(mine.shape[-rank:]) == coarse.old and tuple(fresh.shape[-rank:]) == coarse.new:
        return coarse.place(mine, fresh)
    if mine.shape != fresh.shape:
        raise StateError(f"resized: a memory of shape {tuple(mine.shape)} does not follow the grid")
    return mine


def _moved_initial(initial: InitialCells, move: _Move) -> InitialCells:
    """The initial cells in the same place on the new grid: those that are described, or given."""
    if initial is None:
        return None
    if isinstance(initial, str | Mapping):
        initial = Initial.checked(dict(initial) if isinstance(initial, Mapping) else {"kind": initial}, "initial")
    if not isinstance(initial, Initial):
        given = as_tensor(initial).float()
        return move.place(given, torch.zeros(*given.shape[: -len(move.old)], *move.new))
    if initial.kind in ("noise", "random_phase"):
        return initial
    middle = [n // 2 for n in move.old] if initial.at is None else initial.at
    return initial.model_copy(update={"at": [one + by for one, by in zip(middle, move.corner, strict=True)]})
