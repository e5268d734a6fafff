"""Checks that a law still computes what its class states, so that a kernel may step it."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from torch import nn

from aetheria.laws.base import Law
from aetheria.laws.forms import BitRule, BlockRule, CountRule, RingKernel, RowRule, TreeRule
from aetheria.laws.local_network import CellNetwork

Form = TypeVar("Form")

# Methods that no step calls.
_HARMLESS = ("random_cells", "seed_cell", "other_values", "normalised", "pattern_values", "obeys", "noise", "live_cell", "fit")


def network_of(law: Law) -> CellNetwork | str:
    """The law's `CellNetwork`, or the reason why it has none that is valid."""
    network = _form_of(law, law.cell_network, f"{law.name} is no network of one cell and its neighbours")
    if isinstance(network, str):
        return network
    if network.channels != law.channels or (network.fire_rate is not None) > law.stochastic:
        return f"{law.name}.cell_network() has other channels than the law, or fires at random where the law does not"
    return network


def bit_rule_of(law: Law) -> BitRule | str:
    """The law's `BitRule`, or the reason why it has none that is valid."""
    rule = _form_of(law, law.bit_rule, f"{law.name} is no two-state outer-totalistic rule")
    return rule if isinstance(rule, str) or set(rule.table) <= {0.0, 1.0} else "its table holds more than 0 and 1"


def keeps_bit_rule(law: Law, rule: BitRule) -> bool:
    """Whether the law still has this rule, which was valid; in a fraction of the time of `bit_rule_of`."""
    return law.bit_rule() == rule and not altered(law, _owner(law, "bit_rule"))


def why_no_bit_rule(law: Law) -> str:
    """Why the law has no valid `BitRule`, for people; empty if it has one."""
    rule = bit_rule_of(law)
    return rule if isinstance(rule, str) else ""


def row_rule_of(law: Law) -> RowRule | str:
    """The law's `RowRule`, or the reason why it has none that is valid."""
    return _form_of(law, law.row_rule, f"{law.name} is no two-state rule on three cells of a row")


def why_no_row_rule(law: Law) -> str:
    """Why the law has no valid `RowRule`, for people; empty if it has one."""
    rule = row_rule_of(law)
    return rule if isinstance(rule, str) else ""


def keeps_row_rule(law: Law, rule: RowRule) -> bool:
    """Whether the law still has this rule, which was valid."""
    return law.row_rule() == rule and not altered(law, _owner(law, "row_rule"))


def block_rule_of(law: Law) -> BlockRule | str:
    """The law's `BlockRule`, or the reason why it has none that is valid."""
    return _form_of(law, law.block_rule, f"{law.name} is no rule on the block of 3x3 cells")


def why_no_block_rule(law: Law) -> str:
    """Why the law has no valid `BlockRule`, for people; empty if it has one."""
    rule = block_rule_of(law)
    return rule if isinstance(rule, str) else ""


def keeps_block_rule(law: Law, rule: BlockRule) -> bool:
    """Whether the law still has this rule, which was valid."""
    return law.block_rule() == rule and not altered(law, _owner(law, "block_rule"))


def count_rule_of(law: Law) -> CountRule | str:
    """The law's `CountRule`, or the reason why it has none that is valid."""
    return _form_of(law, law.count_rule, f"{law.name} is no rule by counts over a neighbourhood")


def why_no_count_rule(law: Law) -> str:
    """Why the law has no valid `CountRule`, for people; empty if it has one."""
    rule = count_rule_of(law)
    return rule if isinstance(rule, str) else ""


def keeps_count_rule(law: Law, rule: CountRule) -> bool:
    """Whether the law still has this rule, which was valid."""
    return law.count_rule() == rule and not altered(law, _owner(law, "count_rule"))


def tree_rule_of(law: Law) -> TreeRule | str:
    """The law's `TreeRule`, or the reason why it has none that is valid."""
    return _form_of(law, law.tree_rule, f"{law.name} is no rule by a decision tree")


def why_no_tree_rule(law: Law) -> str:
    """Why the law has no valid `TreeRule`, for people; empty if it has one."""
    rule = tree_rule_of(law)
    return rule if isinstance(rule, str) else ""


def keeps_tree_rule(law: Law, rule: TreeRule) -> bool:
    """Whether the law still has this rule, which was valid."""
    now = law.tree_rule()
    same = now is not None and now.children is rule.children and (now.inputs, now.boundary) == (rule.inputs, rule.boundary)
    return same and not altered(law, _owner(law, "tree_rule"))


def ring_kernel_of(law: Law) -> RingKernel | str:
    """The law's `RingKernel`, or the reason why it has none that is valid."""
    return _form_of(law, law.ring_kernel, f"{law.name} is no ring-shaped kernel with a growth curve")


def _form_of(law: Law, method: Callable[[], Form | None], otherwise: str) -> Form | str:
    name = method.__name__
    try:
        form = method()
    except Exception as error:  # noqa: BLE001 - a layer may have been replaced by one of another kind, which eager can step
        return f"{law.name}.{name}() failed: {error}"
    if form is None:
        return otherwise
    return altered(law, _owner(law, name)) or form


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
