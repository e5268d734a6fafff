"""Configs without a file: of a rule text, or of a pattern and the rule that it names."""

import re
from pathlib import Path
from typing import Any

from aetheria.core.device import AXES, grid_of, times
from aetheria.core.errors import ConfigError, StateError
from aetheria.files.pattern import Pattern
from aetheria.files.patterns import read_pattern
from aetheria.files.recognise import recognised
from aetheria.laws import find_law
from aetheria.laws.rules import BrokenRuleError, Rule, law_from_rule, read_rule
from aetheria.laws.states import MOST_STATES
from aetheria.runs.config import RunConfig, find_config
from aetheria.runs.config_tables import LARGEST_SIDE

SMALLEST = 512  # side of a grid on which a pattern of unknown surroundings is opened
_GLIDER = 4  # steps that a glider takes for a cell
_WIDEST = 2048  # side up to which a grid has room for gliders of all steps
_FARTHEST = 4096  # side up to which a grid is widened, so that a pattern lies where its file says
STEPS = 1000
_LENIA = re.compile(r"lenia|\br\s*=\s*\d", re.IGNORECASE)  # a rule of Lenia's extension of RLE
MOST_FRAMES = 200
# Sides of a grid by the number of its axes.
DEFAULT_GRIDS = {1: (512,), 2: (SMALLEST, SMALLEST), 3: (64, 64, 64)}


def short_config(given: str, grid: tuple[int, ...] | None = None, steps: int | None = None) -> tuple[RunConfig, str, str]:
    """The config of a rule text, or of a pattern file.

    Args:
        given: as in "345/2/4" or "gun.rle".
        grid: sides; None for the bounded grid of the rule, or a default: 512 cells a side (64 in three dimensions), or a
            pattern's box and room to grow.

    Returns:
        The config, a name for its files, and a note for the user, which may be empty.

    Raises:
        ConfigError: a broken rule, or one that no law runs. FileUnreadableError: neither a rule nor a file; or as for
            `config_of_pattern`, as StateError is.
    """
    path = Path(given)
    kind = recognised(path)
    if kind is not None and kind.key == "pattern":
        config, note = config_of_pattern(path, grid, steps)
        return config, path.name.partition(".")[0], note
    try:
        rule = read_rule(given, "run", "expected a config (.toml), the name of a shipped one, a pattern file or a rule")
    except BrokenRuleError:
        raise
    except ConfigError:
        find_config(given)
        raise
    return config_of_rule(rule, grid, steps), re.sub(r"[^\w+-]+", "_", rule.text)[:60].strip("_"), ""


def config_of_rule(rule: Rule, grid: tuple[int, ...] | None = None, steps: int | None = None) -> RunConfig:
    """Random cells under a rule.

    Raises:
        ConfigError: no law runs the rule, or its bounded grid is another one than `grid`.
    """
    law = _law_of(rule, "rule")
    bounded = None if rule.grid is None else (rule.grid.height, rule.grid.width)
    if bounded and not all(bounded):
        raise ConfigError(f"rule {rule}: a {rule.grid}; expected two sides")
    if bounded and grid and grid != bounded:
        raise ConfigError(f"--grid {times(grid)}: the rule {rule} is for a grid of {times(bounded)} cells")
    return _config(rule.text, law, grid or bounded or DEFAULT_GRIDS[min(find_law(law["name"]).ranks)], steps)


def config_of_pattern(path: Path, grid: tuple[int, ...] | None = None, steps: int | None = None) -> tuple[RunConfig, str]:
    """A pattern under the rule that it names, Life where it names none, and a note for the user.

    The grid is the bounded one of the rule, or the pattern's box and a margin on each side, at least 512 cells a side. The
    margin is the box's own size, 512 cells at most; where the number of steps is given, at least the way of a glider, on grids
    up to 2048 cells a side. Where the file gives coordinates, their origin lies in the middle; where it gives a generation, the
    steps begin with that.

    Raises:
        FileUnreadableError: it cannot be read. ConfigError: no law runs its rule. StateError: states that its rule has not.
    """
    pattern = read_pattern(path)
    rule = _rule_of(pattern, path)
    if rule.law is not None and find_law(rule.law).ranks == (1,):
        return _row_of_pattern(pattern, rule, path, grid, steps)
    size = (pattern.cells.shape[0], pattern.cells.shape[1])
    roomy = tuple(room(cells, steps) for cells in size)
    law, note = _law_of(rule, path.name, bounded=False), ""
    if rule.grid is not None:
        sides = (rule.grid.height, rule.grid.width)
        if grid is None and all(cells <= side for cells, side in zip(size, sides, strict=True)) and _has_boundary(rule):
            law, grid = _law_of(rule, path.name), sides
        elif grid != sides:
            grid = grid or roomy
            note = f"{path.name} was made for a {rule.grid} (rule {rule}): opened on a torus of {times(grid)} cells"
    grid, at = (roomy, None) if pattern.corner is None and grid is None else _place(pattern, grid, roomy)
    initial = {"kind": "pattern", "path": str(path.resolve()), "step": pattern.generation, **({"at": at} if at else {})}
    return _config(path.stem, law, grid, steps, initial=initial), note


def _row_of_pattern(
    pattern: Pattern, rule: Rule, path: Path, grid: tuple[int, ...] | None, steps: int | None
) -> tuple[RunConfig, str]:
    """The newest row of a pattern under a rule of one dimension."""
    note = f"{path.name}: a rule of one dimension ({rule.text}); the last of its rows is the first state"
    initial = {"kind": "pattern", "path": str(path.resolve()), "step": pattern.generation}
    sides = grid or (room(pattern.cells.shape[1], steps),)
    return _config(path.stem, _law_of(rule, path.name, bounded=False), sides, steps, initial=initial), note


def room(cells: int, steps: int | None = None) -> int:
    """Side of a grid with room for a pattern of so many cells to grow; see `config_of_pattern`. A multiple of 64."""
    way = min((steps or 0) // _GLIDER, max(0, _WIDEST - cells) // 2)
    return max(SMALLEST, _rounded(cells + 2 * max(min(cells, SMALLEST), way)))


def _rounded(side: int) -> int:
    """A multiple of 64, at most the longest side of a grid."""
    return min(-(-side // 64) * 64, LARGEST_SIDE)


def _widened(side: int, cells: int, first: int) -> int:
    """The side, or a longer one where a pattern that begins at `first`, from the middle, has less than half its margin."""
    reach, margin = max(-first, first + cells), (side - cells) // 2
    return side if side // 2 - reach >= margin // 2 else _rounded(2 * (reach + margin))


def _place(
    pattern: Pattern, given: tuple[int, ...] | None, roomy: tuple[int, ...]
) -> tuple[tuple[int, ...], list[float] | None]:
    """The grid, and the centre of a pattern on it by its own coordinates; None for the middle, where these lead too far."""
    size, corner = pattern.cells.shape, pattern.corner
    grid = given or roomy
    if corner is None or len(grid) != len(size):
        return grid, None
    if given is None:
        grid = tuple(map(_widened, roomy, size, corner))
        if max(grid) > _FARTHEST:
            return roomy, None
    first = [side // 2 + place for side, place in zip(grid, corner, strict=True)]
    if any(at < 0 or at + cells > side for at, cells, side in zip(first, size, grid, strict=True)):
        return grid, None
    return grid, [at + cells // 2 for at, cells in zip(first, size, strict=True)]


def read_grid(text: str) -> tuple[int, ...]:
    """The sides of a grid from text: "512x256" (height, width), "1024" or "64x64x64".

    Raises:
        ConfigError: it is no such text.
    """
    if not re.fullmatch(r"\d{1,7}(x\d{1,7}){0,2}", text.strip().lower()):
        raise ConfigError(f'--grid: "{text}" given; expected height x width as in 512x256, or 1024, or 64x64x64')
    return grid_of(tuple(map(int, text.lower().split("x"))))


def _config(title: str, law: dict[str, Any], grid: tuple[int, ...], steps: int | None, **more: Any) -> RunConfig:
    steps, begun = steps or STEPS, more.get("initial", {}).get("step", 0)
    sides = dict(zip(AXES[-len(grid) :], grid, strict=True))
    record = {"every": max(1, steps // MOST_FRAMES)}
    return RunConfig.checked({"title": title, "steps": begun + steps, "grid": sides, "law": law, "record": record, **more}, "")


def _law_of(rule: Rule, where: str, *, bounded: bool = True) -> dict[str, Any]:
    """The table [law] of a rule."""
    if rule.law is None:
        raise ConfigError(f"{where} {rule.text}: {rule.family}; no law of Aetheria runs it yet")
    boundary = rule.grid.boundary if rule.grid is not None and bounded else None
    return {"name": rule.law, **rule.settings, **({"boundary": boundary} if boundary else {})}


def _rule_of(pattern: Pattern, path: Path) -> Rule:
    states = int(pattern.cells.max(initial=0))
    try:
        rule = read_rule(pattern.rule or "B3/S23", path.name)
    except ConfigError as error:
        if states <= 1 or not _LENIA.search(pattern.rule or ""):
            reason = str(error).partition("given; ")[2]
            raise ConfigError(f'{path.name}: made for the rule "{pattern.rule}"; {reason}') from None
        rule = None
    if rule is not None and rule.law is None:
        raise ConfigError(f'{path.name}: made for the rule "{pattern.rule}", {rule.family}; no law of Aetheria runs it yet')
    if rule is None or (not pattern.rule and states > 1):
        raise StateError(
            f"{path.name}: states up to {states}, as of Lenia; first open a run of Lenia (Orbium in the gallery), "
            "then open the pattern"
        )
    most = (law_from_rule(rule.text).states or MOST_STATES) - 1
    if states > most:
        raise StateError(f"{path.name}: states up to {states}; its rule {rule.text} has 0 to {most}")
    return rule


def _has_boundary(rule: Rule) -> bool:
    """Whether the rule's law has the boundary of the rule's bounded grid."""
    try:
        law_from_rule(str(rule))
    except ConfigError:
        return False
    return True
