"""Cells that independent programs computed: see tests/golden/README.md."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.paths import GOLDEN


@dataclass(frozen=True)
class Oracle:
    """One case: its parameters by name, and its arrays by name, floats in float64."""

    parameters: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def expected(self) -> list[tuple[int, NDArray[Any]]]:
        """(step, cells) of each step that the file has."""
        return list(zip(self.parameters["steps"], self.arrays["expected"], strict=True))


def oracle(file: str, case: str) -> Oracle:
    """The case of this name in tests/golden/<file>.npz."""
    with np.load(GOLDEN / f"{file}.npz") as found:
        arrays = {name.removeprefix(f"{case}/"): found[name] for name in found.files if name.startswith(f"{case}/")}
        parameters = json.loads(str(found["meta"]))["cases"][case]
    wide = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in arrays.items()}
    return Oracle(parameters, wide)
