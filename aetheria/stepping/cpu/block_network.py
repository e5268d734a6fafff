"""The packed plan on the CPU for two-state rules on the 3x3 block: a network of logic operations, compiled for each rule."""

from collections.abc import Callable
from typing import Any

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import BlockRule
from aetheria.stepping.cpu.bit_packed_life import PackedBitsOnCpu
from aetheria.stepping.cpu.logic_network import ALL, Network, network_of, outcomes_of

_ROWS, _COLUMNS = ("north", "middle", "south"), ("west", "cells", "east")
_OPERATIONS: dict[str, Callable[[Any, Any], str]] = {
    "&": "{} & {}".format,
    "|": "{} | {}".format,
    "^": "{} ^ {}".format,
    "-": "{0} & ~{1}".format,
    "~": "~{0}".format,
}


class BlockNetworkOnCpu(PackedBitsOnCpu[BlockRule]):
    """Steps a `BlockRule` of two states exactly, where the edges of the grid are not joined."""

    form = BlockRule
    source = "block_network.cpp"
    thread_updates = 10_000_000

    @classmethod
    def unfit(cls, rule: BlockRule) -> str:
        if rule.states != 2:
            return f"it has {rule.states} states"
        if rule.boundary not in BOUNDARIES:
            return f"the edges of its grid are joined otherwise than on a torus: {rule.boundary}"
        return "" if network_of(rule.table) else "it needs too many logic operations"

    @staticmethod
    def generated(rule: BlockRule) -> str:
        network = network_of(rule.table)
        assert network is not None
        return network_source(network)


def network_source(network: Network) -> str:
    """The C++ of a network: the struct Rule of `packed_strips.h`.

    Gates with inputs from one row alone are computed when the row is read, once for all blocks that it is part of.
    """
    writer = _Writer(network)
    result = {0: "Words{}", ALL: "~Words{}"}.get(network.result) or writer.name(network.result)
    row = ("Words west, cells, east" + "".join(f", {term}" for term in writer.terms.values())) + ";"
    lines = [
        "struct Rule {",
        "    struct Row {",
        f"        {row}",
        "",
        "        Row() = default;",
        "        Row(Words w, Words c, Words e) : west(w), cells(c), east(e) {",
        *(f"            {line}" for line in writer.row_lines),
        "        }",
        "    };",
        "",
        "    static Words next(const Row& north, const Row& middle, const Row& south) {",
        *(f"        {line}" for line in writer.lines),
        f"        return {result};",
        "    }",
        "};",
        "",
    ]
    return "\n".join(lines)


class _Writer:
    """Names the signals of a network and writes the lines that compute them.

    Attributes:
        terms: names of the functions of one row, by their outcomes for it (8 bits).
        row_lines, lines: that compute the terms of a row, and the other gates.
    """

    def __init__(self, network: Network) -> None:
        self.terms: dict[int, str] = {}
        self.row_lines: list[str] = []
        self.lines: list[str] = []
        self._names: dict[int, str] = {}
        self._of_row: dict[int, tuple[int, int]] = {}  # the row that a signal depends on alone, and its outcomes for it
        for signal, gate in network.gates.items():
            if gate.operation == "cell":
                row, column = divmod(gate.first, len(_COLUMNS))
                self._of_row[signal] = row, (0b11110000, 0b11001100, 0b10101010)[column]
                self._names[signal] = f"{_ROWS[row]}.{_COLUMNS[column]}"
            else:
                self._write(signal, gate.operation, [gate.first, gate.second][: 1 if gate.operation == "~" else 2])

    def name(self, signal: int) -> str:
        """Of a signal in `next`."""
        return self._names[signal]

    def _write(self, signal: int, operation: str, inputs: list[int]) -> None:
        rows = {self._of_row[each][0] if each in self._of_row else None for each in inputs}
        names = [self._names[each] for each in inputs]
        if None in rows or len(rows) > 1:
            self._names[signal] = f"g{len(self.lines)}"
            self.lines.append(f"const Words {self._names[signal]} = {_OPERATIONS[operation](*names, *names)};")
            return
        (row,) = rows
        assert row is not None
        outcomes = [self._of_row[each][1] for each in inputs]
        found = outcomes_of(operation, outcomes[0], outcomes[-1], 0xFF)
        if found not in self.terms:
            self.terms[found] = f"t{len(self.terms)}"
            local = [name.split(".")[1] for name in names]
            self.row_lines.append(f"{self.terms[found]} = {_OPERATIONS[operation](*local, *local)};")
        self._of_row[signal] = row, found
        self._names[signal] = f"{_ROWS[row]}.{self.terms[found]}"
