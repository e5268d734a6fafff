"""Formulas of one's own: text read with a list of what is allowed, evaluated with torch.

Nothing of a formula is run as Python: its syntax tree is turned into a tree of numbers, names and the operations below.
"""

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, nearest

Lap = Callable[[Tensor], Tensor]
_MOST_CHARACTERS = 2000
_MOST_PARTS = 500
CONSTANTS = {"pi": math.pi}
LAP, AT, AROUND = "lap", "at", "around"
NEAR = "near "  # begins the name of a neighbour's species
FUNCTIONS: dict[str, tuple[int, Callable[..., Tensor]]] = {
    "abs": (1, torch.abs),
    "cos": (1, torch.cos),
    "exp": (1, torch.exp),
    "log": (1, torch.log),
    "max": (2, torch.maximum),
    "min": (2, torch.minimum),
    "sign": (1, torch.sign),
    "sin": (1, torch.sin),
    "sqrt": (1, torch.sqrt),
    "tanh": (1, torch.tanh),
}
_OPERATIONS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


@dataclass(frozen=True)
class Formula:
    """A tree: a number, a name, or an operation on formulas.

    Attributes:
        kind: "number", "name", "negative", "+", "-", "*", "/", "**", "lap", "at", "around", or a function's name. "at" is the
            value of a formula at another cell, "around" the sum of one over the neighbours along the axes; laws use them in a
            `FormulaRule`, and text has no words for them.
        value: the number, the name, the place of the other cell relative to this one, or the species that has the name
            `NEAR + species` at a neighbour.
        parts: the formulas that the operation takes.
    """

    kind: str
    value: Any = None
    parts: tuple["Formula", ...] = ()

    @property
    def reach(self) -> int:
        """Distance of the furthest cell that matters, along an axis: one for each Laplacian inside another."""
        own = max(map(abs, self.value)) if self.kind == AT else int(self.kind in (LAP, AROUND))
        return max((part.reach for part in self.parts), default=0) + own

    def at(self, place: tuple[int, ...]) -> "Formula":
        """The value at another cell."""
        return Formula(AT, place, (self,)) if any(place) else self

    def lap(self) -> "Formula":
        """The Laplacian."""
        return Formula(LAP, parts=(self,))

    def with_values(self, values: Mapping[str, "Formula"]) -> "Formula":
        """The formula with others in place of names."""
        if self.kind == "name":
            return values.get(self.value, self)
        return Formula(self.kind, self.value, tuple(part.with_values(values) for part in self.parts))

    def names(self) -> set[str]:
        """The names that occur."""
        return {self.value} if self.kind == "name" else set().union(*(part.names() for part in self.parts))

    def evaluated(self, values: Mapping[str, Tensor], lap: Lap) -> Tensor | float:
        """The value, from those of all names and a function for `lap`; a float without any. Not of "at" and "around"."""
        assert self.kind not in (AT, AROUND), self
        if self.kind == "number":
            return float(self.value)
        if self.kind == "name":
            return values[self.value]
        parts = [part.evaluated(values, lap) for part in self.parts]
        if self.kind == LAP:
            return lap(_tensor(parts[0], values))
        if self.kind in FUNCTIONS:
            return FUNCTIONS[self.kind][1](*(_tensor(part, values) for part in parts))
        return _combined(self.kind, parts)

    def sin(self) -> "Formula":
        """The sine."""
        return Formula("sin", parts=(self,))

    def __neg__(self) -> "Formula":
        return Formula("negative", parts=(self,))

    def __add__(self, other: "Formula | float") -> "Formula":
        return Formula("+", parts=(self, as_formula(other)))

    def __sub__(self, other: "Formula | float") -> "Formula":
        return Formula("-", parts=(self, as_formula(other)))

    def __rsub__(self, other: float) -> "Formula":
        return as_formula(other) - self

    def __mul__(self, other: "Formula | float") -> "Formula":
        return Formula("*", parts=(self, as_formula(other)))

    def __rmul__(self, other: float) -> "Formula":
        return as_formula(other) * self

    def __truediv__(self, other: "Formula | float") -> "Formula":
        return Formula("/", parts=(self, as_formula(other)))


def named(name: str) -> Formula:
    """The value of a species or constant."""
    return Formula("name", name)


def around(species: str, value: Formula) -> Formula:
    """The sum over the neighbours along the axes of a value in which `NEAR + species` is that of the neighbour."""
    return Formula(AROUND, species, (value,))


def summed(value: Formula, species: str, places: Iterable[tuple[int, ...]]) -> Formula:
    """The sum of `around`, over neighbours at these places."""
    return reduce(add, (value.with_values({NEAR + species: named(species).at(place)}) for place in places))


def as_formula(value: Formula | float) -> Formula:
    """A number as a formula; a formula as it is."""
    return value if isinstance(value, Formula) else Formula("number", float(value))


def _combined(kind: str, parts: list[Any]) -> Tensor | float:
    first, *rest = parts
    match kind:
        case "negative":
            result = -first
        case "+":
            result = first + rest[0]
        case "-":
            result = first - rest[0]
        case "*":
            result = first * rest[0]
        case "/":
            result = first / rest[0]
        case _:
            result = _power(first, rest[0])
    return result


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(exponent, float) and exponent in (2.0, 3.0):  # products, as one would write them
        return base * base if exponent == 2 else base * base * base
    return base**exponent


def _tensor(value: Tensor | float, values: Mapping[str, Tensor]) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=next(iter(values.values())).dtype)


def parse_formula(text: str, known: Mapping[str, str], where: str) -> Formula:
    """Reads a formula with + - * / ^ (or **), parentheses, numbers, names, `pi`, the `FUNCTIONS`, and `lap(..)`.

    Args:
        known: the names that may occur, and a word for each ("species", "constant").
        where: the setting, for errors.

    Raises:
        ConfigError: no formula, or a part that is not allowed.
    """
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f'{where}: {text!r} given; expected a formula, as in "-u*v^2 + F*(1-u)"')
    if len(text) > _MOST_CHARACTERS:
        raise ConfigError(f"{where}: a formula of {len(text)} characters; expected at most {_MOST_CHARACTERS}")
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval")
        number = sum(1 for _ in ast.walk(tree))
        if number > _MOST_PARTS * 2:
            raise ConfigError(f"{where}: a formula of {number} parts; expected at most {_MOST_PARTS * 2}")
        return _converted(tree.body, known, f'{where}: "{text}"')
    except ConfigError:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or "it is nested too deeply"
        raise ConfigError(f'{where}: "{text}" is no formula: {reason}') from None


def euler_step(name: str, change: Formula) -> Formula:
    """`name + dt * change`: the next value of a species with this rate of change."""
    return named(name) + named("dt") * change


def euler_steps(changes: Mapping[str, str], constants: Iterable[str]) -> dict[str, Formula]:
    """The next value of each species, from formulas of their rates of change; these know the species and the constants.

    Raises:
        ConfigError: as `parse_formula`.
    """
    known = dict.fromkeys(changes, "species") | dict.fromkeys(constants, "constant")
    return {name: euler_step(name, parse_formula(text, known, name)) for name, text in changes.items()}


def _converted(node: ast.expr, known: Mapping[str, str], where: str) -> Formula:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as value) if abs(value) < 1e300:
            return Formula("number", float(value))
        case ast.Name(id=name):
            return _name(name, known, where)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _converted(operand, known, where)
            return Formula("number", -inner.value) if inner.kind == "number" else Formula("negative", parts=(inner,))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _converted(operand, known, where)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            parts = (_converted(left, known, where), _converted(right, known, where))
            return _folded(_OPERATIONS[type(op)], parts, where)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if not any(isinstance(one, ast.Starred) for one in args):
            _check_call(name, len(args), where)
            return Formula(name, parts=tuple(_converted(one, known, where) for one in args))
    shown = ast.unparse(node)
    raise ConfigError(f"{where}: {shown} is not allowed; a formula has numbers, names, + - * / ^ and functions")


def _folded(kind: str, parts: tuple[Formula, ...], where: str) -> Formula:
    """An operation, or its result where both sides are numbers."""
    if any(part.kind != "number" for part in parts):
        return Formula(kind, parts=parts)
    try:
        result = _combined(kind, [part.value for part in parts])
    except (ArithmeticError, ValueError):
        result = math.nan
    if isinstance(result, complex) or not math.isfinite(result):
        raise ConfigError(f"{where}: {parts[0].value:g} {kind} {parts[1].value:g} is no finite number")
    return Formula("number", float(result))


def _name(name: str, known: Mapping[str, str], where: str) -> Formula:
    if name in CONSTANTS:
        return Formula("number", CONSTANTS[name])
    if name not in known:
        words = " and ".join(
            f"{word} {', '.join(key for key, kind in known.items() if kind == word)}" for word in dict.fromkeys(known.values())
        )
        raise ConfigError(f"{where}: {name} is unknown; the names are {words}, and pi")
    return Formula("name", name)


def _check_call(name: str, given: int, where: str) -> None:
    allowed = {LAP: 1} | {key: number for key, (number, _) in FUNCTIONS.items()}
    if name not in allowed:
        raise ConfigError(f"{where}: {name}(..) is no function of formulas; {nearest(name, sorted(allowed))}")
    if given != allowed[name]:
        raise ConfigError(f"{where}: {name} takes {allowed[name]} value{'s' * (allowed[name] > 1)}; {given} given")
