"""C++ of the formulas of a `ReactionRule`: computes cells of a row by the operations of eager steps, in their order."""

from dataclasses import dataclass

from aetheria.laws.forms import ReactionRule, Stencil
from aetheria.laws.formula import LAP, Formula

# Of floats a and b, as torch has them: NaN stays NaN in `max` and `min`, and has the sign 0.
_FUNCTIONS = {
    "abs": "std::fabs({0})",
    "max": "larger({0}, {1})",
    "min": "smaller({0}, {1})",
    "sign": "sign_of({0})",
    "sqrt": "std::sqrt({0})",
}
_POWERS = {2.0: "square({0})", 3.0: "cube({0})"}
_OPERATORS = ("+", "-", "*", "/")
_LAPLACIANS: dict[Stencil, str] = {"5-point": "five_points", "9-point": "nine_points"}


@dataclass(frozen=True)
class ReactionSource:
    """The formulas of a rule as C++.

    Attributes:
        header: text of `generated.h`; see `reaction.cpp`.
        parameters: those parts of the formulas that have the same value in all cells of a universe.
    """

    header: str
    parameters: tuple[Formula, ...]


def why_not_written(rule: ReactionRule) -> str:
    """Why the formulas cannot be written as C++ for vectors, for people; empty if they can."""
    return next((why for formula in rule.formulas if (why := _why_not(formula, rule))), "")


def _why_not(formula: Formula, rule: ReactionRule) -> str:
    if _is_uniform(formula, rule):
        return ""
    if formula.kind == LAP and formula.parts[0].kind != "name":
        return "a formula has the Laplacian of more than one species by itself"
    if formula.kind == "**":
        exponent = formula.parts[1]
        if exponent.kind != "number" or exponent.value not in _POWERS:
            return "a formula has a power other than 2 and 3"
    elif formula.kind not in ("name", "negative", LAP, *_OPERATORS, *_FUNCTIONS):
        return f"a formula has {formula.kind}(..), for which torch.compile has vectors"
    return next((why for part in formula.parts if (why := _why_not(part, rule))), "")


def _is_uniform(formula: Formula, rule: ReactionRule) -> bool:
    return formula.names().isdisjoint(rule.species)


def reaction_source(rule: ReactionRule) -> ReactionSource:
    """The C++ of formulas for which `why_not_written` has no reason."""
    parameters: list[Formula] = []
    for formula in rule.formulas:
        _collect(formula, rule, parameters)
    written = [_written(formula, rule, parameters) for formula in rule.formulas]
    lines = [
        f"constexpr int SPECIES = {len(rule.species)}, PARAMETERS = {len(parameters)};",
        "",
        "inline void step_row(const RowPointers<SPECIES>& rows, const float* parameters, int64_t count) {",
        *_each(rule, "    const float *__restrict above{0} = rows.above[{0}], *__restrict at{0} = rows.at[{0}];"),
        *_each(rule, "    const float* __restrict below{0} = rows.below[{0}];"),
        *_each(rule, "    float* __restrict next{0} = rows.next[{0}];"),
        *(f"    const float p{number} = parameters[{number}];" for number in range(len(parameters))),
        "    IN_ANY_ORDER",
        "    for (int64_t x = 0; x < count; x++) {",
        *_each(rule, "        const float s{0} = at{0}[x];"),
        *(_laplacian_line(rule, number) for number in sorted(_diffusing(rule))),
        *(f"        next{number}[x] = {text};" for number, text in enumerate(written)),
        "    }",
        "}",
        "",
    ]
    return ReactionSource("\n".join(lines), tuple(parameters))


def _each(rule: ReactionRule, line: str) -> list[str]:
    return [line.format(number) for number in range(len(rule.species))]


def _laplacian_line(rule: ReactionRule, number: int) -> str:
    name = _LAPLACIANS[rule.stencil]
    return f"        const float lap{number} = {name}(above{number} + x, at{number} + x, below{number} + x);"


def _diffusing(rule: ReactionRule) -> set[int]:
    """Numbers of the species whose Laplacian occurs."""

    def of(formula: Formula) -> set[int]:
        found = {rule.species.index(formula.parts[0].value)} if formula.kind == LAP else set()
        return found.union(*map(of, formula.parts))

    return set().union(*map(of, rule.formulas))


def _collect(formula: Formula, rule: ReactionRule, parameters: list[Formula]) -> None:
    """Adds the largest uniform parts, each once."""
    if not _is_uniform(formula, rule):
        for part in formula.parts:
            _collect(part, rule, parameters)
    elif formula not in parameters:
        parameters.append(formula)


def _written(formula: Formula, rule: ReactionRule, parameters: list[Formula]) -> str:
    if _is_uniform(formula, rule):
        return f"p{parameters.index(formula)}"
    if formula.kind == "name":
        return f"s{rule.species.index(formula.value)}"
    if formula.kind == LAP:
        return f"lap{rule.species.index(formula.parts[0].value)}"
    parts = [_written(part, rule, parameters) for part in formula.parts]
    if formula.kind == "negative":
        return f"(-{parts[0]})"
    if formula.kind in _OPERATORS:
        return f"({parts[0]} {formula.kind} {parts[1]})"
    pattern = _POWERS[formula.parts[1].value] if formula.kind == "**" else _FUNCTIONS[formula.kind]
    return pattern.format(*parts)
