"""Triton kernels in tests: on the device where there is one, else interpreted on the CPU (conftest says so to Triton)."""

import importlib.util
import os
from typing import Any

import pytest

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed", allow_module_level=True)

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


if INTERPRETED:
    mend_index()
