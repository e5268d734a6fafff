"""The errors that Aetheria raises, as one family: `except AetheriaError` catches them all.

Messages have the form *place: value given; values expected, and the reason*. Each error also derives from the matching
builtin, and carries the exit code of the command line.
"""

from difflib import get_close_matches
from pathlib import Path

from aetheria.core.printable import printable
from aetheria.core.shell import shell_quoted


class AetheriaError(Exception):
    """Root of every error that Aetheria raises on purpose."""

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        """
        Args:
            lines: of the message; nearly always one. Text of files and arguments in them is made printable.
        """
        super().__init__(*map(printable, lines))

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class ConfigError(AetheriaError, ValueError):
    """A setting or argument that cannot be honoured."""

    exit_code = 2


class LawError(AetheriaError, ValueError):
    """A law that does not fit the cells it is asked to step, or breaks while stepping them."""

    exit_code = 2


class StateError(AetheriaError, ValueError):
    """Cells, memory or a saved state of the wrong shape or content, or too large for the device."""

    exit_code = 2


class DivergedError(AetheriaError, ArithmeticError):
    """The cells hold NaN or Inf."""

    exit_code = 4


class FileUnreadableError(AetheriaError, OSError):
    """An input file that is missing, torn or not what it claims to be."""

    exit_code = 5


class RecordingError(AetheriaError, OSError):
    """A recording that cannot be written or read."""

    exit_code = 5


class DamagedRecordingError(RecordingError):
    """A recording that is not as it was written; the message names the command that saves the rest.

    Attributes:
        what: the fault.
    """

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}; `aetheria repair {shell_quoted(path)}` saves what can be read")
        self.what = what


class NoSuchFrameError(AetheriaError, IndexError):
    """An index beyond the frames of a recording."""

    exit_code = 2


class NoSuchFieldError(AetheriaError, KeyError):
    """A name that is none of a frame's fields."""

    exit_code = 2


class DiskFullError(RecordingError):
    """No space is left for the recording; what was committed stays readable."""

    exit_code = 3


def nearest(name: str, known: list[str]) -> str:
    """The tail of an "unknown name" message: the closest known name, then all of them.

    >>> nearest("lief", ["Lenia", "Life"])
    'did you mean Life? (known: Lenia, Life)'
    """
    by_lower = {k.lower(): k for k in known}
    close = get_close_matches(name.lower(), list(by_lower), n=1)
    listing = ", ".join(known)
    return f"did you mean {by_lower[close[0]]}? (known: {listing})" if close else f"known: {listing}"
