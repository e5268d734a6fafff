"""The whole state of a motor: made from initial cells, or given and checked."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aetheria.core.errors import StateError
from aetheria.core.memory_limits import EAGER_STATES, KERNEL_STATES, PLANNED_STATES, SHARE, check_states
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.motor.cells import CellSpec, checked_cells
from aetheria.motor.initial import Initial, make_initial
from aetheria.motor.values import law_values
from aetheria.stepping import PlanName, State, first_plan

InitialCells = Initial | Mapping[str, Any] | Tensor | ArrayLike | None


def fresh_state(law: Law, initial: InitialCells, spec: CellSpec, seed: int) -> State:
    """Initial cells, given or described (by a kind, or as in a config), and the memory that goes with them.

    Raises:
        StateError: cells that do not fit. ConfigError, FileUnreadableError: as for `make_initial`.
    """
    if isinstance(initial, Mapping):
        initial = Initial.checked(dict(initial), "initial")
    if initial is None or isinstance(initial, Initial | str):
        initial = make_initial(initial, law, spec.shape, seed)
    else:
        initial = law_values(initial, law, "initial")
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


def checked_state(given: Mapping[str, Any], own_memory: tuple[Tensor, ...], spec: CellSpec) -> State:
    """The state in a motor's `state_dict`, copied to the device and into the types of a motor.

    Args:
        given: "cells", "memory", "step" and "seed".
        own_memory: the motor's memory, which the given one is to be like.
        spec: of the motor's cells.

    Raises:
        StateError: keys missing, a step below 0, or tensors of other shapes than the motor's.
    """
    missing = {"cells", "memory", "step", "seed"} - given.keys()
    if missing:
        raise StateError(f"load_state_dict: {', '.join(sorted(missing))} missing")
    cells = checked_cells(given["cells"], spec)
    memory = tuple(given["memory"])
    if [t.shape for t in own_memory] != [t.shape for t in memory]:
        raise StateError(
            f"load_state_dict: memory {[tuple(t.shape) for t in memory]}; expected {[tuple(t.shape) for t in own_memory]}"
        )
    if int(given["step"]) < 0:
        raise StateError(f"load_state_dict: step {given['step']}; expected 0 or more")
    with torch.inference_mode():
        return (cells, *(t.to(mine).clone() for t, mine in zip(memory, own_memory, strict=True)))
