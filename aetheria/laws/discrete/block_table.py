"""Tables of two-state rules on the block of 3x3 cells, and their notations: counts, Hensel's letters, MAP.

A table is a whole number of 512 bits. Bit i is the next state of the middle cell where the nine cells, read row by row with the
north-west one first, are the binary digits of i: 256 NW, 128 N, 64 NE, 32 W, 16 C, 8 E, 4 SW, 2 S, 1 SE.

Sources: A. Hensel's letters and the MAP notation as in Golly's help, "QuickLife"; the letters' configurations are those of
LifeWiki, "Isotropic non-totalistic rule".
"""

import base64
import binascii
import re
from functools import cache
from typing import Literal

from aetheria.core.errors import ConfigError

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
_COUNTS = re.compile(r"([0-8])(-?)([a-z]*)")


def counts_table(births: str, survivals: str, neighbourhood: Neighbourhood, where: str) -> int:
    """The table of a rule by counts of live neighbours.

    Args:
        births, survivals: counts 0 to 8, each with Hensel's letters after it where only some configurations are meant ("2ae"),
            or all but some ("3-k"); von Neumann counts go to 4 and hexagonal ones to 6, without letters.
        neighbourhood: "" for Moore, "V" or "H".
        where: of messages.

    Raises:
        ConfigError: a count or letter that the neighbourhood does not have.
    """
    born = _configurations(births, neighbourhood, f"{where}: births")
    stays = _configurations(survivals, neighbourhood, f"{where}: survivals")
    mask = _MASKS[neighbourhood]
    return sum(1 << block for block in range(BLOCKS) if block & mask in (stays if block & CENTRE else born))


def map_table(characters: str, where: str) -> int:
    """The table of a MAP rule.

    Args:
        characters: base64 of the 512, 128 (hexagonal) or 32 (von Neumann) next states: 86, 22 or 6 characters, without padding.

    Raises:
        ConfigError: another length, or a character that base64 does not have.
    """
    text = characters.rstrip("=")
    if len(text) not in MAP_CHARACTERS:
        raise ConfigError(f"{where}: {len(text)} characters after MAP; expected 86 (Moore), 22 (hexagonal) or 6 (von Neumann)")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        wrong = next((letter for letter in text if not (letter.isascii() and (letter.isalnum() or letter in "+/"))), "")
        raise ConfigError(f'{where}: "{wrong}" after MAP; expected A-Z, a-z, 0-9, + and /') from error
    cells = _MAP_CELLS[MAP_CHARACTERS[len(text)]]
    outcomes = [data[i // 8] >> (7 - i % 8) & 1 for i in range(1 << len(cells))]
    return sum(1 << block for block in range(BLOCKS) if outcomes[sum((block & cell > 0) << i for i, cell in enumerate(cells[::-1]))])


def table_text(table: int) -> str:
    """The shortest usual notation of a table: counts with letters where the rule is isotropic, MAP otherwise."""
    parts = []
    for middle in (0, CENTRE):
        text = ""
        for count in range(9):
            groups = _groups(count)
            alive = {letter for letter, blocks in groups.items() if all(table >> (block | middle) & 1 for block in blocks)}
            if any(table >> (block | middle) & 1 for letter in groups.keys() - alive for block in groups[letter]):
                return "MAP" + _map_characters(table)
            text += _count_text(count, alive, set(groups))
        parts.append(text)
    return f"B{parts[0]}/S{parts[1]}"


def totalistic_counts(table: int) -> tuple[float, ...] | None:
    """The next state by `9 * alive + live neighbours` (18 numbers) of an outer-totalistic rule; None for any other."""
    outcomes = []
    for middle in (0, CENTRE):
        for count in range(9):
            these = {table >> (block | middle) & 1 for blocks in _groups(count).values() for block in blocks}
            if len(these) > 1:
                return None
            outcomes.append(float(these.pop()))
    return tuple(outcomes)


def _configurations(text: str, neighbourhood: Neighbourhood, where: str) -> set[int]:
    """The configurations of the neighbours that a list of counts names, as blocks without their middle."""
    at, chosen, mask = 0, set[int](), _MASKS[neighbourhood]
    most = mask.bit_count()
    while at < len(text):
        found = _COUNTS.match(text, at)
        if not found:
            raise ConfigError(f'{where}: "{text[at:]}" given; expected counts 0 to {most}, with letters such as 2a or 3-k')
        count, minus, letters = int(found[1]), found[2], found[3]
        if count > most:
            raise ConfigError(f"{where}: count {count} given; this neighbourhood has {most} cells")
        if (letters or minus) and neighbourhood:
            raise ConfigError(f'{where}: "{found[0]}" given; letters are for the Moore neighbourhood alone')
        chosen |= _lettered(count, minus, letters, where) if not neighbourhood else _counted(count, mask)
        at = found.end()
    return chosen


def _lettered(count: int, minus: str, letters: str, where: str) -> set[int]:
    groups = _groups(count)
    wrong = next((letter for letter in letters if letter not in groups), None)
    if wrong is not None or (minus and not letters):
        known = f'one of "{"".join(groups)}"' if len(groups) > 1 else "no letter"
        raise ConfigError(f'{where}: "{count}{minus}{letters}" given; expected {known} after {count}{minus}')
    if not letters:
        return _counted(count, _MASKS[""])
    return {block for letter, blocks in groups.items() if (letter in letters) != bool(minus) for block in blocks}


def _counted(count: int, mask: int) -> set[int]:
    return {block for block in range(BLOCKS) if not block & ~mask and block.bit_count() == count}


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
