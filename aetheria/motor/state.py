"""The whole state of a motor: made from initial cells, or given and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import index
from typing import Any, TypeGuard

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aetheria.core.errors import StateError
from aetheria.core.memory_limits import EAGER_STATES, KERNEL_STATES, PLANNED_STATES, SHARE, check_states
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.motor.cells import CellSpec, as_tensor, checked_cells, finite
from aetheria.motor.initial import Initial, make_initial
from aetheria.motor.values import law_values
from aetheria.split.grid import SplitGrid
from aetheria.stepping import PlanName, State, first_plan

InitialCells = Initial | Mapping[str, Any] | Tensor | ArrayLike | None


def is_described(initial: InitialCells) -> TypeGuard[Initial | Mapping[str, Any] | str | None]:
    """Whether initial cells are made from a description, not given."""
    return initial is None or isinstance(initial, Initial | Mapping | str)


def fresh_state(law: Law, initial: InitialCells, spec: CellSpec, seed: int, split: SplitGrid | None = None) -> State:
    """Initial cells, given or described (by a kind, or as in a config), and the memory that goes with them.

    Args:
        spec: of the cells of the whole grid.
        split: of the grid over processes: the state is that of this process's window.

    Raises:
        StateError: cells that do not fit. ConfigError, FileUnreadableError: as for `make_initial`.
    """
    if isinstance(initial, Mapping):
        initial = Initial.checked(dict(initial), "initial")
    if initial is None or isinstance(initial, Initial | str):
        initial = make_initial(initial, law, spec.shape, seed, None if split is None else split.tile)
    else:
        initial = law_values(initial, law, "initial")
        initial = initial if split is None else split.tile.cut(as_tensor(initial))
    if split is not None:
        spec = replace(spec, shape=(*spec.shape[:2], *split.tile.window))
    cells = checked_cells(initial, spec)
    with torch.inference_mode():
        return (cells, *fresh_memory(law, cells, seed))


def fresh_memory(law: Law, cells: Tensor, seed: int) -> tuple[Tensor, ...]:
    """The law's memory to go with fresh cells; empty for a law without."""
    return tuple(law.initial_memory(cells, seed) if law.stochastic else law.initial_memory(cells))  # type: ignore[call-arg]


def check_room_for(law: Law, state: State, plan: PlanName, precision: Precision, available: int) -> None:
    """Raises StateError where there is no room to step a state, its memory included, by the plan that is wanted.

    Args:
        available: bytes free on the device.
    """
    nbytes, states = sum(tensor.nbytes for tensor in state), EAGER_STATES if plan == "eager" else PLANNED_STATES
    # Asked for only where it decides: to count the products of a network takes a second.
    if states == PLANNED_STATES and states * nbytes > SHARE * available:
        first = first_plan(law, state, precision)
        states = KERNEL_STATES if first.any_grid and not state[0].is_cuda and plan in ("auto", first.name) else states
    check_states(tuple(state[0].shape), nbytes, states, available)


def checked_state(given: Mapping[str, Any], own_memory: tuple[Tensor, ...], spec: CellSpec) -> tuple[State, int, int]:
    """State, step and seed in a motor's `state_dict`; the state copied to the device and into the types of a motor.

    Args:
        given: "cells", "memory", "step" and "seed".
        own_memory: the motor's memory, which the given one is to be like.
        spec: of the motor's cells.

    Raises:
        StateError: keys missing, a step or seed that no motor has, tensors of other shapes than the motor's, NaN or Inf.
    """
    missing = {"cells", "memory", "step", "seed"} - given.keys()
    if missing:
        raise StateError(f"load_state_dict: {', '.join(sorted(missing))} missing")
    if not isinstance(given.get("law", {}), Mapping):
        raise StateError(f"load_state_dict: law {type(given['law']).__name__}; expected a mapping, as in `state_dict`")
    step, seed = (_whole_number(key, given[key]) for key in ("step", "seed"))
    cells = checked_cells(given["cells"], spec)
    return (cells, *_checked_memory(given["memory"], own_memory)), step, seed


def _whole_number(key: str, value: Any) -> int:
    try:
        number = index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool) or not 0 <= number < 2**63:
        raise StateError(f"load_state_dict: {key} {value!r}; expected a whole number from 0 to 2^63 - 1")
    return number


def _checked_memory(given: Any, own: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise StateError(f"load_state_dict: memory {type(given).__name__}; expected a sequence of tensors")
    tensors = tuple(map(as_tensor, given))
    if [t.shape for t in own] != [t.shape for t in tensors]:
        raise StateError(
            f"load_state_dict: memory {[tuple(t.shape) for t in tensors]}; expected {[tuple(t.shape) for t in own]}"
        )
    with torch.inference_mode():
        ready = tuple(t.detach().to(mine).clone() for t, mine in zip(tensors, own, strict=True))
    if not all(finite(t) for t in (*tensors, *ready) if t.is_floating_point()):
        raise StateError("load_state_dict: memory holds NaN or Inf; expected finite values")
    return ready
