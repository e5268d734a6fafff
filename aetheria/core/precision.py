"""Precisions of stepping, and the process-wide switches of torch that they need."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

Precision = Literal["fp32", "tf32", "bf16", "fp64"]


@dataclass(frozen=True)
class Numerics:
    """How CUDA computes.

    Attributes:
        tf32: matrix products and convolutions of float32 in TF32.
        deterministic: cuDNN's deterministic algorithms; otherwise the fastest, found by trying.
    """

    tf32: bool
    deterministic: bool


@contextmanager
def numerics(wanted: Numerics) -> Iterator[None]:
    """Sets the switches inside the block, for all threads of the process, and restores them after the last such block.

    Blocks of several threads run at the same time if they want the same, else one after the other. A block inside another of
    the same thread interrupts it: the outer one's switches are set again at its end.
    """
    outer: Numerics | None = getattr(_LOCAL, "wanted", None)
    if outer == wanted:
        yield
        return
    try:
        _SWITCHES.hold(wanted)
        _LOCAL.wanted = wanted
        yield
    finally:
        _LOCAL.wanted = outer
        _SWITCHES.hold(outer)


class _Switches:
    """The switches, held by any number of threads that want the same; a thread that wants others waits, and holds none."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._threads: set[int] = set()
        self._held: Numerics | None = None
        self._before: _Values | None = None

    def hold(self, wanted: Numerics | None) -> None:
        """Gives back what this thread holds, then waits for others' to be given back; None to hold nothing."""
        me = threading.get_ident()
        with self._changed:
            self._threads.discard(me)
            if not self._threads and self._before is not None:
                _write(self._before)
                self._before = self._held = None
                self._changed.notify_all()
            if wanted is None:
                return
            self._changed.wait_for(lambda: self._held in (None, wanted))
            if self._before is None:
                self._before, self._held = _read(), wanted
                _set(wanted, self._before)
            self._threads.add(me)


_LOCAL = threading.local()  # wanted: by the innermost block of this thread
_SWITCHES = _Switches()


@dataclass(frozen=True)
class _Values:
    """The values of the switches.

    torch has two sets for TF32, and asking the older one raises where the newer one contradicts it. Laws, compilers and
    libraries ask both, so both are set, and what contradicts them on the CPU too.

    Attributes:
        newer: of `_newer`, in its order; "none" inherits from that of the whole backend.
        matmul, cudnn: of the older ones; as torch starts where only the newer ones were used.
        benchmark, deterministic: of cuDNN.
    """

    newer: tuple[str, ...]
    matmul: str
    cudnn: bool
    benchmark: bool
    deterministic: bool


def _newer() -> tuple[tuple[Any, Any], ...]:
    """Newer switches, each with that of its whole backend."""
    backends: Any = torch.backends  # torch's stubs do not know all of these
    cuda, cpu = backends.cudnn, backends.mkldnn
    return (backends.cuda.matmul, cuda), (cuda.conv, cuda), (cuda.rnn, cuda), (cpu.matmul, cpu)


def _read() -> _Values:
    cudnn, pairs = torch.backends.cudnn, ((one.fp32_precision, whole.fp32_precision) for one, whole in _newer())
    newer = tuple("none" if precision == inherited else precision for precision, inherited in pairs)
    try:
        matmul = torch.get_float32_matmul_precision()
    except RuntimeError:
        matmul = "highest"
    try:
        convolutions = cudnn.allow_tf32
    except RuntimeError:
        convolutions = True
    return _Values(newer, matmul, convolutions, cudnn.benchmark, cudnn.deterministic)


def _write(values: _Values) -> None:
    cudnn = torch.backends.cudnn
    if values.matmul == "medium":
        torch.set_float32_matmul_precision("medium")
    else:  # leaves the CPU as it is
        torch.backends.cuda.matmul.allow_tf32 = values.matmul == "high"
    cudnn.allow_tf32 = values.cudnn
    for (switch, _), precision in zip(_newer(), values.newer, strict=True):
        switch.fp32_precision = precision
    cudnn.benchmark, cudnn.deterministic = values.benchmark, values.deterministic


def _set(wanted: Numerics, before: _Values) -> None:
    precision, cpu = "tf32" if wanted.tf32 else "ieee", _newer()[-1][0].fp32_precision
    matmul = "medium" if wanted.tf32 and cpu == "bf16" else "high" if wanted.tf32 else "highest"
    contradicts = cpu in ("tf32", "bf16") and not wanted.tf32
    newer = (precision, precision, precision, "ieee" if contradicts else before.newer[-1])
    _write(_Values(newer, matmul, wanted.tf32, not wanted.deterministic, wanted.deterministic))
