"""C++ of a `FormulaRule`: computes cells of a row by the operations of eager steps, in their order."""

from dataclasses import dataclass

from aetheria.laws.forms import FormulaRule
from aetheria.laws.formula import AT, LAP, Formula
from aetheria.laws.laplacian import weighted

_FUNCTIONS = {
    "abs": "std::fabs({0})",
    "max": "larger({0}, {1})",
    "min": "smaller({0}, {1})",
    "sign": "sign_of({0})",
    "sqrt": "std::sqrt({0})",
}
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
    elif formula.kind not in ("name", "negative", LAP, AT, *_OPERATORS, *_FUNCTIONS):
        return f"a formula has {formula.kind}(..), for which torch.compile has vectors"
    return next((why for part in formula.parts if (why := _why_not(part, rule))), "")


def _is_uniform(formula: Formula, rule: FormulaRule) -> bool:
    return formula.names().isdisjoint(rule.species)


def formula_source(rule: FormulaRule, rank: int) -> FormulaSource:
    """The C++ of formulas for which `why_not_written` has no reason, on a grid of one or two axes."""
    parameters: list[Formula] = []
    written = [_Writer(rule, rank, parameters).text(formula, (0,) * rank) for formula in rule.formulas]
    channels = range(len(rule.species))
    lines = [
        f"constexpr int CHANNELS = {len(channels)}, PARAMETERS = {len(parameters)};",
        f"typedef {'double' if rule.wide else 'float'} T;",
        "",
        "inline void step_row(const RowPointers<CHANNELS>& rows, const double* parameters, int64_t count) {",
        *(f"    const float* __restrict {row}{c} = rows.{row}[{c}];" for c in channels for row in _ROWS.values()),
        *(f"    float* __restrict next{c} = rows.next[{c}];" for c in channels),
        *(f"    const T p{number} = T(parameters[{number}]);" for number in range(len(parameters))),
        "    IN_ANY_ORDER",
        "    for (int64_t x = 0; x < count; x++) {",
        *(f"        const float after{c} = float({text});" for c, text in enumerate(written)),
        *(f"        next{c}[x] = after{c};" for c in channels),
        "    }",
        "}",
        "",
    ]
    return FormulaSource("\n".join(lines), tuple(parameters))


@dataclass(frozen=True)
class _Writer:
    """Writes formulas, and notes their parameters."""

    rule: FormulaRule
    rank: int
    parameters: list[Formula]

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
        if formula.kind == AT:
            return self.text(formula.parts[0], formula.value)
        parts = [self.text(part, place) for part in formula.parts]
        if formula.kind == "negative":
            return f"(-{parts[0]})"
        if formula.kind in _OPERATORS:
            return f"({parts[0]} {formula.kind} {parts[1]})"
        pattern = _POWERS[formula.parts[1].value] if formula.kind == "**" else _FUNCTIONS[formula.kind]
        return pattern.format(*parts)

    def _parameter(self, formula: Formula) -> str:
        if formula not in self.parameters:
            self.parameters.append(formula)
        return f"p{self.parameters.index(formula)}"
