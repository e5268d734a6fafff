"""`Rule`: the meaning of a rule text; and the registry of notations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aetheria.laws.rules.bounded_grid import BoundedGrid


@dataclass(frozen=True)
class Rule:
    """The meaning of a rule text. Equal for the same rule in any notation, on the same bounded grid.

    Attributes:
        family: name of its family, as in "Life-like".
        text: the rule in the family's canonical notation, without the bounded grid.
        law: name of the registered law that runs it; None where Aetheria has none yet.
        settings: the law's parameters for this rule.
        grid: the bounded grid of the suffix, or None.
    """

    family: str
    text: str
    law: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    grid: BoundedGrid | None = None

    def __str__(self) -> str:
        return self.text if self.grid is None else f"{self.text}:{self.grid.suffix}"


Reader = Callable[[str], Rule | None]


@dataclass(frozen=True)
class Notation:
    """The notation of one family of rules.

    Attributes:
        family: its name.
        examples: texts that it reads, the canonical one first.
        read: see `notation`.
    """

    family: str
    examples: tuple[str, ...]
    read: Reader


NOTATIONS: dict[str, Notation] = {}  # by family


def notation(family: str, *examples: str) -> Callable[[Reader], Reader]:
    """Decorator: enters the reader of a family's rule texts into `NOTATIONS`.

    The reader takes a text without spaces and without suffix, in the writer's case, and returns the rule, or None where the
    text is no rule of this family. It raises ValueError, with the part at fault, for a text that can only be a broken rule of
    this family. The notations must not overlap: a text is read by the first family that knows it.

    Args:
        family: name of the family.
        examples: texts that it reads, the canonical one first; they are shown to users and tried by the tests.
    """

    def register(read: Reader) -> Reader:
        NOTATIONS[family] = Notation(family, examples, read)
        return read

    return register
