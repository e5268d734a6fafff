"""Observables of every law by the formulas of `aetheria.measures`."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from aetheria import measures
from aetheria.laws.base import Law
from aetheria.observe.fields import Field, Range, View, weight_of

_LONGEST_PERIOD = 64
_LYAPUNOV_STEPS = 100


def _following(view: View) -> View:
    """The view one step later."""
    assert view.change is not None
    return replace(view, cells=view.cells + view.change(), change=None)


def _speed(view: View, _: int) -> Tensor:
    periodic = view.boundary == "periodic"
    weights = [weight_of(one) for one in (view, _following(view))]
    before, after = (measures.centre(weight, periodic, view.sums) for weight in weights)
    return measures.displacement(before, after, view.sums.grid(weights[0]), periodic)


def _growth(view: View, _: int) -> Tensor:
    before, after = (view.sums.total(weight_of(one)) for one in (view, _following(view)))
    return after - before


def _survival(view: View, _: int) -> Tensor:
    return (view.sums.total(weight_of(view)) > 0).double()


def _entropy(view: View, _: int) -> Tensor:
    return measures.shannon_entropy(weight_of(view), view.sums)


def _period(view: View, _: int) -> Tensor:
    assert view.ahead is not None
    return view.ahead(_returns)


def _returns(law: Law, state: tuple[Tensor, ...], step: int) -> Tensor:
    found = [_first_return(law, tuple(tensor[u : u + 1] for tensor in state), step) for u in range(len(state[0]))]
    return torch.tensor(found, dtype=torch.float64)


def _first_return(law: Law, state: tuple[Tensor, ...], step: int) -> float:
    def weight(of: tuple[Tensor, ...]) -> Tensor:
        return weight_of(View(of[0], law.d_state, alive=law.alive))[0]

    return measures.first_return(weight(state), map(weight, measures.states_after(law, state, step, _LONGEST_PERIOD)))


def _lyapunov(view: View, _: int) -> Tensor:
    assert view.ahead is not None
    return view.ahead(lambda law, state, step: measures.lyapunov(law, state, _LYAPUNOV_STEPS, step))


def _measure(
    name: str,
    meaning: str,
    unit: str,
    range_: Range,
    compute: Callable[[View, int], Tensor],
    *,
    summed: bool = False,
    undefined: bool = False,
) -> Field:
    return Field(name, meaning, unit, range_, compute, scalar=True, local=False, summed=summed, undefined=undefined)


def _of_weight(
    name: str, meaning: str, range_: Range, formula: Callable[[Tensor], Tensor], *, undefined: bool = False
) -> Field:
    def compute(view: View, _: int) -> Tensor:
        return formula(weight_of(view)).to(view.cells.device)

    return replace(_measure(name, meaning, "1", range_, compute, undefined=undefined), of_weight=formula)


MEASURES = {
    field.name: field
    for field in (
        _measure("speed", "way of the centre of mass in the next step", "cells/step", (0, None), _speed, summed=True),
        _measure(
            "growth",
            "change of the weight in the next step, the sum of what the centre is taken of",
            "1/step",
            (None, None),
            _growth,
            summed=True,
        ),
        _measure("survival", "1 while any cell is not 0, else 0", "1", (0, 1), _survival, summed=True),
        _of_weight("symmetry", "greatest correlation with a mirror image at any place", (-1, 1), measures.symmetry),
        _measure("shannon_entropy", "-sum over values v of p(v) log2 p(v)", "bit/cell", (0, 8), _entropy, summed=True),
        _of_weight("compressibility", "1 - deflated size / size, a byte a cell", (None, 1), measures.compressibility),
        _of_weight(
            "spectral_slope", "b of the power spectrum P(k) ~ k^b", (None, None), measures.spectral_slope, undefined=True
        ),
        _measure(
            "period",
            f"steps after which the state comes back, moved or not; 0 if not within {_LONGEST_PERIOD}",
            "step",
            (0, _LONGEST_PERIOD),
            _period,
        ),
        _measure(
            "lyapunov",
            f"largest Lyapunov exponent over the next {_LYAPUNOV_STEPS} steps",
            "1/step",
            (None, None),
            _lyapunov,
            undefined=True,
        ),
    )
}
