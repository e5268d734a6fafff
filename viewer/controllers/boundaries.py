"""What lies beyond the edges of the grid: choices for the user, and the same law with another boundary. No Qt."""

from collections.abc import Mapping

from aetheria.laws.base import Law, as_law
from aetheria.laws.controls import TextControl
from aetheria.laws.registry import choices, parameters
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.successor import under_law
from aetheria.runs.config import RunConfig
from aetheria.runs.run import law_from_config

BOUNDARY = TextControl("boundary", "what lies beyond the edges, as periodic, zero or periodic-x+3; the cells stay")
_NAMES = {
    "periodic": "Torus",
    "zero": "Empty",
    "reflect": "Mirrors",
    "klein-x": "Klein bottle, top and bottom twisted",
    "klein-y": "Klein bottle, sides twisted",
    "cross-surface": "Cross-surface",
    "sphere": "Sphere",
}


def known_boundaries(law: Law) -> Mapping[str, str]:
    """The boundaries that a law offers, by a name for people; empty for a law without. Shifted ones may be typed."""
    if "boundary" not in parameters(type(law)):
        return {}
    return {f"{_NAMES.get(name, name)}  {name}": name for name in choices(type(law), "boundary") or _NAMES}


def with_law_of(config: RunConfig, motor: Aetheria_Motor) -> Aetheria_Motor:
    """A motor of its own that goes on from the cells of `motor` by the law of a config, with the present weights.

    Raises:
        AetheriaError: the law cannot be built, or cannot step the grid; see `under_law`.
    """
    law, d_state = law_from_config(config.law, config.d_state, len(motor.shape) - 2)
    law.load_state_dict(motor.law.state_dict())
    return under_law(motor, as_law(law, d_state))
