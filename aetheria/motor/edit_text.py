"""The edits of a run as lines of text."""

from collections.abc import Iterable
from itertools import groupby

from aetheria.motor.edits import CellsEdit, ControlEdit, Edit, RestartEdit, StateEdit

MOST = 200  # lines, the newest


def edit_lines(edits: Iterable[Edit]) -> tuple[str, ...]:
    """The newest `MOST` lines of text, the oldest first; consecutive edits of one kind share a line.

    >>> edit_lines([ControlEdit(3, "m", 0.2), ControlEdit(9, "m", 0.15), RestartEdit(7)])
    ('steps 3 to 9: m = 0.15 (2 changes)', 'step 0: seed 7')
    """
    lines = []
    for _, run in groupby(edits, key=lambda edit: (type(edit), edit.name if isinstance(edit, ControlEdit) else "")):
        group = list(run)
        first, last = group[0].step, group[-1].step
        when = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
        times = f" ({len(group)} changes)" if len(group) > 1 else ""
        lines.append(f"{when}: {_what(group[-1])}{times}")
    return tuple(lines[-MOST:])


def _what(edit: Edit) -> str:
    match edit:
        case CellsEdit():
            sides = edit.values.shape[-len(edit.at) :]
            middle = ", ".join(str(first + side // 2) for first, side in zip(edit.at, sides, strict=True))
            return f"cells near ({middle})"
        case ControlEdit():
            return f"{edit.name} = {edit.value}"
        case RestartEdit():
            return f"seed {edit.seed}"
        case StateEdit():
            return f"a state of step {edit.to_step:,}"
