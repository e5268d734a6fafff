"""Plans: the ways to step a law. `choose_plan` picks one; all equal the eager plan within stated tolerances."""

from aetheria.stepping.choose import PlanName, choose_plan
from aetheria.stepping.cpu.build import compiler
from aetheria.stepping.factories import first_plan
from aetheria.stepping.plan import Plan, State

__all__ = ["Plan", "PlanName", "State", "choose_plan", "compiler", "first_plan"]
