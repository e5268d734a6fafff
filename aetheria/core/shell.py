"""File names in printed commands."""

import shlex
from pathlib import Path


def shell_quoted(path: str | Path) -> str:
    """A file name as an argument of a shell command.

    >>> shell_quoted("a.h5"), shell_quoted("50% done.h5"), shell_quoted("-a.h5")
    ('a.h5', "'50% done.h5'", './-a.h5')
    """
    name = str(path)
    return shlex.quote(f"./{name}" if name.startswith("-") else name)
