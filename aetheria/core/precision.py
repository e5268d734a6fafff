"""Precisions of stepping, and the process-wide switches of torch that they need."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

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


class _Switches:
    """The switches, held by any number of threads that ask for the same ones; a thread that asks for others waits."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._held: list[Numerics] = []
        self._before: tuple[str, str, bool, bool] = ("none", "none", False, False)

    def hold(self, wanted: Numerics) -> None:
        with self._free:
            self._free.wait_for(lambda: not self._held or self._held[0] == wanted)
            if not self._held:
                self._before = _read()
                precision = "tf32" if wanted.tf32 else "ieee"
                _write((precision, precision, not wanted.deterministic, wanted.deterministic))
            self._held.append(wanted)

    def release(self) -> None:
        with self._free:
            self._held.pop()
            if not self._held:
                _write(self._before)
                self._free.notify_all()


_SWITCHES = _Switches()


@contextmanager
def numerics(wanted: Numerics) -> Iterator[None]:
    """Sets the switches inside the block, for all threads of the process, and restores them after the last such block."""
    _SWITCHES.hold(wanted)
    try:
        yield
    finally:
        _SWITCHES.release()


def _read() -> tuple[str, str, bool, bool]:
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    conv = cudnn.conv  # type: ignore[attr-defined]  # unknown to torch's stubs
    return cuda.matmul.fp32_precision, conv.fp32_precision, cudnn.benchmark, cudnn.deterministic


def _write(values: tuple[str, str, bool, bool]) -> None:
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    conv = cudnn.conv  # type: ignore[attr-defined]  # unknown to torch's stubs
    cuda.matmul.fp32_precision, conv.fp32_precision, cudnn.benchmark, cudnn.deterministic = values
