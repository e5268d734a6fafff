"""Whether a law still is what its class says of it, so that a kernel may step it instead."""

from functools import cache

from torch import nn

from aetheria.laws.base import Law
from aetheria.laws.local_network import CellNetwork

_HARMLESS = ("noise", "seed_cell")  # they are not of the step


def network_of(law: Law) -> CellNetwork | str:
    """The law's `CellNetwork`, or why it has none that may be relied on, for people."""
    try:
        network = law.cell_network()
    except Exception as error:  # noqa: BLE001 - a layer was replaced by one of another kind: eager may well step that
        return f"{type(law).__name__}.cell_network() failed: {error}"
    if network is None:
        return f"{type(law).__name__} is no network of one cell and its neighbours"
    if network.channels != law.channels or (network.fire_rate is not None) > law.stochastic:
        return f"what {type(law).__name__}.cell_network() says is not of its channels or chance"
    return altered(law, next(kind for kind in type(law).__mro__ if "cell_network" in vars(kind))) or network


def altered(law: Law, owner: type) -> str:
    """Why a law is no longer what the class `owner` says of it, for people; empty if it is.

    A kernel calls neither the methods that a subclass or an instance overrides nor the hooks that somebody registered.
    """
    kinds = type(law).__mro__
    for kind in kinds[: kinds.index(owner)]:
        for name, value in vars(kind).items():
            # "__call__" too, but every class has an "__init__" of its own.
            if callable(value) and hasattr(owner, name) and name not in (*_HARMLESS, "__init__"):
                return f"{kind.__name__} overrides {name}"
    if not _methods(owner).isdisjoint(vars(law)):
        return f"its {min(_methods(owner) & vars(law).keys())} was replaced"
    return "it has forward hooks, which a kernel does not call" if _hooked(law) else ""


def _hooked(module: nn.Module) -> bool:
    own = module._forward_hooks or module._forward_pre_hooks
    return bool(own) or any(child is not None and _hooked(child) for child in module._modules.values())


@cache
def _methods(owner: type) -> frozenset[str]:
    return frozenset(name for name in dir(owner) if callable(getattr(owner, name, None)))
