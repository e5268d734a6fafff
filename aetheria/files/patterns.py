"""Pattern files of any format: recognised by their content, then by their suffix, and read by the reader of their format."""

import re
from collections.abc import Callable
from pathlib import Path

from aetheria.core.errors import FileUnreadableError
from aetheria.core.printable import get_logger
from aetheria.files.life_105 import read_life_105
from aetheria.files.life_106 import read_life_106
from aetheria.files.macrocell import read_macrocell
from aetheria.files.mcell import read_mcell
from aetheria.files.pattern import Pattern as Pattern
from aetheria.files.pattern_text import lines_of, read_pattern_text
from aetheria.files.plaintext import read_plaintext
from aetheria.files.recognise import PATTERN_SUFFIXES as PATTERN_SUFFIXES
from aetheria.files.recognise import recognised
from aetheria.files.rle import MAX_CELLS as MAX_CELLS
from aetheria.files.rle import read_rle as read_rle
from aetheria.files.untrusted import check_input

log = get_logger(__name__)
WANTED = "a pattern (RLE, plaintext .cells, Life 1.05 or 1.06, MCell, macrocell)"
Reader = Callable[[str, str, int], Pattern]
_BY_FIRST_LINE: tuple[tuple[str, Reader], ...] = (
    (r"#Life 1\.06", read_life_106),
    (r"#Life 1\.05", read_life_105),
    (r"#MCell", read_mcell),
    (r"\[M2\]", read_macrocell),
    (r"#CXRLE", read_rle),
)
_BY_SUFFIX: dict[str, Reader] = {
    ".rle": read_rle,
    ".cells": read_plaintext,
    ".lif": read_life_105,
    ".life": read_life_105,
    ".mcl": read_mcell,
    ".mc": read_macrocell,
}
_RLE_HEADER = re.compile(r"^\s*x\s*=\s*[^\n]*y\s*=", re.IGNORECASE | re.MULTILINE)
_PLACE = re.compile(r"^#P\s*-?\d", re.MULTILINE)  # of a block of Life 1.05
_ROWS = re.compile(r"[.Oo*\s]+")


def read_pattern(path: Path, live: int = 1) -> Pattern:
    """Reads a pattern file of at most 8 MiB, packed by gzip or not.

    Args:
        path: of the file.
        live: the state of a live cell where the format knows two states; 255 for laws of real values.

    Raises:
        FileUnreadableError: it is missing, is of another kind (which the message names), or is refused by its reader.

    What a user should know of a file that is read all the same is logged as a warning.
    """
    check_input(path, WANTED)
    kind = recognised(path)
    if kind is not None and kind.key != "pattern":
        raise FileUnreadableError(f"{path}: {kind.instead_of(WANTED)}")
    return parse_pattern(read_pattern_text(path, WANTED), path, live)


def parse_pattern(text: str, path: Path, live: int = 1) -> Pattern:
    """Reads the text of a pattern file, as `read_pattern` does.

    Args:
        path: names the text in errors; its suffix counts where the text itself does not tell its format.
    """
    pattern = _reader(text, path)(text, str(path), live)
    for note in pattern.notes:
        log.warning(note)
    return pattern


read_rle_file = read_pattern  # its name up to version 0.1, when RLE was the only format


def _reader(text: str, path: Path) -> Reader:
    first = text.lstrip().partition("\n")[0]
    for beginning, reader in _BY_FIRST_LINE:
        if re.match(beginning, first, re.IGNORECASE):
            return reader
    if _RLE_HEADER.search(text):
        return read_rle
    rows = "\n".join(line for line in lines_of(text) if not line.startswith(("!", "#"))).strip()
    if first.startswith("!") and (rows or len(first.strip()) > 1):
        return read_plaintext
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    by_suffix = _BY_SUFFIX.get(suffix.lower(), read_rle)
    if by_suffix in (read_macrocell, read_mcell):
        return by_suffix
    if _ROWS.fullmatch(rows):
        return read_life_105 if by_suffix is read_life_105 or _PLACE.search(text) else read_plaintext
    return read_rle if rows.endswith("!") else by_suffix  # old collections have RLE under other suffixes
