"""C++ of a `FormulaRule`: computes cells of a row by the operations of eager steps, in their order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aetheria.laws.forms import FormulaRule
from aetheria.laws.formula import AROUND, AT, LAP, Formula, summed
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
_CHANNELS = 8  # whose values, in float64 two vectors each, are in the 16 registers that AVX2 has
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
    return _why_no_moves(rule) or next((why for formula in rule.formulas if (why := _why_not(formula, rule))), "")


def _why_no_moves(rule: FormulaRule) -> str:
    if any(formula.reach for formula in rule.formulas) and rule.moves:
        return "a formula of a value that moves reads other cells"
    if any(sum(map(abs, move)) > 1 for move in rule.moves):
        return "a value moves further than one cell along one axis"
    opposite = [tuple(-step for step in rule.moves[other]) for other in rule.beyond] if rule.moves else []
    if rule.moves and rule.boundary == "reflect" and opposite != list(rule.moves):  # [] without `beyond`
        return "a value that meets a wall does not go back"
    return ""


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
        f"typedef {kind} T;",
        "",
        "struct Rule {",
        f"    static constexpr int RANK = {rank}, CHANNELS = {channels}, PARAMETERS = {len(parameters)};",
        f"    static constexpr bool MOVES = {str(bool(rule.moves)).lower()};",
        f"    static constexpr int SLOTS[CHANNELS] = {{{', '.join(map(str, _slots(rule, rank)))}}};",
        "",
        "    const double* parameters;",
        "    CellNumbers by_cell;",
        *methods,
        "};",
        "",
    ]
    return FormulaSource("\n".join(lines), tuple(parameters))


def _groups(rule: FormulaRule) -> list[list[int]]:
    """The channels in groups that read no species of each other, if they are too many for the registers of a processor."""
    groups: list[tuple[list[int], set[str]]] = []
    for channel, formula in enumerate(rule.formulas):
        reads = formula.names() & set(rule.species)
        joined = [group for group in groups if len(rule.species) <= _CHANNELS or group[1] & reads]
        groups = [group for group in groups if group not in joined]
        groups.append(([*(c for group in joined for c in group[0]), channel], reads.union(*(group[1] for group in joined))))
    return [channels for channels, _ in groups]


def _slots(rule: FormulaRule, rank: int) -> list[int]:
    """By channel, how many rows (on three axes planes) are kept of a step: three where the one above a cell is read."""
    if rank == 1:
        return [2] * len(rule.species)
    return [2 + (move[0] > 0) for move in rule.moves] or [3] * len(rule.species)


@dataclass(frozen=True)
class _Writer:
    """Writes formulas, and notes their parameters."""

    rule: FormulaRule
    rank: int
    parameters: list[Formula]

    def first(self) -> list[str]:
        """The method of the struct `Rule` that computes the values that are kept of cells, unless these are the cells."""
        return self._method("first", self._computed(self._own)) if self.rule.moves else []

    def step(self) -> list[str]:
        """The method that computes the values that are kept after a step, from those before it."""
        return self._method("step", self._computed(self._moved if self.rule.moves else self._read))

    def last(self) -> list[str]:
        """The method that computes cells after a step, from the values that are kept before it."""
        return self._method("last", self._copied() if self.rule.moves else self._computed(self._read))

    def _computed(self, read: Read) -> list[list[str]]:
        """Lines that compute the formulas, and then write their values; of each group of channels."""
        values = zip(self.rule.formulas, self._moves, strict=True)
        after = [f"const float after{c} = float({self.text(*one, read)});" for c, one in enumerate(values)]
        write = [f"next{c}[x] = after{c};" for c in range(len(after))]
        return [[*(after[c] for c in group), *(write[c] for c in group)] for group in _groups(self.rule)]

    def _copied(self) -> list[list[str]]:
        """Lines that write a channel, moved."""
        return [[f"next{c}[x] = {self._moved(c, self._here)};"] for c in range(len(self.rule.species))]

    def _method(self, name: str, bodies: Sequence[Sequence[str]]) -> list[str]:
        """A method that does this, one after the other, for the cells of a row."""
        channels = range(len(self.rule.species))
        return [
            "",
            f"    void {name}(const RowPointers<CHANNELS>& rows, int64_t count) const {{",
            *(f"        const float* __restrict {row}{c} = rows.{row}[{c}];" for c in channels for row in _ROWS.values()),
            *(f"        float* __restrict next{c} = rows.next[{c}];" for c in channels),
            *(
                f"        const double* __restrict {row}_n{n} = by_cell.row({n}, rows.y + {by}, rows.x);"
                for n in range(len(_by_cell(self.rule)))
                for by, row in _ROWS.items()
            ),
            *(["        const int64_t pitch = rows.pitch;"] if self.rank == 3 else []),
            *(f"        const T p{number} = T(parameters[{number}]);" for number in range(len(self.parameters))),
            *(line for body in bodies for line in _loop(body)),
            "    }",
        ]

    @property
    def _here(self) -> tuple[int, ...]:
        return (0,) * self.rank

    @property
    def _moves(self) -> Sequence[tuple[int, ...]]:
        """By channel."""
        return self.rule.moves or [self._here] * len(self.rule.species)

    def _own(self, channel: int, _: tuple[int, ...]) -> str:
        return self._read(channel, self._here)

    def _moved(self, channel: int, _: tuple[int, ...]) -> str:
        return self._read(channel, tuple(-step for step in self._moves[channel]))

    def _read(self, channel: int | str, place: tuple[int, ...]) -> str:
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
                return f"T({self._read(f'_n{_by_cell(self.rule).index(formula.value)}', place)})"
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


def _loop(body: Sequence[str]) -> list[str]:
    """Does this for the cells of a row."""
    return [
        "        IN_ANY_ORDER",
        "        for (int64_t x = 0; x < count; x++) {",
        *(f"            {line}" for line in body),
        "        }",
    ]
