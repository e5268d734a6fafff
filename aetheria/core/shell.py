"""File names in printed commands."""

import shlex
from pathlib import Path

from aetheria.core.printable import printable


def shell_quoted(path: str | Path) -> str:
    """A file name as an argument of a shell command; what cannot be printed is written as bash and zsh read it.

    >>> shell_quoted("a.h5"), shell_quoted("50% done.h5"), shell_quoted("-a.h5")
    ('a.h5', "'50% done.h5'", './-a.h5')
    """
    name = str(path)
    name = f"./{name}" if name.startswith("-") else name
    if printable(name) == name:
        return shlex.quote(name)
    return "$'" + printable(name.replace("\\", "\\\\").replace("'", "\\'")) + "'"
