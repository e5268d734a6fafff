"""Plans: the ways to step a law. `choose_plan` picks one; all equal the eager plan within stated tolerances."""

from aetheria.stepping.choose import EagerStart, PlanName, choose_plan, eager_start
from aetheria.stepping.cpu.build import compiler
from aetheria.stepping.factories import first_plan
from aetheria.stepping.plan import Plan, State

__all__ = ["EagerStart", "Plan", "PlanName", "State", "choose_plan", "compiler", "eager_start", "first_plan"]
