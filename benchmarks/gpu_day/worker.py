"""Measures the entries whose names come on standard input, one a line; answers each with a line of JSON.

An error on a GPU can spoil its process: the parent starts another for the entries that are left.
"""

import json
import sys
import warnings

from benchmarks.gpu_day.entries import TINY, Sizes, entries


def measure(name: str, sizes: Sizes, device: str) -> list[str]:
    """The cells of an entry; of one that fails the reason."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            cells = entries(sizes, device)[name]()
        except Exception as error:  # noqa: BLE001 - the other entries are still to be measured
            return failed(name, f"{type(error).__name__}: {str(error).strip()}")
    remarks = [cells[-1], *dict.fromkeys(str(warning.message).splitlines()[0] for warning in said)]
    return [*cells[:-1], "; ".join(part for part in remarks if part)]


def failed(name: str, reason: str) -> list[str]:
    """A line of the table for an entry without figures."""
    return [name, *[""] * 9, f"FAILED: {reason.splitlines()[0][:200]}" if reason else "FAILED"]


def main() -> None:
    """Answers until the input ends."""
    device, size = sys.argv[1:3]
    sizes = TINY if size == "tiny" else Sizes()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(measure(line.strip(), sizes, device)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
