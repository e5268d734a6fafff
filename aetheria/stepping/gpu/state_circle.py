"""The packed plan on CUDA for states that follow each other in a circle: a byte a cell, on grids of any rank."""

import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.forms import CircleRule
from aetheria.stepping.gpu.network_layout import index_type
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda, power_of_two

ROWS, COLUMNS = 8, 64  # cells of a tile, at most


class StateCircleOnCuda(WholeStatesOnCuda):
    """Steps a `CircleRule` exactly; the state is the cells' states `(B, *grid)`, uint8."""

    form: ClassVar[type] = CircleRule

    def prepare(self, rule: CircleRule, device: torch.device) -> None:
        rank = len(self._shape) - 2
        self._grid = (1,) * (3 - rank) + tuple(self._shape[2:])
        places = np.pad(np.array(rule.places(rank), np.int32).reshape(-1, rank), ((0, 0), (3 - rank, 0)))
        if rule.boundary == "periodic":
            places = np.fmod(places, np.array(self._grid, np.int32))  # on a grid smaller than they reach
        self._reach = tuple(abs(places).max(0, initial=0).tolist())
        ranges = [(*ends, kind) for kind, kinds in enumerate(rule.moves) for ends in kinds]
        self._ranges = torch.tensor(ranges, dtype=torch.int32, device=device).reshape(-1, 3)
        self._places = torch.from_numpy(places).to(device)

    def take(self, before: Tensor, after: Tensor) -> None:
        from aetheria.stepping.gpu.circle_kernel import step_circle

        depth, height, width = self._grid
        rows, columns = min(power_of_two(height), ROWS), min(power_of_two(width), COLUMNS)
        step_circle[(len(before) * depth * -(-height // rows) * -(-width // columns),)](
            before,
            after,
            self._places,
            self._ranges,
            *self._grid,
            *self._reach,
            len(self._places),
            len(self._ranges),
            self._rule.states,
            follows=self._rule.follows,
            boundary=self._rule.boundary,
            index=index_type(1, math.prod(self._grid)),
            rows=rows,
            columns=columns,
            enable_fp_fusion=True,  # Triton's default; without it Triton warns
        )
