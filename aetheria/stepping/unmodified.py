"""Checks that a law still computes what its class states, so that a kernel may step it."""

from functools import cache
from typing import TypeVar

from torch import nn

from aetheria.laws.base import Law
from aetheria.laws.forms import (
    BitRule,
    BlockRule,
    CircleRule,
    CountRule,
    DifferenceRule,
    FormulaRule,
    GateRule,
    PlaneRule,
    RowRule,
    ShiftingRule,
    TreeRule,
)
from aetheria.laws.local_network import CellNetwork
from aetheria.laws.ring_forms import RingKernels

Form = TypeVar("Form")

# Methods that no step calls.
_HARMLESS = ("random_cells", "seed_cell", "other_values", "normalised", "pattern_values", "obeys", "noise", "live_cell", "fit")


# By form: the method by which a law gives it, and the reason where it has none.
_FORMS: dict[type, tuple[str, str]] = {
    CellNetwork: ("cell_network", "is no network of one cell and its neighbours"),
    BitRule: ("bit_rule", "is no two-state outer-totalistic rule"),
    RowRule: ("row_rule", "is no two-state rule on three cells of a row"),
    BlockRule: ("block_rule", "is no rule on the block of 3x3 cells"),
    CountRule: ("count_rule", "is no rule by counts over a neighbourhood"),
    CircleRule: ("circle_rule", "is no rule of states in a circle by counts of one state"),
    DifferenceRule: ("difference_rule", "is no rule of second order"),
    PlaneRule: ("plane_rule", "is no rule on four planes of bits"),
    ShiftingRule: ("shifting_rule", "is no rule on shifting blocks"),
    TreeRule: ("tree_rule", "is no rule by a decision tree"),
    FormulaRule: ("formula_rule", "is no law by formulas of a cell and those around it"),
    GateRule: ("gate_rule", "is no law of logic gates at their hardest"),
    RingKernels: ("ring_kernels", "has no ring-shaped kernels with curves of growth"),
}


def form_of(law: Law, kind: type[Form]) -> Form | str:
    """The law in a form for kernels (`BitRule`, `CellNetwork` ...), or the reason why it has none that is valid."""
    method, reason = _FORMS[kind]
    try:
        form: Form | None = getattr(law, method)()
    except Exception as error:  # noqa: BLE001 - a layer may have been replaced by one of another kind, which eager can step
        return f"{law.name}.{method}() failed: {error}"
    if form is None:
        return f"{law.name} {reason}"
    return altered(law, _owner(law, method)) or _fault(law, form) or form


def why_no(law: Law, kind: type) -> str:
    """Why the law has no valid form of this kind, for people; empty if it has one."""
    form = form_of(law, kind)
    return form if isinstance(form, str) else ""


def keeps(law: Law, form: Form) -> bool:
    """Whether the law still has this form, which was valid; in a fraction of the time of `form_of`."""
    method = _FORMS[type(form)][0]
    return bool(getattr(law, method)() == form) and not altered(law, _owner(law, method))


def _fault(law: Law, form: object) -> str:
    """The fault of a form that the law gives, for people; empty for none."""
    if isinstance(form, BitRule) and not set(form.table) <= {0.0, 1.0}:
        return "its table holds more than 0 and 1"
    if isinstance(form, CellNetwork) and (form.channels != law.channels or (form.fire_rate is not None) > law.stochastic):
        return f"{law.name}.cell_network() has other channels than the law, or fires at random where the law does not"
    return ""


def altered(law: Law, owner: type) -> str:
    """How a law differs from its class `owner`, for people; empty if it does not.

    A kernel calls neither methods that a subclass or an instance overrides nor registered hooks.
    """
    kinds = type(law).__mro__
    for kind in kinds[: kinds.index(owner)]:
        for name, value in vars(kind).items():
            # Including "__call__"; but every class has an "__init__" of its own.
            if callable(value) and hasattr(owner, name) and name not in (*_HARMLESS, "__init__"):
                return f"{kind.__name__} overrides {name}"
    if not _methods(owner).isdisjoint(vars(law)):
        return f"its {min(_methods(owner) & vars(law).keys())} was replaced"
    return "it has forward hooks, which a kernel does not call" if _hooked(law) else ""


def _owner(law: Law, method: str) -> type:
    kind: type = type(law)
    return _definer(kind, method)


@cache
def _definer(kind: type, method: str) -> type:
    """The class that defines a method of `kind`."""
    return next(base for base in kind.__mro__ if method in vars(base))


def _hooked(module: nn.Module) -> bool:
    own = module._forward_hooks or module._forward_pre_hooks
    return bool(own) or any(child is not None and _hooked(child) for child in module._modules.values())


@cache
def _methods(owner: type) -> frozenset[str]:
    return frozenset(name for name in dir(owner) if callable(getattr(owner, name, None)))
