"""Writes run-length encoded patterns of two or more states, as Golly and others read them.

Source: the format description on the LifeWiki; multi-state letters and `#CXRLE` as in Golly: `.` = 0, `A`..`X` = 1..24,
`pA`..`yO` = 25..255; patterns of two states have `b` and `o`.
"""

import numpy as np
from numpy.typing import NDArray

_LONGEST_LINE = 70


def rle_text(
    cells: NDArray[np.uint8],
    rule: str = "B3/S23",
    *,
    states: int | None = None,
    corner: tuple[int, int] | None = None,
    generation: int = 0,
) -> str:
    """The text of an RLE file.

    Args:
        cells: `(H, W)`.
        rule: that the header names.
        states: of the rule; None for two where no cell is above 1. Two have letters of their own.
        corner: (y, x) of the first cell in coordinates that readers keep; None for none.
        generation: at which the cells were saved.
    """
    height, width = cells.shape
    two = (states or int(cells.max(initial=0)) + 1) <= 2
    about = [] if corner is None else [f"Pos={corner[1]},{corner[0]}"]
    about += [f"Gen={generation}"] * (generation > 0)
    comment = f"#CXRLE {' '.join(about)}\n" if about else ""
    return f"{comment}x = {width}, y = {height}, rule = {rule}\n{_wrapped(_runs(cells, two))}\n"


def letter(state: int, two: bool) -> str:
    """The letter or letters of a state."""
    if two:
        return "bo"[state]
    if state < 25:
        return "." if state == 0 else chr(ord("A") + state - 1)
    return chr(ord("p") + (state - 25) // 24) + chr(ord("A") + (state - 25) % 24)


def _runs(cells: NDArray[np.uint8], two: bool) -> list[str]:
    """The runs of all rows and ends of rows; dead cells at the end of a row, and dead rows at the end, are not written."""
    found: list[str] = []
    ends = 0
    for row in cells:
        live = np.flatnonzero(row)
        if live.size:
            found += [_run(ends, "$")] * (ends > 0)
            ends = 0
            part = row[: live[-1] + 1]
            edges = np.flatnonzero(np.diff(part)) + 1
            firsts = np.concatenate(([0], edges))
            lengths = np.diff(np.concatenate((firsts, [len(part)])))
            found += [_run(int(n), letter(int(part[at]), two)) for at, n in zip(firsts, lengths, strict=True)]
        ends += 1
    return [*found, "!"]


def _run(count: int, tag: str) -> str:
    return tag if count == 1 else f"{count}{tag}"


def _wrapped(runs: list[str]) -> str:
    """The runs in lines, none of which parts a run."""
    lines = [""]
    for run in runs:
        if len(lines[-1]) + len(run) > _LONGEST_LINE:
            lines.append("")
        lines[-1] += run
    return "\n".join(lines)
