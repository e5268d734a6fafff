"""C++ of a `FormulaRule`: computes cells of a row by the operations of eager steps, in their order."""

from collections.abc import Callable, Sequence
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
Read = Callable[[int, tuple[int, ...]], str]  # of a channel and a place


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
    if any(formula.reach for formula in rule.local):
        return "a formula of one cell reads others"
    return next((why for formula in (*rule.formulas, *rule.local) if (why := _why_not(formula, rule))), "")


def _why_not(formula: Formula, rule: FormulaRule) -> str:
    if _is_uniform(formula, rule):
        return ""
    if formula.kind == "**":
        exponent = formula.parts[1]
        if exponent.kind != "number" or exponent.value not in _POWERS:
            return "a formula has a power other than 2 and 3"
    elif formula.kind not in ("name", "negative", LAP, AT, AROUND, *_OPERATORS, *_FUNCTIONS, *(() if rule.wide else _WAVES)):
        return f"a formula has {formula.kind}(..), for which torch.compile has vectors"
    if formula.kind in (LAP, AT, AROUND) and not formula.names().isdisjoint(_by_cell(rule)):
        return "a formula reads a number of another cell"
    return next((why for part in formula.parts if (why := _why_not(part, rule))), "")


def _is_uniform(formula: Formula, rule: FormulaRule) -> bool:
    return formula.names().isdisjoint((*rule.species, *_by_cell(rule)))


def _by_cell(rule: FormulaRule) -> tuple[str, ...]:
    return rule.by_cell.names if rule.by_cell else ()


def formula_source(rule: FormulaRule, rank: int) -> FormulaSource:
    """The C++ of formulas for which `why_not_written` has no reason, on a grid of one to three axes."""
    parameters: list[Formula] = []
    writer = _Writer(rule, rank, parameters)
    methods = [*writer.first(), *writer.step(), *writer.last()]
    channels, kind = len(rule.species), "double" if rule.wide else "float"
    lines = [
        f"constexpr int RANK = {rank}, CHANNELS = {channels}, PARAMETERS = {len(parameters)};",
        f"typedef {kind} T;",
        f"typedef {'float' if _rounded(rule) else kind} Kept;",
        "",
        "struct Rule {",
        "    const double* parameters;",
        "    CellNumbers by_cell;",
        *methods,
        "};",
        "",
    ]
    return FormulaSource("\n".join(lines), tuple(parameters))


def _rounded(rule: FormulaRule) -> bool:
    """Whether values of `local` may be rounded before the formulas read them: where these do no more than move them."""
    return not rule.local or all(formula.kind == "name" or _is_move(formula) for formula in rule.formulas)


def _is_move(formula: Formula) -> bool:
    return formula.kind == AT and formula.parts[0].kind == "name"


@dataclass(frozen=True)
class _Writer:
    """Writes formulas, and notes their parameters."""

    rule: FormulaRule
    rank: int
    parameters: list[Formula]

    def first(self) -> list[str]:
        """The method of the struct `Rule` that computes the values that are kept of cells."""
        return self._method("first", "float", "Kept", self._next("Kept", self.rule.local or self._species(), self._read))

    def step(self) -> list[str]:
        """The method that computes the values that are kept after a step, from those before it."""
        if not self.rule.local:
            return self._method("step", "Kept", "Kept", self._next("float", self.rule.formulas, self._read))
        texts = [self.text(formula, self._here, self._read) for formula in self.rule.formulas]
        cells = [f"const float cell{c} = float({text});" for c, text in enumerate(texts)]
        return self._method("step", "Kept", "Kept", [*cells, *self._next("Kept", self.rule.local, lambda c, _: f"cell{c}")])

    def last(self) -> list[str]:
        """The method that computes cells after a step, from the values that are kept before it."""
        return self._method("last", "Kept", "float", self._next("float", self.rule.formulas, self._read))

    def _next(self, kind: str, formulas: Sequence[Formula], read: Read) -> list[str]:
        """Lines that compute formulas, and then write their values."""
        texts = [self.text(formula, self._here, read) for formula in formulas]
        values = [f"const {kind} after{c} = {kind}({text});" for c, text in enumerate(texts)]
        return [*values, *(f"next{c}[x] = after{c};" for c in range(len(texts)))]

    def _method(self, name: str, given: str, made: str, body: Sequence[str]) -> list[str]:
        """A method that does this for the cells of a row, from values of one type to those of another."""
        channels = range(len(self.rule.species))
        return [
            "",
            f"    void {name}(const RowPointers<CHANNELS, {given}, {made}>& rows, int64_t count) const {{",
            *(f"        const {given}* __restrict {row}{c} = rows.{row}[{c}];" for c in channels for row in _ROWS.values()),
            *(f"        {made}* __restrict next{c} = rows.next[{c}];" for c in channels),
            *(
                f"        const double* __restrict n{n} = by_cell.row({n}, rows.y, rows.x);"
                for n in range(len(_by_cell(self.rule)))
            ),
            *(["        const int64_t pitch = rows.pitch;"] if self.rank == 3 else []),
            *(f"        const T p{number} = T(parameters[{number}]);" for number in range(len(self.parameters))),
            "        IN_ANY_ORDER",
            "        for (int64_t x = 0; x < count; x++) {",
            *(f"            {line}" for line in body),
            "        }",
            "    }",
        ]

    @property
    def _here(self) -> tuple[int, ...]:
        return (0,) * self.rank

    def _species(self) -> list[Formula]:
        return [named(name) for name in self.rule.species]

    def _read(self, channel: int, place: tuple[int, ...]) -> str:
        row = _ROWS[place[0] if self.rank > 1 else 0]
        return f"{row}{channel}[x + {f'{place[1]} * pitch + ' if self.rank == 3 else ''}{place[-1]}]"

    def text(self, formula: Formula, place: tuple[int, ...], read: Read) -> str:
        """The value at a place relative to the cell that is computed; `read` gives that of a channel at a place."""
        if formula.kind == "number":
            return f"T({formula.value!r})"
        if _is_uniform(formula, self.rule):
            return self._parameter(formula)
        if formula.kind == "name":
            if formula.value in _by_cell(self.rule):
                return f"T(n{_by_cell(self.rule).index(formula.value)}[x])"
            return f"T({read(self.rule.species.index(formula.value), place)})"
        if formula.kind == LAP:
            return self.text(weighted(formula.parts[0].at, self.rank, self.rule.stencil), place, read)
        if formula.kind == AROUND:
            return self.text(summed(formula.parts[0], formula.value, axis_places(self.rank)), place, read)
        if formula.kind == AT:
            return self.text(formula.parts[0], formula.value, read)
        parts = [self.text(part, place, read) for part in formula.parts]
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
