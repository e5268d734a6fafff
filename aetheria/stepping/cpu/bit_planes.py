"""The packed plan on the CPU for rules on four planes of bits: words of 64 sites, next bits by the tables' polynomials."""

import ctypes
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import PlaneRule
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.whole_states import Steps, WholeStatesOnCpu
from aetheria.stepping.plan import State

_MARGIN = 512  # bits before the first site of a row; as many follow the last vector
_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
_PADDING: dict[str, Literal["wrap", "constant", "edge"]] = {"periodic": "wrap", "zero": "constant", "reflect": "edge"}


class Job(ctypes.Structure):
    """As in `bit_planes.cpp`."""

    _fields_ = fields("cells next spare lookups", int64="batch height width words steps first", int32="phases threads boundary")


class BitPlanesOnCpu(WholeStatesOnCpu[PlaneRule]):
    """Steps a `PlaneRule` exactly; the state is words `(B, 4, site rows, words of a row)`, int64, as in `bit_planes.cpp`."""

    form = PlaneRule
    source = "bit_planes.cpp"
    job = Job
    thread_updates = 4_000_000

    def prepare(self, rule: PlaneRule) -> None:
        height, width = self._shape[-2:]
        self._sites = (height // 2, width // 2) if rule.blocks else (height, width)
        self._words = -(-self._sites[1] // _MARGIN) * 8 + 2 * _MARGIN // 64
        lookups = [
            (*(number for axis in zip(*each.inputs, strict=True) for number in axis), each.table)
            for phase in rule.phases
            for each in phase
        ]
        self._lookups = torch.tensor(lookups, dtype=torch.int32, device="cpu")

    def pack(self, state: State) -> State:
        (cells,) = super().pack(state)
        if self._rule.blocks:
            planes = np.stack([cells[:, y::2, x::2].numpy() for y, x in _CORNERS], 1)
        else:
            planes = np.stack([(cells >> bit & 1).numpy() for bit in range(4)], 1)
        beyond = np.pad(planes, ((0, 0),) * 3 + ((1, 1),), _PADDING[self._rule.boundary])
        after = 64 * self._words - (_MARGIN - 1) - beyond.shape[-1]
        bits = np.pad(beyond, ((0, 0),) * 3 + ((_MARGIN - 1, after),))
        return (torch.from_numpy(np.packbits(bits, -1, "little").view(np.int64)),)

    def states(self, held: State) -> Tensor:
        words = held[0].contiguous().numpy()[..., _MARGIN // 64 :]
        planes = torch.from_numpy(np.unpackbits(words.view(np.uint8), -1, self._sites[1], "little"))
        if not self._rule.blocks:
            return sum((planes[:, bit] << bit for bit in range(4)), torch.zeros_like(planes[:, 0]))
        cells = torch.empty(self._shape[0], *self._shape[2:], dtype=torch.uint8, device="cpu")
        for plane, (y, x) in enumerate(_CORNERS):
            cells[:, y::2, x::2] = planes[:, plane]
        return cells

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        job = Job(
            *map(address, (before, after, spare, self._lookups)),
            *(self._shape[0], *self._sites, self._words, steps.number, steps.first),
            *(len(self._rule.phases), steps.threads, BOUNDARIES.index(self._rule.boundary)),
        )
        run(self._kernel.bit_planes, job)
