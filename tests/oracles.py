"""Cells that independent programs computed: see tests/golden/README.md."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.paths import GOLDEN

State = TypeVar("State")


@dataclass(frozen=True)
class Oracle:
    """One case: its parameters by name, and its arrays by name, floats in float64."""

    parameters: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    def followed(self, state: State, step: Callable[[State], State]) -> Iterator[tuple[State, NDArray[Any]]]:
        """The state after each of the steps that the file has, from `state` on, and the cells that are expected there."""
        done = 0
        for until, expected in zip(self.parameters["steps"], self.arrays["expected"], strict=True):
            for _ in range(until - done):
                state = step(state)
            done = until
            yield state, expected


def oracle(file: str, case: str) -> Oracle:
    """The case of this name in tests/golden/<file>.npz."""
    with np.load(GOLDEN / f"{file}.npz") as found:
        arrays = {name.removeprefix(f"{case}/"): found[name] for name in found.files if name.startswith(f"{case}/")}
        parameters = json.loads(str(found["meta"]))["cases"][case]
    wide = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in arrays.items()}
    return Oracle(parameters, wide)


def cells_of(states: NDArray[Any]) -> Tensor:
    """Whole states `(*grid)` as the cells `(1, 1, *grid)` of a law of one channel."""
    return torch.from_numpy(np.ascontiguousarray(states, np.float32))[None, None]


def names_of(file: str) -> list[str]:
    """The names of the cases in tests/golden/<file>.npz."""
    with np.load(GOLDEN / f"{file}.npz") as found:
        return list(json.loads(str(found["meta"]))["cases"])
