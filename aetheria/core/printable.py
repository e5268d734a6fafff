"""Text from files and arguments made safe to print: control characters and invisible marks are shown as escapes.

Titles, names and paths come from anybody. Printed as they are, an escape sequence could rename the terminal's window, a newline
could imitate a line of ours, and a bidirectional override could reverse the rest of a line.
"""

import logging
import unicodedata

# Control and format characters, lone surrogates (bytes of a file name that are no text), line and paragraph separators.
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # ordinary letters of Persian and Indian scripts, and parts of emoji


def printable(text: object, keep: str = "") -> str:
    r"""`str(text)` on one line; what a terminal or window would obey or hide is written as in a Python string.

    Args:
        text: anything.
        keep: characters that stay as they are, such as "\n" for a text of several lines.

    >>> print(printable("a\x1b[31mb\n"))
    a\x1b[31mb\n
    """
    text = str(text)
    if text.isprintable():  # the common case; also False for harmless spaces
        return text
    kept = keep + _JOINERS
    return "".join(c if c in kept or unicodedata.category(c) not in _UNSAFE else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "channel"), counted(1200, "channel")
    ('1 channel', '1,200 channels')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


class _PrintableRecords(logging.Filter):
    """Makes the message of each record printable, before any handler, ours or the user's, sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), ()
        return True


_FILTER = _PrintableRecords()


def get_logger(name: str) -> logging.Logger:
    """The logger of that name; its messages are printable."""
    logger = logging.getLogger(name)
    logger.addFilter(_FILTER)
    return logger
