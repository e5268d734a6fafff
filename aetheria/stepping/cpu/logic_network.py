"""Two-state rules on the 3x3 block as networks of few logic operations, in place of a table of 512 next states."""

import math
import random
from functools import cache, lru_cache
from itertools import combinations
from operator import itemgetter
from typing import NamedTuple

CELLS = 9  # of a block, row by row, the north-west one first: the highest bit of a block's number
BLOCKS = 1 << CELLS
ALL = (1 << BLOCKS) - 1
MOST_GATES = 200  # above about 250, looking next states up in the table is faster
_WEIGHTS = (0.7, 1.0, 2.0)  # of what is left, in the search
_WORK = 1000  # gates in all trials of a search, about


class Gate(NamedTuple):
    """An operation on one or two signals, each given by its outcomes: bit n is the one for block number n.

    Attributes:
        operation: "&", "|", "^", "-" (the first and not the second), "~" (not the first), or "cell" number `first`.
        first, second: the signals; the second is 0 if there is none.
    """

    operation: str
    first: int
    second: int = 0


class Network(NamedTuple):
    """Next states as a network.

    Attributes:
        gates: by outcomes, those that the result needs; each after the ones that it needs itself.
        result: the outcomes of the rule.
    """

    gates: dict[int, Gate]
    result: int

    @property
    def operations(self) -> int:
        """Their number."""
        return sum(gate.operation != "cell" for gate in self.gates.values())


def outcomes_of(operation: str, a: int, b: int, everything: int) -> int:
    """The outcomes of an operation on two signals, or on the first; `everything`: those that are all 1."""
    return {"&": a & b, "|": a | b, "^": a ^ b, "-": a & ~b, "~": a ^ everything}[operation]


@cache
def _cell_outcomes() -> tuple[int, ...]:
    """Those of each cell."""
    return tuple(sum(1 << block for block in range(BLOCKS) if block >> (CELLS - 1 - cell) & 1) for cell in range(CELLS))


class _TooLargeError(Exception):
    """The network has more gates than wanted."""


class _Literal(NamedTuple):
    """A signal, or its complement, and its outcomes in the blocks that matter."""

    outcomes: int
    signal: int
    plain: bool


@lru_cache(256)
def network_of(table: int) -> Network | None:
    """A network for a table of 512 bits, as in `rules.block_table`; None if none of at most `MOST_GATES` is found.

    The search divides the blocks by a signal until the rest agrees with a signal that is there, or with an operation on two, in
    all blocks that matter. Digits of counts and pairs of neighbours are there from the start. It is repeated with other weights
    and noise; the result depends on the table alone.
    """
    best, trial, trials = None, 0, len(_WEIGHTS)
    while trial < trials:
        network = _search(table, best.operations if best else MOST_GATES, trial)
        if network and (best is None or network.operations < best.operations):
            best, trials = network, _WORK // max(60, network.operations)
        trial += 1
    return best


def _search(table: int, most: int, trial: int) -> Network | None:
    """A network; None if it would have more than so many gates, beside those of the library."""
    search = _Search(most, _WEIGHTS[trial % len(_WEIGHTS)], random.Random(trial))  # noqa: S311 - not for secrets
    try:
        result = search.solve(ALL, table)
    except _TooLargeError:
        return None
    network = Network(_needed(search.gates, result), result)
    return network if network.operations <= MOST_GATES else None


def _needed(gates: dict[int, Gate], result: int) -> dict[int, Gate]:
    """The gates that a result needs, in an order in which they can be computed."""
    needed: dict[int, Gate] = {}

    def visit(signal: int) -> None:
        if signal in needed or signal not in gates:
            return
        gate = gates[signal]
        if gate.operation != "cell":
            visit(gate.first)
            visit(gate.second)
        needed[signal] = gate

    visit(result)
    return needed


class _Search:
    def __init__(self, most: int, weight: float, draw: random.Random) -> None:
        self.gates: dict[int, Gate] = {}
        self._weight, self._draw = weight, draw
        self._most = BLOCKS  # while the library is made
        self._add_library()
        self._most = len(self.gates) + most

    def solve(self, matters: int, wanted: int) -> int:
        """A signal that is as wanted in the blocks that matter."""
        wanted &= matters
        if wanted in (0, matters):
            return ALL if wanted else 0
        literals: dict[int, int] = {}
        for signal in self.gates:
            outcomes = signal & matters
            if outcomes == wanted:
                return signal
            literals.setdefault(outcomes, signal)
        if (opposite := literals.get(matters ^ wanted)) is not None:
            return self._gate("~", opposite)
        literals.pop(0, None)
        literals.pop(matters, None)
        both = [_Literal(outcomes, signal, plain=True) for outcomes, signal in literals.items()]
        both += [_Literal(matters ^ each.outcomes, each.signal, plain=False) for each in both]
        covers = [each for each in both if not wanted & ~each.outcomes]
        parts = [each for each in both if not each.outcomes & ~wanted]
        found = self._of_two(wanted, literals, covers, parts)
        return self._divided(matters, wanted, literals, covers, parts) if found is None else found

    def _of_two(self, wanted: int, literals: dict[int, int], covers: list[_Literal], parts: list[_Literal]) -> int | None:
        """One operation on two signals, if that is enough."""
        pairs = [(a, b) for a, b in combinations(covers, 2) if a.outcomes & b.outcomes == wanted]
        for a, b in pairs:
            if a.plain or b.plain:
                return self._and(a, b)
        for a, b in combinations(parts, 2):
            if a.plain and b.plain and a.outcomes | b.outcomes == wanted:
                return self._gate("|", a.signal, b.signal)
        for outcomes, signal in literals.items():
            if (other := literals.get(outcomes ^ wanted)) is not None:
                return self._gate("^", signal, other)
        return self._and(*pairs[0]) if pairs else None

    def _divided(
        self, matters: int, wanted: int, literals: dict[int, int], covers: list[_Literal], parts: list[_Literal]
    ) -> int:
        """By the signal that leaves the least: its "and", "or" or "exclusive or" with a rest, or a choice between two rests."""
        left, noise = self._left, self._noise
        options = [(1 + left(each.outcomes, wanted) + noise(), "&", each) for each in covers]
        for part in parts:
            rest = left(matters & ~part.outcomes, wanted & ~part.outcomes)
            options += [(2 - part.plain + rest + noise(), "|", part)]
        whole = left(matters, wanted)
        for outcomes, signal in literals.items():
            literal = _Literal(outcomes, signal, plain=True)
            rests = left(outcomes, wanted & outcomes) + left(matters & ~outcomes, wanted & ~outcomes)
            options += [(3 + rests + noise(), "?", literal)]
            if (rest := left(matters, wanted ^ outcomes)) < whole - 0.5:
                options += [(1.3 + rest + noise(), "^", literal)]
        _, operation, by = min(options, key=itemgetter(0))
        if operation == "&":
            return self._and(by, self._plain(self.solve(by.outcomes, wanted)))
        if operation == "^":
            return self._gate("^", by.signal, self.solve(matters, wanted ^ by.outcomes))
        others = self.solve(matters & ~by.outcomes, wanted & ~by.outcomes)
        if operation == "|":
            return self._or(by, self._plain(others))
        return self._chosen(by.signal, self.solve(by.outcomes, wanted & by.outcomes), others)

    def _noise(self) -> float:
        return 0.5 * self._draw.random()

    def _left(self, matters: int, wanted: int) -> float:
        """An estimate of the operations that a rest needs."""
        fewer = min(ones := wanted.bit_count(), matters.bit_count() - ones)
        return self._weight * math.log2(1 + fewer) + 1.5 if fewer else 0

    def _chosen(self, where: int, alive: int, dead: int) -> int:
        if alive == 0:
            return self._gate("-", dead, where)
        if dead == 0:
            return self._gate("&", where, alive)
        if alive == ALL:
            return self._gate("|", where, dead)
        if dead == ALL:
            return self._gate("~", self._gate("-", where, alive))
        return self._gate("|", self._gate("&", where, alive), self._gate("-", dead, where))

    @staticmethod
    def _plain(signal: int) -> _Literal:
        return _Literal(0, signal, plain=True)

    def _and(self, a: _Literal, b: _Literal) -> int:
        if a.plain != b.plain:
            return self._gate("-", *((a.signal, b.signal) if a.plain else (b.signal, a.signal)))
        return self._gate("&", a.signal, b.signal) if a.plain else self._gate("~", self._gate("|", a.signal, b.signal))

    def _or(self, a: _Literal, b: _Literal) -> int:
        if a.plain and b.plain:
            return self._gate("|", a.signal, b.signal)
        return self._gate("~", self._and(a._replace(plain=not a.plain), b._replace(plain=not b.plain)))

    def _gate(self, operation: str, a: int, b: int = 0) -> int:
        outcomes = outcomes_of(operation, a, b, ALL)
        if outcomes not in (0, ALL) and outcomes not in self.gates:
            self.gates[outcomes] = Gate(operation, a, b)
            if len(self.gates) > self._most:
                raise _TooLargeError
        return outcomes

    def _add_library(self) -> None:
        """Signals of which many rules are made; those that are not used cost nothing."""
        gate = self._gate
        for cell, outcomes in enumerate(_cell_outcomes()):
            self.gates[outcomes] = Gate("cell", cell)
        rows = [_cell_outcomes()[3 * row : 3 * row + 3] for row in range(3)]
        (nw, n, ne), (w, _, e), (sw, s, se) = rows
        pairs = {pair: self._pair(*pair) for pair in ((nw, ne), (w, e), (sw, se), (n, s), (nw, se), (ne, sw))}
        sides = [pairs[west, east] for west, _, east in rows]
        triples = [self._sum(west, middle, east) for west, middle, east in rows]
        self._count(*triples)  # of nine cells
        self._count(triples[0], sides[1], triples[2])  # of eight
        self._count(pairs[nw, se], pairs[n, s], sides[1])  # of six: hexagons
        self._count(pairs[n, s], sides[1])
        self._count(sides[0], sides[2])
        beside = [gate("&", side, gate("|", a, b)) for side, a, b in ((n, nw, ne), (s, sw, se), (w, nw, sw), (e, ne, se))]
        gate("|", gate("|", *beside[:2]), gate("|", *beside[2:]))
        for one, other in (((n, s), (w, e)), ((nw, se), (ne, sw))):
            gate("|", pairs[one][1], pairs[other][1])
            gate("&", gate("|", *one), gate("|", *other))

    def _pair(self, a: int, b: int) -> tuple[int, int]:
        """The digits of the sum of two."""
        self._gate("|", a, b)
        return self._gate("^", a, b), self._gate("&", a, b)

    def _sum(self, a: int, b: int, c: int) -> tuple[int, int]:
        """The digits of the sum of three."""
        odd, two = self._pair(a, c)
        return self._gate("^", odd, b), self._gate("|", two, self._gate("&", odd, b))

    def _count(self, *numbers: tuple[int, int]) -> None:
        """The digits of the sum of two or three numbers of two digits."""
        add = self._sum if len(numbers) == 3 else self._pair
        (_, carry), (twos, fours) = (add(*digits) for digits in zip(*numbers, strict=True))
        self._gate("^", twos, carry)
        more = self._gate("&", twos, carry)
        self._gate("^", fours, more)
        self._gate("&", fours, more)
