"""How a law is advanced. `choose_plan` picks; every plan gives what eager gives, to stated tolerances."""

from aetheria.stepping.choose import PlanName, choose_plan
from aetheria.stepping.cpu.build import compiler
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.registry import first_plan

__all__ = ["Plan", "PlanName", "State", "choose_plan", "compiler", "first_plan"]
