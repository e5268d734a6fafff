"""A law in one line and as a small table: class, parameters, channels, rule, boundary, number of weights."""

import inspect
from collections.abc import Mapping
from html import escape
from typing import Any

from torch import Tensor, nn

_MOST_SHOWN = 60  # characters of a value
_PLAIN = (bool, int, float, str)


def one_line(law: Any) -> str:
    """As in `GrowingNCA(channels=16, fire_rate=0.5, boundary='periodic'; 8,336 weights)`."""
    given = ", ".join(f"{name}={_shown(value)}" for name, value in stated_parameters(law).items())
    weights = number_of_weights(law)
    return f"{law.name}({given}{'; ' if given and weights else ''}{f'{weights:,} weights' if weights else ''})"


def table(law: Any) -> str:
    """The same and more as HTML, for a notebook."""
    values = {name: value if isinstance(value, str) else _shown(value) for name, value in stated_parameters(law).items()}
    rows = {"law": law.name, **values}
    rows.setdefault("channels", str(getattr(law, "channels", "?")))
    if law.rule_string != law.name:
        rows["rule"] = law.rule_string
    rows["grids"] = ", ".join(f"{rank}-D" for rank in law.ranks)
    rows["radius"] = "unlimited" if law.radius is None else f"{law.radius} cell{'s' * (law.radius != 1)}"
    rows.setdefault("boundary", law.boundary)
    if law.states is not None:
        rows["states"] = f"0 to {law.states - 1}"
    weights = number_of_weights(law)
    if weights:
        rows["weights"] = f"{weights:,}"
    lines = (f"<tr><th>{escape(name)}</th><td>{escape(_cut(value))}</td></tr>" for name, value in rows.items())
    return f"<table>{''.join(lines)}</table>"


def stated_parameters(law: nn.Module) -> Mapping[str, Any]:
    """The parameters of the law's constructor that it keeps as attributes, with their present values; not those of None."""
    found = {}
    for name in inspect.signature(type(law)).parameters:
        value = getattr(law, name, inspect.Parameter.empty)
        if isinstance(value, Tensor) and value.numel() == 1:  # a control that is learned
            value = value.item()
        if value is not None and _is_plain(value):
            found[name] = value
    return found


def number_of_weights(law: nn.Module) -> int:
    """How many numbers the law's parameters hold."""
    return sum(parameter.numel() for parameter in law.parameters())


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, list | tuple) and all(isinstance(one, _PLAIN) for one in value))


def _shown(value: object) -> str:
    return _cut(repr(round(value, 6) if isinstance(value, float) else value))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
