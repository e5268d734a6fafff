"""Triton kernels in tests: on the device where there is one, else interpreted on the CPU (conftest says so to Triton)."""

import importlib.util
import os
from typing import Any

import pytest

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed", allow_module_level=True)

import numpy as np
import triton.language as tl
from triton.runtime import interpreter

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICES = [
    pytest.param("cpu", marks=pytest.mark.skipif(not INTERPRETED, reason="in this process Triton compiles for the GPU")),
    pytest.param("cuda", marks=pytest.mark.gpu),
]


def mend_index() -> None:
    """Lets the interpreter of Triton 3.6 take the end of a `range` under NumPy 2.4, as that of 3.7 does."""
    plain = interpreter._patch_lang_tensor

    def patched(tensor: Any, scope: Any) -> None:
        plain(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    interpreter._patch_lang_tensor = patched


class OneProgram:
    """Stands in for a kernel of which only one program is interpreted; the rest of the grid is never touched."""

    def __init__(self, kernel: Any, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.kernel, self.number = kernel, number
        self.monkeypatch = monkeypatch

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        (programs,) = grid
        number = self.number % programs

        def program(builder: Any, axis: int) -> Any:
            first = number if axis == 0 else 0
            return interpreter.TensorHandle(np.array([builder.grid_idx[axis] + first], np.int32), tl.int32)

        self.monkeypatch.setattr(interpreter.InterpreterBuilder, "create_get_program_id", program)
        # The tensors are on the CPU: nothing is to be copied there and back.
        self.monkeypatch.setattr(interpreter.GridExecutor, "_restore_args_dev", lambda *_: None)
        return self.kernel[(1,)]


def interpret_one(module: Any, name: str, monkeypatch: pytest.MonkeyPatch, number: int = -1) -> None:
    """Of the kernel of this name only one program is interpreted, by default the last."""
    monkeypatch.setattr(module, name, OneProgram(getattr(module, name), monkeypatch, number))


if INTERPRETED:
    mend_index()
