"""How a law is advanced. `choose_plan` picks; every plan gives what eager gives, to stated tolerances."""

from aetheria.stepping.candidates import first_candidate
from aetheria.stepping.choose import PlanName, choose_plan
from aetheria.stepping.native import compiler
from aetheria.stepping.plan import Plan, State

__all__ = ["Plan", "PlanName", "State", "choose_plan", "compiler", "first_candidate"]
