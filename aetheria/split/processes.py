"""The processes of a split grid: one leads, by commands that the others follow; a failure of one ends all."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import distributed_c10d

from aetheria.core import errors
from aetheria.core.errors import AetheriaError
from aetheria.core.printable import get_logger
from aetheria.split.keepalive import kept_alive
from aetheria.split.mesh import Mesh

log = get_logger(__name__)
_HEADER = 512  # bytes of a command's first message; most commands fit
_LONG = timedelta(days=30)  # a leader may stand still for as long; a lost process is noticed by its closed connections
_WAIT_S = 2.0  # for the word of a process that failed, after its connections were closed
_FAILURE, _TOLD = "aetheria/failure", "aetheria/told"  # keys of the store that all processes share

Result = TypeVar("Result")


class ProcessLostError(AetheriaError, RuntimeError):
    """A process of a split grid failed or was killed, and the others end with it.

    Attributes:
        exit_code: of the process that failed; 7 where it left no word.
    """

    exit_code = 7


class Processes:
    """All processes of a mesh; rank 0 sends commands, the others carry them out in the same order.

    Attributes:
        mesh: of the processes.
        device: of this process.
        group: for exchanges, on the device.
        ended: no more commands come.
    """

    def __init__(self, mesh: Mesh, device: torch.device) -> None:
        self.mesh, self.device = mesh, device
        self.ended = False
        with lost_processes_named(), kept_alive():
            self.group: dist.ProcessGroup = dist.new_group()
            self._commands: dist.ProcessGroup = dist.new_group(backend="gloo", timeout=_LONG)
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._lock = threading.RLock()  # of the leader, whose threads may give commands
        self._depth = threading.local()
        self._shared: Any = None  # result of the leader's call

    @property
    def leads(self) -> bool:
        """Whether this process gives the commands."""
        return self.mesh.leads

    def on(self, name: str, handler: Callable[..., Any]) -> None:
        """Sets what a command does in this process. An exception in it ends all processes."""
        self._handlers[name] = handler

    def command(self, name: str, *values: Any) -> Any:
        """On the leader: carries a command out in all processes; returns the leader's result.

        Args:
            values: of JSON.
        """
        with self._lock, self._failing():
            if self.ended:
                raise ProcessLostError("split: this motor was closed, or one of its processes was lost")
            self._send([name, *values])
            return self._handlers[name](*values)

    def follow(self, until: str) -> Any:
        """On the others: carries out commands until the leader has made the call `until`, or has ended; returns its result.

        Raises:
            AetheriaError: the leader's call raised it. ProcessLostError: another process failed or was killed.
        """
        with self._failing():
            while not self.ended:
                name, *values = self._receive()
                if name == "close":
                    self._part()
                elif name != "end":
                    self._handlers[name](*values)
                elif self._is_end(until, *values):
                    break
            else:
                return None
        _, result, error, shared = values
        if error is not None:
            raise _error_of(*error)
        return self._shared if shared else result

    def lead(self, name: str, call: Callable[[], Result]) -> Result:
        """On the leader: makes a public call, and tells the others its end, with its result or error."""
        depth = getattr(self._depth, "calls", 0)
        self._depth.calls = depth + 1
        result: Any = None
        error: list[str] | None = None
        try:
            result = call()
        except AetheriaError as failure:
            error = [type(failure).__name__, str(failure)]
            raise
        finally:
            self._depth.calls = depth
            if depth == 0 and not self.ended:
                with self._lock, self._failing():
                    self._end(name, result, error)
        return cast("Result", result)

    def _end(self, name: str, result: Any, error: list[str] | None) -> None:
        tensors = _tensors_of(result)
        plain = result if isinstance(result, int | float | str) else None
        self._send(["end", name, plain, error, bool(tensors)])
        if tensors and self.agree(0):
            self._send([[list(tensor.shape), str(tensor.dtype).removeprefix("torch.")] for tensor in tensors])
            for tensor in tensors:
                self.broadcast(tensor.contiguous())

    def _is_end(self, until: str, name: str, _: Any, error: Any, shared: bool) -> bool:
        """Whether a call that ended is the one waited for; its tensors are received if any process wants them."""
        here = name == until
        if shared and self.agree(int(here and error is None)):
            device = self.device
            tensors = [torch.empty(shape, dtype=getattr(torch, kind), device=device) for shape, kind in self._receive()]
            for tensor in tensors:
                self.broadcast(tensor)
            self._shared = tuple(tensors) if name == "memory" else tensors[0]
        return here

    def fail(self, error: BaseException) -> None:
        """Ends all processes because of an error in this one; the leader's own errors end the others in order."""
        if not self.leads and not self.ended:
            self.ended = True
            _post(self.mesh.rank, error)
            self._leave()

    def close(self) -> None:
        """On the leader: tells the others that no more commands come."""
        with self._lock:
            if not self.ended:
                with suppress(ProcessLostError), self._failing():
                    self._send(["close"])
                    self._part()

    def agree(self, value: int, *, least: bool = False) -> int:
        """The largest (or least) of the values that all processes give."""
        agreed = torch.tensor(value)
        dist.all_reduce(agreed, dist.ReduceOp.MIN if least else dist.ReduceOp.MAX, self._commands)
        return int(agreed)

    def chosen(self, value: int) -> int:
        """The number that the leader gives, on every process."""
        number = torch.tensor(value)
        dist.broadcast(number, self.mesh.leader, self._commands)
        return int(number)

    def gathered(self, value: bytes) -> list[bytes]:
        """The values that all processes give, in the order of the mesh; of one length."""
        own = torch.frombuffer(bytearray(value), dtype=torch.uint8)
        found = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(found, own, self._commands)
        return [found[rank].numpy().tobytes() for rank in self.mesh.ranks]

    def broadcast(self, tensor: Tensor) -> None:
        """Fills a tensor on every process with that of the leader, in place."""
        dist.broadcast(tensor, self.mesh.leader, self.group)

    # -- messages --------------------------------------------------------------------------------------------------

    def _send(self, command: list[Any]) -> None:
        data = json.dumps(command).encode()
        framed = len(data).to_bytes(8, "little") + data
        first = torch.zeros(_HEADER, dtype=torch.uint8)
        head = framed[:_HEADER]
        first[: len(head)] = torch.frombuffer(bytearray(head), dtype=torch.uint8)
        dist.broadcast(first, self.mesh.leader, self._commands)
        if rest := framed[_HEADER:]:
            dist.broadcast(torch.frombuffer(bytearray(rest), dtype=torch.uint8), self.mesh.leader, self._commands)

    def _receive(self) -> list[Any]:
        first = torch.zeros(_HEADER, dtype=torch.uint8)
        dist.broadcast(first, self.mesh.leader, self._commands)
        framed = first.numpy().tobytes()
        length = int.from_bytes(framed[:8], "little")
        if (left := length - (_HEADER - 8)) > 0:
            rest = torch.zeros(left, dtype=torch.uint8)
            dist.broadcast(rest, self.mesh.leader, self._commands)
            framed += rest.numpy().tobytes()
        command: list[Any] = json.loads(framed[8 : 8 + length])
        return command

    # -- failures --------------------------------------------------------------------------------------------------

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """An exception in the block ends all processes: this one leaves a message and closes its connections."""
        if self.ended and not self.leads:
            raise ProcessLostError("split: the leading process has closed this motor")
        try:
            yield
        except ProcessLostError:
            raise
        except BaseException as error:
            self.ended = True
            lost = _cause() if _is_connection(error) else None
            if lost is None:
                _post(self.mesh.rank, error)
            self._leave()
            if lost is not None:
                log.info("rank %d lost a connection: %s", self.mesh.rank, error)
                raise lost from error
            raise

    def _part(self) -> None:
        """Ends in order: connections are closed when all processes have come here."""
        self.agree(0)
        self.ended = True
        self._leave(at_once=False)

    def _leave(self, *, at_once: bool = True) -> None:
        """Closes the connections; at once, so that the other processes notice, or after what was sent has arrived."""
        for group in (self._commands, self.group):
            if at_once:
                with suppress(Exception):
                    group.abort()
            with suppress(Exception):
                dist.destroy_process_group(group)


def _is_connection(error: BaseException) -> bool:
    """Whether an error is of torch.distributed: another process has gone."""
    if isinstance(error, dist.DistError):
        return True
    text = str(error)
    words = ("onnection", "Broken pipe", "gloo", "NCCL", "Socket", "socket", "timed out", "Timed out", "peer")
    return isinstance(error, RuntimeError) and not isinstance(error, AetheriaError) and any(word in text for word in words)


def _tensors_of(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return list(result) if isinstance(result, tuple) and all(isinstance(one, Tensor) for one in result) else []


def _error_of(kind: str, message: str) -> AetheriaError:
    found = getattr(errors, kind, AetheriaError)
    try:
        error: AetheriaError = found(*message.split("\n"))
    except TypeError:
        error = AetheriaError(message)
    return error


def _cause() -> ProcessLostError:
    """The failure of another process that closed its connections."""
    word = _word()
    if word is None:
        return ProcessLostError(
            "split: a process was lost (killed, or its machine or network failed), and all end with it; "
            "--resume goes on from the newest checkpoint"
        )
    lost = ProcessLostError(f"rank {word['rank']}: {word['message']}")
    lost.exit_code = word["exit_code"]
    return lost


def _store() -> Any:
    return distributed_c10d._get_default_store()


def _post(rank: int, error: BaseException) -> None:
    """Leaves word of a failure for the other processes; the first word stays."""
    text = str(error) or type(error).__name__
    message = text if isinstance(error, AetheriaError) else f"{type(error).__name__}: {text}"
    word = {"rank": rank, "message": message, "exit_code": getattr(error, "exit_code", 1)}
    with suppress(Exception):
        _store().compare_set(_FAILURE, "", json.dumps(word))


def _word() -> dict[str, Any] | None:
    """The word of the process that failed; None if it left none, or if the store is gone with the process that held it."""
    until = time.monotonic() + _WAIT_S
    with suppress(Exception):
        while time.monotonic() < until:
            if _store().check([_FAILURE]):
                word: dict[str, Any] = json.loads(_store().get(_FAILURE))
                return word
            time.sleep(0.05)
    return None


@contextmanager
def lost_processes_named() -> Iterator[None]:
    """Before there is a motor: raises ProcessLostError for a process that has gone."""
    try:
        yield
    except RuntimeError as error:
        if not _is_connection(error):
            raise
        raise _cause() from error


def first_to_tell(error: BaseException) -> bool:
    """Leaves word of an error; says whether this process is the first of its run to report one: one message is enough."""
    if not isinstance(error, ProcessLostError):
        _post(dist.get_rank() if dist.is_initialized() else 0, error)
    if not dist.is_available() or not dist.is_initialized():
        return True
    try:
        store = _store()
        first = int(store.add(_TOLD, 1)) == 1
        if _holds_store():
            _wait_for_all(store)
    except Exception:  # noqa: BLE001 - the store is gone with the process that held it
        return True
    return first


def _holds_store() -> bool:
    """Whether the store is this process's, and ends with it: without torchrun, which has one of its own."""
    return dist.get_rank() == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"


def _wait_for_all(store: Any) -> None:
    """Closes all connections, so that the other processes notice, and waits until they have read why, for two seconds."""
    count, until = dist.get_world_size(), time.monotonic() + _WAIT_S
    dist.destroy_process_group()
    while int(store.add(_TOLD, 0)) < count and time.monotonic() < until:
        time.sleep(0.02)
