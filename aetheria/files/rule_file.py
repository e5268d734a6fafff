"""Rule files: tables of transitions or decision trees, with colours, as Golly's `.rule` files have them.

Sections @RULE, @TABLE, @TREE and @COLORS are read, @NAMES and @ICONS are passed over. Source: Golly's help, "RuleLoader".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aetheria.core.errors import FileUnreadableError
from aetheria.files.untrusted import check_input

Colour = tuple[int, int, int]
MOST_STATES = 256
MOST_BYTES = 16 << 20
# The neighbours of a cell in the order of a table, as (y, x) with y down; the cell itself comes before them.
NEIGHBOURHOODS = {
    "vonneumann": ((-1, 0), (0, 1), (1, 0), (0, -1)),
    "moore": ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)),
    "hexagonal": ((-1, 0), (0, 1), (1, 1), (1, 0), (0, -1), (-1, -1)),
    "onedimensional": ((0, -1), (0, 1)),
}
SYMMETRIES = {
    "vonneumann": ("none", "rotate4", "rotate4reflect", "reflect_horizontal", "permute"),
    "moore": ("none", "rotate4", "rotate8", "rotate4reflect", "rotate8reflect", "reflect_horizontal", "permute"),
    "hexagonal": ("none", "rotate2", "rotate3", "rotate6", "rotate6reflect", "permute"),
    "onedimensional": ("none", "reflect", "permute"),
}
# The inputs of a tree with so many neighbours, from the root on; the cell itself is the last.
TREE_INPUTS = {
    4: ((-1, 0), (0, -1), (0, 1), (1, 0), (0, 0)),
    8: ((-1, -1), (-1, 1), (1, -1), (1, 1), (-1, 0), (0, -1), (0, 1), (1, 0), (0, 0)),
}


@dataclass(frozen=True)
class Transition:
    """A line of a table: the states that each input may have, and the next state.

    Attributes:
        inputs: the cell, then its neighbours: a state, or the name of a variable.
        output: a state, or the name of a variable.
        line: number of the line in the file, from 1 on.
    """

    inputs: tuple[int | str, ...]
    output: int | str
    line: int


@dataclass(frozen=True)
class RuleTableText:
    """A section @TABLE."""

    states: int
    neighbourhood: str
    symmetries: str
    variables: dict[str, tuple[int, ...]]
    transitions: tuple[Transition, ...]


@dataclass(frozen=True)
class RuleTreeText:
    """A section @TREE: nodes from the leaves up; one of level 1 holds next states, others the numbers of nodes below them."""

    states: int
    neighbours: int
    levels: tuple[int, ...]
    nodes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class RuleFile:
    """A rule file.

    Attributes:
        name: of the rule; empty where the file gives none.
        rule: its table or tree.
        colours: by state, where the file gives them.
    """

    name: str
    rule: RuleTableText | RuleTreeText
    colours: dict[int, Colour] = field(default_factory=dict)

    def palette(self, default: Sequence[Colour] | None) -> list[Colour] | None:
        """The colour of each state: the file's where it gives one, else the default's; None where there are neither."""
        if default is None and len(self.colours) < self.rule.states:
            return None
        return [self.colours.get(state) or (default or ())[state] for state in range(self.rule.states)]


def read_rule_file(path: str | Path) -> RuleFile:
    """Reads a `.rule` file.

    Raises:
        FileUnreadableError: it cannot be read, or a line is wrong; with the number of the line.
    """
    path = Path(path)
    if check_input(path, "a rule file (.rule)") > MOST_BYTES:
        raise FileUnreadableError(f"{path}: larger than {MOST_BYTES >> 20} MiB")
    return parse_rule_file(path.read_text("utf-8", errors="replace"), path.name)


def parse_rule_file(text: str, where: str) -> RuleFile:
    """The rule that the text of a `.rule` file holds; `where` names it in messages.

    Raises:
        FileUnreadableError: a line is wrong, or there is neither a table nor a tree.
    """
    sections: dict[str, list[tuple[int, str]]] = {}
    name, current = "", None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#")[0].strip()
        if line.startswith("@"):
            word, _, rest = line.partition(" ")
            current = sections.setdefault(word.upper(), [])
            name = rest.strip() if word.upper() == "@RULE" else name
        elif line and current is not None:
            current.append((number, line))
    colours = _colours(sections.get("@COLORS", []), where)
    if "@TABLE" in sections:
        return RuleFile(name, _Table(where).read(sections["@TABLE"]), colours)
    if "@TREE" in sections:
        return RuleFile(name, _tree(sections["@TREE"], where), colours)
    raise FileUnreadableError(f"{where}: neither @TABLE nor @TREE; expected a rule file")


class _Table:
    """Reads the lines of a section @TABLE."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.states, self.neighbourhood, self.symmetries = 8, "vonneumann", "rotate4"
        self.variables: dict[str, tuple[int, ...]] = {}
        self.transitions: list[Transition] = []

    def read(self, lines: list[tuple[int, str]]) -> RuleTableText:
        for number, line in lines:
            try:
                self._line(number, line)
            except ValueError as error:
                raise FileUnreadableError(f"{self.where}, line {number}: {error}") from None
        if not self.transitions:
            raise FileUnreadableError(f"{self.where}: the table has no transitions")
        return RuleTableText(self.states, self.neighbourhood, self.symmetries, dict(self.variables), tuple(self.transitions))

    def _line(self, number: int, line: str) -> None:
        if found := re.fullmatch(r"(n_states|neighborhood|neighbourhood|symmetries)\s*[:=]\s*(\S+)", line, re.I):
            self._head(found[1].lower(), found[2].lower())
        elif found := re.fullmatch(r"var\s+([^\s={}]+)\s*=\s*(?:\{(.*)\}|([^\s={},]+))", line, re.I):
            self.variables[found[1]] = self._set(found[2] or found[3] or "")
        else:
            self._transition(number, line)

    def _head(self, key: str, value: str) -> None:
        if self.transitions:
            raise ValueError(f"{key} comes after the first transition")
        if key == "n_states":
            if not value.isdecimal() or not 2 <= int(value) <= MOST_STATES:
                raise ValueError(f"n_states: {value} given; expected 2 to {MOST_STATES}")
            self.states = int(value)
        elif key == "symmetries":
            self.symmetries = value
        elif value in NEIGHBOURHOODS:
            self.neighbourhood = value
        else:
            raise ValueError(f"neighborhood: {value} given; expected vonNeumann, Moore, hexagonal or oneDimensional")

    def _set(self, text: str) -> tuple[int, ...]:
        found: dict[int, None] = {}
        for part in re.split(r"[\s,]+", text.strip()):
            value = self._value(part)
            found.update(dict.fromkeys((value,) if isinstance(value, int) else self.variables[value]))
        return tuple(found)

    def _value(self, text: str) -> int | str:
        if text in self.variables:
            return text
        if not text.isdecimal():
            raise ValueError(f'"{text}" is neither a state nor a variable that was defined before')
        if int(text) >= self.states:
            raise ValueError(f"state {text} given; the table has states 0 to {self.states - 1}")
        return int(text)

    def _transition(self, number: int, line: str) -> None:
        known = SYMMETRIES[self.neighbourhood]
        if self.symmetries not in known:
            raise ValueError(f"symmetries: {self.symmetries} given; this neighbourhood has {', '.join(known)}")
        parts = [part.strip() for part in line.split(",")] if "," in line else list(line.replace(" ", ""))
        wanted = len(NEIGHBOURHOODS[self.neighbourhood]) + 2
        if len(parts) != wanted:
            raise ValueError(
                f"{len(parts)} states in a transition; expected {wanted}: the cell, its neighbours and the next state"
            )
        values = tuple(map(self._value, parts))
        self.transitions.append(Transition(values[:-1], values[-1], number))


def _tree(lines: list[tuple[int, str]], where: str) -> RuleTreeText:
    head: dict[str, int] = {}
    levels: list[int] = []
    nodes: list[tuple[int, ...]] = []
    for number, line in lines:
        if found := re.fullmatch(r"(num_states|num_neighbors|num_nodes)\s*=\s*(\d{1,9})", line, re.I):
            head[found[1].lower()] = int(found[2])
            continue
        if not re.fullmatch(r"[\d\s]+", line):
            raise FileUnreadableError(f'{where}, line {number}: "{line[:40]}" is no node of a tree')
        level, *children = map(int, line.split())
        if level < 1:
            raise FileUnreadableError(f"{where}, line {number}: a node of level {level}; expected 1 or more")
        below = head.get("num_states", 0) if level == 1 else len(nodes)
        if len(children) != head.get("num_states") or any(child >= below for child in children):
            raise FileUnreadableError(f"{where}, line {number}: a node needs a child for each state, among those before it")
        if level > 1 and any(levels[child] != level - 1 for child in children):
            raise FileUnreadableError(
                f"{where}, line {number}: the children of a node of level {level} are of level {level - 1}"
            )
        levels.append(level)
        nodes.append(tuple(children))
    states, neighbours = head.get("num_states", 0), head.get("num_neighbors", 0)
    if neighbours not in TREE_INPUTS or not 2 <= states <= MOST_STATES:
        raise FileUnreadableError(f"{where}: a tree of {states} states and {neighbours} neighbours; expected 4 or 8 neighbours")
    if not nodes or levels[-1] != neighbours + 1:
        raise FileUnreadableError(f"{where}: the last node of a tree is its root, of level {neighbours + 1}")
    return RuleTreeText(states, neighbours, tuple(levels), tuple(nodes))


def _colours(lines: list[tuple[int, str]], where: str) -> dict[int, Colour]:
    """Of the lines "state red green blue"; a line of six numbers is a gradient from state 1 on, which is left to a palette."""
    colours: dict[int, Colour] = {}
    for number, line in lines:
        values = line.split()
        if not all(value.isdecimal() for value in values[:4]) or len(values) < 4:
            raise FileUnreadableError(f'{where}, line {number}: "{line[:40]}"; expected a state and red, green, blue')
        if len(values) == 6:
            continue
        state, *parts = map(int, values[:4])
        if max(parts) > 255 or state >= MOST_STATES:
            raise FileUnreadableError(f"{where}, line {number}: a state or a colour above 255")
        colours[state] = (parts[0], parts[1], parts[2])
    return colours
