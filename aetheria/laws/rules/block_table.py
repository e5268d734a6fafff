"""Tables of two-state rules on the block of 3x3 cells.

A table is a whole number of 512 bits. Bit i is the next state of the middle cell where the nine cells, read row by row with the
north-west one first, are the binary digits of i: 256 NW, 128 N, 64 NE, 32 W, 16 C, 8 E, 4 SW, 2 S, 1 SE.

Sources: A. Hensel's letters and the MAP notation as in Golly's help, "QuickLife"; the letters' configurations are those of
LifeWiki, "Isotropic non-totalistic rule".
"""

import base64
import binascii
import re
from functools import cache, lru_cache
from typing import Literal

Neighbourhood = Literal["", "V", "H"]  # Moore, von Neumann, hexagonal: the suffixes of the notation
CENTRE = 16
BLOCKS = 512
_MASKS: dict[str, int] = {"": 0b111101111, "V": 0b010101010, "H": 0b110101011}  # hexagonal: without NE and SW
# One configuration of the neighbours for each letter; the others are its rotations and reflections. Counts above 4 are those of
# 8 - count with dead and alive exchanged.
_LETTERS: dict[int, dict[str, int]] = {
    1: dict(zip("ce", (1, 2), strict=True)),
    2: dict(zip("ceaikn", (5, 10, 3, 40, 33, 68), strict=True)),
    3: dict(zip("ceaiknjqry", (69, 42, 11, 7, 98, 13, 14, 70, 41, 97), strict=True)),
    4: dict(zip("ceaiknjqrytwz", (325, 170, 15, 45, 99, 71, 106, 102, 43, 101, 105, 78, 108), strict=True)),
}
# The cells of a MAP rule, most significant first, as their values in a block.
_MAP_CELLS: dict[str, tuple[int, ...]] = {
    "": (256, 128, 64, 32, 16, 8, 4, 2, 1),
    "H": (2, 1, 32, 16, 8, 256, 128),
    "V": (128, 32, 16, 8, 2),
}
MAP_CHARACTERS = {86: "", 22: "H", 6: "V"}  # without padding
_COUNTS = re.compile(r"([0-9])(-?)([a-z]*)")


def counts_table(births: str, survivals: str, neighbourhood: Neighbourhood) -> int:
    """The table of a rule by counts of live neighbours.

    Args:
        births, survivals: counts 0 to 8, each with Hensel's letters after it where only some configurations are meant ("2ae"),
            or all but some ("3-k"); von Neumann counts go to 4 and hexagonal ones to 6, without letters.
        neighbourhood: "" for Moore, "V" or "H".

    Raises:
        ValueError: a count or letter that the neighbourhood does not have.
    """
    born = _configurations(births, neighbourhood, "births")
    stays = _configurations(survivals, neighbourhood, "survivals")
    mask = _MASKS[neighbourhood]
    return sum(1 << block for block in range(BLOCKS) if block & mask in (stays if block & CENTRE else born))


def map_table(characters: str) -> int:
    """The table of a MAP rule.

    Args:
        characters: base64 of the 512, 128 (hexagonal) or 32 (von Neumann) next states: 86, 22 or 6 characters, without padding.

    Raises:
        ValueError: another length, or a character that base64 does not have.
    """
    text = characters.rstrip("=")
    if len(text) not in MAP_CHARACTERS:
        raise ValueError(f"{len(text)} characters after MAP; expected 86 (Moore), 22 (hexagonal) or 6 (von Neumann)")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        wrong = next((letter for letter in text if not (letter.isascii() and (letter.isalnum() or letter in "+/"))), "")
        raise ValueError(f'"{wrong}" after MAP; expected A-Z, a-z, 0-9, + and /') from error
    cells = _MAP_CELLS[MAP_CHARACTERS[len(text)]]
    outcomes = [data[i // 8] >> (7 - i % 8) & 1 for i in range(1 << len(cells))]
    return sum(
        1 << block for block in range(BLOCKS) if outcomes[sum((block & cell > 0) << i for i, cell in enumerate(cells[::-1]))]
    )


def table_text(table: int) -> str:
    """The usual notation of a table: Moore, von Neumann or hexagonal counts; else Hensel's letters; else MAP."""
    for neighbourhood in _MASKS:
        counts = [_counts(table, neighbourhood, middle) for middle in (0, CENTRE)]
        if None not in counts:
            births, survivals = ("".join(str(n) for n, alive in enumerate(each or ()) if alive) for each in counts)
            return f"B{births}/S{survivals}{neighbourhood}"
    births_and_survivals = [_lettered_text(table, middle) for middle in (0, CENTRE)]
    if None in births_and_survivals:
        return "MAP" + _map_characters(table)
    return "B{}/S{}".format(*births_and_survivals)


def totalistic_counts(table: int) -> tuple[float, ...] | None:
    """The next state by `9 * alive + live neighbours` (18 numbers) of an outer-totalistic Moore rule; None for any other."""
    births, survivals = (_counts(table, "", middle) for middle in (0, CENTRE))
    return None if births is None or survivals is None else tuple(map(float, (*births, *survivals)))


def _counts(table: int, neighbourhood: str, middle: int) -> list[int] | None:
    """The next state by the number of live neighbours; None where it depends on more."""
    mask = _MASKS[neighbourhood]
    outcomes: list[set[int]] = [set() for _ in range(mask.bit_count() + 1)]
    for block in range(BLOCKS):
        if block & CENTRE == middle:
            outcomes[(block & mask).bit_count()].add(table >> block & 1)
    return None if any(len(each) > 1 for each in outcomes) else [each.pop() for each in outcomes]


def _lettered_text(table: int, middle: int) -> str | None:
    """Births (`middle` 0) or survivals in Hensel's notation; None for a rule that is not isotropic."""
    text = ""
    for count in range(9):
        groups = _groups(count)
        outcomes = {letter: {table >> (block | middle) & 1 for block in blocks} for letter, blocks in groups.items()}
        if any(len(each) > 1 for each in outcomes.values()):
            return None
        text += _count_text(count, {letter for letter, each in outcomes.items() if each == {1}}, set(groups))
    return text


def _configurations(text: str, neighbourhood: Neighbourhood, where: str) -> set[int]:
    """The configurations of the neighbours that a list of counts names, as blocks without their middle."""
    at, chosen, mask = 0, set[int](), _MASKS[neighbourhood]
    most = mask.bit_count()
    while at < len(text):
        found = _COUNTS.match(text, at)
        if not found:
            raise ValueError(f'{where}: "{text[at:]}" is no list of counts 0 to {most}')
        count, minus, letters = int(found[1]), found[2], found[3]
        if count > most:
            raise ValueError(f"{where}: a cell has {most} neighbours, not {count}")
        if (letters or minus) and neighbourhood:
            raise ValueError(f'{where}: "{found[0]}" has letters, which only the Moore neighbourhood has')
        chosen |= _lettered(count, minus, letters, where) if not neighbourhood else _counted(count, mask)
        at = found.end()
    return chosen


@lru_cache(maxsize=1024)
def _lettered(count: int, minus: str, letters: str, where: str) -> frozenset[int]:
    groups = _groups(count)
    wrong = next((letter for letter in letters if letter not in groups), None)
    if wrong is not None or (minus and not letters):
        known = f'one of "{"".join(groups)}"' if len(groups) > 1 else "no letter"
        raise ValueError(f'{where}: "{count}{minus}{letters}" has no meaning; expected {known} after {count}{minus}')
    if not letters:
        return _counted(count, _MASKS[""])
    return frozenset(block for letter, blocks in groups.items() if (letter in letters) != bool(minus) for block in blocks)


@cache
def _counted(count: int, mask: int) -> frozenset[int]:
    return frozenset(block for block in range(BLOCKS) if not block & ~mask and block.bit_count() == count)


@cache
def _groups(count: int) -> dict[str, frozenset[int]]:
    """The configurations with so many live neighbours, by Hensel's letter; "" for 0 and 8, which have none."""
    if count in (0, 8):
        return {"": frozenset({_MASKS[""] if count else 0})}
    if count <= 4:
        return {letter: _symmetric(block) for letter, block in _LETTERS[count].items()}
    return {letter: frozenset(_MASKS[""] ^ block for block in blocks) for letter, blocks in _groups(8 - count).items()}


def _symmetric(block: int) -> frozenset[int]:
    """A block in all its rotations and reflections."""
    found, rows = set(), [[block >> (8 - 3 * y - x) & 1 for x in range(3)] for y in range(3)]
    for _ in range(4):
        rows = [list(row) for row in zip(*rows[::-1], strict=True)]
        for each in (rows, [row[::-1] for row in rows]):
            found.add(int("".join(str(cell) for row in each for cell in row), 2))
    return frozenset(found)


def _count_text(count: int, alive: set[str], known: set[str]) -> str:
    if not alive:
        return ""
    if alive == known:
        return str(count)
    missing = known - alive
    some, sign = (missing, "-") if len(missing) < len(alive) else (alive, "")
    return f"{count}{sign}{''.join(sorted(some))}"


def _map_characters(table: int) -> str:
    outcomes = int("".join(str(table >> block & 1) for block in range(BLOCKS)), 2)
    return base64.b64encode(outcomes.to_bytes(BLOCKS // 8, "big")).decode().rstrip("=")
