"""C++ of a `FormulaRule`: computes cells of a row by the operations of eager steps, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass

from aetheria.laws.forms import FormulaRule
from aetheria.laws.formula import AROUND, AT, LAP, Formula, named, summed
from aetheria.laws.laplacian import axis_places, weighted

_FUNCTIONS = {
    "abs": "std::fabs({0})",
    "max": "larger({0}, {1})",
    "min": "smaller({0}, {1})",
    "sign": "sign_of({0})",
    "sqrt": "std::sqrt({0})",
}
_WAVES = {"cos": "cosine({0})", "sin": "sine({0})"}  # of float alone
_POWERS = {2.0: "square({0})", 3.0: "cube({0})"}
_OPERATORS = ("+", "-", "*", "/")
_ROWS = {-1: "above", 0: "at", 1: "below"}


@dataclass(frozen=True)
class FormulaSource:
    """Formulas as C++.

    Attributes:
        header: text of `generated.h`; see `formulas.cpp`.
        parameters: those parts of the formulas, other than numbers, that have the same value in all cells of a universe.
    """

    header: str
    parameters: tuple[Formula, ...]


def why_not_written(rule: FormulaRule) -> str:
    """Why the formulas cannot be written as C++ for vectors, for people; empty if they can."""
    if any(formula.reach > 1 for formula in rule.formulas):
        return "a formula has a Laplacian inside another"
    return next((why for formula in rule.formulas if (why := _why_not(formula, rule))), "")


def _why_not(formula: Formula, rule: FormulaRule) -> str:
    if _is_uniform(formula, rule):
        return ""
    if formula.kind == "**":
        exponent = formula.parts[1]
        if exponent.kind != "number" or exponent.value not in _POWERS:
            return "a formula has a power other than 2 and 3"
    elif formula.kind not in ("name", "negative", LAP, AT, AROUND, *_OPERATORS, *_FUNCTIONS, *(() if rule.wide else _WAVES)):
        return f"a formula has {formula.kind}(..), for which torch.compile has vectors"
    return next((why for part in formula.parts if (why := _why_not(part, rule))), "")


def _is_uniform(formula: Formula, rule: FormulaRule) -> bool:
    return formula.names().isdisjoint(rule.species)


def formula_source(rule: FormulaRule, rank: int) -> FormulaSource:
    """The C++ of formulas for which `why_not_written` has no reason, on a grid of one or two axes."""
    parameters: list[Formula] = []
    writer = _Writer(rule, rank, parameters)
    stages = zip(("first", "step", "last"), _stages(rule), strict=True)
    methods = [line for name, formulas in stages for line in writer.method(name, formulas)]
    lines = [
        f"constexpr int CHANNELS = {len(rule.species)}, PARAMETERS = {len(parameters)};",
        f"typedef {'double' if rule.wide else 'float'} T;",
        "",
        "struct Rule {",
        "    const double* parameters;",
        *methods,
        "};",
        "",
    ]
    return FormulaSource("\n".join(lines), tuple(parameters))


def _stages(rule: FormulaRule) -> tuple[Sequence[Formula], Sequence[Formula], Sequence[Formula]]:
    """The values that are kept, as formulas of the cells; those after a step; and the cells after a step, from those before it.

    Where each next value is some formula of one other cell, the values of these formulas are kept: each is computed once.
    """
    cells = [named(name) for name in rule.species]
    if rule.boundary == "zero" or not all(formula.kind == AT and not formula.parts[0].reach for formula in rule.formulas):
        return cells, rule.formulas, rule.formulas
    kept = [formula.parts[0] for formula in rule.formulas]
    after = [cell.at(formula.value) for cell, formula in zip(cells, rule.formulas, strict=True)]
    values = dict(zip(rule.species, after, strict=True))
    return kept, [formula.with_values(values) for formula in kept], after


@dataclass(frozen=True)
class _Writer:
    """Writes formulas, and notes their parameters."""

    rule: FormulaRule
    rank: int
    parameters: list[Formula]

    def method(self, name: str, formulas: Sequence[Formula]) -> list[str]:
        """A method of the struct `Rule`, which computes these formulas for cells of a row."""
        texts, channels = [self.text(formula, (0,) * self.rank) for formula in formulas], range(len(formulas))
        return [
            "",
            f"    void {name}(const RowPointers<CHANNELS>& rows, int64_t count) const {{",
            *(f"        const float* __restrict {row}{c} = rows.{row}[{c}];" for c in channels for row in _ROWS.values()),
            *(f"        float* __restrict next{c} = rows.next[{c}];" for c in channels),
            *(f"        const T p{number} = T(parameters[{number}]);" for number in range(len(self.parameters))),
            "        IN_ANY_ORDER",
            "        for (int64_t x = 0; x < count; x++) {",
            *(f"            const float after{c} = float({text});" for c, text in enumerate(texts)),
            *(f"            next{c}[x] = after{c};" for c in channels),
            "        }",
            "    }",
        ]

    def text(self, formula: Formula, place: tuple[int, ...]) -> str:
        """The value at a place relative to the cell whose next value is computed."""
        if formula.kind == "number":
            return f"T({formula.value!r})"
        if _is_uniform(formula, self.rule):
            return self._parameter(formula)
        if formula.kind == "name":
            row = _ROWS[place[0] if self.rank == 2 else 0]
            return f"T({row}{self.rule.species.index(formula.value)}[x + {place[-1]}])"
        if formula.kind == LAP:
            return self.text(weighted(formula.parts[0].at, self.rank, self.rule.stencil), place)
        if formula.kind == AROUND:
            return self.text(summed(formula.parts[0], formula.value, axis_places(self.rank)), place)
        if formula.kind == AT:
            return self.text(formula.parts[0], formula.value)
        parts = [self.text(part, place) for part in formula.parts]
        if formula.kind == "negative":
            return f"(-{parts[0]})"
        if formula.kind in _OPERATORS:
            return f"({parts[0]} {formula.kind} {parts[1]})"
        pattern = _POWERS[formula.parts[1].value] if formula.kind == "**" else (_FUNCTIONS | _WAVES)[formula.kind]
        return pattern.format(*parts)

    def _parameter(self, formula: Formula) -> str:
        if formula not in self.parameters:
            self.parameters.append(formula)
        return f"p{self.parameters.index(formula)}"
