"""How a law is advanced. `choose_plan` picks; every plan gives what eager gives, to stated tolerances."""

from aetheria.stepping.choose import choose_plan
from aetheria.stepping.plan import Plan, State

__all__ = ["Plan", "State", "choose_plan"]
