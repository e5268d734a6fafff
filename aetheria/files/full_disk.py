"""Recognises a full disk or an exhausted quota in whatever was raised."""

import errno
import os
import re
from collections.abc import Iterator

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NUMBER = re.compile(r"\b(?:errno|os error)[ =:]*(\d+)", re.IGNORECASE)  # as HDF5 and the libraries in Rust write it


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception, or one that led to it, is that of a full disk.

    By its number; or by the number or the system's own words in the text of a library.
    """
    for one in _chain(error, set()):
        if isinstance(one, OSError) and one.errno in _FULL:
            return True
        text = str(one)
        if any(int(number) in _FULL for number in _NUMBER.findall(text)) or any(
            os.strerror(number) in text for number in _FULL
        ):
            return True
    return False


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        yield from _chain(other, seen)
