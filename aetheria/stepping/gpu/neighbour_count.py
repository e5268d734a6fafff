"""The packed plan on CUDA for rules by counts over a neighbourhood of any range: a byte a cell, counts as matrix products."""

import torch
from torch import Tensor

from aetheria.laws.forms import CountRule
from aetheria.stepping.gpu.network_layout import index_type
from aetheria.stepping.gpu.weight_terms import terms_of
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda, edges_of

SIDE = 32  # of a tile, in cells
MOST_IN_HALF = 1 << 11  # up to which float16 holds all whole numbers
MOST_COUNT = 1 << 22  # well within those that float32 holds, in which tensor cores sum


class NeighbourCountOnCuda(WholeStatesOnCuda):
    """Steps a `CountRule` exactly; the state is the cells' states `(B, H, W)`, uint8."""

    form = CountRule

    @classmethod
    def unfit(cls, rule: CountRule) -> str:
        terms, value = terms_of(rule.weights), max(map(abs, rule.values), default=0)
        widest = max(abs(terms.down).max(initial=0), abs(terms.across).sum(1).max(initial=0) * value)
        if widest > MOST_IN_HALF:
            return f"counts along a row up to {widest}; the kernel has room for {MOST_IN_HALF}"
        most = int(abs(rule.weights).sum()) * value
        return "" if most <= MOST_COUNT else f"counts up to {most}; the kernel has room for {MOST_COUNT}"

    def prepare(self, rule: CountRule, device: torch.device) -> None:
        terms = terms_of(rule.weights)
        self._middle = terms.middle
        self._across, self._down = (torch.from_numpy(each).to(device, torch.float16) for each in (terms.across, terms.down))
        self._up = self._down.flip(-1).contiguous() if rule.upside_down else None
        self._values = None
        if rule.values[:2] != (0, 1) or any(rule.values[2:]):
            values = (*rule.values, *[0] * (256 - len(rule.values)))
            self._values = torch.tensor(values, dtype=torch.float16, device=device)
        ranges = [*rule.births, *rule.survivals]
        self._ranges = torch.tensor(ranges, dtype=torch.int32, device=device).reshape(-1, 2)
        self._around = edges_of(self._shape[-2:], rule.boundary, rule.reach, device)

    def take(self, before: Tensor, after: Tensor) -> None:
        from aetheria.stepping.gpu.count_kernel import step_counts

        batch, height, width = before.shape
        rule = self._rule
        step_counts[(batch * -(-height // SIDE) * -(-width // SIDE),)](
            before,
            after,
            self._around,
            self._values,
            self._across,
            self._down,
            self._up,
            self._ranges,
            height,
            width,
            rule.reach,
            len(self._across),
            -(-(SIDE + 2 * rule.reach) // SIDE),
            self._middle,
            len(rule.births),
            len(rule.births) + len(rule.survivals),
            rule.states,
            index=index_type(height, width),
            side=SIDE,
            enable_fp_fusion=True,  # Triton's default; without it Triton warns
        )
