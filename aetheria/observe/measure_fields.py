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


def _grid(view: View) -> tuple[int, ...]:
    return tuple(view.cells.shape[2:])


def _following(view: View) -> View:
    """The view one step later."""
    assert view.change is not None
    return replace(view, cells=view.cells + view.change(), change=None)


def _speed(view: View, _: int) -> Tensor:
    periodic = view.boundary == "periodic"
    before, after = (measures.centre(weight_of(one), periodic) for one in (view, _following(view)))
    return measures.displacement(before, after, _grid(view), periodic)


def _growth(view: View, _: int) -> Tensor:
    before, after = (weight_of(one).sum(view.axes, dtype=torch.float64) for one in (view, _following(view)))
    return after - before


def _survival(view: View, _: int) -> Tensor:
    return (weight_of(view).sum(view.axes) > 0).double()


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


def _of_weight(formula: Callable[[Tensor], Tensor]) -> Callable[[View, int], Tensor]:
    return lambda view, _: formula(weight_of(view)).to(view.cells.device)


def _measure(
    name: str, meaning: str, unit: str, range_: Range, compute: Callable[[View, int], Tensor], undefined: bool = False
) -> Field:
    return Field(name, meaning, unit, range_, compute, scalar=True, local=False, undefined=undefined)


MEASURES = {
    field.name: field
    for field in (
        _measure("speed", "way of the centre of mass in the next step", "cells/step", (0, None), _speed),
        _measure(
            "growth",
            "change of the weight in the next step, the sum of what the centre is taken of",
            "1/step",
            (None, None),
            _growth,
        ),
        _measure("survival", "1 while any cell is not 0, else 0", "1", (0, 1), _survival),
        _measure(
            "symmetry", "greatest correlation with a mirror image at any place", "1", (-1, 1), _of_weight(measures.symmetry)
        ),
        _measure(
            "shannon_entropy", "-sum over values v of p(v) log2 p(v)", "bit/cell", (0, 8), _of_weight(measures.shannon_entropy)
        ),
        _measure(
            "compressibility", "1 - deflated size / size, a byte a cell", "1", (None, 1), _of_weight(measures.compressibility)
        ),
        _measure(
            "spectral_slope",
            "b of the power spectrum P(k) ~ k^b",
            "1",
            (None, None),
            _of_weight(measures.spectral_slope),
            undefined=True,
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
