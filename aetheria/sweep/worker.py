"""A living worker: tasks come as lines on standard input, rows go as lines to standard output.

    python -m aetheria.sweep.worker

Starting Python and torch costs seconds, paid once for many points. A worker ends at once when its sweeper does, in the middle
of a run too: its input is closed then.
"""

import os
import queue
import signal
import sys
import threading
from typing import TextIO

READY = "ready"


def main() -> None:
    """Serves tasks until standard input ends."""
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal; the sweeper decides
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a law prints must not mix with the rows
    tasks: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin, tasks), daemon=True).start()
    from aetheria.sweep.point_run import run_task
    from aetheria.sweep.task import Task, rows_to_json

    _reply(replies, READY)
    while True:
        _reply(replies, rows_to_json(run_task(Task.from_json(tasks.get()))))


def _reply(replies: TextIO, line: str) -> None:
    replies.write(line + "\n")
    replies.flush()


def _read(lines: TextIO, tasks: queue.Queue[str]) -> None:
    for line in lines:
        tasks.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
