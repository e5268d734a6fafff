"""Living workers on this machine, a process each."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from aetheria.sweep.executor import Finished, WorkerError
from aetheria.sweep.task import Task
from aetheria.sweep.worker import READY

COMMAND = (sys.executable, "-P", "-m", "aetheria.sweep.worker")  # -P: no module of the current folder is taken for ours
_MOST_FAILED_STARTS = 3
_END_S = 5.0
_SOURCE = str(Path(__file__).resolve().parents[2])  # of this very package, installed or not


class _Worker:
    """A process, and the task that it has."""

    def __init__(self, command: Sequence[str], events: "queue.Queue[tuple[_Worker, str | None]]", log: IO[bytes]) -> None:
        self.task: Task | None = None
        self.ready = False
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [_SOURCE, os.environ.get("PYTHONPATH", "")]))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C in the terminal is for the sweeper alone
        )
        self._reader = threading.Thread(target=self._read, args=(events,), daemon=True)
        self._reader.start()

    def give(self, task: Task) -> None:
        """Sends a task; a worker that is dead by now is noticed where its output is read."""
        self.task = task
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(task.to_json() + "\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def end(self) -> None:
        """Ends the process; a run in it is given up."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(_END_S)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self, events: "queue.Queue[tuple[_Worker, str | None]]") -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, line))
        events.put((self, None))


class LocalExecutor:
    """Workers on this machine, started when there are tasks for them; one that dies is replaced.

    Attributes:
        slots: number of workers.
    """

    def __init__(self, workers: int, log: Path, command: Sequence[str] = COMMAND) -> None:
        """
        Args:
            workers: number of processes.
            log: file to which they write warnings, and what laws print.
            command: that starts one.
        """
        self.slots, self._command = workers, command
        self._log_path = log
        self._log = log.open("ab")
        self._workers: list[_Worker] = []
        self._waiting: deque[Task] = deque()
        self._events: queue.Queue[tuple[_Worker, str | None]] = queue.Queue()
        self._failed_starts = 0

    @property
    def processes(self) -> list[int]:
        """Process numbers of the workers."""
        return [worker.process.pid for worker in self._workers]

    def submit(self, task: Task) -> None:
        """Gives the task to an idle worker, or to the next that is."""
        self._waiting.append(task)
        self._hand_out()

    def finished(self, timeout: float) -> list[Finished]:
        """As `Executor.finished`. Raises WorkerError where no worker can be started."""
        ended: list[Finished] = []
        try:
            event = self._events.get(timeout=timeout)
            while True:
                ended += self._ended(*event)
                event = self._events.get_nowait()
        except queue.Empty:
            self._hand_out()
            return ended

    def close(self) -> None:
        """Ends all workers."""
        for worker in self._workers:
            if worker.process.stdin is not None and worker.task is not None:
                worker.process.kill()  # in the middle of a run
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._log.close()

    def _hand_out(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.task is None:
                worker.give(self._waiting.popleft())
        while self._waiting and len(self._workers) < self.slots:
            worker = _Worker(self._command, self._events, self._log)
            self._workers.append(worker)
            worker.give(self._waiting.popleft())

    def _ended(self, worker: _Worker, line: str | None) -> list[Finished]:
        if line is None:
            return self._died(worker)
        if line.strip() == READY:
            worker.ready, self._failed_starts = True, 0
            return []
        if not line.endswith("\n"):  # it died while it wrote
            return []
        task, worker.task = worker.task, None
        return [Finished(task.number, json.loads(line))] if task else []

    def _died(self, worker: _Worker) -> list[Finished]:
        worker.end()
        self._workers.remove(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                raise WorkerError(f"no worker can be started ({_ending(worker)}); {self._log_path} has their messages")
        return [Finished(worker.task.number, None, _ending(worker))] if worker.task else []


def _ending(worker: _Worker) -> str:
    code = worker.process.returncode
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
