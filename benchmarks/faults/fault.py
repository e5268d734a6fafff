"""What a fault is, and what came of making it happen."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What came of a fault that was made to happen.

    Attributes:
        runs: how often it was.
        wrong: a line for each time that what must come of it did not.
        found: figures for people.
    """

    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    found: str = ""


@dataclass(frozen=True)
class Fault:
    """Something that may happen to a run.

    Attributes:
        what, target: for the table: what happens, and what must come of it.
        inflict: makes it happen so often.
        few, many: how often, in the tests and in `make soak`.
    """

    what: str
    target: str
    inflict: Callable[[int], Outcome]
    few: int
    many: int
