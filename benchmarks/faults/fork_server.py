"""A server process that has imported everything, and forks a child for each run in milliseconds."""

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
TIMEOUT_S = 60.0  # after which a child counts as hanging


@dataclass(frozen=True)
class ChildResult:
    """The end of a child.

    Attributes:
        code: its exit code, negative for a signal; None if it hung and was killed.
        output: of stdout and stderr.
    """

    code: int | None
    output: str


class ForkServer:
    """Forks children that call a function, one at a time.

        ended = fork_server().run("benchmarks.faults.kills:record", path="run.h5", signals=[(0.1, signal.SIGKILL)])

    Children that are not killed end as processes do, with the exit handlers of Python and HDF5; only the interpreter and
    torch do not clear up: on pages shared with the parent that takes longer than most tasks.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.fork_server"],
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
        timeout_s: float = TIMEOUT_S,
        **arguments: Any,
    ) -> ChildResult:
        """Calls `task` ("module:function") in a child, and waits for its end.

        Args:
            signals: (seconds, signal) to send to the child, from its start; none is sent after its end.
            from_word: the seconds count from the child's first output.
            timeout_s: seconds after which it counts as hanging.
            arguments: of the task, as JSON takes them.
        """
        self.start(task, signals=signals, from_word=from_word, timeout_s=timeout_s, **arguments)
        return self.wait()

    def start(
        self,
        task: str,
        *,
        signals: Sequence[tuple[float, int]] = (),
        from_word: bool = False,
        timeout_s: float = TIMEOUT_S,
        **arguments: Any,
    ) -> None:
        """As `run`, without waiting."""
        assert self._process.stdin is not None
        order = {
            "task": task,
            "signals": list(signals),
            "from_word": from_word,
            "timeout_s": timeout_s,
            "arguments": arguments,
        }
        print(json.dumps(order), file=self._process.stdin, flush=True)

    def wait(self) -> ChildResult:
        """Waits for the end of the started child."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the fork server died with exit code {self._process.wait()}")
        return ChildResult(**json.loads(line))

    def close(self) -> None:
        """Ends the server."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(TIMEOUT_S)


@cache
def fork_server() -> ForkServer:
    """The server of this process, with `writes.c` and `calls.c` preloaded; closed at exit."""
    shared = ForkServer({"LD_PRELOAD": _preloaded()} if sys.platform == "linux" else {})
    atexit.register(shared.close)
    return shared


@cache
def second_fork_server() -> ForkServer:
    """A second server; closed at exit."""
    second = ForkServer()
    atexit.register(second.close)
    return second


def _preloaded() -> str:
    """The libraries to preload, compiled."""
    folder = Path(tempfile.mkdtemp(prefix="preloaded"))
    atexit.register(shutil.rmtree, folder)
    libraries = []
    for name in ("writes", "calls"):
        libraries.append(str(folder / f"{name}.so"))
        source = Path(__file__).with_name(f"{name}.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", libraries[-1], source, "-ldl"], check=True)
    return ":".join(libraries)


def main() -> None:
    """Forks a child for each line of JSON on stdin, and prints its end as JSON."""
    import torch

    torch.set_num_threads(1)
    importlib.import_module("hdf5plugin")
    while line := sys.stdin.readline():
        order = json.loads(line)
        module, _, function = order["task"].partition(":")
        task = getattr(importlib.import_module(module), function)  # imported once, not in each child
        gc.freeze()  # a child that collects garbage would copy every page
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            _redirect(write)
            _run_task(task, order["arguments"])
        os.close(write)
        print(json.dumps(_watch(child, read, order)), flush=True)


def _redirect(output: int) -> None:
    """Gives a child an empty stdin, and `output` as stdout and stderr."""
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(output)


def _run_task(task: Callable[..., object], arguments: dict[str, Any]) -> NoReturn:
    code = 0
    try:
        task(**arguments)
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    except Exception:  # noqa: BLE001 - a child reports any error to its tester
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(importlib.import_module("h5py.h5").__file__).H5close()
    os._exit(code)


def _watch(child: int, pipe: int, order: dict[str, Any]) -> dict[str, Any]:
    """Sends the due signals until the child closes its output, then waits for it: before that its id cannot be reused."""
    began, output, hung = time.monotonic(), b"", False
    last = (order["timeout_s"], signal.SIGKILL)
    due = [last] if order["from_word"] else [*sorted(map(tuple, order["signals"])), last]
    while True:
        left = max(0.0, began + due[0][0] - time.monotonic())
        if select.select([pipe], [], [], left)[0]:
            piece = os.read(pipe, 1 << 16)
            if not piece:
                break
            if order["from_word"] and not output:
                began, due = time.monotonic(), [*sorted(map(tuple, order["signals"])), last]
            output += piece
        else:
            number = due.pop(0)[1]
            os.kill(child, number)
            hung = not due
            if hung:
                break
    os.close(pipe)
    _, status = os.waitpid(child, 0)
    return {"code": None if hung else os.waitstatus_to_exitcode(status), "output": output.decode(errors="replace")}


if __name__ == "__main__":
    main()
