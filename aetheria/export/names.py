"""Names of exported fields. A recording may come from anybody, and name a field as it likes."""

import re

from aetheria.core.printable import get_logger
from aetheria.recording import Recording
from aetheria.recording.header import NOT_FIELDS

log = get_logger(__name__)
_MOST_BYTES = 64
# Arguments of `numpy.savez`, and the entry that holds the metadata; then the names of times and axes.
_TAKEN = {"file", "allow_pickle", "args", "kwds", "metadata", *NOT_FIELDS}


def exported_names(recording: Recording) -> dict[str, str]:
    """The names under which a recording's fields and observables are exported, by their own names.

    A name that a format, a file system or a program's arguments would not take is changed, with a warning. All names differ,
    also where capital letters do not count.
    """
    own = (*recording.fields, *recording.observables)
    names: dict[str, str] = {}
    used = set(_TAKEN)
    for name in sorted(own, key=lambda name: not _is_plain(name)):  # plain names first, which they keep
        wanted = name if _is_plain(name) else _cleaned(name)
        found, number = wanted, 2
        while found.casefold() in used:
            found, number = f"{wanted}_{number}", number + 1
        used.add(found.casefold())
        names[name] = found
        if found != name:
            log.warning("%s: field %r is exported as %s", recording.path, name[:_MOST_BYTES], found)
    return {name: names[name] for name in own}


def _is_plain(name: str) -> bool:
    return name.isidentifier() and len(name.encode()) <= _MOST_BYTES


def _cleaned(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:_MOST_BYTES] or "field"
