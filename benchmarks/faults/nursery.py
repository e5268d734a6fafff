"""A process that has imported everything and forks a child for each run: a kill costs milliseconds, not an import."""

import atexit
import ctypes
import gc
import importlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0  # after which a child counts as hanging


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        code: its exit code, negative for a signal; None: it hung, and was killed.
        said: what it wrote to stdout and stderr.
    """

    code: int | None
    said: str


class Nursery:
    """Forks children that call a function, one at a time.

        ended = nursery().run("benchmarks.faults.kills:record", path="run.h5", signals=[(0.1, signal.SIGKILL)])

    Children that are not killed end as processes do, with the exit handlers of Python and HDF5; only the interpreter and
    torch do not clear up: on pages shared with the parent that takes longer than most tasks.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        )

    def run(
        self,
        task: str,
        *,
        signals: Sequence[tuple[float, int]] = (),
        from_word: bool = False,
        patience_s: float = PATIENCE_S,
        **arguments: Any,
    ) -> Ended:
        """Calls `task` ("module:function") in a child, and waits for its end.

        Args:
            signals: to send to the child, each with the seconds from its start; none is sent once it has ended.
            from_word: the seconds count from the first that the child says.
            patience_s: seconds after which it counts as hanging.
            arguments: of the task, as JSON takes them.
        """
        self.start(task, signals=signals, from_word=from_word, patience_s=patience_s, **arguments)
        return self.wait()

    def start(
        self,
        task: str,
        *,
        signals: Sequence[tuple[float, int]] = (),
        from_word: bool = False,
        patience_s: float = PATIENCE_S,
        **arguments: Any,
    ) -> None:
        """As `run`, without waiting."""
        assert self._process.stdin is not None
        order = {
            "task": task,
            "signals": list(signals),
            "from_word": from_word,
            "patience_s": patience_s,
            "arguments": arguments,
        }
        print(json.dumps(order), file=self._process.stdin, flush=True)

    def wait(self) -> Ended:
        """Waits for the end of the child that was started."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the nursery died with exit code {self._process.wait()}")
        return Ended(**json.loads(line))

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(PATIENCE_S)


@cache
def nursery() -> Nursery:
    """One for all faults of a process, with `writes.c` preloaded; closed at exit."""
    shared = Nursery({"LD_PRELOAD": str(_preloaded())} if sys.platform == "linux" else {})
    atexit.register(shared.close)
    return shared


@cache
def second_nursery() -> Nursery:
    """A second one, beside the first; closed at exit."""
    second = Nursery()
    atexit.register(second.close)
    return second


def _preloaded() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="writes"))
    atexit.register(shutil.rmtree, folder)
    library = folder / "writes.so"
    source = Path(__file__).with_name("writes.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def main() -> None:
    """Forks a child for each line of JSON on stdin, and answers with how it ended."""
    import torch

    torch.set_num_threads(1)
    importlib.import_module("hdf5plugin")
    while line := sys.stdin.readline():
        order = json.loads(line)
        module, _, function = order["task"].partition(":")
        task = getattr(importlib.import_module(module), function)  # here, once, and not in each child
        gc.freeze()  # a child that collects garbage would copy every page
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            _settle(write)
            _live(task, order["arguments"])
        os.close(write)
        print(json.dumps(_watch(child, read, order)), flush=True)


def _settle(output: int) -> None:
    """Gives a child an empty stdin, and `output` as stdout and stderr."""
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(output)


def _live(task: Callable[..., object], arguments: dict[str, Any]) -> NoReturn:
    code = 0
    try:
        task(**arguments)
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    except Exception:  # noqa: BLE001 - a child tells its tester, whatever it is
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(importlib.import_module("h5py.h5").__file__).H5close()
    os._exit(code)


def _watch(child: int, output: int, order: dict[str, Any]) -> dict[str, Any]:
    """Sends the signals that are due until the child closes its output; only here is it waited for, so its id stays its own."""
    began, said, hung = time.monotonic(), b"", False
    last = (order["patience_s"], signal.SIGKILL)
    due = [last] if order["from_word"] else [*sorted(map(tuple, order["signals"])), last]
    while True:
        left = max(0.0, began + due[0][0] - time.monotonic())
        if select.select([output], [], [], left)[0]:
            piece = os.read(output, 1 << 16)
            if not piece:
                break
            if order["from_word"] and not said:
                began, due = time.monotonic(), [*sorted(map(tuple, order["signals"])), last]
            said += piece
        else:
            number = due.pop(0)[1]
            os.kill(child, number)
            hung = not due
            if hung:
                break
    os.close(output)
    _, status = os.waitpid(child, 0)
    return {"code": None if hung else os.waitstatus_to_exitcode(status), "said": said.decode(errors="replace")}


if __name__ == "__main__":
    main()
