"""Decision trees of rule tables: the next state after one look-up for each input."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError
from aetheria.files.rule_file import NEIGHBOURHOODS, TREE_INPUTS, RuleTableText, RuleTreeText, Transition

MOST_LINES = 1_000_000  # transitions without variables, in all symmetries
MOST_FLAGS = 1 << 28  # for each transition, input and state: whether it allows the state there
MOST_WORK = 1 << 34  # bits compared while the tree is made
MOST_CHILDREN = 1 << 24
Offsets = tuple[tuple[int, int], ...]
Sets = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class DecisionTree:
    """A function of the states of a cell and its neighbours.

    Attributes:
        inputs: the cells (y, x), y down, in the order in which they are asked.
        children: `(nodes, states)`, int32: the node to go to by the state of an input; for the last input the next state. The
            root is node 0.
    """

    inputs: Offsets
    children: NDArray[np.int32]


def tree_of(rule: RuleTableText | RuleTreeText, where: str) -> DecisionTree:
    """The decision tree of a table or of a tree as files have it.

    Raises:
        ConfigError: a table whose transitions, in all symmetries and for all values of its variables, are too many.
    """
    return _of_table(rule, where) if isinstance(rule, RuleTableText) else _of_tree(rule)


def _of_tree(rule: RuleTreeText) -> DecisionTree:
    """The nodes in reverse, so that the root is the first."""
    last = len(rule.nodes) - 1
    children = [
        node if level == 1 else [last - child for child in node] for level, node in zip(rule.levels, rule.nodes, strict=True)
    ]
    return DecisionTree(TREE_INPUTS[rule.neighbours], np.array(children[::-1], np.int32))


def _of_table(rule: RuleTableText, where: str) -> DecisionTree:
    """Follows the transitions that still match, as bits of a number, from input to input; equal sets of them are one node."""
    inputs, states = 1 + len(NEIGHBOURHOODS[rule.neighbourhood]), rule.states
    lines = _listed(rule, min(MOST_LINES, MOST_FLAGS // (inputs * states)), where)
    allowed = np.zeros((inputs, states, len(lines)), np.bool_)
    certain_from = np.full(len(lines), inputs)  # by transition: the input from which on it allows all states
    for number, (sets, _) in enumerate(lines):
        for position, these in enumerate(sets):
            allowed[position, list(these), number] = True
        while certain_from[number] and len(set(sets[certain_from[number] - 1])) == states:
            certain_from[number] -= 1
    matching = [[_as_bits(flags) for flags in row] for row in allowed]
    general = [_as_bits(certain_from <= level) for level in range(inputs + 1)]
    outputs = [output for _, output in lines]
    most_nodes = min(MOST_CHILDREN, MOST_WORK // len(lines)) // states
    nodes: list[list[int]] = []
    numbers: dict[tuple[int, int], int] = {}

    def node(level: int, left: int) -> int:
        certain = left & general[level]  # the first of these matches for sure: those after it never come
        if certain:
            left &= ((certain & -certain) << 1) - 1
        if level == inputs:
            return outputs[(left & -left).bit_length() - 1]
        if (level, left) not in numbers:
            if len(nodes) >= most_nodes:
                raise ConfigError(f"{where}: the decision tree of the table has over {most_nodes:,} nodes")
            number = numbers[level, left] = len(nodes)
            nodes.append([])
            nodes[number] = [node(level + 1, left & matching[level][state]) for state in range(states)]
        return numbers[level, left]

    node(0, (1 << len(lines)) - 1)
    return DecisionTree(((0, 0), *NEIGHBOURHOODS[rule.neighbourhood]), np.array(nodes, np.int32))


def _as_bits(flags: NDArray[np.bool_]) -> int:
    """Flags as the bits of a whole number, the first one the lowest."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def _listed(rule: RuleTableText, most: int, where: str) -> list[tuple[Sets, int]]:
    """All transitions without variables, each once."""
    lines = list(islice(_lines(rule), most + 1))
    if len(lines) > most:
        raise ConfigError(
            f"{where}: the table has over {most:,} transitions, in all symmetries and for all values of its variables"
        )
    return list(dict.fromkeys(lines))


def _lines(rule: RuleTableText) -> Iterator[tuple[Sets, int]]:
    """The transitions without variables, in the order in which they are tried, then those that keep each state."""
    every = tuple(range(rule.states))
    orders = _orders(rule.neighbourhood, rule.symmetries)
    for transition in rule.transitions:
        for (cell, *neighbours), output in _choices(rule, transition):
            if rule.symmetries == "permute":
                yield from (((cell, *each), output) for each in _arrangements(neighbours))
            else:
                yield from (((cell, *(neighbours[i] for i in order)), output) for order in orders)
    for state in every:
        yield ((state,), *[every] * len(NEIGHBOURHOODS[rule.neighbourhood])), state


def _choices(rule: RuleTableText, transition: Transition) -> Iterator[tuple[Sets, int]]:
    """A transition for each choice of values for variables that it names twice; the first by name changes fastest."""
    all_values = (*transition.inputs, transition.output)
    twice = sorted({value for value in all_values if isinstance(value, str) and all_values.count(value) > 1}, reverse=True)
    output = transition.output
    if isinstance(output, str) and output not in twice:
        output = rule.variables[output][0]
    for chosen in product(*(rule.variables[name] for name in twice)):
        fixed = dict(zip(twice, chosen, strict=True))
        sets = tuple(
            (value,) if isinstance(value, int) else (fixed[value],) if value in fixed else rule.variables[value]
            for value in transition.inputs
        )
        yield sets, output if isinstance(output, int) else fixed[output]


def _orders(neighbourhood: str, symmetries: str) -> list[tuple[int, ...]]:
    """The orders of the neighbours under which a transition holds."""
    number = len(NEIGHBOURHOODS[neighbourhood])
    ring = tuple(range(number))
    if symmetries in ("reflect", "reflect_horizontal"):
        return [ring, (1, 0) if number == 2 else _mirrored(ring)]
    turns = int("".join(filter(str.isdecimal, symmetries)) or 1)
    rotated = [ring[i:] + ring[:i] for i in range(0, number, number // turns)]
    return rotated + [_mirrored(each) for each in rotated] if symmetries.endswith("reflect") else rotated


def _arrangements(sets: Sequence[tuple[int, ...]]) -> Iterator[Sets]:
    """All orders of the sets, those that are equal once."""
    if not sets:
        yield ()
    for first in dict.fromkeys(sets):
        rest = list(sets)
        rest.remove(first)
        yield from ((first, *others) for others in _arrangements(rest))


def _mirrored(ring: tuple[int, ...]) -> tuple[int, ...]:
    """The neighbours the other way round, the first one in its place."""
    return (ring[0], *ring[:0:-1])
